"""Every recorded answer, read as the recording says that a correct client reads it."""

import base64
import json
import os
from pathlib import Path

import pytest

from aiapp.providers.registry import PROVIDERS, provider
from aiapp.providers.types import Completion, Delta, ProviderError, Target, Usage

FOLDER = Path(os.environ.get("AIAPP_RECORDINGS") or Path(__file__).parents[2] / "../shared/recordings").resolve()
# What a recording calls the API, and the name by which a credential's setting `api` chooses it. A model list: any that speaks so.
APIS = {
    "openai_chat": "chat",
    "openai_responses": "responses",
    "anthropic": "messages",
    "gemini": "gemini",
    "cohere_v2": "cohere",
    "ollama": "ollama",
}
# What a stream must not end before.
MARKERS = {
    "openai_chat": [b"[DONE]"],
    "openai_responses": [b"response.completed", b"response.incomplete"],
    "anthropic": [b'"message_stop"'],
    "gemini": [b'"finishReason"'],
    "cohere_v2": [b'"message-end"'],
    "ollama": [b'"done":true'],
}
# Providers without an entry are for the entry of everyone else's servers.
STAND_IN = "openai_compatible"


def recordings(*kinds):
    if not FOLDER.is_dir():
        skip = pytest.mark.skip(reason=f"no recordings at {FOLDER}; AIAPP_RECORDINGS names another place")
        return [pytest.param(None, marks=skip, id="absent")]
    found = [json.loads(path.read_text()) for path in sorted(FOLDER.glob("*.json"))]
    return [pytest.param(recording, id=recording["id"]) for recording in found if recording["expect"]["kind"] in kinds]


def in_pieces(parameters):
    """Whole answers once; streams also in chunks of 1, 7 and 1000 bytes."""
    return [
        pytest.param(*each.values, size, id=f"{each.id}-{size or 'whole'}", marks=each.marks)
        for each in parameters
        for size in ((None, 1, 7, 1000) if each.values[0] and each.values[0]["stream"] else (None,))
    ]


def entry_for(recording):
    return PROVIDERS.get(recording["provider"]) or provider(STAND_IN)


def settings_for(recording):
    """What a credential of this provider must be set to; a dialect that its entry does not offer fails the test."""
    entry, api = entry_for(recording), APIS.get(recording["api"])
    assert api is None or api in entry.apis
    return {"api": api} if api else {}


def dialect_for(recording):
    return entry_for(recording).dialect_for(settings_for(recording))


def target_for(recording):
    entry = entry_for(recording)
    key = "sk-recorded-0123456789"
    return Target(entry.kind, entry.base_url, recording["model"] or "", api_key=key, settings=settings_for(recording))


def body_of(recording):
    body = recording["response"]["body"]
    return body["text"].encode() if "text" in body else base64.b64decode(body["base64"])


def read(recording, size=None):
    dialect, target, body = dialect_for(recording), target_for(recording), body_of(recording)
    if not recording["stream"]:
        return dialect.parse(body, target)
    step = size or len(body)
    *deltas, last = dialect.stream((body[at : at + step] for at in range(0, len(body), step)), target)
    assert isinstance(last, Completion)
    assert all(isinstance(delta, Delta) for delta in deltas)
    assert "".join(delta.text for delta in deltas) == last.text
    assert "".join(delta.reasoning for delta in deltas) == last.reasoning
    return last


def normalised(recording):
    """What CONTRACT.md makes of the numbers that the provider reports (the recording's `expect.usage`).

    - Anthropic's input leaves out cache reads and writes: they are added. Everyone else's includes them.
    - What neither the provider nor its total tells is unknown (Gemini's output of a blocked answer).
    - Where a total is reported and exceeds input + output, the missing tokens are reasoning that the output leaves out (xAI,
      Google): the output is total - input. So total = input + output holds everywhere.
    - Cached tokens are part of the input, so they cannot exceed it (an Azure model reports 163 of 7).
    """
    reported = recording["expect"]["usage"]
    if reported is None or reported["input"] is None:
        return Usage(None, (reported or {}).get("output"))
    fresh, output, cached, written = (reported[name] for name in ("input", "output", "cached", "cache_write"))
    if recording["api"] == "anthropic":
        return Usage(fresh + (cached or 0) + (written or 0), output, cached, written, reported["reasoning"])
    if None not in (output, reported["total"]) and reported["total"] > fresh + output:
        output = reported["total"] - fresh
    if cached is not None:
        cached = min(cached, fresh)
    return Usage(fresh, output, cached, written, reported["reasoning"])


@pytest.mark.parametrize(("recording", "size"), in_pieces(recordings("ok")))
def test_an_answer_is_read_as_recorded(recording, size):
    expect = recording["expect"]
    completion = read(recording, size)
    assert completion.text == expect["text"]
    assert completion.finish == expect["finish"]
    assert len(completion.tool_calls) == expect["tool_calls"]
    # The recordings of the Responses API do not count it.
    assert len(completion.reasoning) == expect["reasoning_chars"] or recording["api"] == "openai_responses"
    assert completion.usage == normalised(recording)


@pytest.mark.parametrize("recording", recordings("ok"))
def test_the_total_is_what_the_provider_billed(recording):
    completion = read(recording)
    total = (recording["expect"]["usage"] or {}).get("total")
    if completion.usage.total is not None:
        assert total in (None, completion.usage.total)


@pytest.mark.parametrize("recording", recordings("ok"))
def test_arguments_of_tool_calls_are_json_and_name_their_tool(recording):
    for call in read(recording).tool_calls:
        assert call.name
        assert isinstance(json.loads(call.arguments), dict)


@pytest.mark.parametrize("recording", recordings("error"))
def test_a_refusal_is_classed_as_recorded(recording):
    response, expect = recording["response"], recording["expect"]
    error = dialect_for(recording).error(response["status"], dict(response["headers"]), body_of(recording))
    assert (error.error_class, error.retryable) == (expect["error_class"], expect["retryable"])
    assert error.http_status == response["status"]
    assert error.message.strip()


@pytest.mark.parametrize("recording", recordings("body_error", "stream_error"))
def test_an_error_inside_a_200_is_classed_as_recorded(recording):
    with pytest.raises(ProviderError) as caught:
        read(recording)
    assert (caught.value.error_class, caught.value.retryable) == (
        recording["expect"]["error_class"],
        recording["expect"]["retryable"],
    )
    assert caught.value.http_status is None


@pytest.mark.parametrize("recording", recordings("models"))
def test_a_model_list_is_read_as_recorded(recording):
    listed = dialect_for(recording).models(body_of(recording))
    assert [model.id for model in listed] == recording["expect"]["all"]


@pytest.mark.parametrize(
    "recording", [each for each in recordings("ok") if not each.values[0] or each.values[0]["stream"]]
)
def test_a_stream_that_is_cut_anywhere_is_never_completed(recording):
    body = body_of(recording)
    dialect, target = dialect_for(recording), target_for(recording)
    marker = next(at for at in (body.rfind(marker) for marker in MARKERS[recording["api"]]) if at >= 0)
    for end in range(0, marker, max(1, marker // 40)):
        with pytest.raises(ProviderError) as caught:
            list(dialect.stream([body[:end]], target))
        assert caught.value.error_class == "bad_response"
        assert caught.value.retryable
