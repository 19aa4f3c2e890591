"""Backups of a PostgreSQL database, with PostgreSQL's own programs."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
import sqlalchemy as sa

from aiapp.columns import new_id
from aiapp.processes import postgresql
from aiapp.processes.children import ProcessError

SERVER = os.environ.get("AIAPP_TEST_DATABASE_URL")
needs_server = pytest.mark.skipif(not SERVER, reason="no PostgreSQL here (AIAPP_TEST_DATABASE_URL)")


@pytest.fixture
def url(database_url):
    """A database of its own with a table of three rows."""
    name = f"backup_{new_id()[-8:]}"
    server = sa.create_engine(SERVER, isolation_level="AUTOCOMMIT")
    with server.connect() as connection:
        connection.exec_driver_sql(f"CREATE DATABASE {name}")
    made = sa.make_url(SERVER).set(database=name).render_as_string(hide_password=False)
    execute(made, "CREATE TABLE thing (id int PRIMARY KEY)", "INSERT INTO thing VALUES (1), (2), (3)")
    yield made
    with server.connect() as connection:
        connection.exec_driver_sql(f"DROP DATABASE {name} WITH (FORCE)")
    server.dispose()


def execute(url, *statements):
    engine = sa.create_engine(url)
    with engine.begin() as connection:
        for statement in statements:
            connection.exec_driver_sql(statement)
    engine.dispose()


def tables(url):
    engine = sa.create_engine(url)
    with engine.connect() as connection:
        found = {
            name: connection.exec_driver_sql(f"SELECT count(*) FROM {name}").scalar()
            for name in sa.inspect(connection).get_table_names()
        }
        schemas = sa.inspect(connection).get_schema_names()
    engine.dispose()
    assert postgresql.KEPT not in schemas
    return found


@needs_server
def test_a_restore_brings_back_what_was_dumped_and_nothing_else(url, tmp_path):
    postgresql.dump(url, tmp_path / "dump")
    execute(url, "DELETE FROM thing", "CREATE TABLE newer (id int)")
    for _ in range(2):
        postgresql.restore(url, tmp_path / "dump")
        assert tables(url) == {"thing": 3}


@needs_server
def test_a_restore_that_fails_leaves_everything_as_it_was(url, tmp_path):
    (tmp_path / "dump").write_text("this is no dump")
    with pytest.raises(ProcessError, match="pg_restore failed"):
        postgresql.restore(url, tmp_path / "dump")
    assert tables(url) == {"thing": 3}


def test_a_password_goes_by_the_environment():
    made = postgresql._environment("postgresql+psycopg://ann:s%40crt@db.example.com:5433/aiapp?sslmode=require")
    assert made == {
        "PGHOST": "db.example.com",
        "PGPORT": "5433",
        "PGUSER": "ann",
        "PGPASSWORD": "s@crt",
        "PGDATABASE": "aiapp",
        "PGSSLMODE": "require",
    }


def test_where_the_programs_are_missing_the_message_names_the_package(monkeypatch):
    monkeypatch.setattr(Path, "glob", lambda self, pattern: iter(()))
    monkeypatch.setenv("PATH", "")
    with pytest.raises(ProcessError, match="apt install postgresql-client"):
        postgresql.dump("postgresql+psycopg://localhost/aiapp", Path("nowhere"))
