"""Commands that look after a deployment: migrations, demo data, doctor, keys, backups."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import click

from aiapp.processes.children import ProcessError

NAMED = 10  # of many workspaces


@click.group("db")
def database() -> None:
    """Look after the database's schema."""


@database.command()
def upgrade() -> None:
    """Migrate to the newest version."""
    from aiapp import create_app
    from aiapp.processes import database

    database.upgrade(create_app())


@database.command()
@click.argument("revision", default="-1")
def downgrade(revision: str) -> None:
    """Migrate back to a revision (default: one step back)."""
    from aiapp import create_app
    from aiapp.processes import database

    database.downgrade(create_app(), revision)


@database.command()
@click.argument("message")
def draft(message: str) -> None:
    """Write a migration from the models (for developers of aiapp): read it before you keep it."""
    from aiapp import create_app
    from aiapp.processes import database

    database.draft(create_app(), message)


@database.command()
def current() -> None:
    """Print the version that the database has."""
    from aiapp import create_app
    from aiapp.processes import database

    has, wanted = database.revisions(create_app())
    click.echo(f"{has or 'none'}{'' if has == wanted else f' (the newest is {wanted})'}")


@click.command()
def demo() -> None:
    """Make the demo workspace; where there is one, delete it and make it anew."""
    from aiapp import create_app
    from aiapp import demo as data
    from aiapp.extensions import settings
    from aiapp.processes import contents

    with create_app().app_context():
        before = data.workspace()
        data.reset()
        made = data.workspace()
        holds = contents.summary(made.id if made else None)
        address = f"{settings().base_url or f'http://{settings().host}:{settings().port}'}/w/{data.SLUG}"
        open_to_all = not settings().demo
    click.echo(f"the demo workspace is made {'anew' if before else ''}".rstrip() + f": {holds}")
    click.echo(f"{address}, sign in with {data.EMAIL} / {data.PASSWORD}; a worker answers the executions")
    if open_to_all:
        click.echo("that password is public: whoever reaches this installation can use the demo workspace", err=True)


@click.command(hidden=True)
def prepare() -> None:
    """Do what `aiapp up` needs before anything serves: migrate, and with AIAPP_DEMO seed."""
    from aiapp import create_app
    from aiapp.extensions import settings
    from aiapp.processes import database

    app = create_app()
    database.upgrade(app)
    with app.app_context():
        if settings().demo:
            from aiapp import demo as data

            data.seed()


@click.group()
def key() -> None:
    """Look after the master keys."""


@key.command()
def rotate() -> None:
    """Encrypt every workspace's data key with the first master key; may be broken off and run again."""
    from aiapp import create_app
    from aiapp.credentials import vault

    with create_app().app_context():
        done = vault.rewrap_all()
    click.echo(f"{done.wrapped} wrapped anew, {done.current} were already")
    if done.unreadable:
        named = ", ".join(done.unreadable[:NAMED]) + (" …" if len(done.unreadable) > NAMED else "")
        number = len(done.unreadable)
        click.echo(
            f"aiapp: no master key opens the secrets of {number} workspace{'s' if number > 1 else ''}: {named}",
            err=True,
        )
        sys.exit(1)


@key.command()
@click.argument("slug")
@click.option("--yes", is_flag=True, help="Do not ask.")
def reset(slug: str, yes: bool) -> None:
    """Give up the secrets of workspace SLUG, which no master key opens, so that its keys can be entered again.

    With the right key in AIAPP_MASTER_KEYS nothing needs to be given up: look for it first.
    """
    import sqlalchemy as sa

    from aiapp import create_app
    from aiapp.credentials import vault
    from aiapp.extensions import db
    from aiapp.workspaces.models import Workspace

    with create_app().app_context():
        workspace = db.session.scalars(sa.select(Workspace).where(Workspace.slug == slug)).first()
        if workspace is None:
            raise ProcessError(f"there is no workspace {slug}")
        texts = " and its encrypted texts" if workspace.encrypts_texts else ""
        if not yes:
            click.confirm(f"The stored keys of {slug}{texts} cannot be read any more afterwards. Go on?", abort=True)
        if not vault.give_up(workspace):
            raise ProcessError(f"the secrets of {slug} can be read: there is nothing to give up")
    click.echo(f"the keys of {slug} can be entered again; what was stored is lost")


@click.command()
def doctor() -> None:
    """Check every part and say what to do; exit code 1 where anything is broken."""
    from aiapp import create_app
    from aiapp.processes.doctor import examine

    findings = examine(create_app())
    for finding in findings:
        click.echo(f"{'BROKEN' if finding.remedy else 'ok':7}{finding.part:11}{finding.detail}")
        if finding.remedy:
            click.echo(f"{'':18}{finding.remedy}")
    sys.exit(any(finding.remedy for finding in findings))


@click.command()
@click.argument("file", type=click.Path(path_type=Path))
@click.option(
    "--with-secrets", is_flag=True, help="Also the secrets generated in AIAPP_HOME: keep the file like a key."
)
def backup(file: Path, with_secrets: bool) -> None:
    """Write a consistent snapshot of the database to FILE; everything may go on running."""
    from aiapp import create_app
    from aiapp.processes import backup, contents

    saved = backup.save(create_app(), file, with_secrets=with_secrets)
    click.echo(f"saved {saved.place} to {file}, {contents.size(file.stat().st_size)}: {saved.holds}")
    if saved.secrets:
        click.echo(f"{' and '.join(saved.secrets)} are in it: keep the file like a key", err=True)
    if "master_key" not in saved.secrets:
        click.echo(
            "the master key is not in it: without that key the credentials in it cannot be read"
            f" (it is in {_master_key_place()})",
            err=True,
        )


@click.command()
@click.argument("file", type=click.Path(path_type=Path, exists=True, dir_okay=False))
@click.option("--replace", is_flag=True, help="Replace the data that is there (it is kept beside, SQLite only).")
def restore(file: Path, replace: bool) -> None:
    """Bring back the snapshot in FILE. Stop aiapp before."""
    from aiapp import create_app
    from aiapp.processes import backup

    restored = backup.restore(create_app(), file, replace=replace)
    click.echo(f"restored {file}, made {restored.made}, to {restored.place}: {restored.holds}")
    if restored.kept:
        click.echo(f"what was there before is in {restored.kept}")
    if restored.secrets:
        click.echo(f"{' and '.join(restored.secrets)} were in it, and are in {_home()}")
    _tell_of_keys(in_backup="master_key" in restored.secrets)


def _tell_of_keys(*, in_backup: bool) -> None:
    """Say which master key the restored credentials need, and whether the one that is here opens them."""
    from sqlalchemy.exc import SQLAlchemyError

    from aiapp import create_app
    from aiapp.processes import contents, database

    app = create_app()  # a new one: the secrets may be others than before
    has, wanted = database.revisions(app)
    with app.app_context():
        try:
            keys = contents.keys()
        except SQLAlchemyError:  # an older schema
            keys = None
    if not in_backup:
        click.echo(
            "the master key is not in the backup: its credentials need the one of the installation that made it,"
            f" which is looked for in {_master_key_place()}",
            err=True,
        )
    if keys and keys.unreadable:
        click.echo(f"the key there does not open the credentials of {', '.join(keys.unreadable)}", err=True)
    elif keys and keys.stored:
        click.echo(f"the key there opens all {keys.stored} stored keys")
    if has != wanted:
        click.echo(f"its schema is {has or 'empty'}, this version needs {wanted}: run aiapp db upgrade", err=True)


def _master_key_place() -> str:
    names = ("AIAPP_MASTER_KEYS", "AIAPP_MASTER_KEYS_FILE")
    given = next((name for name in names if os.environ.get(name, "").strip()), None)
    return given or f"{_home() / 'master_key'} (AIAPP_MASTER_KEYS is not set)"


def _home() -> Path:
    from aiapp import config

    return config.load().home


COMMANDS: tuple[click.Command, ...] = (database, demo, prepare, doctor, key, backup, restore)
