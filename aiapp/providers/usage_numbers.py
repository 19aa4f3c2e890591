"""Every provider's token counts in the words of CONTRACT.md: input and output are everything, their parts are inside them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

from aiapp.providers.types import Usage
from aiapp.providers.wire_json import count, mapping

ReasoningTokens = Literal["inside", "outside"]


def openai_usage(reported: Mapping[str, Any], reasoning_tokens: ReasoningTokens) -> Usage:
    """Return the usage of a chat completion (`usage` of OpenAI's chat completions and what imitates it).

    Cached tokens are part of the prompt tokens. Arguments: reasoning_tokens as in quirks.Quirks.
    """
    details = mapping(reported.get("prompt_tokens_details"))
    cached = count(details.get("cached_tokens"))
    return _parts_inside(
        read=count(reported.get("prompt_tokens")),
        written=count(reported.get("completion_tokens")),
        total=count(reported.get("total_tokens")),
        # DeepSeek's older name
        cached=count(reported.get("prompt_cache_hit_tokens")) if cached is None else cached,
        # OpenRouter and OpenAI fill in 0 where cache writes are not reported at all: 0 is unknown here.
        cache_write=count(details.get("cache_write_tokens")) or None,
        reasoning=count(mapping(reported.get("completion_tokens_details")).get("reasoning_tokens")),
        reasoning_tokens=reasoning_tokens,
    )


def responses_usage(reported: Mapping[str, Any]) -> Usage:
    """Return the usage of OpenAI's Responses: as in chat completions, under other names."""
    details = mapping(reported.get("input_tokens_details"))
    return _parts_inside(
        read=count(reported.get("input_tokens")),
        written=count(reported.get("output_tokens")),
        total=count(reported.get("total_tokens")),
        cached=count(details.get("cached_tokens")),
        cache_write=count(details.get("cache_write_tokens")) or None,
        reasoning=count(mapping(reported.get("output_tokens_details")).get("reasoning_tokens")),
        reasoning_tokens="inside",
    )


def gemini_usage(reported: Mapping[str, Any]) -> Usage:
    """Return the usage of Gemini (`usageMetadata`): thoughts stand beside the candidates, results of tools beside the prompt.

    https://ai.google.dev/api/generate-content#UsageMetadata
    """
    prompt, answer = count(reported.get("promptTokenCount")), count(reported.get("candidatesTokenCount"))
    tools, thoughts = count(reported.get("toolUsePromptTokenCount")), count(reported.get("thoughtsTokenCount"))
    return _parts_inside(
        read=None if prompt is None else prompt + (tools or 0),
        written=None if answer is None and thoughts is None else (answer or 0) + (thoughts or 0),
        total=count(reported.get("totalTokenCount")),
        cached=count(reported.get("cachedContentTokenCount")),
        cache_write=None,
        reasoning=thoughts,
        reasoning_tokens="inside",
    )


def cohere_usage(reported: Mapping[str, Any]) -> Usage:
    """Return the usage of Cohere v2: `tokens` is what the model read and wrote, `billed_units` leaves its own preamble out."""
    tokens = mapping(reported.get("tokens")) or mapping(reported.get("billed_units"))
    read = count(tokens.get("input_tokens"))
    return Usage(
        input=read,
        output=count(tokens.get("output_tokens")),
        cached=_within(count(reported.get("cached_tokens")), read),
    )


def anthropic_usage(reported: Mapping[str, Any]) -> Usage:
    """Return the usage of a Messages answer: `input_tokens` leaves out what was read from and written to the cache.

    https://platform.claude.com/docs/en/build-with-claude/prompt-caching
    """
    fresh = count(reported.get("input_tokens"))
    cached = count(reported.get("cache_read_input_tokens"))
    written = count(reported.get("cache_creation_input_tokens"))
    return Usage(
        input=None if fresh is None else fresh + (cached or 0) + (written or 0),
        output=count(reported.get("output_tokens")),
        cached=cached,
        cache_write=written,
    )


def ollama_usage(reported: Mapping[str, Any]) -> Usage:
    """Return the usage of Ollama's last object (`prompt_eval_count`, `eval_count`); it leaves out what is 0."""
    return Usage(input=count(reported.get("prompt_eval_count")), output=count(reported.get("eval_count")))


def _parts_inside(
    *,
    read: int | None,
    written: int | None,
    total: int | None,
    cached: int | None,
    cache_write: int | None,
    reasoning: int | None,
    reasoning_tokens: ReasoningTokens,
) -> Usage:
    """Return the usage of a provider whose cached tokens are part of what was read, however it counts reasoning."""
    output = _output(read, written, reasoning, total, reasoning_tokens)
    # Some Azure models report more cached tokens than the prompt has: the prompt bounds them.
    cached = _within(cached, read)
    left = None if read is None else read - (cached or 0)
    return Usage(
        input=read,
        output=output,
        cached=cached,
        cache_write=_within(cache_write, left),
        reasoning=_within(reasoning, output),
    )


def _output(
    read: int | None, written: int | None, reasoning: int | None, total: int | None, rule: ReasoningTokens
) -> int | None:
    if written is None:
        return None
    # The total tells; what it has more than its parts is reasoning that nobody named.
    if read is not None and total is not None and total >= read + written:
        return total - read
    # Without a usable total: more reasoning than written tokens cannot be inside them.
    if reasoning is not None and (rule == "outside" or reasoning > written):
        return written + reasoning
    return written


def _within(part: int | None, whole: int | None) -> int | None:
    return part if part is None or whole is None else min(part, whole)
