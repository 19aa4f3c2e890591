"""Requests whose ground is taken away between their first look and their commit."""

from __future__ import annotations

import threading

import pytest
import sqlalchemy as sa

from aiapp.audit import AuditEvent
from aiapp.executions import actions as executions
from aiapp.extensions import db
from aiapp.workspaces.models import Workspace


def test_what_is_submitted_to_a_workspace_that_is_just_deleted_is_refused(api, app, monkeypatch):
    insert = executions._insert

    def overtaken(access, values, **more):
        db.session.rollback()
        db.session.execute(sa.delete(Workspace).where(Workspace.id == access.workspace.id))
        db.session.commit()
        return insert(access, values, **more)

    bob = api("bob")
    monkeypatch.setattr(executions, "_insert", overtaken)
    for key in ({}, {"key": "k"}):
        answer = bob("POST", "/executions", {"template": "Hi"}, **key)
        assert (answer.status_code, answer.json["code"]) in {(409, "conflict"), (401, "unauthenticated")}
        assert "SQL" not in answer.get_data(as_text=True)


def test_a_mistake_of_ours_is_still_called_one(api, monkeypatch):
    insert = executions._insert
    monkeypatch.setattr(
        executions, "_insert", lambda access, values, **more: insert(access, {**values, "source": None}, **more)
    )
    bob = api("bob")
    answer = bob.client.post("/api/v1/executions", json={"template": "Hi"}, headers=bob.headers)
    assert (answer.status_code, answer.json["code"]) == (500, "internal")


@pytest.mark.parametrize(
    ("path", "action"),
    [("/tokens/{token_id}", "token.revoke"), ("/invitations/{invitation_id}", "invitation.withdraw")],
)
def test_of_several_who_delete_the_same_thing_at_once_one_does(api, app, rows, path, action):
    alice, statuses, ready = api("alice"), [], threading.Barrier(4)

    def delete():
        ready.wait(30)
        statuses.append(alice("DELETE", path.format(**rows)).status_code)

    threads = [threading.Thread(target=delete) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert sorted(statuses) == [204, 404, 404, 404]
    with app.app_context():
        events = sa.select(sa.func.count()).select_from(AuditEvent).where(AuditEvent.action == action)
        assert db.session.scalar(events) == 1
