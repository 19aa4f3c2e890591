"""Every provider's token counts in the words of CONTRACT.md: input and output are everything, their parts are inside them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

from aiapp.providers.types import Usage
from aiapp.providers.wire_json import count, mapping

ReasoningTokens = Literal["inside", "outside", "by_total"]


def openai_usage(reported: Mapping[str, Any], reasoning_tokens: ReasoningTokens) -> Usage:
    """Return the usage of a chat completion (`usage` of OpenAI's chat completions and what imitates it).

    Cached tokens are part of the prompt tokens. Some Azure models report more cached tokens than the prompt has: the
    prompt bounds them. Arguments: reasoning_tokens as in quirks.Quirks.
    """
    prompt_details = mapping(reported.get("prompt_tokens_details"))
    completion_details = mapping(reported.get("completion_tokens_details"))
    prompt = count(reported.get("prompt_tokens"))
    reasoning = count(completion_details.get("reasoning_tokens"))
    output = _output(
        prompt,
        count(reported.get("completion_tokens")),
        reasoning,
        count(reported.get("total_tokens")),
        reasoning_tokens,
    )
    cached = count(prompt_details.get("cached_tokens"))
    if cached is None:  # DeepSeek's older name
        cached = count(reported.get("prompt_cache_hit_tokens"))
    cached = _within(cached, prompt)
    # OpenRouter fills in 0 for upstreams that do not report cache writes at all: 0 is unknown here.
    written = count(prompt_details.get("cache_write_tokens")) or None
    left = None if prompt is None else prompt - (cached or 0)
    return Usage(
        input=prompt,
        output=output,
        cached=cached,
        cache_write=_within(written, left),
        reasoning=_within(reasoning, output),
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


def _output(
    prompt: int | None, completion: int | None, reasoning: int | None, total: int | None, rule: ReasoningTokens
) -> int | None:
    if completion is None:
        return None
    if rule != "inside" and prompt is not None and total is not None and total >= prompt + completion:
        return total - prompt
    # Without a usable total: more reasoning than completion tokens cannot be inside them.
    if reasoning is not None and (rule == "outside" or reasoning > completion):
        return completion + reasoning
    return completion


def _within(part: int | None, whole: int | None) -> int | None:
    return part if part is None or whole is None else min(part, whole)
