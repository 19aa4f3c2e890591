"""Google's Gemini: what is sent and what is read. Answers after the documentation."""

import json

import pytest

from aiapp.providers.registry import provider
from aiapp.providers.types import Completion, Delta, Message, ModelInfo, ProviderError, Request, Target, ToolCall, Usage

KEY = "AIzaTest-0123456789abcdef"
HELLO = (Message("user", "Hello"),)
DIALECT = provider("google").dialect_for({})
HOST = "https://generativelanguage.googleapis.com"


def target(**more):
    return Target("google", **{"base_url": HOST, "model": "gemini-x", "api_key": KEY, **more})


def sent(request=None, **more):
    return json.loads(DIALECT.build(request or Request(HELLO), target(**more)).body)


def candidate(*parts, finish=None, **more):
    each = {"content": {"role": "model", "parts": list(parts)}, "index": 0, **more}
    return {"candidates": [{**each, "finishReason": finish} if finish else each], "modelVersion": "gemini-1"}


def usage(prompt=5, answer=2, total=None, **more):
    counts = {"promptTokenCount": prompt, "candidatesTokenCount": answer, "totalTokenCount": total, **more}
    return {name: value for name, value in counts.items() if value is not None}


def parsed(data):
    return DIALECT.parse(json.dumps(data).encode(), target())


def streamed(*events, end="\r\n\r\n"):
    return list(DIALECT.stream(["".join(f"data: {json.dumps(event)}{end}" for event in events).encode()], target()))


# what is sent


def test_a_small_request_names_its_model_in_the_address_and_its_key_in_a_header():
    built = DIALECT.build(Request(HELLO), target())
    assert (built.method, built.url) == ("POST", f"{HOST}/v1beta/models/gemini-x:streamGenerateContent?alt=sse")
    assert built.headers["x-goog-api-key"] == KEY
    assert "authorization" not in built.headers
    assert json.loads(built.body) == {
        "contents": [{"role": "user", "parts": [{"text": "Hello"}]}],
        "generationConfig": {},
    }


def test_a_whole_answer_is_asked_for_at_another_address():
    built = DIALECT.build(Request(HELLO, stream=False), target())
    assert built.url == f"{HOST}/v1beta/models/gemini-x:generateContent"
    assert built.headers["accept"] == "application/json"


@pytest.mark.parametrize(
    ("model", "path"),
    [
        ("models/gemini-x", "models/gemini-x"),
        ("tunedModels/mine", "tunedModels/mine"),
        ("a b?c#d", "models/a%20b%3Fc%23d"),
        ("models/../files", "models/..%2Ffiles"),
    ],
)
def test_a_model_is_one_part_of_the_address(model, path):
    assert (
        DIALECT.build(Request(HELLO, stream=False), target(model=model)).url == f"{HOST}/v1beta/{path}:generateContent"
    )


def test_everything_that_was_chosen_is_sent_under_googles_names():
    conversation = (*HELLO, Message("assistant", "Hi"), Message("user", "And?"))
    body = sent(
        Request(conversation, system="Be brief.", max_tokens=9, temperature=0.5, top_p=0.9, stop=("END",)),
        system_prompt="You are Ada.",
        settings={"extra": {"safetySettings": [], "generationConfig": {"topK": 4}, "contents": []}},
    )
    assert body["systemInstruction"] == {"parts": [{"text": "You are Ada.\n\nBe brief."}]}
    assert [turn["role"] for turn in body["contents"]] == ["user", "model", "user"]
    assert body["generationConfig"] == {
        "temperature": 0.5,
        "topP": 0.9,
        "maxOutputTokens": 9,
        "stopSequences": ["END"],
        "topK": 4,
    }
    assert body["safetySettings"] == []


def test_json_is_asked_for_natively():
    schema = {"type": "object"}
    assert sent(Request(HELLO, output_format="json", json_schema=schema))["generationConfig"] == {
        "responseMimeType": "application/json",
        "responseJsonSchema": schema,
    }
    assert sent(Request(HELLO, output_format="json"))["generationConfig"] == {"responseMimeType": "application/json"}


# what is read


def test_a_whole_answer_is_read():
    counts = usage(5, 2, 10, thoughtsTokenCount=3, cachedContentTokenCount=4)
    data = {
        **candidate(
            {"text": "Hm.", "thought": True},
            {"text": "A", "thoughtSignature": "s"},
            {"inlineData": {"data": "x"}},
            {"functionCall": {"name": "f", "args": {"a": 1}}},
            {"functionCall": {"id": "c2", "name": "g"}},
            {"functionCall": {}},
            {"text": "B"},
            "odd",
            finish="STOP",
        ),
        "usageMetadata": counts,
    }
    assert parsed(data) == Completion(
        "AB",
        "STOP",
        Usage(5, 5, 4, None, 3),
        (ToolCall("", "f", '{"a": 1}'), ToolCall("c2", "g", "{}")),
        "Hm.",
        "gemini-1",
        counts,
    )


@pytest.mark.parametrize(
    ("counts", "expected"),
    [
        (usage(5, 2, 7), Usage(5, 2)),
        (usage(5, None, 105, thoughtsTokenCount=100), Usage(5, 100, None, None, 100)),
        (usage(5, None, 5), Usage(5)),
        (usage(5, 2, 20), Usage(5, 15)),
        (usage(5, 2, 19, thoughtsTokenCount=3, toolUsePromptTokenCount=9), Usage(14, 5, None, None, 3)),
        (usage(5, 2, 7, cachedContentTokenCount=99), Usage(5, 2, 5)),
        (usage(None, 2), Usage(None, 2)),
        ({}, Usage()),
    ],
)
def test_tokens_are_counted_as_billed(counts, expected):
    assert parsed({**candidate({"text": "x"}, finish="STOP"), "usageMetadata": counts}).usage == expected


@pytest.mark.parametrize("finish", ["SAFETY", "RECITATION", "MAX_TOKENS", "PROHIBITED_CONTENT"])
def test_an_answer_that_was_stopped_may_be_empty(finish):
    completion = parsed({"candidates": [{"content": {}, "finishReason": finish}]})
    assert (completion.text, completion.finish) == ("", finish)


def test_a_blocked_prompt_is_the_content_filters():
    data = {"promptFeedback": {"blockReason": "PROHIBITED_CONTENT"}, "usageMetadata": usage(5, None, 5)}
    for read in (lambda: parsed(data), lambda: streamed(data)):
        with pytest.raises(ProviderError) as caught:
            read()
        assert (caught.value.error_class, caught.value.code) == ("content_filter", "PROHIBITED_CONTENT")
    harmless = {**candidate({"text": "x"}, finish="STOP"), "promptFeedback": {"safetyRatings": []}}
    assert parsed(harmless).text == "x"


@pytest.mark.parametrize("body", [b"{}", b'{"candidates": []}', b"[]", b"5", b"<html>", b"", b'{"candidates": 5}'])
def test_an_answer_without_a_candidate_is_a_bad_response(body):
    for read in (lambda: DIALECT.parse(body, target()), lambda: list(DIALECT.stream([body], target()))):
        with pytest.raises(ProviderError) as caught:
            read()
        assert caught.value.error_class == "bad_response"


@pytest.mark.parametrize("end", ["\n\n", "\r\n\r\n"])
def test_a_stream_ends_with_its_finish_reason_and_the_last_usage_counts(end):
    assert streamed(
        {**candidate({"text": "Hm.", "thought": True}), "usageMetadata": usage(5, None, 5)},
        {**candidate({"text": "Hel"}), "usageMetadata": usage(5, 1, 6)},
        {**candidate({"text": "lo"}, finish="STOP"), "usageMetadata": usage(5, 2, 7)},
        {"usageMetadata": usage(5, 2, 10, thoughtsTokenCount=3)},
        end=end,
    ) == [
        Delta("", "Hm."),
        Delta("Hel"),
        Delta("lo"),
        Completion(
            "Hello",
            "STOP",
            Usage(5, 5, None, None, 3),
            reasoning="Hm.",
            model="gemini-1",
            reported=usage(5, 2, 10, thoughtsTokenCount=3),
        ),
    ]


def test_other_candidates_do_not_disturb():
    two = candidate({"text": "yes"}, finish="STOP")
    two["candidates"].insert(0, {"index": 1, "content": {"parts": [{"text": "no"}]}, "finishReason": "OTHER"})
    assert streamed(two)[-1].text == "yes"
    assert streamed(two)[-1].finish == "STOP"


@pytest.mark.parametrize(
    "events", [[], [candidate({"text": "x"})], [candidate({"text": "x"}), {"usageMetadata": usage()}]]
)
def test_a_stream_without_a_finish_reason_is_incomplete(events):
    with pytest.raises(ProviderError) as caught:
        streamed(*events)
    assert (caught.value.error_class, caught.value.retryable) == ("bad_response", True)


def test_a_stream_in_an_array_is_read():
    body = json.dumps([candidate({"text": "Hel"}), candidate({"text": "lo"}, finish="STOP")]).encode()
    assert list(DIALECT.stream([body], target())) == [Delta("Hello"), Completion("Hello", "STOP", model="gemini-1")]


def test_an_error_in_the_stream_is_raised_with_the_delay_that_it_names():
    delay = {"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": "7s"}
    error = {
        "code": 429,
        "message": "You exceeded your current quota",
        "status": "RESOURCE_EXHAUSTED",
        "details": [delay],
    }
    with pytest.raises(ProviderError) as caught:
        streamed(candidate({"text": "x"}), {"error": error})
    assert (caught.value.error_class, caught.value.retry_after) == ("rate_limit", 7.0)
    with pytest.raises(ProviderError) as caught:
        parsed([{"error": {"code": 503, "message": "The model is overloaded.", "status": "UNAVAILABLE"}}])
    assert caught.value.error_class == "overloaded"


def test_half_a_character_at_the_end_is_replaced():
    raw = json.dumps(candidate({"text": "X"}, finish="STOP")).replace('"X"', '"\\ud83d"')
    assert [each.text for each in DIALECT.stream([f"data: {raw}\n\n".encode()], target())] == ["\ufffd", "\ufffd"]


@pytest.mark.parametrize(
    ("status", "message", "word", "expected"),
    [
        (400, "API key not valid. Please pass a valid API key.", "INVALID_ARGUMENT", "auth"),
        (400, "API key expired. Please renew the API key.", "INVALID_ARGUMENT", "auth"),
        (400, "User location is not supported for the API use.", "FAILED_PRECONDITION", "permission"),
        (403, "Method doesn't allow unregistered callers", "PERMISSION_DENIED", "permission"),
        (404, "models/none is not found for API version v1beta", "NOT_FOUND", "model_not_found"),
        (
            400,
            "The input token count (9) exceeds the maximum number of tokens allowed (8).",
            "INVALID_ARGUMENT",
            "context_length",
        ),
        (429, "Resource has been exhausted (e.g. check quota).", "RESOURCE_EXHAUSTED", "rate_limit"),
        (429, "Your prepayment credits are depleted.", "RESOURCE_EXHAUSTED", "quota"),
        (503, "The model is overloaded.", "UNAVAILABLE", "overloaded"),
        (504, "Deadline expired before operation could complete.", "DEADLINE_EXCEEDED", "timeout"),
        (500, "An internal error has occurred.", "INTERNAL", "server"),
    ],
)
def test_a_refusal_has_its_class(status, message, word, expected):
    body = json.dumps({"error": {"code": status, "message": message, "status": word}}).encode()
    assert DIALECT.error(status, {}, body).error_class == expected


def test_models_are_listed_without_their_folder():
    request = DIALECT.models_request(target())
    assert (request.method, request.url) == ("GET", f"{HOST}/v1beta/models?pageSize=1000")
    data = {"models": [{"name": "models/a", "displayName": "A", "inputTokenLimit": 8}, {"name": "b"}, {}, None]}
    assert DIALECT.models(json.dumps(data).encode()) == (ModelInfo("a", "A", 8), ModelInfo("b"))
    with pytest.raises(ProviderError) as caught:
        DIALECT.models(b'{"models": null}')
    assert caught.value.error_class == "bad_response"
