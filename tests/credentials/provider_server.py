"""A provider's API on the loopback that answers as a test tells it to."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

MODELS = {"data": [{"id": "gpt-6-luna"}, {"id": "gpt-6.1-sol"}]}
ANSWER = {
    "id": "1",
    "object": "chat.completion",
    "model": "gpt-6-luna",
    "choices": [{"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": "OK"}}],
    "usage": {"prompt_tokens": 12, "completion_tokens": 3, "total_tokens": 15},
}


def says(text: str) -> dict[str, Any]:
    """A whole answer with this text."""
    choice = {"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": text}}
    return {**ANSWER, "choices": [choice]}


def streams(*pieces: str) -> bytes:
    """A streamed answer, whole and with its end marker."""
    events = [{"choices": [{"index": 0, "delta": {"content": piece}}]} for piece in pieces]
    events += [
        {"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]},
        {"choices": [], "usage": ANSWER["usage"]},
    ]
    return b"".join(b"data: %s\n\n" % json.dumps(event).encode() for event in events) + b"data: [DONE]\n\n"


def asked_for(body: dict[str, Any]) -> str:
    """The rung that sends this request."""
    return "stream" if body.get("stream") else "json" if "response_format" in body else "completion"


@dataclass
class Server:
    """A provider's API on the loopback. `answers` maps "GET /v1/models" to (status, body), or to a function that makes these of
    the request's body; what is not there is 404. A body of text is HTML, bytes are a stream."""

    port: int = 0
    answers: dict[str, Any] = field(default_factory=dict)
    seen: list[tuple[str, dict[str, str], bytes]] = field(default_factory=list)
    before: Callable[[str], None] = lambda line: None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/v1"

    def works(self) -> Server:
        """Answer like a provider that works."""
        self.answers = {"GET /v1/models": (200, MODELS), "POST /v1/chat/completions": self.only()}
        return self

    @staticmethod
    def only(rung: str = "", answer: tuple[int, Any] | None = None) -> Callable[[dict[str, Any]], tuple[int, Any]]:
        """How completions are answered: as a provider that works does, but for one rung."""
        whole = {
            "completion": (200, ANSWER),
            "stream": (200, streams("one, ", "two")),
            "json": (200, says('{"ok": true}')),
        }
        return lambda body: {**whole, rung: answer}[asked_for(body)]
