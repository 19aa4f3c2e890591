"""Answers without an end: what is kept of them, and how many are read at once."""

from __future__ import annotations

import threading
from dataclasses import replace

import pytest
from scripted_provider import Reply, piece, sse

from aiapp.gateway import holding
from aiapp.gateway.complete import complete
from aiapp.gateway.outcomes import LEFT_OUT, PARTIAL_BYTES
from aiapp.providers.bounds import Cancel
from aiapp.providers.types import Message, ProviderError, Request, Target


def test_of_an_answer_that_is_too_large_the_beginning_is_kept_and_the_rest_is_said_to_be_left_out(bare_app, provider):
    bare_app.extensions["aiapp.settings"] = replace(
        bare_app.extensions["aiapp.settings"], max_response_bytes=4 * PARTIAL_BYTES
    )
    events = sse(piece("wörd " * 1000)) * 400
    provider.default = lambda call: Reply(headers={"content-type": "text/event-stream"}, pieces=events[::2])
    target = Target("openai_compatible", provider.url, "small", api_key="some-long-key")
    (attempt,) = complete(Request((Message("user", "hi"),)), [target]).attempts
    assert attempt.error.error_class == "too_large"
    assert attempt.partial.endswith(LEFT_OUT)
    assert PARTIAL_BYTES - 4 < len(attempt.partial.removesuffix(LEFT_OUT).encode()) <= PARTIAL_BYTES < attempt.arrived


def test_no_more_large_answers_are_read_at_once_than_there_is_room_for():
    room = threading.BoundedSemaphore(1)
    large = [bytes(holding.SMALL), b"more"]
    with holding.Hold(room, 0.0) as first:
        assert list(first.counted(large)) == large
        with holding.Hold(room, 0.0) as small:
            for _ in range(10):
                assert len(list(small.counted([bytes(holding.SMALL // 2)]))) == 1
                small.read(10)
        with holding.Hold(room, 0.0) as second, pytest.raises(ProviderError) as refusal:
            list(second.counted(large))
        assert refusal.value.error_class == "overloaded"
        stopped = Cancel()
        stopped.cancel()
        with holding.Hold(room, 60.0, stopped) as third, pytest.raises(ProviderError) as refusal:
            list(third.counted(large))
        assert refusal.value.error_class == "cancelled"
    with holding.Hold(room, 0.0) as last:
        assert list(last.counted(large)) == large
