"""Anthropic's Messages: what is sent and what is read. Answers after the documentation."""

import json

import pytest

from aiapp.providers.registry import provider
from aiapp.providers.types import Completion, Delta, Message, ModelInfo, ProviderError, Request, Target, ToolCall, Usage

KEY = "sk-ant-test-0123456789"
HELLO = (Message("user", "Hello"),)
DIALECT = provider("anthropic").dialect_for({})


def target(**more):
    return Target(
        "anthropic", **{"base_url": "https://api.anthropic.com", "model": "claude-haiku-4-5", "api_key": KEY, **more}
    )


def sent(request=None, **more):
    return json.loads(DIALECT.build(request or Request(HELLO), target(**more)).body)


def sse(*events):
    return "".join(f"event: {event['type']}\ndata: {json.dumps(event)}\n\n" for event in events).encode()


START = {
    "type": "message_start",
    "message": {"model": "claude-1", "usage": {"input_tokens": 5, "cache_read_input_tokens": 7, "output_tokens": 1}},
}
TEXT = {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": "Hi"}}
END = {
    "type": "message_delta",
    "delta": {"stop_reason": "end_turn"},
    "usage": {"output_tokens": 9, "cache_read_input_tokens": None},
}
STOP = {"type": "message_stop"}


def streamed(*events):
    return list(DIALECT.stream([sse(*events)], target()))


def test_a_small_request_has_the_limit_that_the_api_insists_on():
    built = DIALECT.build(Request(HELLO), target())
    assert (built.method, built.url) == ("POST", "https://api.anthropic.com/v1/messages")
    assert built.headers["x-api-key"] == KEY
    assert built.headers["anthropic-version"] == "2023-06-01"
    assert "authorization" not in built.headers
    assert json.loads(built.body) == {
        "model": "claude-haiku-4-5",
        "max_tokens": 16_384,
        "messages": [{"role": "user", "content": "Hello"}],
        "stream": True,
    }


def test_everything_that_was_chosen_is_sent_under_anthropics_names():
    body = sent(
        Request(HELLO, system="Be brief.", max_tokens=9, temperature=0.5, stop=("END",), stream=False),
        system_prompt="You are Ada.",
    )
    assert body["system"] == "You are Ada.\n\nBe brief."
    assert (body["max_tokens"], body["temperature"], body["stop_sequences"], body["stream"]) == (9, 0.5, ["END"], False)


def test_sampling_settings_keep_to_what_the_models_take():
    assert sent(Request(HELLO, temperature=1.7))["temperature"] == 1.0
    assert "top_p" not in sent(Request(HELLO, temperature=0.2, top_p=0.9))
    assert sent(Request(HELLO, top_p=0.9))["top_p"] == 0.9
    assert not {"temperature", "top_p"} & set(
        sent(Request(HELLO, temperature=0.2, top_p=0.9), model="claude-sonnet-5-5")
    )


def test_json_is_left_to_the_prompt():
    asked = Request(HELLO, output_format="json", json_schema={"type": "object"})
    hint = "Answer with JSON and nothing else."
    assert sent(asked)["system"] == hint + ' It must match this JSON schema:\n{"type": "object"}'
    assert "response_format" not in sent(asked)
    assert sent(Request(HELLO, output_format="json"))["system"] == hint
    assert "system" not in sent(Request((Message("user", "JSON please"),), output_format="json"))


@pytest.mark.parametrize("model", ["claude-haiku-4-5", "claude-sonnet-4-5-20250929", "claude-opus-5-5"])
def test_a_schema_goes_into_the_field_that_holds_the_model_to_it(model):
    schema = {"type": "object", "properties": {"name": {"type": "string"}}}
    body = sent(
        Request(HELLO, output_format="json", json_schema=schema, model=model),
        settings={"extra": {"output_config": {"effort": "low"}}},
    )
    closed = {**schema, "additionalProperties": False}
    assert body["output_config"] == {"format": {"type": "json_schema", "schema": closed}, "effort": "low"}
    assert "system" not in body


@pytest.mark.parametrize("model", ["claude-opus-4-20250514", "claude-3-5-haiku-latest", "some/model"])
def test_a_model_that_takes_no_schema_is_told_in_words(model):
    schema = {"type": "object", "properties": {"name": {"type": "string"}}}
    body = sent(Request(HELLO, output_format="json", json_schema=schema, model=model))
    assert "output_config" not in body
    assert '"properties"' in body["system"]


def test_a_whole_answer_is_read_by_the_type_of_its_blocks():
    usage = {"input_tokens": 5, "cache_creation_input_tokens": 2, "cache_read_input_tokens": 3, "output_tokens": 4}
    data = {
        "type": "message",
        "model": "claude-1",
        "content": [
            {"type": "thinking", "thinking": "Hm.", "signature": "s"},
            {"type": "redacted_thinking", "data": "x"},
            {"type": "text", "text": "A"},
            {"type": "tool_use", "id": "t1", "name": "f", "input": {"a": 1}},
            {"type": "text", "text": "B"},
            "odd",
        ],
        "stop_reason": "tool_use",
        "usage": usage,
    }
    assert DIALECT.parse(json.dumps(data).encode(), target()) == Completion(
        "AB", "tool_use", Usage(10, 4, 3, 2), (ToolCall("t1", "f", '{"a": 1}'),), "Hm.", "claude-1", usage
    )


@pytest.mark.parametrize("body", [b"{}", b'{"content": "x"}', b"<html>", b"", b"[1]"])
def test_an_answer_without_content_is_a_bad_response(body):
    with pytest.raises(ProviderError) as caught:
        DIALECT.parse(body, target())
    assert caught.value.error_class == "bad_response"


def test_an_answer_may_be_empty():
    completion = DIALECT.parse(b'{"content": [], "stop_reason": "refusal"}', target())
    assert (completion.text, completion.finish, completion.usage) == ("", "refusal", Usage())


def test_a_stream_adds_up_usage_from_its_start_and_its_end():
    ping = {"type": "ping"}
    later = {"type": "something_new", "delta": {"text": "no"}}
    assert streamed(START, ping, later, TEXT, {"type": "content_block_stop", "index": 0}, END, STOP) == [
        Delta("Hi"),
        Completion(
            "Hi",
            "end_turn",
            Usage(12, 9, 7),
            model="claude-1",
            reported={"input_tokens": 5, "cache_read_input_tokens": 7, "output_tokens": 9},
        ),
    ]


def test_thinking_and_tool_calls_arrive_in_pieces():
    *deltas, last = streamed(
        START,
        {"type": "content_block_start", "index": 0, "content_block": {"type": "thinking", "thinking": ""}},
        {"type": "content_block_delta", "index": 0, "delta": {"type": "thinking_delta", "thinking": "Hm."}},
        {"type": "content_block_delta", "index": 0, "delta": {"type": "signature_delta", "signature": "s"}},
        {
            "type": "content_block_start",
            "index": 1,
            "content_block": {"type": "tool_use", "id": "t1", "name": "f", "input": {}},
        },
        {"type": "content_block_delta", "index": 1, "delta": {"type": "input_json_delta", "partial_json": '{"a"'}},
        {"type": "content_block_delta", "index": 1, "delta": {"type": "input_json_delta", "partial_json": ": 1}"}},
        {
            "type": "content_block_start",
            "index": 2,
            "content_block": {"type": "tool_use", "id": "t2", "name": "g", "input": {}},
        },
        END,
        STOP,
    )
    assert deltas == [Delta("", "Hm.")]
    assert last.reasoning == "Hm."
    assert last.tool_calls == (ToolCall("t1", "f", '{"a": 1}'), ToolCall("t2", "g", "{}"))


def test_calls_that_the_provider_makes_itself_are_not_ours():
    search = {"type": "server_tool_use", "id": "s1", "name": "web_search", "input": {}}
    *_, last = streamed(
        START,
        {"type": "content_block_start", "index": 0, "content_block": search},
        {
            "type": "content_block_delta",
            "index": 0,
            "delta": {"type": "input_json_delta", "partial_json": '{"query": 1}'},
        },
        {"type": "content_block_start", "index": 1, "content_block": {"type": "web_search_tool_result", "content": []}},
        {**TEXT, "index": 2},
        END,
        STOP,
    )
    assert (last.text, last.tool_calls) == ("Hi", ())


def test_an_error_event_ends_the_stream_with_its_class():
    with pytest.raises(ProviderError) as caught:
        streamed(START, TEXT, {"type": "error", "error": {"type": "overloaded_error", "message": "Overloaded"}})
    assert (caught.value.error_class, caught.value.code, caught.value.http_status) == (
        "overloaded",
        "overloaded_error",
        None,
    )


@pytest.mark.parametrize("events", [[], [START], [START, TEXT, END]])
def test_a_stream_without_message_stop_is_incomplete(events):
    with pytest.raises(ProviderError) as caught:
        streamed(*events)
    assert caught.value.error_class == "bad_response"


def test_half_a_character_at_the_end_is_replaced():
    half = sse(TEXT).replace(b'"Hi"', b'"\\ud83d"')
    assert [*DIALECT.stream([half, sse(STOP)], target())] == [Delta("\ufffd"), Completion("\ufffd")]


def test_a_whole_answer_in_place_of_a_stream_is_read():
    body = json.dumps({"content": [{"type": "text", "text": "Hi"}], "stop_reason": "end_turn"}).encode()
    assert list(DIALECT.stream([body], target())) == [Delta("Hi"), Completion("Hi", "end_turn")]


def test_a_refusal_is_read():
    error = DIALECT.error(
        529, {"retry-after": "4"}, b'{"type":"error","error":{"type":"overloaded_error","message":"Overloaded"}}'
    )
    assert (error.error_class, error.retry_after, error.message) == ("overloaded", 4.0, "Overloaded")


def test_models_are_listed():
    request = DIALECT.models_request(target())
    assert (request.method, request.url) == ("GET", "https://api.anthropic.com/v1/models?limit=1000")
    data = [
        {"type": "model", "id": "claude-1", "display_name": "Claude 1", "max_input_tokens": 200000},
        {"id": "claude-2"},
        {},
    ]
    assert DIALECT.models(json.dumps({"data": data}).encode()) == (
        ModelInfo("claude-1", "Claude 1", 200000),
        ModelInfo("claude-2"),
    )
    with pytest.raises(ProviderError) as caught:
        DIALECT.models(b"{}")
    assert caught.value.error_class == "bad_response"
