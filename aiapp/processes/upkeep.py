"""Commands that look after a deployment: migrations, demo data, doctor, keys, backups."""

from __future__ import annotations

import sys
from pathlib import Path

import click


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

    with create_app().app_context():
        data.reset()


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
        click.echo(f"aiapp: no master key opens the secrets of {', '.join(done.unreadable)}", err=True)
        sys.exit(1)


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
    from aiapp.processes import backup

    backup.save(create_app(), file, with_secrets=with_secrets)
    if not with_secrets:
        click.echo("the master key is not in it: without that key the credentials in it cannot be read", err=True)


@click.command()
@click.argument("file", type=click.Path(path_type=Path, exists=True, dir_okay=False))
@click.option("--replace", is_flag=True, help="Replace the data that is there (it is kept beside, SQLite only).")
def restore(file: Path, replace: bool) -> None:
    """Bring back the snapshot in FILE. Stop aiapp before."""
    from aiapp import create_app
    from aiapp.processes import backup

    backup.restore(create_app(), file, replace=replace)


COMMANDS: tuple[click.Command, ...] = (database, demo, prepare, doctor, key, backup, restore)
