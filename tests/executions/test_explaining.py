"""Who would answer now: the page, the API and the drill say the same as the executions then do."""

from __future__ import annotations

from datetime import timedelta

import pytest
import sqlalchemy as sa
from scripted_provider import refuses, says

from aiapp.columns import now
from aiapp.credentials.models import CircuitBreaker
from aiapp.executions.explaining import explain, refusing
from aiapp.executions.running import states
from aiapp.executions.submission import Submission
from aiapp.extensions import db


@pytest.fixture
def two(engine):
    return engine.credential("first"), engine.credential("second")


def told(engine, by="bob", **asked):
    db.session.remove()
    found = explain(engine.team.access(by), Submission(**asked))
    db.session.remove()
    return [(one.name, one.verdict) for one in found.considered], found


def test_the_first_in_the_order_is_asked_first_and_the_rest_next(engine, two):
    lines, found = told(engine)
    assert lines == [("first", "first"), ("second", "next")]
    assert found.basis == "Nothing is asked for: each credential answers with its own model, in the fallback order."
    assert found.considered[0].why == "Default credential"


def test_what_is_not_asked_says_why(engine, two):
    engine.credential("off", active=False)
    engine.credential("other", provider="demo", base_url=None, api_key=None, preferred_model="demo-instant")
    lines, found = told(engine, provider="demo")
    assert lines == [("other", "first"), ("first", "skipped"), ("second", "skipped"), ("off", "skipped")]
    assert [one.why for one in found.considered[1:]] == [
        "Of another provider than the one that is asked for",
        "Of another provider than the one that is asked for",
        "Switched off",
    ]
    assert found.basis == "You ask for a credential of Demo."


def test_without_anybody_it_says_what_is_missing(engine, stage):
    lines, found = told(engine)
    assert lines == []
    assert "no active credential" in found.problem


def test_a_drill_is_followed_by_the_next_credential_without_a_call(engine, two, sign_in):
    first, _ = two
    engine.provider.on("second", says("Fine."))
    alice = sign_in("alice")
    answer = alice.submit(f"/w/acme/credentials/{first}/drill", data={"seconds": "300", "page": "selection"})
    assert answer.headers["Location"] == "/w/acme/executions/selection"
    page = alice.get(answer.headers["Location"]).get_data(as_text=True)
    assert "End the drill of first" in page
    execution_id = engine.submit()
    row = engine.run(execution_id)
    assert (row.status, row.output) == ("completed", "Fine.")
    assert [(one.credential_name, one.error_class) for one in row.attempts] == [("first", "server"), ("second", None)]
    assert row.attempts[0].error_message.startswith("Failure drill: no call was made.")
    assert (row.attempts[0].cost, row.attempts[0].prices) == (0, None)
    assert row.attempts[0].next_reason == "The failure drill let it fail; the next credential is tried."
    assert {call.key for call in engine.provider.calls} == {"second"}
    alone = engine.run(engine.submit(credential_id=first))
    assert alone.attempts[0].next_reason.startswith("The failure drill let it fail; round 2 of")
    alice.submit(f"/w/acme/credentials/{first}/drill", data={"seconds": "0"})
    again = engine.submit()
    assert engine.run(again).attempts[0].error_class != "server"


def test_the_api_explains_resets_and_drills(engine, two, api):
    first, _ = two
    engine.provider.on("first", refuses(401, "bad key"))
    engine.finish(engine.submit())
    adam = api("adam")
    found = adam("GET", "/selection").json
    assert [(one["credential"], one["verdict"]) for one in found["candidates"]] == [
        ("second", "first"),
        ("first", "next"),
    ]
    assert "its key was refused" in found["candidates"][1]["why"]
    (circuit,) = adam("GET", f"/credentials/{first}/circuits").json["circuits"]
    assert (circuit["model"], circuit["cause"], circuit["state"]) == (None, "auth", "open")
    assert adam("POST", f"/credentials/{first}/reset").json == {"circuits": [], "drill_until": None}
    assert adam("GET", "/selection").json["candidates"][0]["credential"] == "first"
    assert adam("POST", f"/credentials/{first}/drill", {"seconds": 60}).json["drill_until"]
    assert adam("GET", "/selection").json["candidates"][0]["drill"] is True
    mistyped = adam("POST", f"/credentials/{first}/drill", {"second": 0})
    assert (mistyped.status_code, mistyped.json["errors"][0]["field"]) == (422, "second")


def test_who_may_not_change_a_credential_may_neither_reset_nor_drill_it(engine, two, sign_in):
    first, _ = two
    bob = sign_in("bob")
    for verb in ("reset", "drill"):
        assert bob.submit(f"/w/acme/credentials/{first}/{verb}").status_code == 403
    page = bob.get("/w/acme/executions/selection").get_data(as_text=True)
    assert "Fail for 5 min" not in page
    assert "Asked first" in page


def test_an_unknown_prompt_template_is_said_on_the_page(engine, two, sign_in):
    page = sign_in("bob").get("/w/acme/executions/_selection?prompt_template=nothing")
    assert page.status_code == 200
    assert "There is no prompt template called nothing" in page.get_data(as_text=True)


def test_the_list_of_credentials_tells_an_open_circuit_from_one_that_the_next_execution_tries(engine, two, sign_in):
    engine.provider.on("first", refuses(401, "bad key"))
    engine.finish(engine.submit())
    alice = sign_in("alice")
    assert "Asked last" in alice.get("/w/acme/credentials").get_data(as_text=True)
    with states.transaction():
        db.session.execute(sa.update(CircuitBreaker).values(until=now() - timedelta(seconds=1)))
    page = alice.get("/w/acme/credentials").get_data(as_text=True)
    assert "Tried by the next" in page
    assert "Asked last" not in page
    assert "is half-open: the next execution tries it" in alice.get(f"/w/acme/credentials/{two[0]}").get_data(
        as_text=True
    )


def test_a_failure_of_keys_names_them_and_says_that_nothing_was_used(engine, provider, sign_in):
    keys = {name: engine.credential(name) for name in ("first", "second")}
    for name in keys:
        provider.on(name, refuses(401, "bad key"))
    engine.finish(engine.submit())
    made = engine.finish(engine.submit())  # both are known by now to refuse: none of them is asked last
    assert [one.reason for one in made.attempts] == [
        "Default credential; its key was refused a short time ago",
        "Second in the fallback order; its key was refused a short time ago",
    ]
    page = " ".join(sign_in("adam").get(f"/w/acme/executions/{made.id}").get_data(as_text=True).split())
    for name, credential_id in keys.items():
        assert f'href="/w/acme/credentials/{credential_id}">{name}</a>' in page
    assert "nothing was used" in page
    assert f"Execution: {made.id}" in page, "in the report that is copied"
    assert refusing(engine.team.access("vera"), made) == [("first", None), ("second", None)]
