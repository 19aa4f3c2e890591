"""A migration is drafted from the models."""

from __future__ import annotations

import shutil
from dataclasses import replace

import pytest

from aiapp import create_app
from aiapp.extensions import db
from aiapp.processes import database


@pytest.mark.processes
def test_nothing_is_drafted_of_what_the_database_has(settings, tmp_path, monkeypatch):
    copy = tmp_path / "migrations"
    shutil.copytree(database.MIGRATIONS, copy)
    monkeypatch.setattr(database, "MIGRATIONS", copy)
    app = create_app(replace(settings, database_url=f"sqlite:///{tmp_path / 'empty.db'}"))
    database.upgrade(app)
    database.draft(app, "nothing new")
    with app.app_context():
        db.engine.dispose()
    drafted = max(copy.glob("versions/[0-9]*.py"))
    assert "op." not in drafted.read_text().split("def upgrade")[1]
