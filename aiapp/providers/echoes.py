"""Keeps a call's own key out of its answer: some servers and proxies echo the headers that they were sent."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace

from aiapp.providers.key_redaction import masked
from aiapp.providers.types import Completion, Delta, ProviderError, ToolCall

# A shorter "key" is a word that an answer may well hold.
SHORTEST = 8


def without_echo(items: Iterable[Delta | Completion], key: str | None) -> Iterator[Delta | Completion]:
    """Yield the pieces of an answer with `key` cut down to what may be shown of it, also where pieces split it.

    A piece waits for the next one only as far as its end could be the beginning of the key.
    """
    if not key or len(key) < SHORTEST:
        yield from items
        return
    text = reasoning = ""
    try:
        for item in items:
            if isinstance(item, Completion):
                if text or reasoning:
                    yield Delta(text, reasoning)
                yield _clean(item, key)
                return
            shown_text, text = _split(text + item.text, key)
            shown_reasoning, reasoning = _split(reasoning + item.reasoning, key)
            if shown_text or shown_reasoning:
                yield Delta(shown_text, shown_reasoning)
    except ProviderError:
        # what waited belongs to the partial answer; most of a key does not
        if text or reasoning:
            yield Delta(*(held if len(held) < SHORTEST else "…" for held in (text, reasoning)))
        raise


def _split(text: str, key: str) -> tuple[str, str]:
    text = _conceal(text, key)
    for length in range(min(len(key) - 1, len(text)), 0, -1):
        if text.endswith(key[:length]):
            return text[:-length], text[-length:]
    return text, ""


def _conceal(text: str, key: str) -> str:
    return text.replace(key, masked(key))


def _clean(answer: Completion, key: str) -> Completion:
    return replace(
        answer,
        text=_conceal(answer.text, key),
        reasoning=_conceal(answer.reasoning, key),
        finish=_conceal(answer.finish, key) if answer.finish else answer.finish,
        model=_conceal(answer.model, key) if answer.model else answer.model,
        tool_calls=tuple(
            ToolCall(_conceal(call.id, key), _conceal(call.name, key), _conceal(call.arguments, key))
            for call in answer.tool_calls
        ),
    )
