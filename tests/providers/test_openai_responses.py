"""OpenAI's Responses: what is sent and what is read. Answers after the documentation."""

import json

import pytest

from aiapp.providers.registry import provider
from aiapp.providers.types import Completion, Delta, Message, ModelInfo, ProviderError, Request, Target, ToolCall, Usage

KEY = "sk-test-0123456789abcdef"
HELLO = (Message("user", "Hello"),)
SCHEMA = {"type": "object", "properties": {"a": {"type": "string"}}}
DIALECT = provider("openai").dialect_for({"api": "responses"})
USAGE = {
    "input_tokens": 9,
    "input_tokens_details": {"cached_tokens": 4, "cache_write_tokens": 0},
    "output_tokens": 7,
    "output_tokens_details": {"reasoning_tokens": 5},
    "total_tokens": 16,
}


def target(**more):
    return Target("openai", **{"base_url": "https://api.openai.com/v1", "model": "gpt-4.1", "api_key": KEY, **more})


def sent(request=None, dialect=DIALECT, **more):
    return json.loads(dialect.build(request or Request(HELLO), target(**more)).body)


def message(*parts):
    return {"type": "message", "role": "assistant", "content": list(parts)}


def text(words):
    return {"type": "output_text", "text": words, "annotations": []}


def call(call_id="c1", name="f", arguments="{}"):
    return {"type": "function_call", "id": "fc", "call_id": call_id, "name": name, "arguments": arguments}


def answer(*output, status="completed", **more):
    return {"object": "response", "status": status, "error": None, "model": "m-1", "output": list(output), **more}


def parsed(data):
    return DIALECT.parse(json.dumps(data).encode(), target())


def sse(*events, done=False):
    lines = "".join(f"event: {each['type']}\ndata: {json.dumps(each)}\n\n" for each in events)
    return (lines + "data: [DONE]\n\n" * done).encode()


def ended(kind="completed", *output, **more):
    return {"type": f"response.{kind}", "response": answer(*output, status=kind, **more)}


def said(words, index=0):
    return {"type": "response.output_text.delta", "output_index": index, "content_index": 0, "delta": words}


def streamed(*events, done=False):
    return list(DIALECT.stream([sse(*events, done=done)], target()))


# what is sent


def test_a_small_request_keeps_nothing_at_the_provider():
    built = DIALECT.build(Request(HELLO), target())
    assert (built.method, built.url) == ("POST", "https://api.openai.com/v1/responses")
    assert built.headers["authorization"] == f"Bearer {KEY}"
    assert built.headers["accept"] == "text/event-stream"
    assert json.loads(built.body) == {
        "model": "gpt-4.1",
        "input": [{"role": "user", "content": "Hello"}],
        "store": False,
        "stream": True,
    }


def test_everything_that_was_chosen_is_sent_under_its_names():
    body = sent(
        Request(HELLO, system="Be brief.", max_tokens=9, temperature=0.5, top_p=0.9, stop=("END",), stream=False),
        system_prompt="You are Ada.",
        settings={"extra": {"reasoning": {"effort": "low"}, "input": "no", "store": True}},
    )
    assert body["instructions"] == "You are Ada.\n\nBe brief."
    assert (body["max_output_tokens"], body["temperature"], body["top_p"], body["stream"]) == (9, 0.5, 0.9, False)
    assert body["reasoning"] == {"effort": "low"}
    assert body["input"] == [{"role": "user", "content": "Hello"}]
    assert body["store"] is True
    assert "stop" not in body


def test_models_that_refuse_sampling_settings_get_none():
    assert "temperature" not in sent(Request(HELLO, temperature=0.2), model="gpt-6-luna")


def test_a_schema_is_sent_where_the_provider_takes_one():
    body = sent(
        Request(HELLO, output_format="json", json_schema=SCHEMA), settings={"extra": {"text": {"verbosity": "low"}}}
    )
    assert body["text"] == {
        "format": {"type": "json_schema", "name": "answer", "schema": SCHEMA},
        "verbosity": "low",
    }
    assert "instructions" not in body


def test_json_mode_has_the_word_json_in_its_input():
    body = sent(Request(HELLO, system="Write JSON.", output_format="json"))
    assert body["text"] == {"format": {"type": "json_object"}}
    assert body["input"][0] == {"role": "system", "content": "Answer with JSON and nothing else."}
    assert body["instructions"] == "Write JSON."
    asked = Request((Message("user", "Hello in json"),), output_format="json")
    assert sent(asked)["input"] == [{"role": "user", "content": "Hello in json"}]


def test_a_schema_that_the_provider_does_not_take_is_told_to_the_model():
    asked = Request(HELLO, output_format="json", json_schema=SCHEMA)
    body = sent(asked, provider("groq").dialect_for({"api": "responses"}))
    assert body["text"] == {"format": {"type": "json_object"}}
    assert body["instructions"].endswith("It must match this JSON schema:\n" + json.dumps(SCHEMA))


def test_json_is_left_to_the_prompt_where_the_provider_has_no_mode_for_it():
    body = sent(Request(HELLO, output_format="json"), provider("lmstudio").dialect_for({"api": "responses"}))
    assert "text" not in body
    assert body["instructions"] == "Answer with JSON and nothing else."


# what is read whole


def test_a_whole_answer_is_read_by_the_type_of_its_items():
    thoughts = {"type": "reasoning", "summary": [{"type": "summary_text", "text": each} for each in ("One.", "Two.")]}
    bare = {"type": "reasoning", "summary": [], "content": [{"type": "reasoning_text", "text": "Three."}]}
    searched = {"type": "web_search_call", "id": "ws", "status": "completed"}
    data = answer(
        thoughts, searched, message(text("A"), text("B")), call(), bare, message(text("C")), "odd", usage=USAGE
    )
    assert parsed(data) == Completion(
        "ABC",
        "completed",
        Usage(9, 7, 4, None, 5),
        (ToolCall("c1", "f", "{}"),),
        "One.\n\nTwo.Three.",
        "m-1",
        USAGE,
    )


def test_a_refusal_is_shown_as_text():
    assert parsed(answer(message({"type": "refusal", "refusal": "I can't."}))).text == "I can't."


def test_an_answer_that_was_cut_by_its_limit_is_an_answer():
    completion = parsed(answer(status="incomplete", incomplete_details={"reason": "max_output_tokens"}, usage=USAGE))
    assert (completion.text, completion.finish, completion.usage.output) == ("", "incomplete", 7)


def test_reasoning_that_is_counted_beside_the_output_is_part_of_it():
    usage = {
        "input_tokens": 9,
        "output_tokens": 1,
        "output_tokens_details": {"reasoning_tokens": 5},
        "total_tokens": 15,
    }
    assert parsed(answer(usage=usage)).usage == Usage(9, 6, None, None, 5)


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        ({}, "bad_response"),
        ({"output": "x", "status": "completed"}, "bad_response"),
        (answer(status="in_progress"), "bad_response"),
        (answer(status="failed"), "server"),
        (answer(status="cancelled"), "server"),
        ({**answer(status="failed"), "error": {"code": "server_error", "message": "m"}}, "server"),
        ({**answer(status="failed"), "error": {"code": "rate_limit_exceeded", "message": "m"}}, "rate_limit"),
        ({**answer(status="failed"), "error": {"code": "insufficient_quota", "message": "m"}}, "quota"),
        ({**answer(status="failed"), "error": {"code": "invalid_prompt", "message": "m"}}, "bad_request"),
        (
            {
                **answer(status="failed"),
                "error": {"code": "invalid_prompt", "message": "It violates our usage policy."},
            },
            "content_filter",
        ),
        ({"code": "Some resource has been exhausted", "error": "Your team ran out of credits"}, "quota"),
    ],
)
def test_what_is_no_answer_has_its_class(data, expected):
    with pytest.raises(ProviderError) as caught:
        parsed(data)
    assert caught.value.error_class == expected


# what is read as a stream


def test_a_stream_is_deltas_and_then_the_whole():
    created = {"type": "response.created", "response": answer(status="in_progress")}
    done = {"type": "response.output_item.done", "output_index": 0, "item": message(text("Hello"))}
    repeated = {"type": "response.output_text.done", "output_index": 0, "text": "Hello"}
    assert streamed(
        created, said("Hel"), said("lo"), repeated, done, ended("completed", message(text("Hello")), usage=USAGE)
    ) == [
        Delta("Hel"),
        Delta("lo"),
        Completion("Hello", "completed", Usage(9, 7, 4, None, 5), model="m-1", reported=USAGE),
    ]


def test_thoughts_arrive_apart_and_in_paragraphs():
    def part(number):
        return {"type": "response.reasoning_summary_part.added", "output_index": 0, "summary_index": number}

    def thought(words):
        return {"type": "response.reasoning_summary_text.delta", "output_index": 0, "delta": words}

    *_, last = streamed(part(0), thought("One."), part(1), thought("Two."), said("4", 1), ended())
    assert (last.reasoning, last.text) == ("One.\n\nTwo.", "4")
    raw = {"type": "response.reasoning_text.delta", "output_index": 0, "delta": "Hm."}
    assert streamed(raw, ended())[-1].reasoning == "Hm."


def test_tool_calls_arrive_in_pieces_or_whole_and_once():
    def added(index, item):
        return {"type": "response.output_item.added", "output_index": index, "item": item}

    def piece(index, words):
        return {"type": "response.function_call_arguments.delta", "output_index": index, "delta": words}

    def done(index, item):
        return {"type": "response.output_item.done", "output_index": index, "item": item}

    whole = call("c2", "g", '{"b": 2}')
    last = streamed(
        added(0, call(arguments="")),
        added(1, call("c2", "g", "")),
        piece(0, '{"a"'),
        piece(0, ": 1}"),
        done(0, call(arguments='{"a": 1}')),
        done(1, whole),
        done(2, call("c3", "h", "")),
        ended("completed", call(arguments='{"a": 1}'), whole, call("c3", "h", "")),
    )[-1]
    assert last.tool_calls == (
        ToolCall("c1", "f", '{"a": 1}'),
        ToolCall("c2", "g", '{"b": 2}'),
        ToolCall("c3", "h", "{}"),
    )


def test_pieces_of_a_call_that_the_provider_made_itself_are_no_call_of_ours():
    foreign = {"type": "response.function_call_arguments.delta", "output_index": 3, "delta": "{}"}
    assert streamed(foreign, said("x"), ended())[-1].tool_calls == ()


def test_text_that_only_the_later_events_have_is_read():
    done = {"type": "response.output_item.done", "output_index": 0, "item": message(text("Hello"))}
    assert streamed(done, ended("completed", message(text("Hello")))) == [
        Delta("Hello"),
        Completion("Hello", "completed", model="m-1"),
    ]
    *deltas, last = streamed(
        ended("completed", {"type": "reasoning", "summary": [text("Hm.")]}, message(text("Hello")), call())
    )
    assert deltas == [Delta("", "Hm."), Delta("Hello")]
    assert (last.text, last.tool_calls) == ("Hello", (ToolCall("c1", "f", "{}"),))


def test_refusals_and_cut_answers_are_answers():
    refused = {"type": "response.refusal.delta", "output_index": 0, "delta": "I can't."}
    assert streamed(refused, ended("incomplete", usage=USAGE))[-1] == Completion(
        "I can't.", "incomplete", Usage(9, 7, 4, None, 5), model="m-1", reported=USAGE
    )


def test_half_a_character_at_the_end_is_replaced():
    body = sse(said("X"), ended()).replace(b'"X"', b'"\\ud83d"')
    assert [each.text for each in DIALECT.stream([body], target())] == ["\ufffd", "\ufffd"]


@pytest.mark.parametrize(
    ("event", "expected"),
    [
        ({"type": "error", "code": "server_error", "message": "m", "param": None, "sequence_number": 3}, "server"),
        ({"type": "error", "error": {"type": "tokens", "code": "rate_limit_exceeded", "message": "m"}}, "rate_limit"),
        ({"type": "error", "code": "context_length_exceeded", "message": "m"}, "context_length"),
        (ended("failed", error={"code": "insufficient_quota", "message": "m"}), "quota"),
        (ended("failed"), "server"),
        (ended("cancelled"), "server"),
    ],
)
def test_an_error_in_the_stream_is_raised(event, expected):
    with pytest.raises(ProviderError) as caught:
        streamed(said("x"), event)
    assert (caught.value.error_class, caught.value.http_status) == (expected, None)


def test_an_error_does_not_show_the_key():
    with pytest.raises(ProviderError) as caught:
        streamed(ended("failed", error={"code": "server_error", "message": f"no {KEY}"}))
    assert caught.value.message == "no …cdef"


@pytest.mark.parametrize("done", [False, True])
@pytest.mark.parametrize("events", [[], [said("x")], [{"type": "response.in_progress", "response": answer()}]])
def test_a_stream_whose_response_is_not_ended_is_incomplete(events, done):
    with pytest.raises(ProviderError) as caught:
        streamed(*events, done=done)
    assert (caught.value.error_class, caught.value.retryable) == ("bad_response", True)


def test_nothing_is_read_after_the_response_ended():
    def chunks():
        yield sse(said("x"), ended())
        raise AssertionError("read on")

    assert len(list(DIALECT.stream(chunks(), target()))) == 2


def test_a_whole_answer_in_place_of_a_stream_is_read():
    body = json.dumps(answer(message(text("Hi")))).encode()
    assert list(DIALECT.stream([body], target())) == [Delta("Hi"), Completion("Hi", "completed", model="m-1")]
    with pytest.raises(ProviderError) as caught:
        list(DIALECT.stream([b"<html>502</html>"], target()))
    assert caught.value.error_class == "bad_response"


def test_models_and_refusals_are_those_of_chat_completions():
    assert DIALECT.models_request(target()).url == "https://api.openai.com/v1/models"
    assert DIALECT.models(b'{"data": [{"id": "a"}]}') == (ModelInfo("a"),)
    assert DIALECT.error(401, {}, b'{"error": {"message": "m", "code": "invalid_api_key"}}').error_class == "auth"
