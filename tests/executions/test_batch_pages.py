"""The pages and the API of batches: bring a table, correct it, start it, and what those may see who may not."""

from __future__ import annotations

import io
import re
from collections.abc import Callable
from typing import Any

import pytest
import sqlalchemy as sa
from flask import Flask

from aiapp.audit import AuditEvent
from aiapp.batches import jobs
from aiapp.batches.models import Batch, BatchRow
from aiapp.credentials import actions as credentials
from aiapp.credentials.models import Credential
from aiapp.executions import jobs as executing
from aiapp.executions.models import Execution
from aiapp.extensions import db
from aiapp.prompt_templates import actions as prompt_templates
from aiapp.prompt_templates import labels, library

BATCHES = "/w/acme/batches"


@pytest.fixture
def triage(app: Flask, team: Any) -> None:
    """A published prompt template with two variables, and a credential."""
    with app.app_context():
        given = {"provider": "demo", "name": "Demo", "preferred_model": "demo-instant"}
        credentials.create(team.access("alice"), given)
        bob = team.access("bob")
        template = prompt_templates.create(bob, {"name": "Triage", "body": "Sort: {{message}} in {{language}}"})
        prompt_templates.publish(bob, library.version(bob, template, 1), "")


@pytest.fixture
def look(app: Flask) -> Callable[[Any], Any]:
    """Ask the database; requests have a context of their own."""

    def ask(query: Any) -> Any:
        with app.app_context():
            return db.session.scalars(query).all()

    return ask


@pytest.fixture
def number_of(look: Callable[[Any], Any]) -> Callable[[type[Any]], int]:
    return lambda table: look(sa.select(sa.func.count()).select_from(table))[0]


def upload(client: Any, text: str, name: str = "March survey.csv", **more: str) -> Any:
    data = {"prompt_template": "triage", "file": (io.BytesIO(text.encode()), name), **more}
    return client.submit(BATCHES, data, content_type="multipart/form-data")


def test_a_table_is_brought_mapped_by_hand_and_started_by_forms_alone(triage, app, sign_in, look, number_of):
    bob = sign_in("bob")
    answer = upload(bob, "Message;note\nWhere is it?;=1+1\nIs it paid?;\n")
    assert answer.status_code == 303
    path = answer.headers["Location"]
    page = bob.get(path).get_data(as_text=True)
    assert "<h1>March survey</h1>" in page
    assert "Choose a column for this variable" in page
    assert "Start 2 rows" not in page  # language has no value yet
    given = {"column-message": "Message", "column-language": "", "at_once": "2", "name": "Survey", "version": "1"}
    refused = bob.submit(f"{path}/start", {**given, "value-language": ""})
    assert refused.status_code == 422
    assert number_of(Execution) == 0
    refused = bob.submit(f"{path}/check", {**given, "value-language": "German", "at_once": "many", "model": "x" * 300})
    page = refused.get_data(as_text=True)
    assert refused.status_code == 422
    assert "Use a whole number." in page
    assert 'value="many"' in page
    assert bob.submit(f"{path}/check", {**given, "value-language": "German"}).status_code == 303
    page = bob.get(path).get_data(as_text=True)
    assert "Start 2 rows" in page
    assert "Sort: Where is it? in German" in page
    assert "Not used: note." in page
    assert bob.submit(f"{path}/start", {**given, "value-language": "German"}).status_code == 303
    page = bob.get(path).get_data(as_text=True)
    assert "0 of 2 completed" in page
    assert "every 2s" in page
    assert "Survey" in page
    with app.app_context():
        jobs.feed(path.rpartition("/")[2])
    bodies = set(look(sa.select(Execution.body)))
    assert bodies == {"Sort: Where is it? in German", "Sort: Is it paid? in German"}


def test_mistakes_of_a_table_are_listed_and_nothing_is_stored(triage, sign_in, number_of):
    bob = sign_in("bob")
    answer = upload(bob, "message,language\nx\n\x00,de\n")
    page = answer.get_data(as_text=True)
    assert answer.status_code == 422
    assert "2 mistakes" in page
    assert "The header has 2 cells, this row 1 cell." in page
    assert "cannot be stored" in page
    assert "line 3</small>" in page
    assert "March survey.csv has to be chosen again." in page
    assert bob.submit(BATCHES, {"prompt_template": "triage"}).status_code == 422
    assert upload(bob, "message\nx\n", prompt_template="unknown").status_code == 404
    assert number_of(Batch) == 0


def test_a_table_longer_than_other_requests_is_taken(triage, sign_in, settings, number_of):
    text = "message,language\n" + f"{'x' * 999},de\n" * (settings.max_request_bytes // 1000 + 10)
    bob = sign_in("bob")
    part = 'Content-Disposition: form-data; name="file"; filename="long.csv"'
    template = '--x\r\nContent-Disposition: form-data; name="prompt_template"\r\n\r\ntriage\r\n'
    body = f"{template}--x\r\n{part}\r\n\r\n{text}\r\n--x--\r\n"
    form = {"content_type": "multipart/form-data; boundary=x", "headers": {"X-CSRFToken": bob.csrf()}}
    assert bob.post(BATCHES, data=body, **form).status_code == 303
    rows = number_of(BatchRow)
    pasted = bob.submit(BATCHES, {"prompt_template": "triage", "pasted": text})
    assert (pasted.status_code, number_of(BatchRow)) == (303, 2 * rows)


def test_a_viewer_may_look_and_not_start(triage, sign_in, api):
    body = {"prompt_template": "triage", "csv": "message,language\nx,de\n", "start": False}
    made = api("bob")("POST", "/batches", body)
    assert (made.status_code, made.json["status"], made.json["problems"]) == (202, "draft", [])
    path = f"{BATCHES}/{made.json['id']}"
    vera = sign_in("vera")
    for address in (BATCHES, path):
        page = vera.get(address).get_data(as_text=True)
        assert "x" in page
        assert "New batch" not in page
        assert "Start 1 row" not in page
    assert vera.get(f"{BATCHES}/new").status_code == 403
    for verb in ("check", "start", "delete", "pause", "resume", "cancel", "retry"):
        assert vera.submit(f"{path}/{verb}").status_code == 403, verb
    assert api("vera", "run")("POST", "/batches", body).status_code == 403
    assert api("bob", "read")("POST", f"/batches/{made.json['id']}/start").status_code == 403


def test_the_api_runs_a_batch_once_for_one_key_and_names_every_mistake(triage, app, api, look, number_of):
    bob = api("bob", "run")
    body = {"prompt_template": "triage", "rows": [{"message": "a"}, {"message": "b"}], "values": {"language": "de"}}
    first, second = (bob("POST", "/batches", body, headers={"Idempotency-Key": "k"}) for _ in range(2))
    assert first.status_code == second.status_code == 202
    assert first.json["id"] == second.json["id"]
    assert number_of(Batch) == 1
    assert first.json["columns"] == {"message": "message"}
    assert first.headers["Location"] == f"/api/v1/batches/{first.json['id']}"
    wrong = bob("POST", "/batches", {**body, "rows": [{"message": "a"}, {"message": ""}, {"x": 1}]}).json
    assert [error["field"] for error in wrong["errors"]] == ["rows.2.message", "rows.3.message"]
    wrong = bob("POST", "/batches", {**body, "columns": {"message": "nothing", "other": "message"}}).json
    assert {error["field"] for error in wrong["errors"]} == {"columns.message", "columns.other"}
    for change in ({"rows": None}, {"csv": "message\na\n"}, {"at_once": 0}, {"per_minute": -1}, {"priority": "soon"}):
        assert bob("POST", "/batches", {**body, **change}).status_code == 422, change
    with app.app_context():
        jobs.feed(first.json["id"])
    for execution_id in look(sa.select(Execution.id)):
        with app.app_context():
            executing.run(execution_id)
    told = bob("GET", f"/batches/{first.json['id']}").json
    assert (told["status"], told["counts"]["completed"]) == ("completed", 2)
    assert bob("POST", f"/batches/{first.json['id']}/retry").json["code"] == "nothing_to_retry"
    assert bob("POST", f"/batches/{first.json['id']}/cancel").json["code"] == "finished"


def test_a_draft_of_the_api_is_changed_started_and_discarded(triage, api):
    bob = api("bob", "run")
    body = {"prompt_template": "triage", "jsonl": '{"text": "a"}\n{"text": "b"}', "start": False}
    draft = bob("POST", "/batches", body).json
    assert {problem["field"] for problem in draft["problems"]} == {"message", "language"}
    assert bob("POST", f"/batches/{draft['id']}/start").status_code == 422
    given = {"columns": {"message": "text"}, "values": {"language": "de"}, "at_once": 1, "name": "Both"}
    changed = bob("PUT", f"/batches/{draft['id']}", given).json
    assert (changed["problems"], changed["name"], changed["at_once"]) == ([], "Both", 1)
    by_name = {**body, "jsonl": '{"message": "a"}'}
    named = bob("PUT", f"/batches/{bob('POST', '/batches', by_name).json['id']}", {"values": {"language": "de"}}).json
    assert (named["columns"], named["values"]) == ({"message": "message"}, {"language": "de"})
    started = bob("POST", f"/batches/{draft['id']}/start")
    assert (started.status_code, started.json["status"]) == (200, "running")
    assert bob("PUT", f"/batches/{draft['id']}", given).json["code"] == "stale"
    assert bob("DELETE", f"/batches/{draft['id']}").status_code == 409
    paused, resumed, ended = (bob("POST", f"/batches/{draft['id']}/{verb}") for verb in ("pause", "resume", "cancel"))
    assert [one.json["status"] for one in (paused, resumed, ended)] == ["paused", "running", "cancelled"]
    other = bob("POST", "/batches", body).json
    assert bob("DELETE", f"/batches/{other['id']}").status_code == 204
    assert bob("GET", f"/batches/{other['id']}").status_code == 404


def test_one_that_has_ended_is_deleted_its_executions_stay_and_the_audit_log_says_so(
    triage, app, sign_in, api, look, number_of
):
    by_token, bob = api("bob", "run"), sign_in("bob")
    body = {"prompt_template": "triage", "csv": "message\na\nb\n", "values": {"language": "de"}, "at_once": 1}
    batch_id = by_token("POST", "/batches", body).json["id"]
    with app.app_context():
        jobs.feed(batch_id)
    path = f"{BATCHES}/{batch_id}"
    assert by_token("DELETE", f"/batches/{batch_id}").json["code"] == "running"
    assert bob.submit(f"{path}/delete").status_code == 409
    assert f'href="{path}/delete"' not in bob.get(path).get_data(as_text=True)
    assert bob.submit(f"{path}/cancel").status_code == 303
    assert f'href="{path}/delete"' in bob.get(path).get_data(as_text=True)
    assert f'href="{path}/delete"' not in sign_in("vera").get(path).get_data(as_text=True)
    assert "The executions stay" in bob.get(f"{path}/delete").get_data(as_text=True)
    assert bob.submit(f"{path}/delete").status_code == 303
    assert bob.get(path).status_code == 404
    assert (number_of(Execution), number_of(BatchRow)) == (1, 0)
    assert "batch.delete" in look(sa.select(AuditEvent.action))


def test_a_draft_whose_prompt_template_was_deleted_says_so_and_is_discarded(triage, app, team, sign_in, api, number_of):
    bob, by_token = sign_in("bob"), api("bob", "run")
    body = {"prompt_template": "triage", "csv": "message,language\na,de\n", "start": False}
    paths = [by_token("POST", "/batches", body).json["id"] for _ in range(2)]
    with app.app_context():
        alice = team.access("alice")
        prompt_templates.delete(alice, library.find(alice, "triage"))
    page = bob.get(f"{BATCHES}/{paths[0]}")
    assert page.status_code == 200
    assert "Its prompt template was deleted" in page.get_data(as_text=True)
    told = by_token("GET", f"/batches/{paths[1]}").json
    assert (told["status"], told["template"]) == ("draft", None)
    assert by_token("POST", f"/batches/{paths[1]}/start").json["code"] == "gone"
    assert bob.submit(f"{BATCHES}/{paths[0]}/delete").status_code == 303
    assert by_token("DELETE", f"/batches/{paths[1]}").status_code == 204
    assert number_of(Batch) == 0


def test_the_page_of_a_draft_keeps_its_label_and_tells_what_is_no_number(triage, app, team, sign_in, api):
    with app.app_context():
        bob = team.access("bob")
        label = labels.create(team.access("alice"), "staging")
        labels.move(bob, library.find(bob, "triage"), label, library.version(bob, library.find(bob, "triage"), 1))
    bob, by_token = sign_in("bob"), api("bob", "run")
    body = {"prompt_template": "triage", "csv": "message,language\na,de\n", "label": "staging", "start": False}
    batch_id = by_token("POST", "/batches", body).json["id"]
    path = f"{BATCHES}/{batch_id}"
    page = bob.get(path).get_data(as_text=True)
    assert '<option value="label:staging" selected>staging (v1)' in page
    given = {"version": "label:staging", "column-message": "message", "column-language": "language", "at_once": "8"}
    refused = bob.submit(f"{path}/check", {**given, "temperature": "hot"})
    assert "Use a number, such as 0.7." in refused.get_data(as_text=True)
    assert bob.submit(f"{path}/check", {**given, "temperature": "0.5"}).status_code == 303
    assert by_token("GET", f"/batches/{batch_id}").json["temperature"] == 0.5
    with app.app_context():
        access = team.access("bob")
        kept = access.get(Batch, batch_id).asked
        labels.delete(access, labels.find(access, "staging"))
    assert kept == {"label": "staging", "temperature": 0.5}
    page = bob.get(path).get_data(as_text=True)
    assert "No version of the prompt template triage is labelled staging." in page
    assert '<option value="label:staging" selected>' in page  # nothing else is chosen silently


def test_a_draft_is_estimated_for_the_credential_and_the_model_that_would_be_asked(
    triage, app, team, sign_in, api, look
):
    with app.app_context():
        bob = team.access("bob")
        given = {"name": "Slow", "body": "Sort: {{message}}", "provider": "demo", "model": "demo-slow"}
        template = prompt_templates.create(bob, given)
        prompt_templates.publish(bob, library.version(bob, template, 1), "")
    pinned = look(sa.select(Credential.id))[0]
    body = {"prompt_template": "slow", "csv": "message\na\n", "credential_id": pinned, "start": False}
    batch_id = api("bob", "run")("POST", "/batches", body).json["id"]
    page = sign_in("bob").get(f"{BATCHES}/{batch_id}").get_data(as_text=True)
    estimate = page.split('id="estimate"')[1]
    assert re.search(r"Asked first</dt>\s*<dd[^>]*>\s*demo-slow", estimate)
    assert "Cost of the input" in estimate
    told = api("vera", "read")("GET", f"/batches/{batch_id}/estimate").json
    assert (told["provider"], told["model"], told["input_cost"], told["likely_cost"]) == (
        "demo",
        "demo-slow",
        "0",
        None,
    )
    assert told["tokens"] > 0


def test_a_value_for_all_rows_keeps_its_line_breaks(triage, app, sign_in, api):
    by_token, bob = api("bob", "run"), sign_in("bob")
    body = {"prompt_template": "triage", "csv": "message\na\n", "values": {"language": "\nde\nen"}, "start": False}
    batch_id = by_token("POST", "/batches", body).json["id"]
    page = bob.get(f"{BATCHES}/{batch_id}").get_data(as_text=True)
    typed = re.search(r'<textarea[^>]*name="value-language"[^>]*>\n(.*?)</textarea>', page, re.DOTALL)[1]
    assert typed == "\nde\nen"
    given = {"column-message": "message", "column-language": "", "value-language": typed.replace("\n", "\r\n")}
    refused = bob.submit(f"{BATCHES}/{batch_id}/check", {**given, "at_once": "many"}).get_data(as_text=True)
    assert "\nde\nen</textarea>" in refused
    assert bob.submit(f"{BATCHES}/{batch_id}/check", {**given, "at_once": "8"}).status_code == 303
    assert by_token("GET", f"/batches/{batch_id}").json["values"] == {"language": "\nde\nen"}


def test_only_what_makes_a_batch_is_read_at_length_and_only_of_who_is_signed_in(
    triage, sign_in, visitor, api, settings
):
    long = {"pasted": "x" * (settings.max_request_bytes + 1)}
    bob, stranger = sign_in("bob"), visitor()
    assert bob.submit(BATCHES, {"prompt_template": "unknown", **long}).status_code == 404
    assert bob.submit(f"{BATCHES}/{'0' * 32}/check", long).status_code == 413
    assert stranger.submit(BATCHES, long).status_code == 413
    by_token = api("bob", "run")
    assert by_token("POST", "/batches", {"prompt_template": "unknown", "csv": long["pasted"]}).status_code == 422
    assert by_token("POST", f"/batches/{'0' * 32}/retry", long).status_code == 413


def test_the_way_to_a_new_batch_stands_on_the_list_and_on_a_prompt_template(triage, sign_in):
    bob = sign_in("bob")
    assert f'href="{BATCHES}"' in bob.get("/w/acme/executions").get_data(as_text=True)
    page = bob.get("/w/acme/prompt-templates/triage").get_data(as_text=True)
    link = re.search(rf'href="({BATCHES}/new\?[^"]+)"', page)
    assert link is not None
    assert '<option value="triage" selected' in bob.get(link[1]).get_data(as_text=True)
