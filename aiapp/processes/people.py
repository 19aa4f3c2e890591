"""Commands about people: users, workspaces, tokens."""

from __future__ import annotations

import sys

import click


@click.group()
def user() -> None:
    """Make accounts and reset links."""


@user.command("create")
@click.argument("email")
@click.option("--name", default="", help="The name that others see.")
@click.option("--password-stdin", is_flag=True, help="Read the password from standard input.")
@click.option("--admin", is_flag=True, help="A system administrator.")
def create_user(email: str, name: str, password_stdin: bool, admin: bool) -> None:
    """Make an account; without a password, print the link that sets one."""
    from aiapp import create_app
    from aiapp.accounts import actions

    password = sys.stdin.readline().rstrip("\r\n") if password_stdin else None
    with create_app().app_context():
        made = actions.create_user(email, name, password, is_admin=admin)
        click.echo(f"{made.email} has an account", err=True)
        if password is None:
            _print_link(made.email)


@user.command("reset")
@click.argument("email")
def reset_user(email: str) -> None:
    """Print a link that sets a new password: it works once, for an hour."""
    from aiapp import create_app

    with create_app().app_context():
        _print_link(email)


def _print_link(email: str) -> None:
    from aiapp.accounts import actions
    from aiapp.errors import NotFound
    from aiapp.extensions import settings

    secret = actions.start_reset(email)
    if secret is None:
        raise NotFound(f"nobody with the address {email} can sign in")
    base = settings().base_url
    if not base:
        base = f"http://{settings().host}:{settings().port}"
        click.echo(f"AIAPP_BASE_URL is not set: this link is for {base}", err=True)
    click.echo(f"{base}/reset/{secret}")


@click.group()
def workspace() -> None:
    """Make workspaces."""


@workspace.command("create")
@click.argument("slug")
@click.option("--name", help="Default: the slug.")
@click.option("--owner", required=True, metavar="EMAIL", help="Who owns it.")
def create_workspace(slug: str, name: str | None, owner: str) -> None:
    """Make a workspace."""
    from aiapp import create_app
    from aiapp.accounts.actions import find_user
    from aiapp.errors import NotFound
    from aiapp.workspaces import actions

    with create_app().app_context():
        person = find_user(owner)
        if person is None:
            raise NotFound(f"nobody has the address {owner}: make the account with aiapp user create")
        made = actions.create(name or slug, person, slug)
        click.echo(f"{made.slug} belongs to {person.email}", err=True)


@click.group()
def token() -> None:
    """Make API tokens."""


@token.command("create")
@click.option("--workspace", "slug", required=True, metavar="SLUG", help="The workspace it opens.")
@click.option("--user", "email", required=True, metavar="EMAIL", help="A member; the token can do what they can.")
@click.option("--name", required=True, help="What it is for.")
@click.option(
    "--scope",
    "scopes",
    type=click.Choice(["read", "run", "write", "admin"]),
    multiple=True,
    default=["run"],
    show_default=True,
    help="What it allows; each scope includes those before it, so the widest counts.",
)
def create_token(slug: str, email: str, name: str, scopes: tuple[str, ...]) -> None:
    """Make a token and print it, and nothing else, on standard output."""
    import sqlalchemy as sa

    from aiapp import create_app
    from aiapp.accounts.actions import find_user
    from aiapp.accounts.tokens import SCOPES
    from aiapp.errors import NotFound
    from aiapp.extensions import db
    from aiapp.workspaces import api_tokens
    from aiapp.workspaces.access import Access
    from aiapp.workspaces.models import Membership, Workspace

    with create_app().app_context():
        person = find_user(email)
        membership = person and db.session.scalar(
            sa.select(Membership)
            .join(Workspace, Workspace.id == Membership.workspace_id)
            .where(Workspace.slug == slug, Membership.user_id == person.id)
        )
        if not person or not membership:
            raise NotFound(f"{email} is not a member of the workspace {slug}")
        access = Access(membership.workspace, person, membership.role)
        _, text = api_tokens.create(access, name, max(scopes, key=SCOPES.index))
        click.echo(text)


COMMANDS: tuple[click.Command, ...] = (user, workspace, token)
