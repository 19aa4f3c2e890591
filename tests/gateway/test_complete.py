"""The door to a model, over real HTTP to a scripted provider."""

from __future__ import annotations

import json
import threading
from dataclasses import replace
from decimal import Decimal

import pytest
from scripted_provider import Reply, breaks_off, hangs_up, piece, refuses, says, sends, sse

from aiapp.gateway.complete import complete, list_models, probe, transport
from aiapp.providers.transport import Cancel
from aiapp.providers.types import Delta, Message, ProviderError, Request, Target, Usage

pytestmark = pytest.mark.usefixtures("bare_app")

ASK = Request((Message("user", "What is up?"),))
SECRET = "sk-first-canary-0123456789abcdefXYZ9"


def target(provider, key=SECRET, kind="openai_compatible", **more):
    return Target(
        **{
            "provider": kind,
            "base_url": provider.url,
            "model": "small",
            "api_key": key,
            "credential_id": key[:32],
            "credential_name": key,
            "reason": "Default credential",
            **more,
        }
    )


class Notes:
    """A Watch that writes down what it is told."""

    def __init__(self):
        self.events = []

    def began(self, number, target):
        self.events.append(("began", number, target.api_key))

    def delta(self, delta: Delta):
        self.events.append(("delta", delta.text))

    def ended(self, result):
        self.events.append(("ended", result.number, result.error and result.error.error_class))


def test_the_first_target_that_answers_is_the_outcome(provider):
    outcome = complete(ASK, [target(provider), target(provider, "second")])
    assert outcome.completion.text == "Hello there."
    assert outcome.error is None
    (only,) = outcome.attempts
    assert (only.number, only.target.api_key, only.usage) == (1, SECRET, Usage(12, 3))
    assert only.reason == "Default credential"
    assert only.next_reason == "It answered."
    assert only.duration_ms >= only.first_token_ms >= 0


def test_a_failed_call_falls_back_and_both_attempts_are_told(provider):
    provider.on(SECRET, refuses(429, "slow down", retry_after="7"))
    notes = Notes()
    outcome = complete(ASK, [target(provider), target(provider, "second")], watch=notes)
    failed, good = outcome.attempts
    assert failed.error.error_class == "rate_limit"
    assert failed.error.retry_after == 7.0
    assert failed.next_reason == "The provider asked to slow down; the next credential is tried."
    assert good.completion.text == "Hello there."
    assert notes.events[:3] == [("began", 1, SECRET), ("ended", 1, "rate_limit"), ("began", 2, "second")]


def test_the_same_code_streams_and_the_pieces_are_the_text(provider):
    notes = Notes()
    outcome = complete(ASK, [target(provider)], watch=notes)
    pieces = [event[1] for event in notes.events if event[0] == "delta"]
    assert len(pieces) > 1
    assert "".join(pieces) == outcome.completion.text == "Hello there."
    assert provider.calls[0].body["stream"] is True


@pytest.mark.parametrize("how", ["request", "credential"])
def test_whole_answers_are_asked_for_where_the_request_or_the_credential_says_so(provider, how):
    notes = Notes()
    asked = replace(ASK, stream=False) if how == "request" else ASK
    whole = target(provider, settings={"stream": False} if how == "credential" else {})
    outcome = complete(asked, [whole], watch=notes)
    assert provider.calls[0].body["stream"] is False
    assert outcome.completion.text == "Hello there."
    assert ("delta", "Hello there.") in notes.events


def test_a_stream_that_nobody_asked_for_is_read_as_one(provider):
    provider.on(SECRET, lambda call: says()(replace(call, body={**call.body, "stream": True})))
    outcome = complete(replace(ASK, stream=False), [target(provider)])
    assert outcome.completion.text == "Hello there."


def test_a_whole_answer_where_a_stream_was_asked_for_is_read_too(provider):
    provider.on(SECRET, lambda call: says()(replace(call, body={**call.body, "stream": False})))
    outcome = complete(ASK, [target(provider)])
    assert outcome.completion.text == "Hello there."


def test_each_target_is_asked_for_its_own_model(provider):
    provider.on(SECRET, refuses(401))
    complete(replace(ASK, model="wanted"), [target(provider, model="mine"), target(provider, "second", model="other")])
    assert [call.body["model"] for call in provider.calls] == ["mine", "other"]


def test_a_stream_that_breaks_after_text_keeps_it_with_the_attempt_and_the_answer_starts_anew(provider):
    provider.on(SECRET, breaks_off("Half an ans"))
    notes = Notes()
    outcome = complete(ASK, [target(provider), target(provider, "second")], watch=notes)
    broken, good = outcome.attempts
    assert (broken.partial, broken.error.error_class, broken.completion) == ("Half an ans", "bad_response", None)
    assert "after 11 characters; the next credential starts the answer anew" in broken.next_reason
    assert good.completion.text == "Hello there."
    began = notes.events.index(("began", 2, "second"))
    assert "".join(event[1] for event in notes.events[:began] if event[0] == "delta") == "Half an ans"
    assert "".join(event[1] for event in notes.events[began:] if event[0] == "delta") == "Hello there."


@pytest.mark.parametrize("status", [400, 422])
def test_a_permanent_error_ends_without_asking_anybody_else(provider, status):
    provider.on(SECRET, refuses(status, "what is this"))
    outcome = complete(ASK, [target(provider), target(provider, "second")])
    assert provider.count() == {SECRET: 1}
    assert outcome.error.error_class == "bad_request"
    assert outcome.attempts[-1].next_reason.endswith("no other credential could do better.")


@pytest.mark.parametrize(
    ("script", "error_class"),
    [
        (refuses(500), "server"),
        (refuses(503), "overloaded"),
        (refuses(404, code="model_not_found"), "model_not_found"),
        (refuses(429, code="insufficient_quota"), "quota"),
        (sends(502, "text/html", b"<html><title>Bad gateway</title>"), "server"),
        (sends(200, "text/html", b"<html><title>Welcome</title>"), "bad_response"),
        (sends(200, "application/json", b""), "bad_response"),
        (sends(200, "application/json", b'{"choices": []}'), "bad_response"),
        (sends(200, "text/event-stream", b"data: nonsense\n\n"), "bad_response"),
        (sends(200, "text/event-stream", b'data: {"error": {"message": "x", "code": 503}}\n\n'), "overloaded"),
        (sends(200, "application/json", b'{"a":' + b"[" * 5000), "bad_response"),
        (sends(200, "application/json", b" " * 200_000), "too_large"),
        (sends(307, "text/plain", b"over there"), "bad_response"),
        (hangs_up(), "network"),
    ],
)
def test_whatever_a_provider_answers_is_an_attempt_with_a_class_and_the_next_one_is_tried(
    provider, script, error_class
):
    provider.on(SECRET, script)
    outcome = complete(ASK, [target(provider), target(provider, "second")])
    failed = outcome.attempts[0]
    assert failed.completion is None
    assert failed.error.error_class == error_class
    assert failed.error.message
    assert outcome.completion.text == "Hello there."


def test_a_private_address_that_is_not_allowed_is_refused_before_a_byte_is_sent(provider):
    outcome = complete(ASK, [target(provider, base_url=f"http://localhost:{provider.port}/v1")])
    assert outcome.error.error_class == "blocked_address"
    assert provider.calls == []


def test_a_key_never_comes_back_in_a_message(provider):
    provider.on(SECRET, refuses(401, f"Incorrect API key provided: {SECRET}."))
    outcome = complete(ASK, [target(provider)])
    assert SECRET not in outcome.error.message
    assert outcome.error.error_class == "auth"
    provider.on(SECRET, sends(200, "text/event-stream", sse({"error": {"message": f"key {SECRET} is bad"}})[0]))
    assert SECRET not in complete(ASK, [target(provider)]).error.message


def test_no_targets_is_an_outcome_without_a_credential():
    outcome = complete(ASK, [])
    assert (outcome.error.error_class, outcome.attempts) == ("no_credential", ())


def test_a_provider_that_this_version_does_not_know_is_passed_over(provider):
    outcome = complete(ASK, [target(provider, kind="from-the-future"), target(provider, "second")])
    assert outcome.attempts[0].error.error_class == "permission"
    assert outcome.completion.text == "Hello there."


def test_cancel_stops_a_call_that_hangs_and_nobody_else_is_asked(provider):
    provider.on(SECRET, says(before=provider.hold))
    cancel = Cancel()
    outcomes = []

    class Canceller(Notes):
        def delta(self, delta):
            super().delta(delta)
            threading.Thread(target=cancel.cancel).start()

    notes = Canceller()
    outcomes.append(complete(ASK, [target(provider), target(provider, "second")], watch=notes, cancel=cancel))
    (outcome,) = outcomes
    assert outcome.error.error_class == "cancelled"
    assert outcome.attempts[0].partial == "Hell"
    assert provider.count() == {SECRET: 1}


def test_a_cancel_between_two_calls_ends_before_the_second(provider):
    provider.on(SECRET, refuses(500))
    cancel = Cancel()

    class Canceller(Notes):
        def ended(self, result):
            cancel.cancel()

    outcome = complete(ASK, [target(provider), target(provider, "second")], watch=Canceller(), cancel=cancel)
    assert outcome.error.error_class == "cancelled"
    assert provider.count() == {SECRET: 1}


def test_what_a_watch_raises_ends_the_call_and_is_not_taken_for_the_providers_fault(provider):
    class Broken(Notes):
        def delta(self, delta):
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        complete(ASK, [target(provider)], watch=Broken())


def test_an_error_page_without_end_is_not_read_to_its_end(provider):
    provider.on(SECRET, sends(500, "text/html", b"<html>" + b"x" * 90_000))
    assert complete(ASK, [target(provider)]).error.error_class == "server"


def test_attempts_are_numbered_from_where_the_caller_is(provider):
    provider.on(SECRET, refuses(500))
    outcome = complete(ASK, [target(provider), target(provider, "second")], first_number=4)
    assert [attempt.number for attempt in outcome.attempts] == [4, 5]


def test_a_local_model_costs_nothing_and_an_unknown_price_is_none(provider):
    local = complete(ASK, [Target("demo", "demo://scripted", "demo-instant")])
    assert local.attempts[0].cost == Decimal(0)
    assert local.attempts[0].usage.total > 0
    assert complete(ASK, [target(provider)]).attempts[0].cost is None


def test_a_known_price_is_kept_beside_the_cost(provider):
    outcome = complete(ASK, [target(provider, kind="openai", model="gpt-4o-mini")])
    (attempt,) = outcome.attempts
    assert attempt.cost > 0
    assert json.loads(json.dumps(attempt.prices)) == attempt.prices


def test_the_demo_provider_answers_without_a_network():
    bad, good = (Target("demo", "demo://scripted", model) for model in ("demo-bad-key", "demo-instant"))
    outcome = complete(ASK, [bad, good])
    assert [attempt.error and attempt.error.error_class for attempt in outcome.attempts] == ["auth", None]
    assert outcome.completion.text


def test_models_are_listed_through_the_same_door(provider):
    provider.on(SECRET, sends(200, "application/json", b'{"data": [{"id": "one"}, {"id": "two"}]}'))
    assert [model.id for model in list_models(target(provider))] == ["one", "two"]
    assert provider.calls[0].path == "/v1/models"
    provider.on(SECRET, refuses(401, f"bad key {SECRET}"))
    with pytest.raises(ProviderError) as refused:
        list_models(target(provider))
    assert refused.value.error_class == "auth"
    assert SECRET not in str(refused.value)


def test_a_probe_reaches_the_server_without_a_request(provider, free_port):
    assert probe(target(provider)).failed is None
    assert provider.calls == []
    assert probe(target(provider, base_url=f"http://127.0.0.1:{free_port}/v1")).failed == "address"


def test_one_transport_serves_the_process():
    assert transport() is transport()


def test_a_dialect_that_trips_over_an_answer_is_a_bad_response_and_not_a_crash(provider, monkeypatch):
    from aiapp.providers.openai_chat import OpenAIChat

    def trips(self, chunks, target):
        yield Delta("some")
        raise KeyError("surprise")

    monkeypatch.setattr(OpenAIChat, "stream", trips)
    outcome = complete(ASK, [target(provider)])
    assert outcome.error.error_class == "bad_response"
    assert outcome.attempts[0].partial == "some"


def test_a_reply_that_ends_in_the_middle_of_a_character_is_no_crash(provider):
    whole = sse(piece("über"), end=False)[0]
    provider.on(SECRET, lambda call: Reply(headers={"content-type": "text/event-stream"}, pieces=[whole[:-20]]))
    assert complete(ASK, [target(provider)]).error.error_class == "bad_response"
