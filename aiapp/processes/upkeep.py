"""Commands that look after a deployment: migrations, demo data, doctor, keys, backups."""

from __future__ import annotations

import sys

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


COMMANDS: tuple[click.Command, ...] = (database, demo, prepare, key)
