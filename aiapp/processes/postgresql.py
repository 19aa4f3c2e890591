"""PostgreSQL's own programs for backups: pg_dump, pg_restore. The password goes by the environment, never by the command line."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import sqlalchemy as sa

from aiapp.processes.children import ProcessError

KEPT = "before_restore"


def dump(url: str, target: Path) -> None:
    """Write one consistent snapshot of the database to `target`. Raises ProcessError."""
    _run("pg_dump", url, "--format=custom", "--schema=public", "--no-owner", "--no-acl", f"--file={target}")


def restore(url: str, source: Path) -> None:
    """Put the snapshot in the place of what the database holds; where that fails, all stays as it was. Raises ProcessError."""
    engine = sa.create_engine(url, isolation_level="AUTOCOMMIT")
    try:
        _execute(
            engine,
            f"DROP SCHEMA IF EXISTS {KEPT} CASCADE",
            f"ALTER SCHEMA public RENAME TO {KEPT}",
            "CREATE SCHEMA public",
        )
        try:
            options = ("--schema=public", "--no-owner", "--no-acl", "--single-transaction", "--exit-on-error")
            _run("pg_restore", url, f"--dbname={_environment(url)['PGDATABASE']}", *options, str(source))
        except ProcessError:
            _execute(engine, "DROP SCHEMA public CASCADE", f"ALTER SCHEMA {KEPT} RENAME TO public")
            raise
        _execute(engine, f"DROP SCHEMA {KEPT} CASCADE")
    finally:
        engine.dispose()


def _execute(engine: sa.Engine, *statements: str) -> None:
    with engine.connect() as connection:
        for statement in statements:
            connection.exec_driver_sql(statement)


def _run(program: str, url: str, *arguments: str) -> None:
    try:
        subprocess.run(  # noqa: S603 - PostgreSQL's own program, no shell
            [_find(program), "--no-password", *arguments],
            env={**os.environ, **_environment(url)},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            check=True,
        )
    except subprocess.CalledProcessError as error:
        lines = error.stderr.decode(errors="replace").strip().splitlines() or [f"exit code {error.returncode}"]
        raise ProcessError(f"{program} failed: {lines[-1]}") from error


def _find(program: str) -> str:
    """Return the newest one: it reads and writes the older servers' data, not the other way round."""
    debian = sorted(Path("/usr/lib/postgresql").glob(f"*/bin/{program}"), key=lambda path: float(path.parts[-3]))
    found = str(debian[-1]) if debian else shutil.which(program)
    if found is None:
        raise ProcessError(
            f"{program} is not here: install the package postgresql-client (apt install postgresql-client)"
        )
    return found


def _environment(url: str) -> dict[str, str]:
    parts = sa.make_url(url)
    query = {name: value for name, value in parts.query.items() if isinstance(value, str)}
    values = {
        "PGHOST": parts.host or query.get("host"),
        "PGPORT": str(parts.port) if parts.port else query.get("port"),
        "PGUSER": parts.username or query.get("user"),
        "PGPASSWORD": parts.password or query.get("password"),
        "PGDATABASE": parts.database or query.get("dbname"),
        "PGSSLMODE": query.get("sslmode"),
        "PGSSLROOTCERT": query.get("sslrootcert"),
    }
    return {name: str(value) for name, value in values.items() if value}
