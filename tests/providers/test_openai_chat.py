"""Chat completions: what is sent, and what is read where a provider strays from OpenAI. Answers after the documentation."""

import json

import pytest

from aiapp.providers.registry import PROVIDERS, provider
from aiapp.providers.types import Completion, Delta, Message, ModelInfo, ProviderError, Request, Target, ToolCall, Usage

KEY = "sk-test-0123456789abcdef"
CHAT = ["openai", "groq", "openrouter", "xai", "mistral", "deepseek", "lmstudio", "openai_compatible"]
HELLO = (Message("user", "Hello"),)
SCHEMA = {"type": "object", "properties": {"a": {"type": "string"}}}


def target(kind="openai", **more):
    fields = {
        "base_url": PROVIDERS[kind].base_url or "http://gpu-1:8000/v1",
        "model": "some-model",
        "api_key": KEY,
        **more,
    }
    return Target(kind, **fields)


def sent(request=None, kind="openai", **more):
    built = provider(kind).dialect_for({}).build(request or Request(HELLO), target(kind, **more))
    return json.loads(built.body)


def parsed(data, kind="openai"):
    return provider(kind).dialect_for({}).parse(json.dumps(data).encode(), target(kind))


def sse(*events, done=True):
    lines = [f"data: {event if isinstance(event, str) else json.dumps(event)}\n\n" for event in events]
    return "".join([*lines, "data: [DONE]\n\n" if done else ""]).encode()


def streamed(*events, kind="openai", done=True):
    return list(provider(kind).dialect_for({}).stream([sse(*events, done=done)], target(kind)))


def piece(finish=None, **delta):
    return {"choices": [{"index": 0, "delta": delta, "finish_reason": finish}]}


def refused(*events, kind="openai", done=True):
    with pytest.raises(ProviderError) as caught:
        streamed(*events, kind=kind, done=done)
    return caught.value


# what is sent


def test_a_small_request_has_nothing_that_nobody_asked_for():
    assert sent(Request(HELLO, stream=False)) == {
        "model": "some-model",
        "messages": [{"role": "user", "content": "Hello"}],
        "stream": False,
    }


@pytest.mark.parametrize("kind", CHAT)
def test_the_request_goes_to_the_providers_address_with_its_key(kind):
    built = provider(kind).dialect_for({}).build(Request(HELLO), target(kind))
    assert built.method == "POST"
    assert built.url == (PROVIDERS[kind].base_url or "http://gpu-1:8000/v1") + "/chat/completions"
    assert built.headers["authorization"] == f"Bearer {KEY}"
    assert built.headers["content-type"] == "application/json"
    assert built.headers["accept"] == "text/event-stream"
    assert KEY not in built.url
    assert KEY.encode() not in built.body
    assert KEY not in repr(built)


def test_the_query_of_a_base_url_is_kept():
    built = (
        provider("openai_compatible")
        .dialect_for({})
        .build(Request(HELLO), target("openai_compatible", base_url="https://h/v1/?version=2"))
    )
    assert built.url == "https://h/v1/chat/completions?version=2"


def test_without_a_key_no_header_is_sent():
    assert (
        "authorization"
        not in provider("lmstudio").dialect_for({}).build(Request(HELLO), target("lmstudio", api_key=None)).headers
    )


@pytest.mark.parametrize("key", ["sk-a\r\nx: y", "schlüssel", "two words", "a\x00b"])
def test_a_key_that_no_header_can_hold_is_refused_before_it_is_sent(key):
    with pytest.raises(ProviderError) as caught:
        provider("openai").dialect_for({}).build(Request(HELLO), target(api_key=key))
    assert caught.value.error_class == "auth"
    assert key not in caught.value.message


def test_the_request_wins_over_the_target_and_the_target_over_nothing():
    settings = {"temperature": 0.3, "max_tokens": 50, "system_prompt": "Target"}
    body = sent(kind="mistral", **settings)
    assert (body["temperature"], body["max_tokens"], body["messages"][0]["content"]) == (0.3, 50, "Target")
    body = sent(
        Request(HELLO, system="Request", model="other", temperature=0.0, max_tokens=9, top_p=0.5, stop=("X",)),
        kind="mistral",
        **settings,
    )
    assert (body["temperature"], body["max_tokens"], body["top_p"], body["stop"]) == (0.0, 9, 0.5, ["X"])
    assert body["model"] == "other"
    assert body["messages"][0] == {"role": "system", "content": "Target\n\nRequest"}
    assert body["messages"][1:] == [{"role": "user", "content": "Hello"}]


def test_a_conversation_keeps_its_order():
    turns = (Message("user", "a"), Message("assistant", "b"), Message("user", "c"))
    assert [(turn["role"], turn["content"]) for turn in sent(Request(turns))["messages"]] == [
        ("user", "a"),
        ("assistant", "b"),
        ("user", "c"),
    ]


@pytest.mark.parametrize(
    ("kind", "field"),
    [("openai", "max_completion_tokens"), ("groq", "max_completion_tokens"), ("mistral", "max_tokens")],
)
def test_the_limit_of_tokens_has_the_name_that_the_provider_takes(kind, field):
    body = sent(Request(HELLO, max_tokens=5), kind=kind)
    assert {name: value for name, value in body.items() if name.startswith("max_")} == {field: 5}


def test_models_that_refuse_sampling_settings_get_none():
    assert "temperature" not in sent(Request(HELLO, temperature=0.2, top_p=0.1), model="gpt-6-luna")
    assert "top_p" not in sent(Request(HELLO, temperature=0.2, top_p=0.1), model="o3-mini")
    assert sent(Request(HELLO, temperature=0.2, top_p=0.1), model="gpt-4.1")["temperature"] == 0.2
    assert sent(Request(HELLO, temperature=0.2, top_p=0.1), model="gpt-4.1")["top_p"] == 0.1


def test_a_temperature_above_the_providers_is_lowered():
    assert sent(Request(HELLO, temperature=1.9), kind="mistral")["temperature"] == 1.5
    assert sent(Request(HELLO, temperature=1.9), kind="deepseek")["temperature"] == 1.9


def test_usage_is_asked_for_only_in_streams_and_only_where_it_may_be():
    assert sent()["stream_options"] == {"include_usage": True}
    assert sent()["stream"] is True
    assert "stream_options" not in sent(Request(HELLO, stream=False))
    assert "stream_options" not in sent(kind="mistral")


def test_a_credential_may_ask_for_whole_answers():
    built = provider("openai").dialect_for({}).build(Request(HELLO), target(settings={"stream": False}))
    assert json.loads(built.body)["stream"] is False
    assert built.headers["accept"] == "application/json"


def test_json_is_asked_for_natively_where_the_provider_can():
    asked = Request(HELLO, output_format="json", json_schema=SCHEMA)
    assert sent(asked)["response_format"] == {
        "type": "json_schema",
        "json_schema": {"name": "answer", "schema": SCHEMA},
    }
    body = sent(asked, kind="groq")
    assert body["response_format"] == {"type": "json_object"}
    assert body["messages"][0]["content"].endswith("It must match this JSON schema:\n" + json.dumps(SCHEMA))
    assert "response_format" not in sent(Request(HELLO, output_format="json"), kind="lmstudio")
    assert sent(asked, kind="lmstudio")["response_format"]["type"] == "json_schema"
    assert sent(Request(HELLO, output_format="json"))["response_format"] == {"type": "json_object"}
    assert "response_format" not in sent(Request(HELLO, output_format="markdown"))


def test_json_mode_says_json_unless_the_prompt_does():
    body = sent(Request(HELLO, system="Be brief.", output_format="json"))
    assert body["messages"][0]["content"] == "Be brief.\n\nAnswer with JSON and nothing else."
    body = sent(Request((Message("user", "Give me Json"),), output_format="json"))
    assert [turn["role"] for turn in body["messages"]] == ["user"]
    assert [turn["role"] for turn in sent(Request(HELLO, output_format="json", json_schema=SCHEMA))["messages"]] == [
        "user"
    ]


def test_extra_settings_add_and_override_but_not_what_is_asked_of_whom():
    extra = {
        "seed": 7,
        "stream_options": {"x": 1},
        "temperature": 0.9,
        "model": "evil",
        "messages": [],
        "stream": False,
    }
    body = sent(Request(HELLO, temperature=0.1), settings={"extra": extra})
    assert body["seed"] == 7
    assert body["temperature"] == 0.9
    assert body["stream_options"] == {"include_usage": True, "x": 1}
    assert (body["model"], body["stream"], len(body["messages"])) == ("some-model", True, 1)


@pytest.mark.parametrize("extra", [["seed"], "seed", 1, None])
def test_extra_settings_of_another_shape_are_left_out(extra):
    assert sent(settings={"extra": extra}) == sent()


@pytest.mark.parametrize("extra", [{"a": float("nan")}, {"a": object()}])
def test_extra_settings_that_are_not_json_are_a_bad_request(extra):
    with pytest.raises(ProviderError) as caught:
        sent(settings={"extra": extra})
    assert caught.value.error_class == "bad_request"


def test_any_text_can_be_sent():
    body = provider("openai").dialect_for({}).build(Request((Message("user", "grün 😀 \ud800 \x00"),)), target()).body
    assert json.loads(body)["messages"][0]["content"] == "grün 😀 ? \x00"


# what is read whole


def test_a_whole_answer_is_read():
    data = {
        "model": "gpt-x-2026",
        "choices": [{"index": 0, "message": {"role": "assistant", "content": "Hi"}, "finish_reason": "stop"}],
        "usage": {"prompt_tokens": 3, "completion_tokens": 1, "total_tokens": 4},
    }
    assert parsed(data) == Completion("Hi", "stop", Usage(3, 1), model="gpt-x-2026", reported=data["usage"])


@pytest.mark.parametrize(("said", "kept"), [("content_filter", "content_filter"), ("stop: Ada has HIV", "other")])
def test_why_an_answer_ended_is_one_word_and_never_a_text(said, kept):
    data = {"choices": [{"message": {"content": "Hi"}, "finish_reason": said}]}
    assert parsed(data).finish == kept


def test_content_in_parts_is_joined_and_thinking_kept_apart():
    content = [
        {"type": "thinking", "thinking": [{"type": "text", "text": "Hm, "}, {"type": "text", "text": "yes."}]},
        {"type": "text", "text": "An"},
        {"type": "reference", "reference_ids": [1]},
        {"type": "text", "text": "swer"},
        "odd",
    ]
    completion = parsed({"choices": [{"message": {"content": content}, "finish_reason": "stop"}]}, "mistral")
    assert (completion.text, completion.reasoning) == ("Answer", "Hm, yes.")


def test_a_refusal_is_shown_as_text():
    assert parsed({"choices": [{"message": {"content": None, "refusal": "I can't."}}]}).text == "I can't."


def test_whole_tool_calls_are_kept_apart_without_ids():
    calls = [
        {"id": "", "function": {"name": "a", "arguments": "{}"}},
        {"id": "", "function": {"name": "b", "arguments": {"x": 1}}},
    ]
    completion = parsed({"choices": [{"message": {"content": None, "tool_calls": calls}}]})
    assert completion.tool_calls == (ToolCall("", "a", "{}"), ToolCall("", "b", '{"x": 1}'))


def test_a_call_without_arguments_has_an_empty_object_and_a_custom_tool_its_text():
    calls = [
        {"id": "1", "function": {"name": "a"}},
        {"id": "2", "function": {"name": "b", "arguments": "null"}},
        {"id": "3", "function": {"name": "c", "arguments": ""}},
        {"id": "4", "type": "custom", "custom": {"name": "d", "input": "2 + 2"}},
    ]
    completion = parsed({"choices": [{"message": {"content": None, "tool_calls": calls}}]})
    assert [call.arguments for call in completion.tool_calls] == ["{}", "{}", "{}", "2 + 2"]
    assert completion.tool_calls[3].name == "d"


def test_text_that_no_database_takes_is_cleaned():
    body = b'{"choices": [{"message": {"content": "a\\u0000b\\ud83d"}}], "usage": {"cost": 1e999}}'
    completion = provider("openai").dialect_for({}).parse(body, target())
    assert completion.text == "a\ufffdb\ufffd"
    assert completion.reported == {"cost": None}


@pytest.mark.parametrize(
    "data",
    [
        {},
        {"choices": []},
        {"choices": "no"},
        {"choices": [None]},
        {"choices": [{}]},
        {"choices": [{"message": {}}]},
        {"detail": "x"},
    ],
)
def test_an_answer_without_a_message_is_a_bad_response(data):
    with pytest.raises(ProviderError) as caught:
        parsed(data)
    assert caught.value.error_class == "bad_response"


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        ({"error": {"message": "m", "code": 429}}, "rate_limit"),
        (
            {
                "choices": [
                    {"error": {"message": "m", "code": 502}, "message": {"content": "part"}, "finish_reason": "error"}
                ]
            },
            "server",
        ),
        ({"object": "error", "message": "m", "code": 400}, "bad_request"),
    ],
)
def test_an_error_inside_a_whole_answer_is_raised(data, expected):
    with pytest.raises(ProviderError) as caught:
        parsed(data)
    assert caught.value.error_class == expected


def test_an_error_inside_an_answer_does_not_show_the_key():
    with pytest.raises(ProviderError) as caught:
        parsed({"error": {"message": f"no {KEY}"}})
    assert caught.value.message == "no …cdef"


# what is read as a stream


def test_a_stream_is_deltas_and_then_the_whole():
    usage = {"prompt_tokens": 3, "completion_tokens": 2, "total_tokens": 5}
    assert streamed(
        {"model": "m-1", **piece(role="assistant", content="")},
        piece(content="Hel"),
        piece(content="lo"),
        piece("stop"),
        {"choices": [], "usage": usage},
    ) == [Delta("Hel"), Delta("lo"), Completion("Hello", "stop", Usage(3, 2), model="m-1", reported=usage)]


def test_reasoning_arrives_apart_from_the_text():
    *deltas, last = streamed(piece(reasoning_content="Hm"), piece(reasoning="."), piece(content="4"), piece("stop"))
    assert deltas == [Delta("", "Hm"), Delta("", "."), Delta("4")]
    assert (last.text, last.reasoning) == ("4", "Hm.")


def test_usage_is_found_in_groqs_corner_and_unknown_where_it_is_not_sent():
    groq = {**piece("stop", content="x"), "x_groq": {"id": "r", "usage": {"prompt_tokens": 3, "completion_tokens": 1}}}
    assert streamed(groq, kind="groq")[-1].usage == Usage(3, 1)
    nothing = streamed(piece("stop", content="x"))[-1]
    assert (nothing.usage, nothing.usage.total, nothing.reported) == (Usage(), None, None)


def test_tool_calls_arrive_in_pieces():
    first = {"index": 0, "id": "c1", "function": {"name": "f", "arguments": ""}}
    other = {"index": 1, "id": "c2", "function": {"name": "g", "arguments": "{}"}}
    more = [{"index": 0, "function": {"arguments": part}} for part in ('{"a"', ": 1}")]
    last = streamed(
        piece(tool_calls=[first]),
        piece(tool_calls=[other]),
        piece(tool_calls=more[:1]),
        piece(tool_calls=more[1:]),
        piece("tool_calls"),
    )[-1]
    assert last.tool_calls == (ToolCall("c1", "f", '{"a": 1}'), ToolCall("c2", "g", "{}"))
    assert last.finish == "tool_calls"


def test_tool_calls_without_an_index_or_all_numbered_zero_are_kept_apart():
    whole = [{"id": "", "function": {"name": name, "arguments": "{}"}} for name in "ab"]
    assert [call.name for call in streamed(piece(tool_calls=whole))[-1].tool_calls] == ["a", "b"]
    zero = [{"index": 0, "id": name, "function": {"name": name, "arguments": "{}"}} for name in "ab"]
    assert [call.name for call in streamed(piece(tool_calls=zero))[-1].tool_calls] == ["a", "b"]
    pieces = [{"id": "c", "function": {"name": "f", "arguments": "{"}}, {"function": {"arguments": "}"}}]
    assert streamed(piece(tool_calls=pieces))[-1].tool_calls == (ToolCall("c", "f", "{}"),)


def test_comments_other_events_and_other_choices_do_not_disturb():
    body = b": PROCESSING\n\n" + sse(
        {}, piece(content="x"), {"choices": [{"index": 1, "delta": {"content": "no"}}]}, {"choices": "?"}, piece("stop")
    )
    *deltas, last = provider("openrouter").dialect_for({}).stream([body], target("openrouter"))
    assert (deltas, last.text, last.finish) == ([Delta("x")], "x", "stop")


def test_half_a_character_waits_for_its_other_half():
    halves = [json.dumps(piece(content=half)) for half in ("a\ud83d", "\ude00b", "\ud83d")]
    assert "\\ud83d" in halves[0]
    body = sse(*halves)
    *deltas, last = provider("openai").dialect_for({}).stream([body], target())
    assert [delta.text for delta in deltas] == ["a", "😀b", "\ufffd"]
    assert last.text == "a😀b\ufffd"


@pytest.mark.parametrize(
    ("events", "expected"),
    [
        ([piece(content="x"), {"error": {"message": "m", "code": 502}}], "server"),
        ([piece(content="x"), {"choices": [{"error": {"message": "m", "code": 429}, "delta": {}}]}], "rate_limit"),
        ([{"object": "error", "message": "m", "code": 400}], "bad_request"),
        ([piece(content="x"), "not json"], "bad_response"),
        ([piece(content="x"), "[1]"], "bad_response"),
        (["[" * 5000], "bad_response"),
    ],
)
def test_an_error_in_the_stream_is_raised(events, expected):
    assert refused(*events).error_class == expected


@pytest.mark.parametrize(
    ("event", "expected"),
    [
        ('event: error\ndata: {"error": {"message": "m", "code": "rate_limit_exceeded"}}\n\n', "rate_limit"),
        ('event: error\ndata: {"message": "m", "code": 503}\n\n', "overloaded"),
        ("event: error\ndata: it broke\n\n", "server"),
    ],
)
def test_an_error_event_is_raised(event, expected):
    with pytest.raises(ProviderError) as caught:
        list(
            provider("groq")
            .dialect_for({})
            .stream([sse(piece(content="x"), done=False), event.encode()], target("groq"))
        )
    assert caught.value.error_class == expected


def test_a_stream_without_its_end_marker_is_incomplete_even_after_a_finish_reason():
    error = refused(piece(content="x"), piece("stop"), done=False)
    assert (error.error_class, error.retryable) == ("bad_response", True)
    assert "[DONE]" in error.message


@pytest.mark.parametrize("kind", ["perplexity", "openai_compatible"])
def test_where_no_end_marker_is_sent_finish_and_usage_in_one_event_end_the_stream(kind):
    counts = {"usage": {"prompt_tokens": 3, "completion_tokens": 1, "total_tokens": 4}}
    each = [{**piece(content="Hel"), **counts}, {**piece(content="lo"), **counts}]
    last = {**piece("stop", content=""), **counts}
    whole = streamed(*each, last, kind=kind, done=False)[-1]
    assert (whole.text, whole.finish, whole.usage) == ("Hello", "stop", Usage(3, 1))
    for cut in (
        each,
        [*each, piece("stop")],
        [*each, piece("stop"), {"choices": [], **counts}],
        [*each, last, piece(content="!")],
    ):
        error = refused(*cut, kind=kind, done=False)
        assert (error.error_class, error.retryable) == ("bad_response", True)


def test_an_error_line_of_llama_cpp_ends_the_stream():
    body = sse(piece(content="x"), done=False) + b'error: {"error": {"message": "failed to decode", "code": 500}}\n\n'
    with pytest.raises(ProviderError) as caught:
        list(provider("openai_compatible").dialect_for({}).stream([body], target("openai_compatible")))
    assert (caught.value.error_class, caught.value.message) == ("server", "failed to decode")


def test_the_deltas_before_a_break_are_delivered():
    stream = provider("openai").dialect_for({}).stream([sse(piece(content="x"), done=False)], target())
    assert next(stream) == Delta("x")
    with pytest.raises(ProviderError):
        next(stream)


@pytest.mark.parametrize(
    "body", [b"", b"\n\n", b": comment\n\n", b"data: [DONE]\n\n", b"<html>502</html>", b'[{"a": 1}]', b"plain"]
)
def test_a_stream_without_an_answer_is_a_bad_response(body):
    with pytest.raises(ProviderError) as caught:
        list(provider("openai").dialect_for({}).stream([body], target()))
    assert caught.value.error_class == "bad_response"


def test_a_whole_answer_in_place_of_a_stream_is_read():
    body = json.dumps({"choices": [{"message": {"content": "Hi"}, "finish_reason": "stop"}]}).encode()
    assert [*provider("openai").dialect_for({}).stream([b" \n", body[:9], body[9:]], target())] == [
        Delta("Hi"),
        Completion("Hi", "stop"),
    ]
    empty = json.dumps({"choices": [{"message": {"content": ""}, "finish_reason": "length"}]}).encode()
    assert list(provider("openai").dialect_for({}).stream([empty], target())) == [Completion("", "length")]
    with pytest.raises(ProviderError) as caught:
        list(
            provider("openai")
            .dialect_for({})
            .stream([b'{"error": {"message": "m", "code": "content_filter"}}'], target())
        )
    assert caught.value.error_class == "content_filter"


def test_nothing_is_read_after_the_end_marker():
    def chunks():
        yield sse(piece("stop", content="x"))
        raise AssertionError("read on")

    assert len(list(provider("openai").dialect_for({}).stream(chunks(), target()))) == 2


def test_a_delta_comes_before_the_next_chunk_is_waited_for():
    taken = []

    def chunks():
        for name in "ab":
            taken.append(name)
            yield sse(piece(content=name), done=False)

    stream = provider("openai").dialect_for({}).stream(chunks(), target())
    assert next(stream) == Delta("a")
    assert taken == ["a"]


# models


def test_models_are_listed_with_their_context():
    request = provider("groq").dialect_for({}).models_request(target("groq"))
    assert (request.method, request.url, request.body) == ("GET", "https://api.groq.com/openai/v1/models", b"")
    assert request.headers["authorization"] == f"Bearer {KEY}"
    data = [
        {"id": "a", "context_window": 8192},
        {"id": "b", "name": "Bee", "context_length": 4096.0},
        {"id": "c", "max_model_len": 0, "max_context_length": 9},
        {"id": ""},
        "d",
    ]
    listed = (ModelInfo("a", None, 8192), ModelInfo("b", "Bee", 4096), ModelInfo("c", None, 9))
    assert provider("groq").dialect_for({}).models(json.dumps({"data": data}).encode()) == listed
    assert provider("groq").dialect_for({}).models(json.dumps(data).encode()) == listed


@pytest.mark.parametrize("body", [b"{}", b'{"data": {}}', b"5", b"<html>", b""])
def test_what_is_not_a_model_list_is_a_bad_response(body):
    with pytest.raises(ProviderError) as caught:
        provider("groq").dialect_for({}).models(body)
    assert caught.value.error_class == "bad_response"


def test_a_stream_of_endlessly_many_tool_calls_is_given_up():
    pieces = (
        {
            "choices": [
                {"index": 0, "delta": {"tool_calls": [{"index": at, "function": {"name": "f", "arguments": ""}}]}}
            ]
        }
        for at in range(100_000)
    )
    dialect = provider("openai").dialect_for({})
    target = Target("openai", "https://api.openai.com/v1", "m", api_key="sk-1")
    chunks = (f"data: {json.dumps(piece)}\n\n".encode() for piece in pieces)
    with pytest.raises(ProviderError) as refusal:
        list(dialect.stream(chunks, target))
    assert refusal.value.error_class == "too_large"
    assert next(chunks, None) is not None, "it was given up before its end"
