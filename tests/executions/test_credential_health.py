"""What executions show of the health of the credentials that they use."""

from __future__ import annotations

import re
from datetime import timedelta

import pytest
import sqlalchemy as sa
from scripted_provider import refuses, says

from aiapp.columns import now
from aiapp.credentials import actions as credentials
from aiapp.credentials import checks
from aiapp.credentials.health import Verdict
from aiapp.credentials.models import Credential
from aiapp.executions.running import noting
from aiapp.extensions import db
from aiapp.prompt_templates import actions as prompt_templates
from aiapp.prompt_templates import library


@pytest.fixture
def health_of(engine):
    """`health_of(id)`: the health and its reason, and since when."""

    def health_of(credential_id):
        db.session.remove()
        row = db.session.get(Credential, credential_id)
        db.session.remove()
        return (row.health, row.health_reason), row.health_since

    return health_of


def test_a_credential_that_answers_is_healthy_without_a_test(engine, health_of):
    first = engine.credential("first")
    assert health_of(first) == (("unknown", None), None)
    before = now()
    engine.run(engine.submit())
    state, since = health_of(first)
    assert state == ("healthy", None)
    assert before - timedelta(seconds=1) <= since <= now()


@pytest.mark.parametrize(
    ("refusal", "shown"),
    [
        (refuses(401, "bad key"), ("down", "bad_key")),
        (refuses(429, "no credit", code="insufficient_quota"), ("down", "out_of_credit")),
    ],
)
def test_a_refused_key_is_down_until_it_answers_again(engine, provider, health_of, refusal, shown):
    first, second = engine.credential("first"), engine.credential("second")
    provider.on("first", refusal, says("back"))
    engine.run(engine.submit())
    assert (health_of(first)[0], health_of(second)[0]) == (shown, ("healthy", None))
    engine.run(engine.submit(credential_id=first))
    assert health_of(first)[0] == ("healthy", None)


@pytest.mark.parametrize(
    "refusal", [refuses(500, "oops"), refuses(403, "not this model"), refuses(404, "no model"), refuses(400, "bad")]
)
def test_what_may_be_the_requests_fault_or_the_moments_says_nothing_of_the_credential(
    engine, provider, health_of, refusal
):
    first = engine.credential("first")
    engine.run(engine.submit())
    provider.on("first", refusal)
    engine.run(engine.submit())
    assert health_of(first)[0] == ("healthy", None)


def test_what_is_known_already_is_not_written_again(engine, provider, health_of, monkeypatch):
    monkeypatch.setattr(noting, "_noted_lately", lambda *arguments: False)
    first = engine.credential("first")
    engine.run(engine.submit())
    _, since = health_of(first)
    engine.run(engine.submit())
    assert health_of(first)[1] == since
    provider.on("first", refuses(401, "bad key"), refuses(401, "bad key"))
    engine.run(engine.submit())
    _, since = health_of(first)
    engine.run(engine.submit())
    assert health_of(first) == (("down", "bad_key"), since)


def test_of_many_successes_in_a_row_only_the_first_asks_the_database(engine, stage):
    engine.credential("first")
    engine.run(engine.submit())
    seen = []
    sa.event.listen(db.engine, "before_cursor_execute", lambda *event: seen.append(event[2]))
    engine.run(engine.submit())
    assert not [statement for statement in seen if statement.startswith("UPDATE credential")]


def test_a_call_that_began_before_the_key_was_replaced_says_nothing_of_the_new_one(engine, provider, health_of):
    first = engine.credential("first")

    def replaced(call):
        with engine.app.app_context():
            credentials.update(engine.team.access("alice"), first, {"api_key": "another"})
        return refuses(401, "bad key")(call)

    provider.on("first", replaced)
    engine.run(engine.submit())
    assert health_of(first) == (("unknown", None), None)


def test_a_changed_key_is_not_tested_again_and_a_test_says_since_when(engine, health_of):
    first = engine.credential("first")
    engine.run(engine.submit())
    alice = engine.team.access("alice")
    credential = credentials.update(alice, first, {"api_key": "another"})
    assert health_of(first) == (("unknown", None), None)
    checks.record_test(credential, {"ok": False, "steps": []}, Verdict("down", "bad_key"))
    state, since = health_of(first)
    assert state == ("down", "bad_key")
    checks.record_test(credential, {"ok": False, "steps": []}, Verdict("down", "bad_key"))
    assert health_of(first) == (state, since)


def test_a_credential_says_what_it_was_used_by(engine, team, provider, sign_in):
    used, idle = engine.credential("sk-used"), engine.credential("sk-idle")
    admin = sign_in("adam")
    about = "/w/acme/executions/_with?credential="
    assert "Nothing has run" in admin.get(about + used).get_data(as_text=True)
    access = team.access("bob")
    made = prompt_templates.create(access, {"name": "Greeting", "slug": "greeting", "body": "Hello"})
    prompt_templates.publish(access, library.version(access, made, 1), "First")
    for _ in range(2):
        engine.finish(engine.submit(prompt_template="greeting"))
    engine.finish(engine.submit("Alone"))
    shown = re.sub(r"\s+", " ", admin.get(about + used).get_data(as_text=True))
    assert re.search(r'/prompt-templates/greeting">Greeting</a> </td> <td[^>]*>2<', shown)
    assert re.search(r"a text of its own</span> </td> <td[^>]*>1<", shown)
    assert "answered none" in admin.get(about + idle).get_data(as_text=True)


@pytest.mark.parametrize(("name", "status"), [("bob", 403), ("charlie", 404)])
def test_who_may_not_change_a_credential_is_not_told_what_uses_it(engine, sign_in, name, status):
    used = engine.credential("sk-used")
    assert sign_in(name).get(f"/w/acme/executions/_with?credential={used}").status_code == status
