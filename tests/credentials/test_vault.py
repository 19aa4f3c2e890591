"""The vault: what it keeps can be read in its own place, with the right key, and nowhere else."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import replace

import pytest
import sqlalchemy as sa
from flask import Flask

from aiapp.columns import new_id
from aiapp.config import Settings
from aiapp.credentials import vault
from aiapp.extensions import db
from aiapp.workspaces.models import Workspace

KEY = "sk-canary-0123456789abcdef"
OLD, NEW, OTHER = (bytes([number]) * 32 for number in (1, 2, 3))


@pytest.fixture
def settings(settings: Settings) -> Settings:
    return replace(settings, master_keys=(OLD,))


def workspace(team, slug: str = "acme") -> Workspace:
    return db.session.scalars(sa.select(Workspace).where(Workspace.slug == slug)).one()


def use_keys(app: Flask, *keys: bytes) -> None:
    app.extensions["aiapp.settings"] = replace(app.extensions["aiapp.settings"], master_keys=keys)


def test_a_secret_comes_back_as_it_went_in(stage, team):
    for text in (KEY, "", "ключ 🔑", "x" * 10_000):
        blob = vault.encrypt(workspace(team), "row", "api_key", text)
        assert vault.decrypt(workspace(team), "row", "api_key", blob) == text


def test_the_text_is_not_in_the_blob_and_two_blobs_of_one_text_differ(stage, team):
    first, second = (vault.encrypt(workspace(team), "row", "api_key", KEY) for _ in range(2))
    assert KEY.encode() not in first
    assert first != second
    assert first[5:17] != second[5:17]


@pytest.mark.parametrize(("row", "field"), [("other", "api_key"), ("row", "system_prompt"), ("ro", "wapi_key")])
def test_a_blob_moved_to_another_row_or_field_cannot_be_read(stage, team, row, field):
    blob = vault.encrypt(workspace(team), "row", "api_key", KEY)
    with pytest.raises(vault.Unreadable):
        vault.decrypt(workspace(team), row, field, blob)


def test_a_blob_moved_to_another_workspace_cannot_be_read_even_with_the_data_key(stage, team):
    acme, rival = workspace(team), workspace(team, "rival")
    blob = vault.encrypt(acme, "row", "api_key", KEY)
    vault.encrypt(rival, "row", "api_key", "its own")
    with pytest.raises(vault.Unreadable):
        vault.decrypt(rival, "row", "api_key", blob)
    rival.data_key = acme.data_key
    with pytest.raises(vault.Unreadable):
        vault.decrypt(rival, "row", "api_key", blob)


def test_no_byte_of_a_blob_can_be_changed(stage, team):
    blob = vault.encrypt(workspace(team), "row", "api_key", KEY)
    for position in range(len(blob)):
        changed = blob[:position] + bytes([blob[position] ^ 1]) + blob[position + 1 :]
        with pytest.raises(vault.Unreadable):
            vault.decrypt(workspace(team), "row", "api_key", changed)


@pytest.mark.parametrize("blob", [b"", b"\x01", b"\x01" * 32, b"\x02" * 64, bytes(range(64))], ids=len)
def test_what_is_no_blob_is_unreadable_and_nothing_worse(stage, team, blob):
    vault.encrypt(workspace(team), "row", "api_key", KEY)
    with pytest.raises(vault.Unreadable):
        vault.decrypt(workspace(team), "row", "api_key", blob)


def test_without_its_master_key_a_secret_is_unreadable_and_none_can_be_added(stage, team):
    blob = vault.encrypt(workspace(team), "row", "api_key", KEY)
    use_keys(stage, OTHER)
    with pytest.raises(vault.Unreadable):
        vault.decrypt(workspace(team), "row", "api_key", blob)
    with pytest.raises(vault.Unreadable):
        vault.encrypt(workspace(team), "row", "api_key", KEY)


def test_a_workspace_without_a_secret_has_no_data_key_and_a_blob_is_unreadable_there(stage, team):
    assert workspace(team).data_key is None
    with pytest.raises(vault.Unreadable):
        vault.decrypt(workspace(team), "row", "api_key", b"\x01" * 64)


def test_the_data_key_of_a_first_secret_that_is_rolled_back_is_gone_with_it(stage, team):
    vault.encrypt(workspace(team), "row", "api_key", KEY)
    db.session.rollback()
    assert workspace(team).data_key is None


def test_a_second_first_secret_uses_the_data_key_that_was_faster(stage, team):
    """The other process commits between the moment the workspace is read here and the moment a key is made."""
    ours = workspace(team)
    db.session.commit()
    assert ours.data_key is None
    with stage.app_context():
        theirs = vault.encrypt(workspace(team), "theirs", "api_key", "theirs")
        db.session.commit()
    blob = vault.encrypt(ours, "ours", "api_key", "ours")
    db.session.commit()
    with stage.app_context():
        assert vault.decrypt(workspace(team), "theirs", "api_key", theirs) == "theirs"
        assert vault.decrypt(workspace(team), "ours", "api_key", blob) == "ours"


def test_rotation_wraps_every_data_key_anew_and_leaves_the_secrets_alone(stage, team):
    blobs = {slug: vault.encrypt(workspace(team, slug), "row", "api_key", slug) for slug in ("acme", "rival")}
    db.session.commit()
    use_keys(stage, NEW, OLD)
    assert vault.rewrap_all() == vault.Rewrapped(2, 0, ())
    assert vault.rewrap_all() == vault.Rewrapped(0, 2, ())
    use_keys(stage, NEW)
    db.session.expire_all()
    for slug, blob in blobs.items():
        assert vault.decrypt(workspace(team, slug), "row", "api_key", blob) == slug


def test_rotation_names_the_workspaces_that_no_key_opens_and_does_the_others(stage, team):
    vault.encrypt(workspace(team), "row", "api_key", KEY)
    use_keys(stage, OTHER)
    vault.encrypt(workspace(team, "rival"), "row", "api_key", KEY)
    db.session.commit()
    use_keys(stage, NEW, OTHER)
    assert vault.rewrap_all() == vault.Rewrapped(1, 0, ("acme",))


ROTATE_AND_DIE = """
import os, sys
from dataclasses import replace
from aiapp import config, create_app
from aiapp.credentials import vault

keys = tuple(bytes([int(number)]) * 32 for number in sys.argv[1].split(","))
vault.REWRAP_ROWS = 10
commits = int(sys.argv[2])
app = create_app(replace(config.load(), master_keys=keys))
with app.app_context():
    from aiapp.extensions import db
    commit = db.session.commit

    def counted():
        global commits
        if not commits:
            os.kill(os.getpid(), 9)
        commits -= 1
        commit()

    db.session.commit = counted
    print(vault.rewrap_all())
"""


@pytest.mark.processes
def test_a_rotation_that_is_killed_is_continued_by_the_next_one(stage, team, settings):
    ids = []
    for number in range(35):
        room = Workspace(id=new_id(), slug=f"room-{number}", name="Room")
        db.session.add(room)
        db.session.flush()
        ids.append((room.id, vault.encrypt(room, "row", "api_key", f"secret {number}")))
    db.session.commit()
    environ = {
        **os.environ,
        "AIAPP_HOME": str(settings.home),
        "DATABASE_URL": settings.database_url,
        "REDIS_URL": settings.redis_url,
    }

    def rotate(commits: int) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-c", ROTATE_AND_DIE, "2,1", str(commits)]
        return subprocess.run(command, env=environ, capture_output=True, text=True, timeout=60)

    assert rotate(2).returncode == -9  # in the middle of the third portion
    finished = rotate(1000)
    assert finished.stdout.strip() == "Rewrapped(wrapped=15, current=20, unreadable=())", finished.stderr
    use_keys(stage, NEW)
    db.session.remove()
    for number, (workspace_id, blob) in enumerate(ids):
        assert vault.decrypt(db.session.get_one(Workspace, workspace_id), "row", "api_key", blob) == f"secret {number}"
