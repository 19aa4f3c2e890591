"""Keeps a call's own key out of its answer: some servers and proxies echo the headers that they were sent."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace

from aiapp.providers.key_redaction import Secret
from aiapp.providers.types import Completion, Delta, ProviderError, ToolCall

# A shorter "key" is a word that an answer may well hold.
SHORTEST = 8


def without_echo(items: Iterable[Delta | Completion], key: str | None) -> Iterator[Delta | Completion]:
    """Yield the pieces of an answer with `key` cut down to what may be shown of it (see Secret), also where pieces split it.

    A piece waits for the next one only as far as its end could be a part of the key.
    """
    if not key or len(key) < SHORTEST:
        yield from items
        return
    secret = Secret(key)
    text = reasoning = ""
    try:
        for item in items:
            if isinstance(item, Completion):
                if text or reasoning:
                    yield Delta(secret.conceal(text), secret.conceal(reasoning))
                yield _clean(item, secret)
                return
            shown_text, text = _split(text + item.text, secret)
            shown_reasoning, reasoning = _split(reasoning + item.reasoning, secret)
            if shown_text or shown_reasoning:
                yield Delta(shown_text, shown_reasoning)
    except ProviderError:
        # what waited belongs to the partial answer; most of a key does not
        if text or reasoning:
            yield Delta(*(held if len(held) < SHORTEST else "…" for held in (text, reasoning)))
        raise


def _split(text: str, secret: Secret) -> tuple[str, str]:
    """Return what of `text` may be shown now, and its end that waits: a part of the key, and what it hangs together with."""
    waits = secret.begun(text)
    if not waits:
        return secret.conceal(text), ""
    end = len(text)
    waits = max([waits, *(end - start for start, stop in secret.told_of(text) if stop > end - waits)])
    return secret.conceal(text[: end - waits]), text[end - waits :]


def _clean(answer: Completion, secret: Secret) -> Completion:
    return replace(
        answer,
        text=secret.conceal(answer.text),
        reasoning=secret.conceal(answer.reasoning),
        finish=secret.conceal(answer.finish) if answer.finish else answer.finish,
        model=secret.conceal(answer.model) if answer.model else answer.model,
        tool_calls=tuple(
            ToolCall(secret.conceal(call.id), secret.conceal(call.name), secret.conceal(call.arguments))
            for call in answer.tool_calls
        ),
    )
