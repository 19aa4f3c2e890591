"""Credentials by the API: keys go in and never come out."""

from __future__ import annotations

import pytest
import sqlalchemy as sa

from aiapp import queue
from aiapp.credentials import jobs
from aiapp.credentials.models import Credential
from aiapp.extensions import db

KEY = "sk-test-0123456789-SECRET"
OPENAI = {"provider": "openai", "name": "OpenAI", "api_key": KEY}
DEMO = {"provider": "demo", "name": "Demo", "preferred_model": "demo-instant"}


@pytest.fixture(autouse=True)
def no_name_service(monkeypatch):
    """Where a name leads is asked of nobody on the internet."""
    from aiapp.credentials import destination

    monkeypatch.setattr(destination, "resolve", lambda *arguments, **more: None)


@pytest.fixture
def adam(api):
    return api("adam")


def test_a_credential_is_made_read_changed_and_deleted(adam, api):
    vera = api("vera")
    made = adam(
        "POST", "/credentials", {**OPENAI, "temperature": 0.2, "max_tokens": 100, "settings": {"stream": False}}
    )
    assert made.status_code == 201
    one = made.json
    assert (one["key_hint"], one["is_default"], one["position"], one["active"]) == (KEY[-4:], True, 0, True)
    assert (one["health"], one["health_reason"], one["last_tested_at"]) == ("unknown", None, None)
    assert one["base_url"] == "https://api.openai.com/v1"
    path = f"/credentials/{one['id']}"
    assert adam("GET", path).json == one
    for seen in (vera("GET", path).json, vera("GET", "/credentials").json["data"][0]):
        assert (seen["base_url"], seen["key_hint"], seen["name"]) == (None, None, one["name"])
    changed = adam("PATCH", path, {"name": "Main", "temperature": None}).json
    assert (changed["name"], changed["temperature"], changed["max_tokens"]) == ("Main", None, 100)
    assert adam("DELETE", path).status_code == 204
    assert adam("GET", path).status_code == 404


def test_a_key_never_comes_back(adam, api):
    one = adam("POST", "/credentials", OPENAI)
    texts = [one.get_data(as_text=True)]
    texts.append(adam("PATCH", f"/credentials/{one.json['id']}", {"api_key": KEY + "2"}).get_data(as_text=True))
    for path in ("/credentials", f"/credentials/{one.json['id']}", "/audit"):
        texts.append(adam("GET", path).get_data(as_text=True))
    texts.append(adam("POST", "/credentials", {**OPENAI, "name": ""}).get_data(as_text=True))
    texts.append(adam("POST", "/credentials", {**OPENAI, "name": "x", "api_key": [KEY]}).get_data(as_text=True))
    assert not [text for text in texts if KEY[:12] in text]


def test_a_key_is_not_kept_with_the_answer_to_an_idempotent_request(adam, app):
    adam("POST", "/credentials", OPENAI, key="k")
    with app.app_context():
        kept = db.session.execute(sa.text("SELECT * FROM idempotency_key")).all()
    assert kept
    assert KEY not in repr(kept)


@pytest.mark.parametrize(
    "change",
    [
        {"base_url": "https://example.com/v1"},
        {"provider": "groq"},
        {"provider": "demo"},
        {"base_url": None, "name": "x"},
    ],
)
def test_another_destination_needs_the_key_again(adam, change):
    one = adam("POST", "/credentials", {**OPENAI, "base_url": "https://example.org/v1"}).json
    path = f"/credentials/{one['id']}"
    refused = adam("PATCH", path, change)
    assert (refused.status_code, refused.json["code"]) == (422, "key_required")
    assert adam("GET", path).json == one


def test_another_destination_with_the_key_is_fine(adam):
    one = adam("POST", "/credentials", OPENAI).json
    answer = adam("PATCH", f"/credentials/{one['id']}", {"base_url": "https://example.com/v1", "api_key": KEY})
    assert answer.json["base_url"] == "https://example.com/v1"


def test_null_is_as_good_as_left_out_where_nothing_can_be_empty(adam):
    made = adam("POST", "/credentials", {**DEMO, "is_default": None, "position": None, "active": None})
    assert made.status_code == 201
    same = adam("PATCH", f"/credentials/{made.json['id']}", {"name": None, "provider": None, "active": None})
    assert same.json["name"] == "Demo"


def test_credentials_come_in_fallback_order(adam):
    ids = [adam("POST", "/credentials", {**DEMO, "name": name}).json["id"] for name in "abc"]
    adam("PATCH", f"/credentials/{ids[2]}", {"position": 1})
    names = [one["name"] for one in adam("GET", "/credentials").json["data"]]
    assert names == ["a", "c", "b"]
    adam("PATCH", f"/credentials/{ids[1]}", {"is_default": True})
    assert next(one["name"] for one in adam("GET", "/credentials").json["data"]) == "b"


def test_wrong_fields_are_refused(adam):
    for wrong, field in (
        ({"provider": "nobody"}, "provider"),
        ({"provider": None}, "provider"),
        ({"name": " "}, "name"),
        ({"name": "a\x00"}, "name"),
        ({"temperature": 3}, "temperature"),
        ({"max_tokens": 0}, "max_tokens"),
        ({"settings": {"other": 1}}, "settings"),
        ({"settings": {"extra": {"a": "\x00"}}}, "settings"),
        ({"scope": "planet"}, "scope"),
        ({"position": -1}, "position"),
        ({"is_default": "perhaps"}, "is_default"),
    ):
        answer = adam("POST", "/credentials", {**DEMO, **wrong})
        assert (answer.status_code, answer.json["errors"][0]["field"]) == (422, field), wrong


def test_wrong_types_are_named_with_everything_else_that_is_wrong(adam):
    body = {"provider": 5, "name": ["a"], "api_key": {}, "base_url": 7, "preferred_model": False, "temperature": "hot"}
    body |= {"max_tokens": 0, "system_prompt": 1, "allowed_models": [1], "settings": "{}", "scope": 3}
    body |= {"is_default": "perhaps", "position": [], "active": {}}
    answer = adam("POST", "/credentials", body)
    assert answer.status_code == 422
    assert {one["field"] for one in answer.json["errors"]} == set(body)
    one = adam("POST", "/credentials", DEMO).json["id"]
    changed = adam("PATCH", f"/credentials/{one}", {"temperature": {}, "max_tokens": 0, "name": 5})
    assert {error["field"] for error in changed.json["errors"]} == {"temperature", "max_tokens", "name"}
    imported = adam("POST", "/credentials/import", {"credentials": [{**DEMO, "temperature": {}, "max_tokens": "many"}]})
    fields = {error["field"] for error in imported.json["errors"]}
    assert fields == {"credentials.0.temperature", "credentials.0.max_tokens"}


def test_a_credential_of_a_private_address_is_refused(adam, monkeypatch):
    monkeypatch.undo()
    body = {"provider": "openai_compatible", "name": "x", "base_url": "http://127.0.0.1:8000/v1", "api_key": KEY}
    answer = adam("POST", "/credentials", body)
    assert (answer.status_code, answer.json["errors"][0]["field"]) == (422, "base_url")


def test_a_test_answers_its_steps(adam):
    one = adam("POST", "/credentials", DEMO).json
    result = adam("POST", f"/credentials/{one['id']}/test", {"level": "completion"}).json
    assert result["ok"] is True
    assert [step["step"] for step in result["steps"]] == ["network", "auth", "models", "completion"]
    tested = adam("GET", f"/credentials/{one['id']}").json
    assert tested["health"] == "healthy"
    assert tested["last_tested_at"] is not None
    assert tested["last_test"].pop("at") is not None
    assert tested["last_test"] == result


def test_a_credential_whose_key_cannot_be_read_is_down_wherever_it_is_shown(adam, app):
    one = adam("POST", "/credentials", OPENAI).json
    with app.app_context():
        db.session.execute(sa.update(Credential).values(api_key=b"\x01" + b"\0" * 60))
        db.session.commit()
    path = f"/credentials/{one['id']}"
    for shown in (
        adam("GET", path).json,
        adam("GET", "/credentials").json["data"][0],
        adam("PATCH", path, {"name": "x"}).json,
    ):
        assert (shown["health"], shown["health_reason"]) == ("down", "unreadable")
    assert adam("PATCH", path, {"api_key": KEY}).json["health"] == "unknown"


def test_a_test_that_fails_says_what_to_do(adam):
    one = adam("POST", "/credentials", {**DEMO, "preferred_model": "demo-bad-key"}).json
    result = adam("POST", f"/credentials/{one['id']}/test").json
    assert result["ok"] is False
    failed = [step for step in result["steps"] if step["ok"] is False]
    assert len(failed) == 1
    assert failed[0]["hint"]
    assert adam("GET", f"/credentials/{one['id']}").json["health"] == "down"


def test_a_test_climbs_as_far_as_it_is_told(adam):
    one = adam("POST", "/credentials", DEMO).json
    result = adam("POST", f"/credentials/{one['id']}/test", {"level": "network"}).json
    assert [step["step"] for step in result["steps"]] == ["network"]
    assert adam("POST", f"/credentials/{one['id']}/test", {"level": "sky"}).status_code == 422


def test_all_are_tested_by_the_workers(adam, app):
    ids = [adam("POST", "/credentials", {**DEMO, "name": name}).json["id"] for name in "ab"]
    off = adam("POST", "/credentials", {**DEMO, "name": "c", "active": False}).json["id"]
    answer = adam("POST", "/credentials/test")
    assert (answer.status_code, answer.json) == (202, {"queued": 2})
    with app.app_context():
        assert set(ids) <= queue.waiting()
        assert off not in queue.waiting()
        for credential_id in ids:
            jobs.test(credential_id)
    health = {one["id"]: one["health"] for one in adam("GET", "/credentials").json["data"]}
    assert health == {ids[0]: "healthy", ids[1]: "healthy", off: "unknown"}


def test_providers_tell_what_a_credential_needs(adam):
    providers = {one["kind"]: one for one in adam("GET", "/providers").json["data"]}
    assert providers["openai"]["needs_key"] is True
    assert providers["openai"]["base_url"] == "https://api.openai.com/v1"
    assert providers["openai_compatible"]["base_url"] is None
    assert providers["demo"]["needs_key"] is False
