"""The rounds of an execution on its page: earlier ones are folded, and the next one says whom it asks and whom not."""

from __future__ import annotations

import re
from datetime import timedelta

import pytest
from playwright.sync_api import expect

from aiapp.columns import now
from aiapp.executions.models import Attempt, Execution
from aiapp.executions.running import round_words
from aiapp.extensions import db


@pytest.fixture
def add(app, team):
    """Add an execution of acme; `rounds` are lists of (credential's name, columns of its attempt); returns its page's path."""

    def add(*rounds, **columns):
        with app.app_context():
            access = team.access("bob")
            values = {"source": "page", "body": "Hi", "format": "text", "round": len(rounds), **columns}
            row = Execution(workspace_id=access.workspace.id, user_id=access.user.id, **values)
            db.session.add(row)
            db.session.flush()
            number = 0
            for retry, tried in enumerate(rounds):
                for name, more in tried:
                    number += 1
                    shared = {"provider": "demo", "model": "m", "status": "failed", "started_at": now()}
                    reason = round_words.with_round("Default credential", retry, 5)
                    named = {"credential_id": name.ljust(32, "0"), "credential_name": name, "reason": reason}
                    db.session.add(
                        Attempt(
                            workspace_id=row.workspace_id,
                            execution_id=row.id,
                            number=number,
                            **{**shared, **named, "duration_ms": 5, **more},
                        )
                    )
            db.session.commit()
            return f"/w/acme/executions/{row.id}"

    return add


def text(answer):
    return " ".join(answer.get_data(as_text=True).split())


AWAY = {"error_class": "server"}
WRONG = {"error_class": "model_not_found"}


def test_what_waits_says_whom_the_next_round_asks_and_why_others_are_left_out(sign_in, add):
    slow = {"error_class": "rate_limit", "retry_after": 60.0}
    tried = [("first", AWAY), ("second", WRONG), ("third", slow), ("fourth", AWAY)]
    path = add(tried, status="pending", next_attempt_at=now() + timedelta(seconds=5))
    bob = sign_in("bob")
    for page in (text(bob.get(path)), text(bob.get(f"{path}/_panel"))):
        assert "Round 2 asks first · m and fourth · m again." in page
        assert "second · m is left out: the model does not exist there." in page
        assert "third · m is left out: the provider asked to slow down for 60 s." in page
        assert "every target" not in page.lower()


def test_a_round_whose_time_has_come_starts_now(sign_in, add):
    bob = sign_in("bob")
    for seconds, words in ((-3, "now"), (0.5, "now"), (30, "in 30 s")):
        path = add([("first", AWAY)], status="pending", next_attempt_at=now() + timedelta(seconds=seconds))
        page = text(bob.get(path))
        assert re.search(rf"Round 2 starts <time datetime=\"[^\"]+\">{words}</time>\.", page), seconds


def test_earlier_rounds_are_folded_and_the_last_one_is_open(sign_in, add):
    tried = [("first", AWAY), ("second", AWAY)]
    path = add(tried, tried, [("second", {"error_class": "server"})], status="failed", error_class="server", round=2)
    page = text(sign_in("bob").get(path))
    rounds = page.partition('id="attempts"')[0].split('id="round-')[1:]
    assert [fold.count("attempt-header") for fold in rounds] == [2, 2]
    assert 'Round 1<span class="muted">2 attempts: the provider failed</span>' in rounds[0]
    last = page.split('id="attempts"')[1].split("</ol>")[0]
    assert last.count("attempt-header") == 1
    assert "round 3 of 6" in last


def test_a_single_round_is_not_folded(sign_in, add):
    page = text(sign_in("bob").get(add([("first", AWAY)], status="failed", error_class="server", round=0)))
    assert "Round 1" not in page
    assert page.split('id="attempts"')[1].count("attempt-header") == 1


def test_the_round_stays_readable_in_the_longest_reason(sign_in):
    reason = round_words.with_round("x" * 500, 5, 100)
    assert len(reason) <= 300
    assert reason.endswith("; round 6 of 101")
    assert round_words.with_round("Default credential", 0, 5) == "Default credential"


def test_a_cancelled_one_promises_only_the_text_that_is_there(sign_in, add):
    bob = sign_in("bob")
    empty = text(bob.get(add([("first", AWAY)], status="cancelled")))
    assert "kept below" not in empty
    assert "Somebody" not in empty
    assert "kept below" in text(bob.get(add([("first", AWAY)], status="cancelled", output="Hel", partial=True)))


def test_a_round_that_somebody_opened_stays_open_while_the_page_looks_again(page, address, sign_in, add):
    path = add(*[[("first", AWAY)]] * 2, status="pending", next_attempt_at=now() + timedelta(minutes=5))
    cookie = sign_in("bob").get_cookie("aiapp_session")
    page.context.add_cookies([{"name": cookie.key, "value": cookie.value, "url": address}])
    page.goto(f"{address}{path}")
    fold = page.locator("#round-1")
    expect(fold).not_to_have_attribute("open", re.compile(".*"))
    expect(fold.locator("li")).to_be_hidden()
    fold.locator("summary").first.click()
    for _ in range(2):
        with page.expect_response(re.compile("/_live$")):
            pass
    expect(fold.locator("li")).to_be_visible()
    expect(page.locator("#attempts > li")).to_be_visible()
