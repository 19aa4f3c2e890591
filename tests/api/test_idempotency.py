"""Idempotency-Key: a POST that is sent twice is done once."""

from __future__ import annotations

import threading
from datetime import timedelta

import pytest
import sqlalchemy as sa

from aiapp.api import idempotency
from aiapp.api.models import IdempotencyKey
from aiapp.columns import now
from aiapp.credentials.models import Credential
from aiapp.executions import actions
from aiapp.executions.models import Execution
from aiapp.extensions import db
from aiapp.prompt_templates.models import PromptTemplate
from aiapp.workspaces.models import Invitation

BODY = {"template": "Hi {{name}}", "context": {"name": "Ada"}}


@pytest.fixture
def bob(api):
    return api("bob")


@pytest.fixture
def count(app):
    def count(table):
        with app.app_context():
            return db.session.scalar(sa.select(sa.func.count()).select_from(table))

    return count


@pytest.fixture
def change(app):
    """Write to the keys behind everybody's back."""

    def change(**values):
        with app.app_context():
            db.session.execute(sa.update(IdempotencyKey).values(**values))
            db.session.commit()

    return change


@pytest.fixture
def quickly(monkeypatch):
    monkeypatch.setattr(idempotency, "WAIT_SECONDS", 0.2)


def at_once(number, send):
    """What `number` threads get that send the same at the same time."""
    answers, ready = [], threading.Barrier(number)

    def run():
        ready.wait(30)
        answers.append(send())

    threads = [threading.Thread(target=run) for _ in range(number)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert len(answers) == number
    return answers


def test_the_same_key_and_body_get_the_first_answer(bob, count):
    first = bob("POST", "/executions", BODY, key="k")
    again = bob("POST", "/executions", BODY, key="k")
    assert first.status_code == again.status_code == 202
    assert first.json == again.json
    assert "Idempotent-Replayed" not in first.headers
    assert again.headers["Idempotent-Replayed"] == "true"
    assert count(Execution) == 1


def test_the_first_answer_stays_as_it_was(bob, work):
    first = bob("POST", "/executions", BODY, key="k")
    work(first.json["id"])
    assert bob("POST", "/executions", BODY, key="k").json == first.json


def test_another_body_is_a_conflict(bob, count):
    bob("POST", "/executions", BODY, key="k")
    other = bob("POST", "/executions", {**BODY, "context": {"name": "Bob"}}, key="k")
    assert (other.status_code, other.json["code"]) == (409, "idempotency_conflict")
    assert other.json["title"] == "This Idempotency-Key was used for another request"
    assert bob("POST", "/llm_jobs", BODY, key="k").json["code"] == "idempotency_conflict"
    assert count(Execution) == 1


def test_without_a_key_each_post_counts(bob, count):
    for _ in range(2):
        bob("POST", "/executions", BODY)
    assert count(Execution) == 2


def test_a_key_is_a_workspaces_own(bob, api, count):
    bob("POST", "/executions", BODY, key="k")
    assert "Idempotent-Replayed" in api("alice")("POST", "/executions", BODY, key="k").headers
    assert "Idempotent-Replayed" not in api("charlie")("POST", "/executions", BODY, key="k").headers
    assert count(Execution) == 2


def test_a_refused_request_leaves_its_key_unused(bob, count):
    assert bob("POST", "/executions", {"template": "{{a}}"}, key="k").status_code == 422
    assert bob("POST", "/prompt-templates/unknown/executions", {}, key="k").status_code == 404
    assert count(IdempotencyKey) == 0
    assert bob("POST", "/executions", BODY, key="k").status_code == 202


def test_a_replay_needs_the_same_rights(bob, api):
    bob("POST", "/executions", BODY, key="k")
    assert api("vera")("POST", "/executions", BODY, key="k").status_code == 403
    assert api("bob", "read")("POST", "/executions", BODY, key="k").status_code == 403


def test_keys_have_1_to_255_printable_characters(bob):
    for key in ("", "x" * 256, "a\tb"):
        answer = bob("POST", "/executions", BODY, key=key)
        assert (answer.status_code, answer.json["errors"][0]["field"]) == (422, "Idempotency-Key"), key
    assert bob("POST", "/executions", BODY, key="x" * 255).status_code == 202


def test_secrets_are_kept_nowhere(api, app):
    adam = api("adam")
    token = adam("POST", "/tokens", {"name": "x"}, key="a")
    invitation = adam("POST", "/invitations", {"email": "new@example.com"}, key="b")
    with app.app_context():
        kept = repr(db.session.execute(sa.text("SELECT * FROM idempotency_key")).all())
    assert token.json["token"] not in kept
    assert invitation.json["link"].rsplit("/", 1)[-1] not in kept
    assert adam("POST", "/tokens", {"name": "x"}, key="a").json == {**token.json, "token": None}
    assert adam("POST", "/invitations", {"email": "new@example.com"}, key="b").json == {**invitation.json, "link": None}


def test_every_post_that_creates_is_done_once(api, rows, count):
    alice = api("alice")
    execution = f"/executions/{rows['execution_id']}"
    for path, body in (
        ("/credentials", {"provider": "demo", "name": "Second"}),
        ("/prompt-templates", {"name": "Second"}),
        ("/prompt-templates/greeting/versions", {"body": "Two"}),
        ("/prompt-templates/greeting/rollback", {"version": 1}),
        ("/prompt-templates/greeting/executions", {"context": {"name": "Ada"}}),
        ("/llm_jobs", BODY),
        (f"{execution}/rerun", None),
        (f"{execution}/regenerate", {"temperature": 1}),
    ):
        first = alice("POST", path, body, key=path)
        assert first.status_code in {201, 202}, first.json
        assert alice("POST", path, body, key=path).json == first.json
    assert count(Credential) == count(PromptTemplate) == 2
    assert count(Execution) == 5


def test_twenty_equal_posts_at_once_make_one_execution(bob, count):
    answers = at_once(20, lambda: bob("POST", "/executions", BODY, key="k"))
    assert {answer.status_code for answer in answers} == {202}
    assert len({answer.get_data() for answer in answers}) == 1
    assert count(Execution) == 1


def test_twenty_equal_posts_at_once_make_one_credential(api, count):
    alice = api("alice")
    body = {"provider": "demo", "name": "Demo"}
    answers = at_once(20, lambda: alice("POST", "/credentials", body, key="k"))
    assert {answer.status_code for answer in answers} == {201}
    assert len({answer.get_data() for answer in answers}) == 1
    assert count(Credential) == 1


def test_different_keys_at_once_do_not_wait_for_each_other(api, count):
    alice = api("alice")
    keys = iter([str(number) for number in range(8)])

    def send():
        key = next(keys)
        return alice("POST", "/credentials", {"provider": "demo", "name": f"Demo {key}"}, key=key)

    assert {answer.status_code for answer in at_once(8, send)} == {201}
    assert count(Credential) == 8


def test_after_a_day_a_key_is_unused(bob, change, count):
    first = bob("POST", "/executions", BODY, key="k")
    change(created_at=now() - timedelta(hours=25))
    assert bob("POST", "/executions", BODY, key="k").json["id"] != first.json["id"]
    assert count(Execution) == 2


def test_old_keys_are_forgotten(bob, app, change, count):
    bob("POST", "/executions", BODY, key="old")
    change(created_at=now() - timedelta(hours=25))
    bob("POST", "/executions", BODY, key="new")
    with app.app_context():
        assert idempotency.forget_old() == 1
        assert idempotency.forget_old() == 0
    assert count(IdempotencyKey) == 1


def test_more_old_keys_than_are_forgotten_at_once_are_forgotten_too(bob, app, change, count, monkeypatch):
    monkeypatch.setattr(idempotency, "FORGOTTEN_AT_ONCE", 2)
    for number in range(5):
        bob("POST", "/executions", BODY, key=str(number))
    change(created_at=now() - timedelta(hours=25))
    with app.app_context():
        assert idempotency.forget_old() == 5
    assert count(IdempotencyKey) == 0


def test_an_execution_whose_answer_was_lost_is_found_again(bob, rows, change, count):
    """The process died after its commit, before its answer."""
    execution = f"/executions/{rows['execution_id']}"
    before = count(Execution)
    for path, body in (
        ("/executions", BODY),
        ("/llm_jobs", BODY),
        ("/prompt-templates/greeting/executions", {"context": {"name": "Ada"}}),
        (f"{execution}/rerun", None),
        (f"{execution}/regenerate", {"temperature": 1}),
    ):
        first = bob("POST", path, body, key=path)
        change(status=None, answer=None)
        again = bob("POST", path, body, key=path)
        assert again.status_code == 202
        assert again.json.get("id") == first.json.get("id")
        assert again.json.get("job_id") == first.json.get("job_id")
        change(status=202)
    assert count(Execution) == before + 5


def test_what_follows_a_lost_answer_changes_nothing_of_it(bob, change, count):
    """Not even a prompt that could not be filled now."""
    bob("POST", "/prompt-templates", {"name": "x", "body": "Hi"})
    bob("POST", "/prompt-templates/x/versions/1/publish")
    first = bob("POST", "/prompt-templates/x/executions", {}, key="k")
    change(status=None, answer=None)
    bob("PATCH", "/prompt-templates/x", {"active": False})
    assert bob("POST", "/prompt-templates/x/executions", {}, key="k").json["id"] == first.json["id"]
    assert count(Execution) == 1


def test_the_faster_of_two_answers_is_everybodys(bob, app, monkeypatch):
    """A second request that finds the execution without its answer may answer first."""
    submit = actions.submit

    def overtaken(access, submission, *, execution_id=None):
        made = submit(access, submission, execution_id=execution_id)
        db.session.execute(
            sa.update(IdempotencyKey)
            .where(IdempotencyKey.id == execution_id)
            .values(status=202, answer={"id": made.id})
        )
        db.session.commit()
        return made

    monkeypatch.setattr(actions, "submit", overtaken)
    answer = bob.client.post("/api/v1/executions", json=BODY, headers={**bob.headers, "Idempotency-Key": "k"})
    assert set(answer.json) == {"id"}
    assert answer.headers["Idempotent-Replayed"] == "true"


def test_anything_else_whose_answer_was_lost_is_not_made_twice(api, change, count, quickly):
    adam = api("adam")
    body = {"email": "new@example.com"}
    adam("POST", "/invitations", body, key="k")
    change(status=None, answer=None)
    soon = adam("POST", "/invitations", body, key="k")
    assert (soon.status_code, soon.json["code"], soon.headers["Retry-After"]) == (503, "unavailable", "5")
    change(created_at=now() - timedelta(minutes=3))
    late = adam("POST", "/invitations", body, key="k")
    assert (late.status_code, late.json["code"]) == (409, "answer_lost")
    assert count(Invitation) == 1


def test_an_execution_that_crashes_leaves_its_key_unused(bob, monkeypatch, count):
    submit = actions.submit
    monkeypatch.setattr(actions, "submit", lambda *arguments, **more: 1 / 0)
    headers = {**bob.headers, "Idempotency-Key": "k"}
    assert bob.client.post("/api/v1/executions", json=BODY, headers=headers).status_code == 500
    monkeypatch.setattr(actions, "submit", submit)
    assert count(IdempotencyKey) == 0
    assert bob("POST", "/executions", BODY, key="k").status_code == 202


def test_a_deleted_workspace_takes_its_keys_along(bob, app, team, count):
    bob("POST", "/executions", BODY, key="k")
    with app.app_context():
        from aiapp.workspaces import actions as workspaces

        workspaces.delete(team.access("alice"), "acme")
    assert count(IdempotencyKey) == 0
