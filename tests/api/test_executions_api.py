"""Executions by the API: submit, read, wait, filter, cancel, repeat, rate."""

from __future__ import annotations

import threading

import pytest
import sqlalchemy as sa

from aiapp.accounts.models import ApiToken
from aiapp.api import executions
from aiapp.extensions import db

UNKNOWN = "0" * 32


@pytest.fixture
def demo(api):
    """The id of acme's only credential: it answers at once."""
    body = {"provider": "demo", "name": "Demo", "preferred_model": "demo-instant"}
    return api("alice")("POST", "/credentials", body).json["id"]


@pytest.fixture
def bob(api):
    return api("bob", "run")


def done(bob, work, **body):
    execution_id = bob("POST", "/executions", {"template": "Hi", **body}).json["id"]
    work(execution_id)
    return bob("GET", f"/executions/{execution_id}").json


def test_a_text_is_submitted_and_waits(bob):
    answer = bob(
        "POST", "/executions", {"template": "Hi {{name}}", "context": {"name": "Ada"}, "system": "Be {{name}}"}
    )
    assert answer.status_code == 202
    one = answer.json
    assert (one["status"], one["source"], one["format"], one["priority"]) == ("pending", "api", "text", "default")
    assert one["prompt"] == {"system": "Be Ada", "messages": [], "body": "Hi Ada"}
    assert one["template"] is None
    assert one["user"]["name"] == "Bob"
    unknown = ("provider", "model", "credential_id", "output", "valid", "error", "cost", "started_at", "duration_ms")
    assert [one[name] for name in unknown] == [None] * len(unknown)
    assert set(one["usage"].values()) == {None}
    assert bob("GET", f"/executions/{one['id']}").json == one


def test_to_accept_a_text_the_database_is_asked_who_it_is_and_told_what(app, bob):
    bob("POST", "/executions", {"template": "Hi"})  # notes that the token was used
    with app.app_context():
        engine = db.engine
    seen = []

    def note(*event):
        seen.append(event[2].split()[0])

    sa.event.listen(engine, "before_cursor_execute", note)
    try:
        assert bob("POST", "/executions", {"template": "Hi"}).status_code == 202
    finally:
        sa.event.remove(engine, "before_cursor_execute", note)
    # the token, the membership, the row: nothing is asked, and nobody locked out, once it is stored
    assert [word for word in seen if word != "BEGIN"] == ["SELECT", "SELECT", "INSERT"]


def errors_of(answer):
    assert answer.status_code == 422, answer.json
    return {error["field"]: error["message"] for error in answer.json["errors"]}


def test_a_mistyped_field_is_named_and_nothing_starts(bob, demo, work):
    assert list(errors_of(bob("POST", "/executions", {"template": "Hi", "temprature": 3}))) == ["temprature"]
    path = "/prompt-templates/greeting/executions"
    assert list(errors_of(bob("POST", path, {"contxt": {"name": "Ada"}}))) == ["contxt"]
    assert list(errors_of(bob("POST", "/llm_jobs", {"template": "Hi", "modell": "m"}))) == ["modell"]
    ended = f"/executions/{done(bob, work)['id']}"
    assert list(errors_of(bob("POST", f"{ended}/regenerate", {"modle": "m"}))) == ["modle"]
    assert list(errors_of(bob("PUT", f"{ended}/feedback", {"rating": "up", "coment": "x"}))) == ["coment"]


def test_a_value_that_no_variable_takes_is_named(bob, rows):
    named = {"context.nmae": "No variable is called nmae."}
    sent = {"context": {"name": "Ada", "nmae": "Ada"}}
    assert errors_of(bob("POST", "/prompt-templates/greeting/executions", sent)) == named
    sent = {"template": "Hi {{user.name}}", "context": {"user": {"name": "Ada"}, "nmae": 1}}
    assert errors_of(bob("POST", "/executions", sent)) == named
    assert errors_of(bob("POST", "/llm_jobs", sent)) == named
    many = {"template": "Hi", "context": {f"v{number}": 1 for number in range(1000)}}
    assert len(errors_of(bob("POST", "/executions", many))) == 10


def test_the_location_of_what_was_made_is_its_address_and_nothing_else(bob, rows):
    for path, body in (
        ("/prompt-templates/greeting/executions", {"context": {"name": "Ada"}}),
        ("/executions", {"template": "Hi"}),
    ):
        answer = bob("POST", path, body)
        assert answer.headers["Location"] == f"/api/v1/executions/{answer.json['id']}"
    again = bob("POST", f"/executions/{answer.json['id']}/rerun")
    assert again.headers["Location"] == f"/api/v1/executions/{again.json['id']}"


def test_a_finished_one_tells_everything(bob, demo, work):
    one = done(bob, work, format="json")
    assert one["status"] == "completed"
    assert (one["provider"], one["model"], one["credential_id"]) == ("demo", "demo-instant", demo)
    assert one["valid"] is True
    assert isinstance(one["output_data"], dict)
    assert one["usage"]["total"] == one["usage"]["input"] + one["usage"]["output"] > 0
    assert one["cost"] == "0"
    (attempt,) = one["attempts"]
    assert (attempt["number"], attempt["status"], attempt["credential"]) == (1, "completed", "Demo")
    assert attempt["reason"] == "Default credential. It answered."
    assert one["duration_ms"] >= 0


def test_a_failed_one_tells_why(bob, api, work):
    api("alice")("POST", "/credentials", {"provider": "demo", "name": "Bad", "preferred_model": "demo-bad-key"})
    one = done(bob, work)
    assert (one["status"], one["error"]["class"]) == ("failed", "auth")
    assert one["error"]["message"]
    assert one["attempts"][0]["http_status"] == 401
    assert one["output"] is None


def test_a_prompt_template_is_executed(api, rows):
    vera = api("vera", "run")
    answer = vera("POST", "/prompt-templates/greeting/executions", {"context": {"name": "Ada"}})
    assert answer.status_code == 202
    assert answer.json["template"] == {"slug": "greeting", "version": 1}
    assert answer.json["prompt"]["body"] == "Say hello to Ada."


def test_a_viewer_runs_what_is_published_and_nothing_else(api, rows):
    bob, vera = api("bob"), api("vera", "run")
    bob("POST", "/prompt-templates/greeting/versions", {"body": "Draft"})
    path = "/prompt-templates/greeting/executions"
    assert vera("POST", path, {"context": {"name": "x"}, "version": 1}).status_code == 202
    assert vera("POST", path, {"version": 2}).json["code"] == "denied"
    assert vera("POST", "/executions", {"template": "Hi"}).json["code"] == "denied"
    assert vera("POST", "/llm_jobs", {"template": "Hi"}).json["code"] == "denied"
    assert vera("POST", f"/executions/{rows['execution_id']}/rerun").status_code == 202
    assert vera("POST", f"/executions/{rows['execution_id']}/cancel").json["code"] == "denied"
    own = vera("POST", path, {"context": {"name": "x"}}).json["id"]
    assert vera("POST", f"/executions/{own}/cancel").json["status"] == "cancelled"


def test_a_body_may_be_left_out_where_nothing_is_needed(api, bob):
    api("bob")("POST", "/prompt-templates", {"name": "x", "body": "Hi"})
    assert bob("POST", "/prompt-templates/x/executions").json["title"]
    api("bob")("POST", "/prompt-templates/x/versions/1/publish")
    assert bob("POST", "/prompt-templates/x/executions").status_code == 202


def test_missing_variables_are_named(bob):
    answer = bob("POST", "/executions", {"template": "{{a}} {{b.c}}", "context": {"b": {}}})
    assert answer.status_code == 422
    assert {error["field"] for error in answer.json["errors"]} == {"context.a", "context.b.c"}


def test_wrong_fields_are_refused(bob):
    for wrong in (
        {"template": ""},
        {"template": "a\x00b"},
        {"template": "\ud800"},
        {"context": []},
        {"context": {"a": "\x00"}},
        {"context": {"\x00": 1}},
        {"context": {"a": "\ud800"}},
        {"format": "pdf"},
        {"provider": "nobody"},
        {"model": "a\x00"},
        {"temperature": 3},
        {"max_tokens": 0},
        {"max_tokens": 10**30},
        {"priority": "urgent"},
        {"stream": "perhaps"},
        {"credential_id": "a\x00"},
    ):
        assert bob("POST", "/executions", {"template": "Hi", **wrong}).status_code == 422, wrong


def test_numbers_that_are_none_are_refused(bob):
    headers = {"Content-Type": "application/json"}
    for text in (b'{"template": "Hi", "temperature": NaN}', b'{"template": "Hi", "context": {"a": Infinity}}'):
        assert bob("POST", "/executions", data=text, headers=headers).status_code == 422


def test_a_foreign_credential_is_as_unknown_as_any(api, bob, demo):
    foreign = api("charlie")("POST", "/credentials", {"provider": "demo", "name": "Theirs"}).json["id"]
    for unknown in (foreign, UNKNOWN, "x"):
        assert bob("POST", "/executions", {"template": "Hi", "credential_id": unknown}).status_code == 404
    own = bob("POST", "/executions", {"template": "Hi"}).json["id"]
    answer = bob("POST", f"/executions/{own}/regenerate", {"credential_id": foreign})
    assert answer.status_code == 404
    assert bob("POST", "/executions", {"template": "Hi", "credential_id": demo}).status_code == 202


def test_the_short_form_names_the_execution(bob, demo, work):
    first = bob("POST", "/llm_jobs", {"template": "Hi", "model": "demo-instant", "context": {}, "format": "text"})
    assert first.status_code == 202
    job = first.json
    assert job == {
        "job_id": job["job_id"],
        "output_id": job["job_id"],
        "status": "queued",
        "estimated_completion": None,
    }
    work(job["job_id"])
    assert bob("GET", f"/executions/{job['output_id']}").json["status"] == "completed"
    assert bob("POST", "/llm_jobs", {"template": "Hi"}).json["estimated_completion"] is not None


def test_waiting_ends_with_the_execution(bob, demo, work):
    execution_id = bob("POST", "/executions", {"template": "Hi"}).json["id"]
    worker = threading.Timer(0.3, work, [execution_id])
    worker.start()
    answer = bob("GET", f"/executions/{execution_id}", query_string={"wait": 30})
    worker.join()
    assert answer.json["status"] == "completed"
    assert answer.json["output"]


def test_waiting_in_vain_answers_as_it_is(bob):
    execution_id = bob("POST", "/executions", {"template": "Hi"}).json["id"]
    assert bob("GET", f"/executions/{execution_id}", query_string={"wait": 0.1}).json["status"] == "pending"
    for wrong in ("61", "-1", "x", "nan", "inf"):
        assert bob("GET", f"/executions/{execution_id}", query_string={"wait": wrong}).status_code == 422


def test_only_so_many_wait_at_once(bob, monkeypatch):
    execution_id = bob("POST", "/executions", {"template": "Hi"}).json["id"]
    monkeypatch.setattr(executions, "_waiting", threading.BoundedSemaphore(1))
    wait = {"wait": 0.1}
    assert bob("GET", f"/executions/{execution_id}", query_string=wait).status_code == 200
    executions._waiting.acquire()
    full = bob("GET", f"/executions/{execution_id}", query_string=wait)
    assert (full.status_code, full.json["code"], full.headers["Retry-After"]) == (503, "unavailable", "5")
    assert bob("GET", f"/executions/{execution_id}").status_code == 200
    executions._waiting.release()
    assert bob("GET", f"/executions/{execution_id}", query_string=wait).status_code == 200


def test_a_token_that_is_revoked_while_it_waits_learns_nothing(bob, app):
    execution_id = bob("POST", "/executions", {"template": "Hi"}).json["id"]

    def revoke():
        with app.app_context():
            db.session.execute(sa.delete(ApiToken))
            db.session.commit()

    revoking = threading.Timer(0.2, revoke)
    revoking.start()
    answer = bob("GET", f"/executions/{execution_id}", query_string={"wait": 1})
    revoking.join()
    assert answer.status_code == 401


def test_a_list_is_filtered(api, rows, bob, work):
    completed = done(bob, work)
    bob("PUT", f"/executions/{completed['id']}/feedback", {"rating": "up"})
    greeting = rows["execution_id"]
    vera = api("vera", "run")
    of_vera = vera("POST", "/prompt-templates/greeting/executions", {"context": {"name": "Grace"}}).json["id"]
    me = bob("GET", "/me").json["user"]["id"]

    def found(**query):
        return {one["id"] for one in bob("GET", "/executions", query_string=query).json["data"]}

    assert found() == {completed["id"], greeting, of_vera}
    assert found(status="completed") == {completed["id"]}
    assert found(template="greeting") == {greeting, of_vera}
    assert found(template="unknown") == set()
    assert found(provider="demo") == found(model="demo-instant") == {completed["id"]}
    assert found(feedback="up") == found(feedback="any") == {completed["id"]}
    assert found(feedback="none") == {greeting, of_vera}
    assert found(user=me) == found(mine="true") == {completed["id"], greeting}
    assert found(q="grace") == {of_vera}
    assert found(**{"from": completed["created_at"], "to": "2200-01-01"}) == {completed["id"], of_vera}
    assert found(to=completed["created_at"]) == {greeting}
    assert found(**{"from": "0001-01-01", "to": "9999-12-31T23:59:59"}) == {completed["id"], greeting, of_vera}
    for wrong in (
        {"status": "gone"},
        {"feedback": "sideways"},
        {"from": "yesterday"},
        {"from": "0001-01-01T00:00:00+14:00"},
        {"to": "9999-12-31T23:59:59-14:00"},
        {"mine": "perhaps"},
        {"user": "x" * 300, "status": ""},
    ):
        assert bob("GET", "/executions", query_string=wrong).status_code == 422, wrong


def test_a_list_holds_no_prompts_and_outputs(bob, demo, work):
    done(bob, work, template="SECRET-PROMPT")
    answer = bob("GET", "/executions")
    assert "SECRET-PROMPT" not in answer.get_data(as_text=True)
    assert not {"output", "prompt", "context", "attempts"} & set(answer.json["data"][0])


def test_cancelling_ends_it_once(bob, demo, work):
    execution_id = bob("POST", "/executions", {"template": "Hi"}).json["id"]
    for _ in range(2):
        answer = bob("POST", f"/executions/{execution_id}/cancel")
        assert (answer.status_code, answer.json["status"]) == (202, "cancelled")
    work(execution_id)
    assert bob("GET", f"/executions/{execution_id}").json["status"] == "cancelled"
    ended = done(bob, work)
    late = bob("POST", f"/executions/{ended['id']}/cancel")
    assert (late.status_code, late.json["code"]) == (409, "finished")


def test_a_rerun_asks_the_same_again(bob):
    first = bob(
        "POST", "/executions", {"template": "Hi {{a}}", "context": {"a": 1}, "model": "m", "temperature": 0.1}
    ).json
    again = bob("POST", f"/executions/{first['id']}/rerun")
    assert again.status_code == 202
    assert again.json["parent_id"] == first["id"]
    assert again.json["prompt"] == first["prompt"]
    assert again.json["id"] != first["id"]


def test_a_regeneration_changes_what_it_is_told(bob, api):
    first = bob("POST", "/executions", {"template": "Hi {{a}}", "context": {"a": 1}}).json
    path = f"/executions/{first['id']}/regenerate"
    changed = bob("POST", path, {"context": {"a": 2}, "provider": "demo", "temperature": 1})
    assert changed.status_code == 202
    assert (changed.json["prompt"]["body"], changed.json["parent_id"]) == ("Hi 2", first["id"])
    assert bob("POST", path).json["prompt"] == first["prompt"]
    assert bob("POST", path, {"provider": "nobody"}).status_code == 422
    assert bob("POST", path, {"context": {"a": None}}).status_code == 422


def test_feedback_is_one_thumb_a_person(bob, api, demo, work):
    one = done(bob, work)
    path = f"/executions/{one['id']}/feedback"
    thumb = bob("PUT", path, {"rating": "down", "comment": "Too long", "reasons": ["length"]}).json
    assert (thumb["rating"], thumb["comment"], thumb["reasons"]) == ("down", "Too long", ["length"])
    assert bob("PUT", path, {"rating": "up"}).json["comment"] == "Too long"
    vera = api("vera", "run")
    assert vera("GET", f"/executions/{one['id']}").json["feedback"] is None
    assert vera("PUT", path, {"rating": "down"}).status_code == 200
    assert bob("GET", f"/executions/{one['id']}").json["feedback"]["rating"] == "up"
    for _ in range(2):
        assert bob("DELETE", path).status_code == 204
    assert bob("GET", f"/executions/{one['id']}").json["feedback"] is None
    assert vera("GET", f"/executions/{one['id']}").json["feedback"]["rating"] == "down"


def test_feedback_needs_an_end_and_the_right_words(bob, demo, work):
    waiting = bob("POST", "/executions", {"template": "Hi"}).json["id"]
    early = bob("PUT", f"/executions/{waiting}/feedback", {"rating": "up"})
    assert (early.status_code, early.json["code"]) == (409, "unfinished")
    path = f"/executions/{done(bob, work)['id']}/feedback"
    for wrong in (
        {},
        {"rating": "sideways"},
        {"rating": "up", "comment": "x" * 2001},
        {"rating": "up", "comment": "a\x00"},
        {"rating": "up", "comment": "\ud800"},
        {"rating": "up", "reasons": ["a\x00"]},
        {"rating": "up", "reasons": ["x"] * 11},
        {"rating": "up", "reasons": "x"},
    ):
        assert bob("PUT", path, wrong).status_code == 422, wrong


def test_an_execution_outlives_its_prompt_template_and_credential(api, bob, demo, work):
    editor = api("bob")
    editor("POST", "/prompt-templates", {"name": "x", "body": "Hi"})
    editor("POST", "/prompt-templates/x/versions/1/publish")
    execution_id = bob("POST", "/prompt-templates/x/executions").json["id"]
    work(execution_id)
    editor("DELETE", "/prompt-templates/x")
    api("alice")("DELETE", f"/credentials/{demo}")
    one = bob("GET", f"/executions/{execution_id}").json
    assert (one["status"], one["template"], one["prompt"]["body"]) == ("completed", None, "Hi")
    assert one["attempts"][0]["credential"] == "Demo"
