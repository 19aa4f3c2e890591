"""A workspace that encrypts, on a server whose master keys do not open it: what happens ends, says why, and loses nothing."""

from __future__ import annotations

import secrets
from contextlib import contextmanager
from dataclasses import replace

import pytest
import sqlalchemy as sa
from scripted_provider import breaks_off, says

from aiapp import sealing
from aiapp.executions import actions, cancelling, sweeper
from aiapp.executions.models import Attempt, Execution
from aiapp.executions.running import attempts, states
from aiapp.extensions import db
from aiapp.feedback import actions as feedback
from aiapp.feedback.models import Feedback
from aiapp.retention import actions as rules


@pytest.fixture
def encrypt(stage, team):
    """Turn the encryption of the workspace acme on or off."""

    def encrypt(on):
        db.session.remove()
        rules.change(team.access("alice"), {"seals_texts": on}, confirm="acme")
        db.session.remove()

    return encrypt


@pytest.fixture
def other_key(app):
    """`with other_key():` the server has another master key."""

    @contextmanager
    def other_key():
        db.session.remove()
        right = app.extensions["aiapp.settings"]
        app.extensions["aiapp.settings"] = replace(right, master_keys=(secrets.token_bytes(32),))
        yield
        db.session.remove()
        app.extensions["aiapp.settings"] = right

    return other_key


def test_an_execution_from_before_the_encryption_ends_once_and_says_why(engine, provider, encrypt, other_key, sign_in):
    engine.credential("keyless", api_key="")
    provider.on("", says("Never asked."))
    waiting = engine.submit("Readable, for it was stored before")
    encrypt(True)
    with other_key():
        ended = engine.run(waiting)
        assert (ended.status, ended.error_class) == ("failed", "no_credential")
        page = sign_in("bob").get(f"/w/acme/executions/{waiting}").get_data(as_text=True)
        assert "the server&#39;s master keys do not open it. An admin asks whoever runs the server." in page
        assert sweeper.sweep() == 0
    assert provider.calls == []
    assert engine.attempts(waiting) == []


def test_a_text_that_broke_off_stays_with_its_attempt_while_no_key_opens_it(engine, provider, encrypt, other_key):
    engine.credential("good")
    encrypt(True)
    provider.on("good", breaks_off("Half an answer"))
    waiting = engine.submit("Hello")
    engine.run(waiting)
    encrypt(False)  # what is stored stays encrypted for now
    with other_key(), states.transaction():
        assert attempts.longest_partial(attempts.of(waiting)) is None
        assert cancelling.end_unworked(waiting)
    row = engine.row(waiting)
    assert (row.status, row.output, row.attempts[0].output) == ("cancelled", None, "Half an answer")


def test_a_wait_is_cancelled_though_no_key_can_encrypt_what_arrived(engine, provider, encrypt, other_key):
    engine.credential("good")
    provider.on("good", breaks_off("Half an answer"))
    waiting = engine.submit("Hello")
    engine.run(waiting)
    encrypt(True)
    with other_key():
        bob = engine.team.access("bob")
        assert actions.cancel(bob, bob.get(Execution, waiting)).status == "cancelled"
    assert engine.attempts(waiting)[0].output == "Half an answer"


def test_a_retry_is_answered_with_the_execution_and_else_told_that_the_answer_is_lost(engine, encrypt, other_key, api):
    encrypt(True)
    bob, key = api("bob"), {"Idempotency-Key": "again"}
    made = bob("POST", "/executions", {"template": "Hello"}, headers=key).json["id"]
    view, views = {"name": "Mine", "query": {}}, {"Idempotency-Key": "view"}
    assert bob("POST", "/saved-views", view, headers=views).status_code == 201
    with other_key():
        answer = bob("POST", "/executions", {"template": "Hello"}, headers=key)
        assert (answer.status_code, answer.json["id"]) == (202, made)
        lost = bob("POST", "/saved-views", view, headers=views)
        assert (lost.status_code, lost.json["code"]) == (409, "answer_lost")
    assert bob("POST", "/saved-views", view, headers=views).json["name"] == "Mine"
    assert db.session.scalar(sa.select(sa.func.count()).select_from(Execution)) == 1


def test_the_words_for_what_cannot_be_read_are_never_saved_as_a_comment(engine, provider, encrypt, other_key, sign_in):
    engine.credential("good")
    provider.on("good", says("Fine."))
    ended = engine.submit("Hello")
    engine.finish(ended)
    encrypt(True)
    bob = engine.team.access("bob")
    feedback.rate(bob, bob.get(Execution, ended), "up", "Lovely")
    encrypt(False)
    with other_key():
        browser, path = sign_in("bob"), f"/w/acme/executions/{ended}/feedback"
        form = browser.get(path).get_data(as_text=True)
        assert 'name="comment"' not in form
        assert 'name="has_reasons"' not in form
        assert "It stays." in form
        browser.submit(path, {"rating": "down"})
        sent = {"rating": "down", "has_reasons": "1", "comment": sealing.UNREADABLE, "reasons": [sealing.UNREADABLE]}
        assert browser.submit(path, sent).status_code == 303
    db.session.remove()
    assert [(row.rating, row.comment, row.reasons) for row in db.session.scalars(sa.select(Feedback)).unique()] == [
        ("down", "Lovely", [])
    ]
    assert db.session.scalar(sa.select(Attempt.status)) == "completed"
