"""Cohere's chat: what is sent and what is read. Answers after the documentation."""

import json

import pytest

from aiapp.providers.registry import provider
from aiapp.providers.types import Completion, Delta, Message, ModelInfo, ProviderError, Request, Target, ToolCall, Usage

KEY = "co-test-0123456789abcdef"
HELLO = (Message("user", "Hello"),)
DIALECT = provider("cohere").dialect_for({})
USAGE = {
    "billed_units": {"input_tokens": 4, "output_tokens": 2},
    "tokens": {"input_tokens": 70, "output_tokens": 3},
    "cached_tokens": 64,
}


def target(**more):
    return Target("cohere", **{"base_url": "https://api.cohere.com", "model": "command-x", "api_key": KEY, **more})


def sent(request=None, **more):
    return json.loads(DIALECT.build(request or Request(HELLO), target(**more)).body)


def parsed(data):
    return DIALECT.parse(json.dumps(data).encode(), target())


def said(words, kind="content-delta", name="text"):
    return {"type": kind, "index": 0, "delta": {"message": {"content": {name: words}}}}


def ended(finish="COMPLETE", **more):
    return {"type": "message-end", "delta": {"finish_reason": finish, "usage": USAGE, **more}}


def streamed(*events, done=True):
    body = (
        "".join(f"event: {each['type']}\ndata: {json.dumps(each)}\n\n" for each in events) + "data: [DONE]\n\n" * done
    )
    return list(DIALECT.stream([body.encode()], target()))


# what is sent


def test_a_small_request_is_small():
    built = DIALECT.build(Request(HELLO), target())
    assert (built.method, built.url) == ("POST", "https://api.cohere.com/v2/chat")
    assert built.headers["authorization"] == f"Bearer {KEY}"
    assert json.loads(built.body) == {
        "model": "command-x",
        "messages": [{"role": "user", "content": "Hello"}],
        "stream": True,
    }


def test_everything_that_was_chosen_is_sent_under_coheres_names():
    body = sent(
        Request(HELLO, system="Be brief.", max_tokens=9, temperature=1.7, top_p=0.9, stop=("END",), stream=False),
        system_prompt="You are Ada.",
        settings={"extra": {"safety_mode": "OFF"}},
    )
    assert body["messages"][0] == {"role": "system", "content": "You are Ada.\n\nBe brief."}
    assert (body["max_tokens"], body["temperature"], body["p"], body["stop_sequences"]) == (9, 1.0, 0.9, ["END"])
    assert (body["stream"], body["safety_mode"]) == (False, "OFF")
    assert "top_p" not in body


def test_json_is_asked_for_natively_and_without_a_schema_in_words_too():
    schema = {"type": "object", "properties": {"a": {"type": "string"}}, "required": ["a"]}
    body = sent(Request(HELLO, output_format="json", json_schema=schema))
    assert body["response_format"] == {"type": "json_object", "json_schema": schema}
    assert len(body["messages"]) == 1
    body = sent(Request(HELLO, output_format="json"))
    assert body["response_format"] == {"type": "json_object"}
    assert body["messages"][0]["content"] == "Answer with JSON and nothing else."


# what is read


def test_a_whole_answer_is_read():
    data = {
        "id": "1",
        "finish_reason": "TOOL_CALL",
        "message": {
            "role": "assistant",
            "tool_plan": "I will ask.",
            "content": [
                {"type": "thinking", "thinking": "Hm."},
                {"type": "text", "text": "A"},
                {"type": "text", "text": "B"},
            ],
            "tool_calls": [
                {"id": "t1", "type": "function", "function": {"name": "f", "arguments": '{"a":1}'}},
                {"id": "t2", "type": "function", "function": {"name": "g", "arguments": "null"}},
            ],
        },
        "usage": USAGE,
    }
    assert parsed(data) == Completion(
        "AB",
        "TOOL_CALL",
        Usage(70, 3, 64),
        (ToolCall("t1", "f", '{"a":1}'), ToolCall("t2", "g", "{}")),
        "I will ask.Hm.",
        None,
        USAGE,
    )


@pytest.mark.parametrize(
    ("reported", "expected"),
    [
        ({"billed_units": {"input_tokens": 4, "output_tokens": 2}}, Usage(4, 2)),
        ({"tokens": {"input_tokens": 4}}, Usage(4)),
        ({**USAGE, "cached_tokens": 99}, Usage(70, 3, 70)),
        ({}, Usage()),
        (None, Usage()),
    ],
)
def test_tokens_are_what_the_model_read_and_wrote(reported, expected):
    assert parsed({"message": {"content": []}, "finish_reason": "COMPLETE", "usage": reported}).usage == expected


@pytest.mark.parametrize("finish", ["COMPLETE", "MAX_TOKENS", "STOP_SEQUENCE"])
def test_an_answer_may_be_empty(finish):
    completion = parsed({"message": {"role": "assistant", "content": None}, "finish_reason": finish})
    assert (completion.text, completion.finish) == ("", finish)


@pytest.mark.parametrize("body", [b"{}", b'{"message": {}}', b"<html>", b"", b"[1]"])
def test_an_answer_without_a_message_is_a_bad_response(body):
    with pytest.raises(ProviderError) as caught:
        DIALECT.parse(body, target())
    assert caught.value.error_class == "bad_response"


def test_a_stream_is_deltas_and_then_the_whole():
    assert streamed(
        {
            "type": "message-start",
            "id": "1",
            "delta": {"message": {"role": "assistant", "content": [], "tool_calls": []}},
        },
        {"type": "content-start", "index": 0, "delta": {"message": {"content": {"type": "thinking", "thinking": ""}}}},
        said("Hm.", name="thinking"),
        {"type": "content-start", "index": 1, "delta": {"message": {"content": {"type": "text", "text": "Hel"}}}},
        said("lo"),
        {"type": "citation-start", "index": 0, "delta": {"message": {"citations": {"text": "lo"}}}},
        {"type": "content-end", "index": 1},
        ended(),
    ) == [
        Delta("", "Hm."),
        Delta("Hel"),
        Delta("lo"),
        Completion("Hello", "COMPLETE", Usage(70, 3, 64), reasoning="Hm.", reported=USAGE),
    ]


def test_tool_calls_arrive_in_pieces():
    def begins(index, name, arguments=""):
        call = {"id": f"t{index}", "type": "function", "function": {"name": name, "arguments": arguments}}
        return {"type": "tool-call-start", "index": index, "delta": {"message": {"tool_calls": call}}}

    def goes_on(index, words):
        call = {"function": {"arguments": words}}
        return {"type": "tool-call-delta", "index": index, "delta": {"message": {"tool_calls": call}}}

    plan = {"type": "tool-plan-delta", "delta": {"message": {"tool_plan": "I will ask."}}}
    last = streamed(
        plan,
        begins(0, "f"),
        goes_on(0, '{"a"'),
        goes_on(0, ":1}"),
        {"type": "tool-call-end", "index": 0},
        begins(1, "g", "{}"),
        begins(2, "h"),
        ended("TOOL_CALL"),
    )[-1]
    assert last.tool_calls == (ToolCall("t0", "f", '{"a":1}'), ToolCall("t1", "g", "{}"), ToolCall("t2", "h", "{}"))
    assert (last.finish, last.reasoning) == ("TOOL_CALL", "I will ask.")


@pytest.mark.parametrize("done", [False, True])
@pytest.mark.parametrize("events", [[], [said("x")]])
def test_a_stream_without_message_end_is_incomplete(events, done):
    with pytest.raises(ProviderError) as caught:
        streamed(*events, done=done)
    assert (caught.value.error_class, caught.value.retryable) == ("bad_response", True)


@pytest.mark.parametrize(
    ("finish", "said_why", "expected"),
    [
        ("ERROR", "something broke", "server"),
        ("ERROR", None, "server"),
        ("TIMEOUT", None, "timeout"),
        ("ERROR_TOXIC", None, "content_filter"),
        ("ERROR_LIMIT", None, "context_length"),
    ],
)
def test_an_answer_that_ends_with_an_error_is_one(finish, said_why, expected):
    for read in (
        lambda: streamed(said("x"), ended(finish, error=said_why)),
        lambda: parsed({"message": {"content": []}, "finish_reason": finish, "error": said_why}),
    ):
        with pytest.raises(ProviderError) as caught:
            read()
        assert (caught.value.error_class, caught.value.code) == (expected, finish)
        assert caught.value.message


def test_a_whole_answer_in_place_of_a_stream_is_read():
    body = json.dumps({"message": {"content": [{"type": "text", "text": "Hi"}]}, "finish_reason": "COMPLETE"}).encode()
    assert list(DIALECT.stream([body], target())) == [Delta("Hi"), Completion("Hi", "COMPLETE")]


def test_half_a_character_at_the_end_is_replaced():
    raw = json.dumps(said("X")).replace('"X"', '"\\ud83d"')
    body = f"data: {raw}\n\ndata: {json.dumps(ended())}\n\n".encode()
    assert [each.text for each in DIALECT.stream([body], target())] == ["\ufffd", "\ufffd"]


@pytest.mark.parametrize(
    ("status", "message", "expected"),
    [
        (401, "invalid api token", "auth"),
        (402, "Please add or update your payment method", "quota"),
        (404, "model 'none' not found, make sure the correct model ID was used", "model_not_found"),
        (400, "too many tokens: total number of tokens in the prompt cannot exceed 4081", "context_length"),
        (400, "invalid request: temperature must be between 0 and 1.0 inclusive.", "bad_request"),
        (422, "invalid request: message must be at least 1 token long", "bad_request"),
        (429, "You are using a Trial key, which is limited to 20 API calls / minute.", "rate_limit"),
        (429, "You are using a Trial key, which is limited to 1000 API calls / month.", "quota"),
        (498, "The prompt was blocked by our safety filter", "content_filter"),
        (500, "internal server error", "server"),
        (503, "service unavailable", "overloaded"),
    ],
)
def test_a_refusal_has_its_class(status, message, expected):
    error = DIALECT.error(status, {}, json.dumps({"id": "1", "message": message}).encode())
    assert (error.error_class, error.message) == (expected, message)


def test_models_that_chat_are_listed():
    assert DIALECT.models_request(target()).url == "https://api.cohere.com/v1/models?page_size=1000&endpoint=chat"
    data = {"models": [{"name": "command-x", "context_length": 128000.0, "endpoints": ["chat"]}, {}]}
    assert DIALECT.models(json.dumps(data).encode()) == (ModelInfo("command-x", None, 128000),)
