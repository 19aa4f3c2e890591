"""Small answers written for these tests after the providers' documentation, in the shape of shared/recordings.

OpenAI: developers.openai.com/api/reference/chat · Anthropic: platform.claude.com/docs/en/api/messages and its streaming page ·
Ollama: docs.ollama.com/api/chat.
"""

from __future__ import annotations

import json
from typing import Any


def _answer(
    name: str,
    api: str,
    body: str,
    text: str,
    finish: str,
    *,
    stream: bool = False,
    usage: tuple[int, int, int | None, int | None, int | None, int | None] = (12, 5, None, None, None, None),
) -> dict[str, Any]:
    provider = name.split("-")[0]
    kind = "text/event-stream" if stream else "application/json"
    names = ("input", "output", "cached", "cache_write", "reasoning", "total")
    return {
        "id": f"documented-{name}",
        "provider": provider,
        "api": api,
        "stream": stream,
        "model": "documented",
        "response": {"status": 200, "headers": [["Content-Type", kind]], "body": {"text": body}},
        "expect": {
            "kind": "ok",
            "text": text,
            "finish": finish,
            "usage": dict(zip(names, usage, strict=True)),
            "tool_calls": 0,
        },
    }


def _refusal(name: str, status: int, error_class: str, body: dict[str, Any]) -> dict[str, Any]:
    return {
        "id": f"documented-{name}",
        "provider": name.split("-")[0],
        "api": "openai_chat",
        "stream": False,
        "model": "documented",
        "response": {
            "status": status,
            "headers": [["Content-Type", "application/json"]],
            "body": {"text": json.dumps(body)},
        },
        "expect": {"kind": "error", "error_class": error_class},
    }


def _events(*events: tuple[str | None, Any]) -> str:
    lines = []
    for name, data in events:
        head = f"event: {name}\n" if name else ""
        lines.append(f"{head}data: {data if isinstance(data, str) else json.dumps(data)}\n\n")
    return "".join(lines)


def _chunk(delta: dict[str, Any], finish: str | None = None) -> dict[str, Any]:
    choice = {"index": 0, "delta": delta, "finish_reason": finish}
    return {"id": "c1", "object": "chat.completion.chunk", "model": "documented", "choices": [choice]}


_USAGE = {
    "prompt_tokens": 12,
    "completion_tokens": 5,
    "total_tokens": 17,
    "prompt_tokens_details": {"cached_tokens": 4},
    "completion_tokens_details": {"reasoning_tokens": 2},
}
_ANTHROPIC_USAGE = {
    "input_tokens": 8,
    "cache_read_input_tokens": 3,
    "cache_creation_input_tokens": 1,
    "output_tokens": 5,
}

ANSWERS = [
    _answer(
        "openai-whole",
        "openai_chat",
        json.dumps(
            {
                "id": "c1",
                "object": "chat.completion",
                "model": "documented",
                "choices": [
                    {"index": 0, "message": {"role": "assistant", "content": "Grüße, 世界"}, "finish_reason": "stop"}
                ],
                "usage": _USAGE,
            }
        ),
        "Grüße, 世界",
        "stop",
        usage=(12, 5, 4, None, 2, 17),
    ),
    _answer(
        "openai-streamed",
        "openai_chat",
        _events(
            (None, _chunk({"role": "assistant", "content": ""})),
            (None, _chunk({"content": "Hello "})),
            (None, _chunk({"content": "world"})),
            (None, _chunk({}, "stop")),
            (None, {"choices": [], "usage": _USAGE}),
            (None, "[DONE]"),
        ),
        "Hello world",
        "stop",
        stream=True,
        usage=(12, 5, 4, None, 2, 17),
    ),
    _answer(
        "anthropic-whole",
        "anthropic",
        json.dumps(
            {
                "id": "m1",
                "type": "message",
                "role": "assistant",
                "model": "documented",
                "content": [{"type": "text", "text": "Good day."}],
                "stop_reason": "end_turn",
                "usage": _ANTHROPIC_USAGE,
            }
        ),
        "Good day.",
        "end_turn",
        usage=(8, 5, 3, 1, None, None),
    ),
    _answer(
        "anthropic-streamed",
        "anthropic",
        _events(
            (
                "message_start",
                {
                    "type": "message_start",
                    "message": {
                        "id": "m1",
                        "type": "message",
                        "role": "assistant",
                        "model": "documented",
                        "content": [],
                        "usage": {**_ANTHROPIC_USAGE, "output_tokens": 1},
                    },
                },
            ),
            (
                "content_block_start",
                {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}},
            ),
            ("ping", {"type": "ping"}),
            (
                "content_block_delta",
                {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": "Good "}},
            ),
            (
                "content_block_delta",
                {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": "day."}},
            ),
            ("content_block_stop", {"type": "content_block_stop", "index": 0}),
            (
                "message_delta",
                {"type": "message_delta", "delta": {"stop_reason": "end_turn"}, "usage": {"output_tokens": 5}},
            ),
            ("message_stop", {"type": "message_stop"}),
        ),
        "Good day.",
        "end_turn",
        stream=True,
        usage=(8, 5, 3, 1, None, None),
    ),
    _answer(
        "ollama-whole",
        "ollama",
        json.dumps(
            {
                "model": "documented",
                "message": {"role": "assistant", "content": "Local."},
                "done": True,
                "done_reason": "stop",
                "prompt_eval_count": 12,
                "eval_count": 5,
            }
        ),
        "Local.",
        "stop",
    ),
]
REFUSALS = [
    _refusal(
        "openai-bad-key",
        401,
        "auth",
        {
            "error": {
                "message": "Incorrect API key provided.",
                "type": "invalid_request_error",
                "code": "invalid_api_key",
            }
        },
    ),
    _refusal(
        "groq-rate-limit",
        429,
        "rate_limit",
        {"error": {"message": "Rate limit reached.", "type": "tokens", "code": "rate_limit_exceeded"}},
    ),
]
