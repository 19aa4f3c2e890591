"""Commands that keep prompt templates as files: pull, push."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from aiapp.processes.children import ProcessError
from aiapp.processes.failures import WrongUse

if TYPE_CHECKING:
    from aiapp.prompt_files.plans import Plan, Step
    from aiapp.workspaces.access import Access

_MARKS = {"create": "+", "change": "~", "unchanged": "=", "left out": "-", "refused": "!"}
_workspace = click.option("--workspace", "slug", metavar="SLUG", help="Default: the only workspace there is.")
_user = click.option("--user", "email", metavar="EMAIL", help="Whose deed it is: a member. Default: the owner.")


@click.group("prompt-templates")
def prompt_templates() -> None:
    """Keep prompt templates as files, in git for example."""


@prompt_templates.command("pull")
@click.argument("folder", metavar="DIR", type=click.Path(file_okay=False, path_type=Path))
@_workspace
@_user
@click.option("--slug", "slugs", multiple=True, metavar="SLUG", help="Only this prompt template; may be repeated.")
@click.option("--delete", is_flag=True, help="Remove files of prompt templates that the workspace does not have.")
def pull(folder: Path, slug: str | None, email: str | None, slugs: tuple[str, ...], delete: bool) -> None:
    """Write each prompt template that is not archived to DIR: its published version, else its newest."""
    if slugs and delete:
        raise WrongUse("--slug and --delete do not go together: it would remove all others")
    from aiapp import create_app
    from aiapp.prompt_files import actions, folders
    from aiapp.prompt_files.found import Refused

    with create_app().app_context():
        access = _enter(slug, email, "viewer")
        wanted = actions.documents_of(access, slugs)
        try:
            pulled = folders.write(folder, wanted, delete=delete)
        except (Refused, OSError) as error:
            raise ProcessError(str(error)) from error
        actions.note_export(access, len(wanted), "command line")
    for mark, names in (("~", pulled.written), ("-", pulled.deleted)):
        for name in names:
            click.echo(f"{mark} {name}")
    click.echo(f"{len(pulled.written)} written, {len(pulled.unchanged)} unchanged, {len(pulled.deleted)} deleted")


@prompt_templates.command("push")
@click.argument("folder", metavar="DIR", type=click.Path(file_okay=False, exists=True, path_type=Path))
@_workspace
@_user
@click.option("--yes", is_flag=True, help="Do not ask.")
@click.option("--publish", is_flag=True, help="Publish what is new, too; else it is a draft.")
@click.option("--message", default="", help="What changed, for the history.")
def push(folder: Path, slug: str | None, email: str | None, yes: bool, publish: bool, message: str) -> None:
    """Bring the files of DIR into a workspace: show what would change, ask, then do all of it or nothing."""
    from aiapp import create_app
    from aiapp.extensions import db
    from aiapp.prompt_files import actions, folders, plans
    from aiapp.prompt_files.found import Refused

    with create_app().app_context():
        access = _enter(slug, email, "editor")
        try:
            found = folders.read(folder)
        except (Refused, OSError) as error:
            raise ProcessError(str(error)) from error
        plan = plans.plan(access, found, publish=publish)
        _show(plan)
        if plan.refused:
            raise ProcessError("nothing was changed: some files cannot be read")
        if not plan.work:
            return
        if not yes:
            db.session.rollback()  # nobody waits for the database while somebody thinks
            click.confirm(f"Change {access.workspace.slug} as {access.user.email}?", abort=True)
            shown, plan = plan.digest, plans.plan(access, found, publish=publish)
            if plan.digest != shown:
                raise ProcessError("somebody has changed something meanwhile: look again")
        click.echo(f"{actions.carry_out(access, plan, message, through='command line')} done")


def _show(plan: Plan) -> None:
    for step in plan.steps:
        click.echo(f"{_MARKS[step.action]} {step.slug or step.source}{_words(step)}")
    click.echo(plan.summary())


def _words(step: Step) -> str:
    said = "; ".join((*step.what, *step.problems, *step.notes))
    return f": {said}" if said else ""


def _enter(slug: str | None, email: str | None, role: str) -> Access:
    """Return the access of a member, else of the owner. Raises NotFound, Denied, WrongUse."""
    import sqlalchemy as sa

    from aiapp.errors import NotFound
    from aiapp.extensions import db
    from aiapp.workspaces.access import Access
    from aiapp.workspaces.models import Membership, Workspace

    slugs = db.session.scalars(sa.select(Workspace.slug).order_by(Workspace.slug).limit(20)).all()
    if slug is None and len(slugs) != 1:
        raise WrongUse("name a workspace with --workspace: " + (", ".join(slugs) or "there is none yet"))
    query = sa.select(Membership).join(Membership.workspace).join(Membership.user)
    query = query.where(Workspace.slug == (slug or slugs[0])).order_by(Membership.id)
    members = db.session.scalars(query).all()
    if not members:
        raise NotFound(f"there is no workspace {slug}")
    wanted = email.strip().lower() if email else None
    member = next(
        (one for one in members if (one.user.email == wanted if wanted else one.role == "owner")),
        None,
    )
    if member is None:
        raise NotFound(f"{email} is not a member of the workspace {slug or slugs[0]}")
    access = Access(member.workspace, member.user, member.role)
    access.demand(role)
    return access


COMMANDS: tuple[click.Command, ...] = (prompt_templates,)
