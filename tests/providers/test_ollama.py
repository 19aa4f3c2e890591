"""Ollama's own API: what is sent and what is read. Answers after the documentation."""

import json

import pytest

from aiapp.providers.registry import provider
from aiapp.providers.types import Completion, Delta, Message, ModelInfo, ProviderError, Request, Target, ToolCall, Usage

HELLO = (Message("user", "Hello"),)
DIALECT = provider("ollama").dialect_for({})


def target(**more):
    return Target("ollama", **{"base_url": "http://localhost:11434/", "model": "qwen3", **more})


def sent(request=None, **more):
    return json.loads(DIALECT.build(request or Request(HELLO), target(**more)).body)


def said(content="", **more):
    return {
        "model": "qwen3",
        "message": {"role": "assistant", "content": content, **more.pop("message", {})},
        "done": False,
        **more,
    }


END = said(done=True, done_reason="stop", prompt_eval_count=5, eval_count=2, total_duration=9)


def streamed(*objects, end=b"\n"):
    return list(DIALECT.stream([end.join(json.dumps(each).encode() for each in objects)], target()))


def test_a_small_request_needs_no_key():
    built = DIALECT.build(Request(HELLO), target())
    assert (built.method, built.url) == ("POST", "http://localhost:11434/api/chat")
    assert "authorization" not in built.headers
    assert json.loads(built.body) == {
        "model": "qwen3",
        "messages": [{"role": "user", "content": "Hello"}],
        "options": {},
        "stream": True,
    }


def test_a_proxys_key_is_sent():
    assert DIALECT.build(Request(HELLO), target(api_key="secret")).headers["authorization"] == "Bearer secret"


def test_settings_become_options():
    body = sent(
        Request(HELLO, system="Be brief.", temperature=0.1, top_p=0.2, max_tokens=9, stop=("X",)),
        system_prompt="You are Ada.",
        settings={"extra": {"options": {"num_ctx": 8192}, "think": False}},
    )
    assert body["options"] == {"temperature": 0.1, "top_p": 0.2, "num_predict": 9, "stop": ["X"], "num_ctx": 8192}
    assert body["think"] is False
    assert body["messages"][0] == {"role": "system", "content": "You are Ada.\n\nBe brief."}


def test_json_is_a_format():
    schema = {"type": "object"}
    assert sent(Request(HELLO, output_format="json", json_schema=schema))["format"] == schema
    body = sent(Request(HELLO, output_format="json"))
    assert body["format"] == "json"
    assert "JSON" in body["messages"][0]["content"]


def test_a_whole_answer_is_read():
    data = said("Hi", done=True, done_reason="length", prompt_eval_count=5, eval_count=2, message={"thinking": "Hm."})
    assert DIALECT.parse(json.dumps(data).encode(), target()) == Completion(
        "Hi", "length", Usage(5, 2), reasoning="Hm.", model="qwen3", reported={"prompt_eval_count": 5, "eval_count": 2}
    )


@pytest.mark.parametrize("body", [b"{}", json.dumps(said("Hi")).encode(), b'{"done": 1}', b"<html>", b""])
def test_an_answer_that_is_not_done_is_a_bad_response(body):
    with pytest.raises(ProviderError) as caught:
        DIALECT.parse(body, target())
    assert caught.value.error_class == "bad_response"


@pytest.mark.parametrize("end", [b"\n", b"\r\n", b"\n\n"])
def test_a_stream_is_one_object_a_line(end):
    *deltas, last = streamed(said(message={"thinking": "Hm."}), said("Hel"), said("lo"), END, end=end)
    assert deltas == [Delta("", "Hm."), Delta("Hel"), Delta("lo")]
    assert (last.text, last.reasoning, last.finish, last.usage) == ("Hello", "Hm.", "stop", Usage(5, 2))
    assert last.reported == {"prompt_eval_count": 5, "eval_count": 2, "total_duration": 9}


def test_the_last_object_may_hold_text_and_half_a_character():
    last = streamed(said("Hel"), {**END, "message": {"content": "lo"}})[-1]
    assert last.text == "Hello"
    raw = json.dumps({**END, "message": {"content": "X"}}).replace('"X"', '"\\ud83d"').encode()
    assert [each.text for each in DIALECT.stream([raw], target())] == ["\ufffd", "\ufffd"]


def test_tool_calls_are_whole_and_their_arguments_objects():
    calls = [{"function": {"name": name, "arguments": {"n": 1}}} for name in "fg"]
    last = streamed(said(message={"tool_calls": calls[:1]}), said(message={"tool_calls": calls[1:]}), END)[-1]
    assert last.tool_calls == (ToolCall("", "f", '{"n": 1}'), ToolCall("", "g", '{"n": 1}'))


def test_an_error_line_ends_the_stream():
    with pytest.raises(ProviderError) as caught:
        streamed(said("Hel"), {"error": "llama runner process has terminated"})
    assert (caught.value.error_class, caught.value.message) == ("server", "llama runner process has terminated")


@pytest.mark.parametrize("objects", [[], [said("Hel")]])
def test_a_stream_that_is_never_done_is_incomplete(objects):
    with pytest.raises(ProviderError) as caught:
        streamed(*objects)
    assert caught.value.error_class == "bad_response"


def test_a_missing_model_is_named_as_such():
    error = DIALECT.error(404, {}, b'{"error":"model \'nope\' not found"}')
    assert (error.error_class, error.permanent, error.retryable) == ("model_not_found", False, False)


def test_pulled_models_are_listed():
    assert DIALECT.models_request(target()).url == "http://localhost:11434/api/tags"
    data = [{"name": "a:latest", "model": "a:latest", "details": {"context_length": 4096}}, {"name": "b"}, {}, None]
    assert DIALECT.models(json.dumps({"models": data}).encode()) == (ModelInfo("a:latest", None, 4096), ModelInfo("b"))
    with pytest.raises(ProviderError) as caught:
        DIALECT.models(b'{"models": null}')
    assert caught.value.error_class == "bad_response"
