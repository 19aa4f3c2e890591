"""A migration is drafted from the models."""

from __future__ import annotations

import shutil

import pytest

from aiapp.extensions import Base, db
from aiapp.processes import database


@pytest.mark.processes
def test_nothing_is_drafted_of_what_the_database_has(app, tmp_path, monkeypatch):
    copy = tmp_path / "migrations"
    shutil.copytree(database.MIGRATIONS, copy)
    monkeypatch.setattr(database, "MIGRATIONS", copy)
    with app.app_context():
        Base.metadata.drop_all(db.engine)
    database.upgrade(app)
    database.draft(app, "nothing new")
    drafted = max(copy.glob("versions/[0-9]*.py"))
    assert "op." not in drafted.read_text().split("def upgrade")[1]
