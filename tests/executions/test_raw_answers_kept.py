"""What providers sent, from the wire to the page, and how long it is there."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest
import sqlalchemy as sa
from scripted_provider import breaks_off, refuses, says, sends

from aiapp.columns import now
from aiapp.executions.models import Attempt
from aiapp.executions.running import raw_answers, states
from aiapp.extensions import db
from aiapp.providers.raw_answers import HEAD_BYTES, TAIL_BYTES

SECRET = "sk-live-0123456789abcdef"


def raw_of(execution_id: str) -> list[str | None]:
    db.session.remove()
    attempts = sa.select(Attempt.raw).where(Attempt.execution_id == execution_id).order_by(Attempt.number)
    found = list(db.session.scalars(attempts))
    db.session.remove()
    return found


def test_streams_whole_answers_and_failures_are_kept_as_they_came_without_the_key(engine, provider):
    for name in ("broken", "refused", "whole"):
        engine.credential(SECRET + name, settings={"stream": False} if name == "whole" else {})
    provider.on(SECRET + "broken", breaks_off("Half an ans"))
    provider.on(SECRET + "refused", sends(401, "text/html", f"<p>No {SECRET}refused\x00</p>".encode()))
    execution_id = engine.submit()
    assert engine.run(execution_id).status == "completed"
    broken, refused, whole = raw_of(execution_id)
    assert broken.startswith("data: {")
    assert "Half an ans" in broken
    assert refused == "<p>No …used\ufffd</p>"
    assert '"usage": {' in whole


def test_an_answer_that_is_never_ending_is_cut(engine, provider):
    engine.credential("first")
    provider.on("first", says("word " * 50_000, parts=50))
    execution_id = engine.submit()
    assert engine.run(execution_id).status == "completed"
    (raw,) = raw_of(execution_id)
    assert HEAD_BYTES < len(raw) < HEAD_BYTES + TAIL_BYTES + 100
    assert "bytes left out …]" in raw
    assert raw.endswith("data: [DONE]\n\n")


def test_a_member_reads_it_on_the_page_and_as_a_file(engine, provider, sign_in):
    engine.credential("first")
    provider.on("first", refuses(400, "<script>alert(1)</script>"))
    execution_id = engine.submit()
    engine.run(execution_id)
    vera, page = sign_in("vera"), f"/w/acme/executions/{execution_id}"
    assert f'hx-get="{page}/attempts/1/_raw"' in vera.get(page).get_data(as_text=True)
    shown = vera.get(f"{page}/attempts/1/_raw").get_data(as_text=True)
    assert "&lt;script&gt;" in shown
    assert "<script>" not in shown
    file = vera.get(f"{page}/attempts/1/raw")
    assert file.headers["Content-Type"] == "text/plain; charset=utf-8"
    assert file.headers["Content-Disposition"].startswith("attachment")
    assert (file.headers["X-Content-Type-Options"], "sandbox" in file.headers["Content-Security-Policy"]) == (
        "nosniff",
        True,
    )
    assert file.get_data(as_text=True) == raw_of(execution_id)[0]
    assert vera.get(f"{page}/attempts/2/raw").status_code == 404


def test_a_member_reads_it_by_the_api(engine, provider, api):
    engine.credential("first")
    execution_id = engine.submit()
    engine.run(execution_id)
    (raw,), vera = raw_of(execution_id), api("vera", "read")
    assert vera("GET", f"/executions/{execution_id}/attempts/1/raw").json == {"number": 1, "raw": raw}
    assert vera("GET", f"/executions/{execution_id}/attempts/2/raw").status_code == 404
    assert vera("GET", f"/executions/{execution_id}/attempts/{10**24}/raw").status_code == 404


def test_it_is_forgotten_after_so_many_days_and_the_page_says_so(engine, provider, sign_in, monkeypatch):
    monkeypatch.setattr(raw_answers, "BATCH", 1)
    engine.credential("first")
    old, young = engine.submit(), engine.submit()
    for execution_id in (old, young):
        engine.run(execution_id)
    _make_older(old, timedelta(days=30, minutes=1))
    _make_older(young, timedelta(days=29))
    assert raw_answers.forget_old() == 1
    assert [raw_of(old), raw_of(young)[0] is None] == [[None], False]
    vera, page = sign_in("vera"), f"/w/acme/executions/{old}/attempts/1"
    assert "longer ago than the 30 days" in vera.get(f"{page}/_raw").get_data(as_text=True)
    assert vera.get(f"{page}/raw").status_code == 404


@pytest.fixture
def nothing_kept(stage):
    settings = stage.extensions["aiapp.settings"]
    stage.extensions["aiapp.settings"] = replace(settings, raw_days=0)


def test_nothing_is_kept_where_nobody_wants_it(engine, nothing_kept):
    engine.credential("first")
    execution_id = engine.submit()
    assert engine.run(execution_id).status == "completed"
    assert raw_of(execution_id) == [None]


def _make_older(execution_id: str, by: timedelta) -> None:
    """As if its attempts had been made before: an attempt's id begins with that moment."""
    made = f"{int((now() - by).timestamp() * 1000):012x}"
    with states.transaction():
        for row_id in db.session.scalars(sa.select(Attempt.id).where(Attempt.execution_id == execution_id)):
            db.session.execute(sa.update(Attempt).where(Attempt.id == row_id).values(id=made + row_id[12:]))
