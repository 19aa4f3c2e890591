"""Commands that keep prompt templates as files: pull, push."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from aiapp.processes import entering
from aiapp.processes.children import ProcessError
from aiapp.processes.failures import WrongUse

if TYPE_CHECKING:
    from aiapp.prompt_files.plans import Plan, Step

_MARKS = {"create": "+", "change": "~", "unchanged": "=", "left out": "-", "refused": "!"}


@click.group("prompt-templates")
def prompt_templates() -> None:
    """Keep prompt templates as files, in git for example."""


@prompt_templates.command("pull")
@click.argument("folder", metavar="DIR", type=click.Path(file_okay=False, path_type=Path))
@entering.workspace
@entering.user
@click.option("--slug", "slugs", multiple=True, metavar="SLUG", help="Only this prompt template; may be repeated.")
@click.option("--delete", is_flag=True, help="Remove files of prompt templates that the workspace does not have.")
def pull(folder: Path, slug: str | None, email: str | None, slugs: tuple[str, ...], delete: bool) -> None:
    """Write each prompt template that is not archived to DIR: its published version, else the newest of its main line."""
    if slugs and delete:
        raise WrongUse("--slug and --delete do not go together: it would remove all others")
    from aiapp import create_app
    from aiapp.prompt_files import actions, folders
    from aiapp.prompt_files.found import Refused

    with create_app().app_context():
        access = entering.enter(slug, email, "viewer")
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
@entering.workspace
@entering.user
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
        access = entering.enter(slug, email, "editor")
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


COMMANDS: tuple[click.Command, ...] = (prompt_templates,)
