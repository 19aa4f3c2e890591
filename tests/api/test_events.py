"""An execution as it happens: server-sent events of the API."""

from __future__ import annotations

import json
import threading

import pytest
import sqlalchemy as sa

from aiapp.accounts.models import ApiToken, User
from aiapp.executions.streaming import relay, stream
from aiapp.extensions import db
from aiapp.workspaces.models import Membership


@pytest.fixture
def bob(api):
    return api("bob", "run")


@pytest.fixture
def demo(api):
    api("alice")("POST", "/credentials", {"provider": "demo", "name": "Demo", "preferred_model": "demo-instant"})


@pytest.fixture
def submitted(bob, demo):
    return bob("POST", "/executions", {"template": "Hi"}).json["id"]


@pytest.fixture
def impatient(monkeypatch):
    """The token of a reader is looked at ten times a second."""
    monkeypatch.setattr(relay, "CHECK_SECONDS", 0.1)


def watch(client, execution_id, **headers):
    """The events of a whole stream: (name, data, id)."""
    answer = client.client.get(
        f"/api/v1/executions/{execution_id}/events", headers={**client.headers, **headers}, buffered=False
    )
    assert (answer.status_code, answer.mimetype) == (200, "text/event-stream")
    assert answer.headers["Cache-Control"] == "no-store"
    text = answer.get_data(as_text=True)
    answer.close()
    events = []
    for block in text.strip().split("\n\n"):
        if not block.startswith(":") and block:
            fields = dict(line.split(": ", 1) for line in block.split("\n"))
            events.append((fields["event"], json.loads(fields["data"]), fields.get("id")))
    return events


def test_an_execution_is_followed_to_its_end(bob, submitted, work):
    worker = threading.Timer(0.2, work, [submitted])
    worker.start()
    events = watch(bob, submitted)
    worker.join()
    names = [name for name, _, _ in events]
    assert names[0] == "status"
    assert names[-1] == "done"
    assert {"attempt", "delta"} <= set(names)
    text = "".join(data["text"] for name, data, _ in events if name == "delta")
    assert text == bob("GET", f"/executions/{submitted}").json["output"]
    assert events[-1][1]["status"] == "completed"


def test_a_reader_that_comes_back_goes_on_where_it_was(bob, submitted, work):
    work(submitted)
    events = watch(bob, submitted)
    middle = next(number for number, (name, _, _) in enumerate(events) if name == "delta")
    rest = watch(bob, submitted, **{"Last-Event-ID": events[middle][2]})
    assert rest == events[middle + 1 :]


def test_a_strange_last_event_id_begins_anew(bob, submitted, work):
    work(submitted)
    whole = watch(bob, submitted)
    for strange in ("x", "0", "9" * 400, "1-1.1"):
        assert watch(bob, submitted, **{"Last-Event-ID": strange}) == whole


def test_above_the_cap_a_reader_is_told_to_wait_instead(bob, submitted, monkeypatch):
    monkeypatch.setattr(stream, "_slots", threading.BoundedSemaphore(1))
    stream._slots.acquire()
    answer = bob("GET", f"/executions/{submitted}/events")
    assert (answer.status_code, answer.json["code"], answer.headers["Retry-After"]) == (503, "unavailable", "5")


def test_a_reader_gives_its_place_back(bob, submitted, work, monkeypatch):
    monkeypatch.setattr(stream, "_slots", threading.BoundedSemaphore(1))
    work(submitted)
    for _ in range(3):
        assert watch(bob, submitted)[-1][0] == "done"


@pytest.mark.parametrize(
    "end",
    [
        sa.delete(ApiToken),
        sa.delete(Membership).where(Membership.role == "editor"),
        sa.update(User).where(User.name == "Bob").values(active=False),
    ],
    ids=["token revoked", "member removed", "user switched off"],
)
def test_a_reader_who_may_no_longer_look_is_cut_off(app, bob, submitted, impatient, end):
    def stop():
        with app.app_context():
            db.session.execute(end)
            db.session.commit()

    stopping = threading.Timer(0.3, stop)
    stopping.start()
    events = watch(bob, submitted)  # ends, although the execution does not
    stopping.join()
    assert [name for name, _, _ in events] == ["status"]


def test_an_open_stream_does_not_count_as_using_the_token(app, bob, submitted, work, impatient):
    with app.app_context():
        db.session.execute(sa.update(ApiToken).values(last_used_at=None))
        db.session.commit()
    worker = threading.Timer(1, work, [submitted])
    worker.start()
    events = watch(bob, submitted)
    worker.join()
    assert events[-1][0] == "done"
