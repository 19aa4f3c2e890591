"""Answers after the providers' documentation, for what no recording shows: calls of tools, streams of Ollama, lists, refusals."""

import json
from dataclasses import dataclass
from typing import Any

CHAT_USAGE = {
    "prompt_tokens": 20,
    "completion_tokens": 9,
    "total_tokens": 29,
    "prompt_tokens_details": {"cached_tokens": 4},
    "completion_tokens_details": {"reasoning_tokens": 2},
}


@dataclass(frozen=True)
class Documented:
    """A whole answer or a stream; `api` and `provider` as recordings name them."""

    api: str
    provider: str
    name: str
    body: bytes
    stream: bool = False

    @property
    def id(self) -> str:
        return f"{self.provider}-{self.api}-{self.name}-{'stream' if self.stream else 'whole'}"

    @property
    def content_type(self) -> str:
        if not self.stream:
            return "application/json"
        return "application/x-ndjson" if self.api == "ollama" else "text/event-stream"


def whole(api: str, provider: str, name: str, data: Any) -> Documented:
    return Documented(api, provider, name, json.dumps(data).encode())


def stream(api: str, provider: str, name: str, *events: Any, done: bool = False) -> Documented:
    """Server-sent events, named where they have a type; the lines of Ollama."""
    if api == "ollama":
        return Documented(api, provider, name, "".join(json.dumps(each) + "\n" for each in events).encode(), True)
    named = [
        (f"event: {each['type']}\n" if "type" in each else "") + f"data: {json.dumps(each)}\n\n" for each in events
    ]
    return Documented(api, provider, name, "".join([*named, "data: [DONE]\n\n" if done else ""]).encode(), True)


def chunk(delta: dict[str, Any], finish: str | None = None, **more: Any) -> dict[str, Any]:
    choices = [{"index": 0, "delta": delta, "finish_reason": finish, "logprobs": None}]
    return {"id": "c1", "object": "chat.completion.chunk", "created": 1, "model": "m-1", "choices": choices, **more}


def call_piece(index: int, arguments: str, **more: Any) -> dict[str, Any]:
    name = more.pop("name", None)
    function = {"arguments": arguments, **({"name": name} if name else {})}
    return {"tool_calls": [{"index": index, "function": function, **more}]}


CHAT_CALLS = [
    {"id": "t1", "type": "function", "function": {"name": "find", "arguments": '{"name": "Zoë", "n": 1}'}},
    {"id": "t2", "type": "function", "function": {"name": "now", "arguments": "{}"}},
]


def chat(provider: str) -> list[Documented]:
    message = {"role": "assistant", "content": None, "tool_calls": CHAT_CALLS}
    choices = [{"index": 0, "message": message, "finish_reason": "tool_calls", "logprobs": None}]
    head = {"id": "c1", "object": "chat.completion", "created": 1, "model": "m-1"}
    refusal = {"role": "assistant", "content": None, "refusal": "I won't."}
    end = (
        chunk({}, "tool_calls", x_groq={"id": "r1", "usage": CHAT_USAGE})
        if provider == "groq"
        else {**chunk({}), "choices": [], "usage": CHAT_USAGE}
    )
    answers = [
        whole("openai_chat", provider, "tools", {**head, "choices": choices, "usage": CHAT_USAGE}),
        stream(
            "openai_chat",
            provider,
            "tools",
            chunk({"role": "assistant", "content": "One "}),
            chunk({"content": "moment 😀"}),
            chunk(call_piece(0, "", id="t1", type="function", name="find")),
            chunk(call_piece(0, '{"name": "Zo')),
            chunk(call_piece(0, 'ë", "n": 1}')),
            chunk(call_piece(1, "{}", id="t2", type="function", name="now")),
            *([] if provider == "groq" else [chunk({}, "tool_calls")]),
            end,
            done=True,
        ),
    ]
    if provider == "openai":
        choices = [{"index": 0, "message": refusal, "finish_reason": "stop", "logprobs": None}]
        answers.append(whole("openai_chat", provider, "refusal", {**head, "choices": choices, "usage": CHAT_USAGE}))
    return answers


RESPONSES_USAGE = {
    "input_tokens": 20,
    "output_tokens": 9,
    "total_tokens": 29,
    "input_tokens_details": {"cached_tokens": 4},
    "output_tokens_details": {"reasoning_tokens": 2},
}
THOUGHT = {"type": "reasoning", "id": "rs1", "summary": [{"type": "summary_text", "text": "Hm."}]}
SAID = {
    "type": "message",
    "id": "m1",
    "role": "assistant",
    "status": "completed",
    "content": [{"type": "output_text", "text": "One moment 😀", "annotations": []}],
}
FIND = {"type": "function_call", "id": "f1", "call_id": "t1", "name": "find", "arguments": '{"name": "Zoë", "n": 1}'}
NOW = {"type": "function_call", "id": "f2", "call_id": "t2", "name": "now", "arguments": "{}"}


def response(output: list[dict[str, Any]], **more: Any) -> dict[str, Any]:
    head = {"id": "r1", "object": "response", "created_at": 1, "model": "m-1", "status": "completed", "error": None}
    return {**head, "output": output, "usage": RESPONSES_USAGE, **more}


def numbered(*events: dict[str, Any]) -> list[dict[str, Any]]:
    return [{**event, "sequence_number": number} for number, event in enumerate(events)]


RESPONSES = [
    whole("openai_responses", "openai", "tools", response([THOUGHT, SAID, FIND, NOW])),
    whole(
        "openai_responses",
        "openai",
        "cut",
        response([SAID], status="incomplete", incomplete_details={"reason": "max_output_tokens"}),
    ),
    whole(
        "openai_responses",
        "openai",
        "refusal",
        response([{**SAID, "content": [{"type": "refusal", "refusal": "I won't."}]}]),
    ),
    stream(
        "openai_responses",
        "openai",
        "tools",
        *numbered(
            {"type": "response.created", "response": response([], status="in_progress", usage=None)},
            {"type": "response.output_item.added", "output_index": 0, "item": {**THOUGHT, "summary": []}},
            {
                "type": "response.reasoning_summary_text.delta",
                "item_id": "rs1",
                "output_index": 0,
                "summary_index": 0,
                "delta": "Hm.",
            },
            {"type": "response.output_item.done", "output_index": 0, "item": THOUGHT},
            {
                "type": "response.output_item.added",
                "output_index": 1,
                "item": {**SAID, "content": [], "status": "in_progress"},
            },
            *(
                {
                    "type": "response.output_text.delta",
                    "item_id": "m1",
                    "output_index": 1,
                    "content_index": 0,
                    "delta": each,
                    "logprobs": [],
                }
                for each in ("One ", "moment 😀")
            ),
            {"type": "response.output_item.done", "output_index": 1, "item": SAID},
            {"type": "response.output_item.added", "output_index": 2, "item": {**FIND, "arguments": ""}},
            *(
                {"type": "response.function_call_arguments.delta", "item_id": "f1", "output_index": 2, "delta": each}
                for each in ('{"name": "Zo', 'ë", "n": 1}')
            ),
            {"type": "response.output_item.done", "output_index": 2, "item": FIND},
            {"type": "response.output_item.added", "output_index": 3, "item": {**NOW, "arguments": ""}},
            {"type": "response.output_item.done", "output_index": 3, "item": NOW},
            {"type": "response.completed", "response": response([THOUGHT, SAID, FIND, NOW])},
        ),
    ),
]

MISTRAL_PARTS = [
    {"type": "thinking", "thinking": [{"type": "text", "text": "Hm."}]},
    {"type": "text", "text": "Hi "},
    {"type": "text", "text": "😀"},
]
MISTRAL = [
    whole(
        "openai_chat",
        "mistral",
        "parts",
        {
            "id": "c1",
            "object": "chat.completion",
            "created": 1,
            "model": "m-1",
            "choices": [
                {"index": 0, "message": {"role": "assistant", "content": MISTRAL_PARTS}, "finish_reason": "stop"}
            ],
            "usage": {"prompt_tokens": 20, "completion_tokens": 9, "total_tokens": 29},
        },
    ),
    stream(
        "openai_chat",
        "mistral",
        "parts",
        chunk({"role": "assistant", "content": MISTRAL_PARTS[:1]}),
        chunk({"content": MISTRAL_PARTS[1:]}),
        chunk({"content": ""}, "stop", usage={"prompt_tokens": 20, "completion_tokens": 9, "total_tokens": 29}),
        done=True,
    ),
]

CLAUDE_USAGE = {
    "input_tokens": 12,
    "cache_creation_input_tokens": 3,
    "cache_read_input_tokens": 5,
    "output_tokens": 40,
}
CLAUDE = {"id": "msg_1", "type": "message", "role": "assistant", "model": "claude-haiku-4-5", "stop_sequence": None}
CLAUDE_BLOCKS = [
    {"type": "thinking", "thinking": "Hm.", "signature": "s"},
    {"type": "text", "text": "One moment 😀"},
    {"type": "tool_use", "id": "t1", "name": "find", "input": {"name": "Zoë", "n": 1}},
    {"type": "tool_use", "id": "t2", "name": "now", "input": {}},
]


def block(index: int, start: dict[str, Any], *deltas: dict[str, Any]) -> list[dict[str, Any]]:
    return [
        {"type": "content_block_start", "index": index, "content_block": start},
        *({"type": "content_block_delta", "index": index, "delta": delta} for delta in deltas),
        {"type": "content_block_stop", "index": index},
    ]


ANTHROPIC = [
    whole(
        "anthropic",
        "anthropic",
        "tools",
        {**CLAUDE, "content": CLAUDE_BLOCKS, "stop_reason": "tool_use", "usage": CLAUDE_USAGE},
    ),
    stream(
        "anthropic",
        "anthropic",
        "tools",
        {
            "type": "message_start",
            "message": {**CLAUDE, "content": [], "stop_reason": None, "usage": {**CLAUDE_USAGE, "output_tokens": 1}},
        },
        {"type": "ping"},
        *block(
            0, {"type": "text", "text": ""}, *({"type": "text_delta", "text": each} for each in ("One ", "moment 😀"))
        ),
        *block(
            1,
            {"type": "tool_use", "id": "t1", "name": "find", "input": {}},
            *({"type": "input_json_delta", "partial_json": each} for each in ("", '{"name": "Zo', 'ë", "n": 1}')),
        ),
        *block(2, {"type": "tool_use", "id": "t2", "name": "now", "input": {}}),
        {
            "type": "message_delta",
            "delta": {"stop_reason": "tool_use", "stop_sequence": None},
            "usage": {"output_tokens": 40},
        },
        {"type": "message_stop"},
    ),
]

GEMINI_CALLS = [
    {"functionCall": {"name": "find", "args": {"name": "Zoë", "n": 1}}},
    {"functionCall": {"id": "t2", "name": "now"}},
]
GEMINI_USAGE = {
    "promptTokenCount": 20,
    "candidatesTokenCount": 7,
    "thoughtsTokenCount": 5,
    "cachedContentTokenCount": 4,
    "totalTokenCount": 32,
}


def gemini(parts: list[dict[str, Any]], **more: Any) -> dict[str, Any]:
    candidate = {"content": {"role": "model", "parts": parts}, "index": 0}
    if "finishReason" in more:
        candidate["finishReason"] = more.pop("finishReason")
    return {"candidates": [candidate], "modelVersion": "m-1", **more}


GOOGLE = [
    whole(
        "gemini",
        "google",
        "tools",
        gemini(
            [{"text": "Hm.", "thought": True}, {"text": "One moment 😀"}, *GEMINI_CALLS],
            finishReason="STOP",
            usageMetadata=GEMINI_USAGE,
        ),
    ),
    stream(
        "gemini",
        "google",
        "tools",
        gemini([{"text": "Hm.", "thought": True}], usageMetadata={"promptTokenCount": 20, "totalTokenCount": 20}),
        gemini([{"text": "One "}]),
        gemini([{"text": "moment 😀"}, GEMINI_CALLS[0]]),
        gemini([GEMINI_CALLS[1]], finishReason="STOP", usageMetadata=GEMINI_USAGE),
    ),
]

COHERE_USAGE = {
    "billed_units": {"input_tokens": 5, "output_tokens": 9},
    "tokens": {"input_tokens": 20, "output_tokens": 9},
    "cached_tokens": 4,
}


def cohere_event(kind: str, index: int | None = None, **message: Any) -> dict[str, Any]:
    place = {} if index is None else {"index": index}
    return {"type": kind, **place, "delta": {"message": message}}


COHERE = [
    whole(
        "cohere_v2",
        "cohere",
        "tools",
        {
            "id": "1",
            "finish_reason": "TOOL_CALL",
            "message": {"role": "assistant", "tool_plan": "I look.", "tool_calls": CHAT_CALLS},
            "usage": COHERE_USAGE,
        },
    ),
    stream(
        "cohere_v2",
        "cohere",
        "tools",
        {"type": "message-start", "id": "1", "delta": {"message": {"role": "assistant"}}},
        cohere_event("tool-plan-delta", tool_plan="I "),
        cohere_event("tool-plan-delta", tool_plan="look."),
        cohere_event("tool-call-start", 0, tool_calls={**CHAT_CALLS[0], "function": {"name": "find", "arguments": ""}}),
        cohere_event("tool-call-delta", 0, tool_calls={"function": {"arguments": '{"name": "Zo'}}),
        cohere_event("tool-call-delta", 0, tool_calls={"function": {"arguments": 'ë", "n": 1}'}}),
        {"type": "tool-call-end", "index": 0},
        cohere_event("tool-call-start", 1, tool_calls=CHAT_CALLS[1]),
        {"type": "tool-call-end", "index": 1},
        {"type": "message-end", "delta": {"finish_reason": "TOOL_CALL", "usage": COHERE_USAGE}},
    ),
]


def ollama_line(content: str, **more: Any) -> dict[str, Any]:
    message = {"role": "assistant", "content": content, **more.pop("message", {})}
    return {"model": "m-1", "created_at": "2026-01-01T00:00:00Z", "message": message, "done": False, **more}


OLLAMA_CALLS = {"tool_calls": [{"function": {"name": "find", "arguments": {"name": "Zoë", "n": 1}}}]}
OLLAMA = [
    stream(
        "ollama",
        "ollama",
        "tools",
        ollama_line("", message={"thinking": "Hm."}),
        ollama_line("One "),
        ollama_line("moment 😀"),
        ollama_line("", message=OLLAMA_CALLS),
        ollama_line("", message={"tool_calls": [{"function": {"name": "now", "arguments": {}}}]}),
        ollama_line("", done=True, done_reason="stop", prompt_eval_count=20, eval_count=9, total_duration=1),
    ),
    whole(
        "ollama",
        "ollama",
        "cut",
        ollama_line("One", done=True, done_reason="length", prompt_eval_count=20, eval_count=1),
    ),
]

ANSWERS = [*chat("openai"), *chat("groq"), *MISTRAL, *RESPONSES, *ANTHROPIC, *GOOGLE, *COHERE, *OLLAMA]

# What a list of two models looks like, by the API that lists them.
OPENAI_LIST = {
    "object": "list",
    "data": [{"id": each, "object": "model", "created": 1, "owned_by": "o"} for each in "ab"],
}
CLAUDE_MODEL = {"type": "model", "display_name": "A", "created_at": "2026-01-01T00:00:00Z"}
LISTS: dict[str, dict[str, Any]] = {
    "openai_chat": OPENAI_LIST,
    "openai_responses": OPENAI_LIST,
    "anthropic": {
        "data": [{"id": each, **CLAUDE_MODEL} for each in "ab"],
        "has_more": False,
        "first_id": "a",
        "last_id": "b",
    },
    "gemini": {"models": [{"name": f"models/{each}", "displayName": each.upper()} for each in "ab"]},
    "cohere_v2": {"models": [{"name": each, "endpoints": ["chat"], "context_length": 1000} for each in "ab"]},
    "ollama": {"models": [{"name": each, "model": each, "size": 1, "digest": "d"} for each in "ab"]},
}

# Vectors of two texts, by the provider.
VECTORS: dict[str, dict[str, Any]] = {
    "openai": {
        "object": "list",
        "model": "m",
        "data": [{"object": "embedding", "index": at, "embedding": [at + 0.25, -1e-7]} for at in (0, 1)],
        "usage": {"prompt_tokens": 5, "total_tokens": 5},
    },
    "google": {"embeddings": [{"values": [0.25, -1e-7]}, {"values": [1.25, -1e-7]}]},
    "cohere": {
        "id": "1",
        "response_type": "embeddings_by_type",
        "embeddings": {"float": [[0.25, -1e-7], [1.25, -1e-7]]},
        "texts": ["a", "b"],
        "meta": {"api_version": {"version": "2"}, "billed_units": {"input_tokens": 5}},
    },
    "ollama": {"model": "m", "embeddings": [[0.25, -1e-7], [1.25, -1e-7]], "prompt_eval_count": 5},
}

# How each API words a refusal with a status.
REFUSALS: dict[str, Any] = {
    "openai_chat": {"error": {"message": "No.", "type": "invalid_request_error", "param": None, "code": None}},
    "openai_responses": {"error": {"message": "No.", "type": "invalid_request_error", "param": None, "code": None}},
    "anthropic": {"type": "error", "error": {"type": "api_error", "message": "No."}, "request_id": "r1"},
    "gemini": {"error": {"code": 0, "message": "No.", "status": "UNKNOWN"}},
    "cohere_v2": {"id": "1", "message": "No."},
    "ollama": {"error": "No."},
}

# How a stream says, in a 200, that it goes no further.
BROKEN = [
    stream(
        "openai_chat",
        "openai",
        "broken",
        chunk({"content": "One "}),
        {"error": {"message": "No.", "type": "server_error", "code": None}},
    ),
    stream(
        "openai_chat",
        "groq",
        "broken",
        chunk({"content": "One "}),
        {"error": {"message": "No.", "type": "server_error"}},
    ),
    stream(
        "openai_responses",
        "openai",
        "broken",
        {"type": "error", "sequence_number": 0, "code": "server_error", "message": "No.", "param": None},
    ),
    stream(
        "anthropic", "anthropic", "broken", {"type": "error", "error": {"type": "overloaded_error", "message": "No."}}
    ),
    stream("ollama", "ollama", "broken", ollama_line("One "), {"error": "No."}),
]
STATUSES = (400, 401, 402, 403, 404, 409, 413, 422, 429, 500, 502, 503, 504, 529)
