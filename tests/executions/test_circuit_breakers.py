"""Circuit breakers and failure drills as executions meet them: who is left alone, who tries, and what the attempts say."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest
import sqlalchemy as sa
from scripted_provider import refuses, says

from aiapp.columns import now
from aiapp.credentials import breakers
from aiapp.credentials.circuit import CLOSED
from aiapp.credentials.models import CircuitBreaker, Credential
from aiapp.executions.running import noting, states
from aiapp.extensions import db
from aiapp.retention import actions as rules

FAILS = refuses(500, "broken")


@pytest.fixture
def settings(settings):
    """An open circuit stays open for longer than a test takes."""
    return replace(settings, retry_base_seconds=10.0, max_retries=5)


@pytest.fixture(autouse=True)
def nothing_noted(stage):
    noting._noted.clear()


def circuits():
    db.session.remove()
    rows = list(db.session.scalars(sa.select(CircuitBreaker).order_by(CircuitBreaker.model)))
    db.session.remove()
    return rows


def move(**values):
    """Change the only circuit behind the engine's back."""
    db.session.remove()
    with states.transaction():
        db.session.execute(sa.update(CircuitBreaker).values(**values))


def broken(engine, times=5):
    """Two credentials, the first of which has failed that often."""
    ids = engine.credential("first"), engine.credential("second")
    engine.provider.on("first", FAILS)
    engine.provider.on("second", says("Fine."))
    for _ in range(times):
        assert engine.finish(engine.submit()).status == "completed"
    return ids


def keys(engine, execution_id):
    return [attempt.credential_name for attempt in engine.attempts(execution_id)]


def test_after_five_failures_in_a_row_a_credential_is_passed_over_and_the_attempt_says_why(engine):
    first, _ = broken(engine)
    (circuit,) = circuits()
    assert (circuit.credential_id, circuit.model, circuit.cause, circuit.trips) == (first, "small", "failures", 1)
    seen = len(engine.provider.calls)
    execution_id = engine.submit()
    assert engine.run(execution_id).status == "completed"
    assert [call.key for call in engine.provider.calls[seen:]] == ["second"]
    (attempt,) = engine.attempts(execution_id)
    (passed,) = attempt.passed_over
    assert (passed["credential_id"], passed["credential_name"], passed["model"]) == (first, "first", "small")
    assert passed["because"].startswith("Its circuit is open for another ")


def test_a_providers_words_are_told_only_where_every_member_may_read_the_execution(engine, api):
    first, _ = broken(engine)

    def read():
        db.session.remove()
        (told,) = api("vera", "read")("GET", f"/credentials/{first}/circuits").json["circuits"]
        return told["error_class"], told["message"]

    def change(**values):
        db.session.remove()
        rules.change(engine.team.access("alice"), values, confirm="acme")

    for rule in ("private_executions", "seals_texts", "keeps_texts"):
        assert read() == ("server", "broken")
        change(**{rule: rule != "keeps_texts"})
        assert read() == ("server", "")  # what was written down before is hidden, too
        move(cause=CLOSED, opened_at=now() - timedelta(hours=1))
        for _ in range(5):
            engine.finish(engine.submit())
        (circuit,) = circuits()
        assert (circuit.cause, circuit.message) == ("failures", "")
        change(**{rule: rule == "keeps_texts"})
        move(message="broken")


def test_another_model_of_the_same_credential_is_asked_as_ever(engine):
    broken(engine)
    engine.provider.on("first", says("Fine too."))
    execution_id = engine.submit(provider="openai_compatible", model="other")
    engine.run(execution_id)
    assert keys(engine, execution_id) == ["first"]


def test_one_execution_tries_a_half_open_circuit_and_its_answer_closes_it(engine):
    broken(engine)
    move(until=now() - timedelta(seconds=1))
    engine.provider.on("first", says("Back."))
    execution_id = engine.submit()
    assert engine.run(execution_id).output == "Back."
    assert circuits()[0].cause == CLOSED
    again = engine.submit()
    engine.run(again)
    assert keys(engine, again) == ["first"]


def test_a_failed_try_opens_it_for_longer(engine):
    broken(engine)
    move(until=now() - timedelta(seconds=1))
    execution_id = engine.submit()
    engine.run(execution_id)
    assert keys(engine, execution_id) == ["first", "second"]
    (circuit,) = circuits()
    assert (circuit.cause, circuit.trips) == ("failures", 2)
    assert circuit.until > circuit.opened_at + timedelta(seconds=100)


def test_while_one_tries_the_others_go_past(engine):
    broken(engine)
    move(until=now() - timedelta(seconds=1), probe_until=now() + timedelta(seconds=20))
    execution_id = engine.submit()
    engine.run(execution_id)
    assert keys(engine, execution_id) == ["second"]


def test_an_execution_with_nowhere_else_to_go_waits_for_the_circuit_and_then_tries_it(engine, sign_in):
    only = engine.credential("first")
    engine.provider.on("first", FAILS)
    for _ in range(5):
        engine.run(engine.submit())
    engine.provider.on("first", says("At last."))
    execution_id = engine.submit()
    row = engine.run(execution_id)
    assert (row.status, row.round, row.attempts) == ("pending", 0, [])
    assert row.next_attempt_at > now() + timedelta(seconds=30)
    assert circuits()[0].credential_id == only
    alice = sign_in("alice")
    page = alice.get(f"/w/acme/executions/{execution_id}").get_data(as_text=True)
    assert "Nobody may be asked yet. first: its circuit is open for another" in page
    assert "its last calls failed" in page
    assert "not asked yet: a circuit is open" in alice.get("/w/acme/queue").get_data(as_text=True)
    move(until=now() - timedelta(seconds=1))
    engine.change(execution_id, next_attempt_at=None)
    assert engine.run(execution_id).output == "At last."


def test_nobody_waits_for_a_circuit_for_ever(engine):
    engine.credential("first")
    engine.provider.on("first", FAILS)
    for _ in range(5):
        engine.run(engine.submit())
    execution_id = engine.submit()
    engine.run(execution_id)
    engine.change(execution_id, next_attempt_at=None, started_at=now() - timedelta(hours=2))
    row = engine.run(execution_id)
    assert (row.status, row.error_class) == ("failed", "server")


def test_a_limit_that_one_execution_met_holds_for_the_others(engine):
    engine.credential("first")
    engine.credential("second")
    engine.provider.on("first", refuses(429, "slow down", retry_after="60"))
    engine.provider.on("second", says("Fine."))
    engine.run(engine.submit())
    execution_id = engine.submit()
    engine.run(execution_id)
    (attempt,) = engine.attempts(execution_id)
    assert attempt.credential_name == "second"
    assert "the provider asked to slow down" in attempt.passed_over[0]["because"]


def test_a_refused_key_is_asked_last_and_an_answer_puts_it_back(engine):
    engine.credential("first")
    engine.credential("second")
    engine.provider.on("first", refuses(401, "bad key"))
    engine.provider.on("second", says("Fine."))
    assert keys(engine, engine.finish(engine.submit()).id) == ["first", "second"]
    execution_id = engine.submit()
    engine.run(execution_id)
    (attempt,) = engine.attempts(execution_id)
    assert attempt.credential_name == "second"
    assert attempt.passed_over[0]["because"] == "It is asked last: its key was refused a short time ago"
    engine.provider.on("first", says("The key is good again."))
    engine.provider.on("second", FAILS)
    last = engine.submit()
    engine.run(last)
    assert keys(engine, last) == ["second", "first"]
    assert circuits()[0].cause == CLOSED


def test_a_refusal_of_what_one_sender_chose_is_nothing_to_the_others(engine):
    first = engine.credential("first")
    engine.credential("second")
    for status in (401, 402):
        engine.provider.on("first", refuses(status, "not with this model, or for so many tokens"))
        engine.run(engine.submit(credential_id=first, model="dear" if status == 401 else None, max_tokens=10**6))
    assert {circuit.model for circuit in circuits()} == {"dear", "small"}
    assert db.session.get(Credential, first).health == "unknown"
    engine.provider.on("first", says("Fine."))
    execution_id = engine.submit(provider="openai_compatible", model="other")
    engine.run(execution_id)
    assert keys(engine, execution_id) == ["first"]


def test_a_call_that_began_before_a_circuit_opened_does_not_close_it(engine):
    first, _ = broken(engine)
    with states.transaction():
        breakers.close_circuit(first, "small", now() - timedelta(minutes=1), now())
    assert circuits()[0].cause == "failures"


def test_a_credential_that_was_deleted_meanwhile_opens_no_circuit(engine):
    first, _ = broken(engine, times=0)
    engine.provider.on("first", FAILS)
    opening = breakers.Opening("small", "failures", 30.0, 1)
    db.session.remove()
    with states.transaction():
        db.session.execute(sa.delete(Credential).where(Credential.id == first))
    with states.transaction():
        breakers.open_circuit(engine.team.access("bob").workspace.id, first, opening, "server", "no", now())
    assert circuits() == []
