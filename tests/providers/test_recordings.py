"""Every recorded answer of the providers whose dialects exist, read as the recording says that a correct client reads it."""

import base64
import json
import os
from pathlib import Path

import pytest

from aiapp.providers.failures import failure
from aiapp.providers.registry import PROVIDERS, provider
from aiapp.providers.types import Completion, Delta, ProviderError, Target, Usage

FOLDER = Path(os.environ.get("AIAPP_RECORDINGS") or Path(__file__).parents[2] / "../shared/recordings").resolve()
APIS = {"openai_chat", "anthropic", "ollama", "models"}
# The providers that are recorded but have no entry yet speak to the entry for everyone else's servers.
STAND_IN = "openai_compatible"


def recordings(*kinds, apis=APIS):
    if not FOLDER.is_dir():
        skip = pytest.mark.skip(reason=f"no recordings at {FOLDER}; AIAPP_RECORDINGS names another place")
        return [pytest.param(None, marks=skip, id="absent")]
    found = [json.loads(path.read_text()) for path in sorted(FOLDER.glob("*.json"))]
    return [
        pytest.param(recording, id=recording["id"])
        for recording in found
        if (apis is None or recording["api"] in apis) and recording["expect"]["kind"] in kinds
    ]


def in_pieces(parameters):
    """Whole answers once; streams also in chunks of 1, 7 and 1000 bytes."""
    return [
        pytest.param(*each.values, size, id=f"{each.id}-{size or 'whole'}", marks=each.marks)
        for each in parameters
        for size in ((None, 1, 7, 1000) if each.values[0] and each.values[0]["stream"] else (None,))
    ]


def entry_for(recording):
    """The registry's entry; Ollama's OpenAI-compatible side is not what its entry speaks."""
    speaks_chat = recording["api"] in ("openai_chat", "models")
    known = PROVIDERS.get(recording["provider"])
    native = known is not None and not (speaks_chat and recording["provider"] in ("ollama", "anthropic"))
    return known if native else provider(STAND_IN)


def target_for(recording):
    entry = entry_for(recording)
    return Target(entry.kind, entry.base_url, recording["model"] or "", api_key="sk-recorded-0123456789")


def body_of(recording):
    body = recording["response"]["body"]
    return body["text"].encode() if "text" in body else base64.b64decode(body["base64"])


def read(recording, size=None):
    dialect, target, body = entry_for(recording).dialect, target_for(recording), body_of(recording)
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
    - Where a total is reported and exceeds input + output, the missing tokens are reasoning that the output leaves out (xAI,
      Google): the output is total - input. So total = input + output holds everywhere.
    - Cached tokens are part of the input, so they cannot exceed it (an Azure model reports 163 of 7).
    """
    reported = recording["expect"]["usage"]
    fresh, output, cached, written = (reported[name] for name in ("input", "output", "cached", "cache_write"))
    if recording["api"] == "anthropic":
        return Usage(fresh + (cached or 0) + (written or 0), output, cached, written, reported["reasoning"])
    if reported["total"] is not None and reported["total"] > fresh + output:
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
    assert len(completion.reasoning) == expect["reasoning_chars"]
    assert completion.usage == normalised(recording)


@pytest.mark.parametrize("recording", recordings("ok"))
def test_the_total_is_what_the_provider_billed(recording):
    completion = read(recording)
    total = recording["expect"]["usage"]["total"]
    assert completion.usage.total == completion.usage.input + completion.usage.output
    if total is not None:
        assert completion.usage.total == total


@pytest.mark.parametrize("recording", recordings("ok"))
def test_arguments_of_tool_calls_are_json_and_name_their_tool(recording):
    for call in read(recording).tool_calls:
        assert call.name
        assert isinstance(json.loads(call.arguments), dict)


@pytest.mark.parametrize("recording", recordings("error"))
def test_a_refusal_is_classed_as_recorded(recording):
    response, expect = recording["response"], recording["expect"]
    error = entry_for(recording).dialect.error(response["status"], dict(response["headers"]), body_of(recording))
    assert (error.error_class, error.retryable) == (expect["error_class"], expect["retryable"])
    assert error.http_status == response["status"]
    assert error.message.strip()


@pytest.mark.parametrize("recording", recordings("error", apis=None))
def test_a_refusal_is_classed_as_recorded_in_every_providers_envelope(recording):
    response, expect = recording["response"], recording["expect"]
    error = failure(response["status"], dict(response["headers"]), body_of(recording))
    assert (error.error_class, error.retryable) == (expect["error_class"], expect["retryable"])


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
    listed = entry_for(recording).dialect.models(body_of(recording))
    assert [model.id for model in listed] == recording["expect"]["all"]


@pytest.mark.parametrize(
    "recording", [each for each in recordings("ok") if not each.values[0] or each.values[0]["stream"]]
)
def test_a_stream_that_is_cut_anywhere_is_never_completed(recording):
    body = body_of(recording)
    dialect, target = entry_for(recording).dialect, target_for(recording)
    marker = body.rfind(b"[DONE]") if b"[DONE]" in body else body.rfind(b'"message_stop"')
    for end in range(0, marker, max(1, marker // 40)):
        with pytest.raises(ProviderError) as caught:
            list(dialect.stream([body[:end]], target))
        assert caught.value.error_class == "bad_response"
        assert caught.value.retryable
