"""The API of webhooks: the secret comes once, the rest as described."""

from __future__ import annotations

import json
import logging

import pytest
from standardwebhooks import Webhook as Verifier

from aiapp.webhooks.models import EVENTS


@pytest.fixture
def adam(api):
    return api("adam")


def test_a_webhook_is_made_once_for_a_key_and_its_secret_comes_once(adam, receiver):
    body, key = {"url": receiver.url, "events": [EVENTS[0]]}, {"Idempotency-Key": "one"}
    made = adam("POST", "/webhooks", body, headers=key)
    assert made.status_code == 201
    assert made.json["secret"].startswith("whsec_")
    again = adam("POST", "/webhooks", body, headers=key)
    assert (again.json["id"], again.json["secret"]) == (made.json["id"], None)
    path = made.headers["Location"].removeprefix("/api/v1")
    assert path == f"/webhooks/{made.json['id']}"
    for found in (adam("GET", path).json, *adam("GET", "/webhooks").json["data"]):
        assert found == {**made.json, "secret": None}
    assert (made.json["state"], made.json["active"], made.json["events"]) == ("active", True, [EVENTS[0]])


def test_a_test_says_what_came_back_and_is_signed(adam, receiver):
    made = adam("POST", "/webhooks", {"url": receiver.url, "events": list(EVENTS)}).json
    tested = adam("POST", f"/webhooks/{made['id']}/test")
    assert (tested.status_code, tested.json["ok"], tested.json["http_status"]) == (200, True, 200)
    assert tested.json["body"] == "thank you"
    sent = Verifier(made["secret"]).verify(receiver.got[0].body, receiver.got[0].headers)
    assert sent == tested.json["delivery"]["message"]
    (delivery,) = adam("GET", f"/webhooks/{made['id']}/deliveries").json["data"]
    assert delivery == tested.json["delivery"]
    assert (delivery["event"], delivery["state"], delivery["id"]) == (
        "ping",
        "delivered",
        receiver.got[0].headers["webhook-id"],
    )


def test_a_test_of_a_receiver_that_is_away_is_an_answer_too(adam, receiver, app, free_port):
    made = adam("POST", "/webhooks", {"url": receiver.url, "events": list(EVENTS)}).json
    receiver.replies = [(503, {}, b"closed")]
    tested = adam("POST", f"/webhooks/{made['id']}/test").json
    assert (tested["ok"], tested["http_status"], tested["error"]) == (False, 503, "503: closed")


def test_what_is_left_out_of_a_change_stays(adam, receiver):
    made = adam("POST", "/webhooks", {"url": receiver.url, "events": list(EVENTS)}).json
    path = f"/webhooks/{made['id']}"
    changed = adam("PATCH", path, {"active": False})
    assert changed.json == {**made, "secret": None, "active": False, "state": "off"}
    assert adam("PATCH", path, {"events": [EVENTS[1]], "url": None}).json["url"] == receiver.url
    assert adam("DELETE", path).status_code == 204
    assert adam("GET", path).status_code == 404


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({}, "url"),
        ({"url": "https://127.0.0.1/", "events": [EVENTS[0]]}, "url"),
        ({"url": "http://example.com/", "events": [EVENTS[0]]}, "url"),
        ({"url": "", "events": [EVENTS[0]]}, "url"),
        ({"url": "https://127.0.0.1/" + "a" * 500, "events": [EVENTS[0]]}, "url"),
        ({"url": "https://127.0.0.1/", "events": []}, "events"),
        ({"url": "https://127.0.0.1/", "events": ["ping"]}, "events"),
        ({"url": "https://127.0.0.1/", "events": "x"}, "events"),
    ],
)
def test_mistakes_are_named(adam, body, field):
    answer = adam("POST", "/webhooks", body)
    assert (answer.status_code, answer.json["errors"][0]["field"]) == (422, field)
    assert adam("GET", "/webhooks").json["data"] == []


def test_secrets_are_in_no_log_and_no_later_answer(adam, office, caplog):
    caplog.set_level(logging.DEBUG)
    webhook = office.add()
    office.receiver.replies = [(500, {}, office.secret.encode())]
    office.work(office.announce()[0])
    adam("POST", f"/webhooks/{webhook.id}/test")
    answers = [adam("GET", path).json for path in ("/webhooks", f"/webhooks/{webhook.id}/deliveries", "/audit")]
    secret = office.secret.removeprefix("whsec_")
    assert secret not in json.dumps(answers)
    assert caplog.records
    assert secret not in "".join(str(vars(record)) for record in caplog.records)
