"""A workspace may hide executions from all but their author and admins: to others they are as if they were not there."""

from __future__ import annotations

import pytest
import sqlalchemy as sa
from one_of_each import one_of_each

from aiapp.columns import now
from aiapp.executions import actions
from aiapp.executions.models import Execution
from aiapp.executions.streaming import stream
from aiapp.executions.submission import Submission
from aiapp.extensions import db
from aiapp.feedback import actions as feedback
from aiapp.retention import actions as rules

COMMENT = "A comment on what others do not see"


@pytest.fixture
def submitted(app, team):
    """An execution of bob's that waits."""
    with app.app_context():
        made = actions.submit(team.access("bob"), Submission(template="Say hello to Ada")).id
        db.session.remove()
    return made


@pytest.fixture
def hidden(app, team):
    """bob's execution, in a workspace that hides those of others; returns values for the parameters of routes."""
    made = one_of_each(app, team)
    with app.app_context():
        rules.change(team.access("alice"), {"private_executions": True})
        ended = {"status": "completed", "output": "Hello.", "started_at": now(), "completed_at": now()}
        db.session.execute(sa.update(Execution).values(**ended))
        db.session.commit()
        bob = team.access("bob")
        feedback.rate(bob, bob.get(Execution, made["execution_id"]), "up", COMMENT)
        db.session.remove()
    return made


def routes(app, prefix):
    """Routes with an execution in their path: method, rule."""
    for rule in app.url_map.iter_rules():
        if "execution_id" in rule.arguments and rule.rule.startswith(prefix):
            for method in sorted(rule.methods - {"HEAD", "OPTIONS"}):
                yield method, rule


def test_every_page_of_a_hidden_execution_is_that_of_an_unknown_one(app, hidden, sign_in):
    vera, walked = sign_in("vera"), 0
    for method, rule in routes(app, "/w/"):
        values = {name: hidden.get(name, "1") for name in rule.arguments} | {"workspace": "acme"}
        with app.test_request_context():
            paths = [rule.build(values)[1], rule.build({**values, "execution_id": "0" * 32})[1]]
        answers = [vera.get(path) if method == "GET" else vera.submit(path) for path in paths]
        assert {answer.status_code for answer in answers} <= {403, 404}, (method, rule.rule)
        assert answers[0].status_code == answers[1].status_code, (method, rule.rule)
        walked += 1
    assert walked >= 15


def test_every_answer_of_the_api_on_a_hidden_execution_is_that_on_an_unknown_one(app, hidden, api):
    vera = api("vera", "run")
    walked = 0
    for method, rule in routes(app, "/api/"):
        values = {name: hidden.get(name, "1") for name in rule.arguments}
        with app.test_request_context():
            path = rule.build(values)[1].removeprefix("/api/v1")
        body = {"rating": "up"} if method == "PUT" else {} if method in ("POST", "PATCH") else None
        answer = vera(method, path, body)
        assert answer.status_code == 404, (method, rule.rule, answer.get_data(as_text=True))
        walked += 1
    assert walked >= 7


def test_lists_and_fragments_leave_out_what_is_hidden_and_its_author_and_admins_see_it(hidden, sign_in, api, team):
    execution_id = hidden["execution_id"]
    pages = [
        "/w/acme/executions",
        "/w/acme/executions/_more",
        f"/w/acme/executions/_status?ids={execution_id}",
        "/w/acme/executions/_of?template=greeting",
        "/w/acme/executions/_contexts?template=greeting",
        "/w/acme/executions/contexts?template=greeting",
        f"/w/acme/executions?q={execution_id[-8:]}",
        "/w/acme/prompt-templates/greeting/executions",
        "/w/acme/feedback/_of?template=greeting",
        "/w/acme/feedback",
        "/w/acme/",
    ]
    seen = {}
    for name in ("vera", "bob", "adam"):
        browser = sign_in(name)
        texts = [browser.get(page).get_data(as_text=True) for page in pages]
        seen[name] = sum(execution_id in text for text in texts)
        assert any(COMMENT in text for text in texts) == (name != "vera")
    assert seen["vera"] == 0
    assert seen["bob"] == seen["adam"] >= 5
    compared = f"/w/acme/executions/compare?id={execution_id}"
    assert (sign_in("vera").get(compared).status_code, sign_in("bob").get(compared).status_code) == (404, 200)
    assert api("vera", "read")("GET", "/executions").get_json()["data"] == []
    assert [row["id"] for row in api("bob", "read")("GET", "/executions").get_json()["data"]] == [execution_id]


def test_pages_without_executions_of_ones_own_say_that_others_are_hidden(hidden, sign_in):
    pages = [
        "/w/acme/",
        "/w/acme/executions",
        "/w/acme/executions/_of?template=greeting",
        "/w/acme/executions/_contexts?template=greeting",
        "/w/acme/batches",
        "/w/acme/feedback",
        "/w/acme/feedback/_of?template=greeting",
    ]
    for name, told in (("vera", True), ("adam", False)):
        for page in pages:
            text = sign_in(name).get(page).get_data(as_text=True)
            assert ("of other members" in text) is told, (name, page)
            assert not told or "has not been run" not in text, page


def test_a_reader_is_sent_away_once_executions_are_hidden(app, team, submitted, sign_in, monkeypatch):
    vera = sign_in("vera")
    monkeypatch.setattr(stream, "HEARTBEAT_SECONDS", 0.1)
    monkeypatch.setattr("aiapp.executions.streaming.relay.CHECK_SECONDS", 0.05)
    answer = vera.get(f"/w/acme/executions/{submitted}/_stream")
    assert answer.status_code == 200
    events = iter(answer.response)
    next(events)
    with app.app_context():
        rules.change(team.access("alice"), {"private_executions": True})
        db.session.remove()
    assert sum(1 for _ in events) < 500, "the stream ends, though the execution does not"
    with app.app_context():
        assert db.session.get(Execution, submitted).status == "pending"


def test_without_the_rule_every_member_sees_every_execution(submitted, sign_in):
    assert sign_in("vera").get(f"/w/acme/executions/{submitted}").status_code == 200
