"""Whatever comes, a dialect answers with values or a ProviderError, and the cut of the bytes changes nothing."""

import contextlib
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aiapp.providers.registry import provider
from aiapp.providers.types import Completion, Delta, ProviderError, Target

pytestmark = pytest.mark.long

KINDS = ["openai", "responses", "xai", "openai_compatible", "anthropic", "google", "cohere", "ollama", "demo"]

scalars = (
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(alphabet=st.characters(codec=None), max_size=8)
)
NAMES = (
    "choices delta message content text thinking reasoning reasoning_content tool_calls function name arguments index id usage "
    "prompt_tokens completion_tokens total_tokens prompt_tokens_details completion_tokens_details error code type "
    "finish_reason model x_groq done done_reason stop_reason content_block partial_json object data models "
    "response output output_index item status summary summary_index call_id candidates parts thought functionCall args "
    "finishReason usageMetadata promptFeedback blockReason promptTokenCount tool_plan tokens billed_units refusal"
)
names = st.sampled_from(NAMES.split())
kinds = st.sampled_from(
    [
        "message_start",
        "message_delta",
        "message_stop",
        "content_block_start",
        "content_block_delta",
        "text",
        "tool_use",
        "error",
        "response.output_text.delta",
        "response.reasoning_summary_part.added",
        "response.output_item.added",
        "response.output_item.done",
        "response.function_call_arguments.delta",
        "response.completed",
        "function_call",
        "message",
        "reasoning",
        "content-delta",
        "tool-call-start",
        "tool-call-delta",
        "message-end",
        "ERROR",
        "STOP",
    ]
)
values = st.recursive(
    scalars | kinds,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(names, inner, max_size=5),
    max_leaves=15,
)
objects = st.dictionaries(names, values, max_size=6)


def target(kind):
    return Target(kind, "http://h/v1", "m", api_key="sk-noise-0123456789")


def dialect(kind):
    if kind == "responses":
        return provider("openai").dialect_for({"api": "responses"})
    return provider(kind).dialect_for({})


def outcome(kind, chunks):
    """Deltas merged (their cut may differ) and the completion, or the error's class."""
    try:
        *deltas, last = dialect(kind).stream(chunks, target(kind))
    except ProviderError as error:
        return error.error_class
    assert isinstance(last, Completion)
    assert all(isinstance(delta, Delta) for delta in deltas)
    assert "".join(delta.text for delta in deltas) == last.text
    json.dumps(last.reported, allow_nan=False).encode()
    for text in (
        last.text,
        last.reasoning,
        last.finish or "",
        *(call.arguments + call.name for call in last.tool_calls),
    ):
        assert "\0" not in text
        text.encode()
    return last


def harmless(read):
    """Call `read`: a value or a ProviderError is well, anything else fails the test."""
    with contextlib.suppress(ProviderError):
        read()


def framed(kind, listed):
    lines = [json.dumps(each) for each in listed]
    if kind == "ollama":
        return "\n".join(lines).encode()
    return "".join(f"data: {line}\n\n" for line in [*lines, "[DONE]"]).encode()


@pytest.mark.parametrize("kind", KINDS)
@given(body=st.binary(max_size=300))
def test_random_bytes_do_no_harm(kind, body):
    outcome(kind, [body])
    for read in (lambda: dialect(kind).parse(body, target(kind)), lambda: dialect(kind).models(body)):
        harmless(read)


@pytest.mark.parametrize("kind", KINDS)
@given(data=objects)
def test_json_of_any_shape_does_no_harm(kind, data):
    body = json.dumps(data).encode()
    for read in (lambda: dialect(kind).parse(body, target(kind)), lambda: dialect(kind).models(body)):
        harmless(read)


@pytest.mark.parametrize("kind", KINDS)
@given(listed=st.lists(objects, max_size=5), sizes=st.lists(st.integers(1, 40), min_size=1, max_size=5))
def test_events_of_any_shape_mean_the_same_however_they_are_cut(kind, listed, sizes):
    body = framed(kind, listed)
    pieces, at = [], 0
    while at < len(body):
        pieces.append(body[at : at + sizes[len(pieces) % len(sizes)]])
        at += len(pieces[-1])
    assert outcome(kind, pieces) == outcome(kind, [body])


@pytest.mark.parametrize("kind", KINDS)
def test_a_deeply_nested_answer_is_a_bad_response(kind):
    for body in (b"[" * 100_000, b'{"a":' * 100_000, b'data: {"a":' + b"[" * 100_000 + b"\n\n"):
        assert outcome(kind, [body]) == "bad_response"


@pytest.mark.parametrize("kind", KINDS)
def test_an_endless_line_is_given_up(kind):
    def endless():
        yield b'data: {"' if kind != "ollama" else b'{"'
        while True:
            yield b"x" * 65536

    assert outcome(kind, endless()) == "too_large"
