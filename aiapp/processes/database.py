"""The database's schema, by Flask-Migrate: made here alone, because alembic is 12 MB that no web or worker process needs."""

from __future__ import annotations

from pathlib import Path

from flask import Flask

from aiapp.extensions import db
from aiapp.processes.children import ProcessError

MIGRATIONS = Path(__file__).resolve().parents[2] / "migrations"


def upgrade(app: Flask) -> None:
    """Migrate the database to the newest version. Raises ProcessError where the migrations are not to be found."""
    import flask_migrate

    with app.app_context():
        flask_migrate.upgrade(directory=_prepare(app))


def downgrade(app: Flask, revision: str) -> None:
    """Migrate the database back to `revision` (-1: one step). Raises ProcessError."""
    import flask_migrate

    with app.app_context():
        flask_migrate.downgrade(directory=_prepare(app), revision=revision)


def draft(app: Flask, message: str) -> None:
    """Write a migration of what the models have and the database, which must be at the newest version, has not."""
    import flask_migrate
    from alembic.script import ScriptDirectory

    directory = _prepare(app)
    number = len(list(ScriptDirectory(directory).walk_revisions())) + 1
    with app.app_context():
        flask_migrate.migrate(directory=directory, message=message, rev_id=f"{number:04d}")


def revisions(app: Flask) -> tuple[str | None, str | None]:
    """Return which version the database has and which one this code wants."""
    from alembic.migration import MigrationContext
    from alembic.script import ScriptDirectory

    wanted = ScriptDirectory(_prepare(app)).get_current_head()
    with app.app_context(), db.engine.connect() as connection:
        return MigrationContext.configure(connection).get_current_revision(), wanted


def knows(app: Flask, revision: str | None) -> bool:
    """Whether this code has the migration `revision`; None is an empty database."""
    from alembic.script import ScriptDirectory

    return revision is None or revision in {each.revision for each in ScriptDirectory(_prepare(app)).walk_revisions()}


def _prepare(app: Flask) -> str:
    import flask_migrate

    if not (MIGRATIONS / "env.py").exists():
        raise ProcessError(f"the folder {MIGRATIONS} is missing: run aiapp from a checkout (make install)")
    flask_migrate.Migrate(app, db, directory=str(MIGRATIONS))
    return str(MIGRATIONS)
