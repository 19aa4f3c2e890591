"""Migrations go up and down cleanly with data in the tables, and end where the models are."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import pytest
import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from flask_migrate import Migrate, downgrade, upgrade

from aiapp import create_app
from aiapp.columns import new_id, now
from aiapp.extensions import Base, db
from aiapp.prompt_templates.search_tables import is_ours

MIGRATIONS = str(Path(__file__).parent.parent / "migrations")


@pytest.fixture
def migrating(settings, tmp_path):
    """An app on an empty database of its own."""
    url = os.environ.get("AIAPP_TEST_DATABASE_URL")
    if url:
        name = f"migrations_{new_id()[-8:]}"
        server = sa.create_engine(url, isolation_level="AUTOCOMMIT")
        with server.connect() as connection:
            connection.exec_driver_sql(f"CREATE DATABASE {name}")
        fresh = sa.make_url(url).set(database=name).render_as_string(hide_password=False)
    else:
        fresh = f"sqlite:///{tmp_path / 'migrated.db'}"
    app = create_app(replace(settings, database_url=fresh))
    Migrate(app, db, directory=MIGRATIONS)
    with app.app_context():
        yield app
        db.session.remove()
        db.engine.dispose()
    if url:
        with server.connect() as connection:
            connection.exec_driver_sql(f"DROP DATABASE {name} WITH (FORCE)")
        server.dispose()


def a_value(column):
    """Something that fits the column."""
    kind = column.type.python_type if not isinstance(column.type, sa.JSON) else dict
    made = {
        str: "x" * min(getattr(column.type, "length", None) or 8, 8),
        int: 1,
        float: 1.0,
        bool: True,
        dict: {},
        bytes: b"x",
    }
    if "time" in str(column.type).lower():
        return now()
    return made.get(kind, 1)


def fill_every_table():
    """One row in each table, with its references."""
    rows: dict[str, dict[str, object]] = {}
    with db.engine.begin() as connection:
        for table in Base.metadata.sorted_tables:
            row = rows[table.name] = {}
            for column in table.columns:
                target = next(iter(column.foreign_keys)).column if column.foreign_keys else None
                if column.name == "id":
                    row["id"] = new_id()
                elif target is not None:
                    if target.table is not table:
                        row[column.name] = rows[target.table.name][target.name]
                elif not column.nullable:
                    row[column.name] = a_value(column)
            connection.execute(table.insert().values(row))


def count_rows():
    with db.engine.connect() as connection:
        return {
            table.name: connection.scalar(sa.select(sa.func.count()).select_from(table))
            for table in Base.metadata.sorted_tables
        }


def test_upgrading_an_empty_database_ends_where_the_models_are(migrating):
    upgrade()
    with db.engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True, "include_name": is_ours})
        differences = [item for item in compare_metadata(context, Base.metadata) if "alembic_version" not in str(item)]
    assert differences == []


def index_of_prompts(engine):
    """What the database has of the full-text index beside columns: triggers, functions, generated words, by name."""
    sqlite = "SELECT name, sql FROM sqlite_master WHERE name GLOB 'prompt_search*' AND sql IS NOT NULL"
    postgresql = """SELECT proname::text, prosrc FROM pg_proc WHERE starts_with(proname, 'prompt_search')
        UNION ALL SELECT tgname::text, pg_get_triggerdef(oid) FROM pg_trigger WHERE starts_with(tgname, 'prompt_search')
        UNION ALL SELECT 'words', pg_get_expr(adbin, adrelid) FROM pg_attrdef WHERE adrelid = 'prompt_search'::regclass
        UNION ALL SELECT indexname::text, indexdef FROM pg_indexes WHERE tablename = 'prompt_search'"""
    with engine.connect() as connection:
        found = connection.exec_driver_sql(sqlite if engine.dialect.name == "sqlite" else postgresql)
        return {row[0]: row[1] for row in found}


def test_the_full_text_index_is_what_the_tables_of_the_models_come_with(migrating, app):
    upgrade()
    migrated = index_of_prompts(db.engine)
    with app.app_context():
        made = index_of_prompts(db.engine)
    assert len(made) > 10
    assert migrated == made


def test_what_was_written_before_the_full_text_index_is_in_it(migrating):
    upgrade()
    fill_every_table()
    with db.engine.begin() as connection:
        connection.exec_driver_sql("UPDATE prompt_version SET body = 'greet the otter'")
        connection.exec_driver_sql("UPDATE tag SET name = 'animals'")
    downgrade(revision="0003")
    upgrade()
    with db.engine.connect() as connection:
        rows = connection.exec_driver_sql("SELECT tags, body FROM prompt_search").all()
    assert [(tags, "greet the otter" in body) for tags, body in rows] == [("animals", True)]


def test_data_survives_going_up_again_and_goes_with_its_tables_on_the_way_down(migrating):
    upgrade()
    fill_every_table()
    assert set(count_rows().values()) == {1}
    upgrade()
    assert set(count_rows().values()) == {1}
    downgrade(revision="base")
    assert set(sa.inspect(db.engine).get_table_names()) <= {"alembic_version"}
    upgrade()
    assert set(count_rows().values()) == {0}


def test_a_step_back_and_forth_keeps_what_both_versions_know(migrating):
    upgrade()
    fill_every_table()
    with db.engine.begin() as connection:
        connection.exec_driver_sql("UPDATE credential SET owner_id = NULL")
    downgrade(revision="0001")
    known = set(sa.inspect(db.engine).get_table_names()) - {"alembic_version"}
    upgrade()
    after = count_rows()
    assert {"workspace", "prompt_version", "credential", "execution"} <= known < set(after)
    assert {table for table, rows in after.items() if rows} == known


def test_a_personal_credential_is_no_workspaces_after_a_step_back(migrating):
    upgrade()
    fill_every_table()
    downgrade(revision="0001")
    with db.engine.connect() as connection:
        assert connection.exec_driver_sql("SELECT count(*) FROM credential").scalar() == 0


def test_a_migration_that_fails_leaves_the_old_state(migrating, tmp_path, monkeypatch):
    import shutil

    copy = tmp_path / "migrations"
    shutil.copytree(MIGRATIONS, copy)
    upgrade(directory=str(copy))
    fill_every_table()
    before = set(sa.inspect(db.engine).get_table_names())
    (copy / "versions" / "zzzz_fails.py").write_text(
        "import sqlalchemy as sa\nfrom alembic import op\n"
        f"revision = 'zzzz'\ndown_revision = '{latest(copy)}'\nbranch_labels = depends_on = None\n"
        "def upgrade():\n    op.create_table('half', sa.Column('id', sa.Integer))\n    op.drop_table('feedback')\n"
        "    raise RuntimeError('out of luck')\n"
        "def downgrade():\n    pass\n"
    )
    with pytest.raises(SystemExit):
        upgrade(directory=str(copy))
    assert set(sa.inspect(db.engine).get_table_names()) == before
    assert count_rows()["feedback"] == 1


def latest(folder):
    from alembic.script import ScriptDirectory

    return ScriptDirectory(str(folder)).get_current_head()
