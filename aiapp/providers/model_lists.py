"""Model lists, in the two shapes that providers send: OpenAI's `data` with ids, and `models` with names."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from aiapp.providers.types import ModelInfo, ProviderError
from aiapp.providers.wire_json import count, mapping, read_object, read_value, word

# OpenRouter, Groq, Mistral and vLLM each have their own name for it.
_CONTEXT_FIELDS = ("context_length", "context_window", "max_context_length", "max_model_len")


def openai_models(body: bytes) -> tuple[ModelInfo, ...]:
    """Return the models of `{"data": [{"id"}]}`, or of the bare list that Together sends. Raises ProviderError `bad_response`."""
    data = read_value(body)
    listed = data if isinstance(data, list) else mapping(data).get("data")
    entries = [entry for entry in _entries(listed) if word(entry.get("id"))]
    return tuple(ModelInfo(str(word(e["id"])), word(e.get("name")), _context_window(e)) for e in entries)


def named_models(body: bytes, *, title: str, context: str, prefix: str = "") -> tuple[ModelInfo, ...]:
    """Return the models of `{"models": [{"name"}]}`. Raises ProviderError `bad_response`.

    Arguments:
        title, context: the fields that hold a name for people and the context window in tokens.
        prefix: what ids begin with and people leave out.
    """
    entries = [entry for entry in _entries(read_object(body).get("models")) if word(entry.get("name"))]
    return tuple(
        ModelInfo(str(word(e["name"])).removeprefix(prefix), word(e.get(title)), count(e.get(context)) or None)
        for e in entries
    )


def _entries(listed: Any) -> list[dict[str, Any]]:
    if not isinstance(listed, list):
        raise ProviderError("bad_response", "The provider's model list is not a list.")
    return list(map(mapping, listed))


def _context_window(entry: Mapping[str, Any]) -> int | None:
    return next((found for found in (count(entry.get(name)) for name in _CONTEXT_FIELDS) if found), None)
