"""JSON as strangers send it: bounded in depth, read without trust in its shape, and clean enough to be stored."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping
from typing import Any

from aiapp.providers.types import ProviderError

MAX_DEPTH = 64
# An empty array is two bytes on the wire and sixty in memory: ten million bytes of them would be half a gigabyte.
MAX_CONTAINERS = 200_000
MAX_VALUES = 1_000_000
# More tokens than this are a mistake, and would not fit an integer column.
MAX_COUNT = 10**9

# NaN and Infinity are not JSON, yet Python servers send them in log probabilities that nobody here reads.
_STRING = re.compile(r'"(?:[^"\\]++|\\.)*+"', re.DOTALL)
_DECODER = json.JSONDecoder(parse_constant=lambda _: None, strict=False)


def read_object(raw: bytes | str) -> dict[str, Any]:
    """Return the JSON object in `raw` (UTF-8, a byte order mark is allowed).

    Raises ProviderError `bad_response` for anything else, for more than MAX_DEPTH levels and for an HTML page, `too_large` for
    more than MAX_CONTAINERS objects and arrays or MAX_VALUES values.
    """
    value = read_value(raw)
    if not isinstance(value, dict):
        raise ProviderError("bad_response", "The provider's answer is JSON, but not an object.")
    return value


def read_value(raw: bytes | str) -> Any:
    """Return the JSON value in `raw`. Raises ProviderError as read_object does."""
    text = raw.decode("utf-8-sig", "replace") if isinstance(raw, bytes) else raw
    if _has_too_much(text) and _has_too_much(_STRING.sub("", text)):
        raise ProviderError("too_large", "The provider's answer has too many values in it.")
    try:
        value = _DECODER.decode(text)
    except RecursionError:
        raise _too_deep() from None
    except ValueError:
        raise ProviderError("bad_response", _not_json(text)) from None
    # Counting brackets is cheap and settles nearly every answer; only many brackets are worth a walk.
    if text.count("{") + text.count("[") > MAX_DEPTH and _depth(value) > MAX_DEPTH:
        raise _too_deep()
    return value


def mapping(value: Any) -> dict[str, Any]:
    """Return `value` where it is an object, else an empty one."""
    return value if isinstance(value, dict) else {}


def sequence(value: Any) -> list[Any]:
    """Return `value` where it is an array, else an empty one."""
    return value if isinstance(value, list) else []


def string(value: Any) -> str:
    """Return `value` where it is a string, else an empty one."""
    return value if isinstance(value, str) else ""


def word(value: Any) -> str | None:
    """Return a short word of the provider's (a finish reason, a model's name), None where there is none."""
    return storable(value)[:200] if isinstance(value, str) and value else None


def count(value: Any) -> int | None:
    """Return a number of tokens; None for what cannot be one: a string, a bool, a fraction, a negative or absurd number."""
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= MAX_COUNT:
        return None
    return value


def storable(text: str) -> str:
    """Return `text` as every database takes it: surrogate pairs joined, lone halves and NUL replaced by U+FFFD."""
    if "\0" in text:
        text = text.replace("\0", "\ufffd")
    try:
        text.encode()
    except UnicodeEncodeError:
        return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
    return text


def storable_value(value: Any) -> Any:
    """Return a JSON value whose strings and numbers every database takes; infinite numbers become None."""
    if isinstance(value, str):
        return storable(value)
    if isinstance(value, Mapping):
        return {storable(key): storable_value(item) for key, item in value.items()}
    if isinstance(value, list):
        return [storable_value(item) for item in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value


def as_text(value: Any) -> str:
    """Return a JSON value as JSON text; a string is returned as it is."""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _has_too_much(text: str) -> bool:
    containers = text.count("{") + text.count("[")
    return containers > MAX_CONTAINERS or containers + text.count(",") > MAX_VALUES


def _depth(value: Any) -> int:
    deepest, waiting = 0, [(value, 1)]
    while waiting:
        item, level = waiting.pop()
        if isinstance(item, (dict, list)):
            deepest = max(deepest, level)
            children = item.values() if isinstance(item, dict) else item
            waiting.extend((child, level + 1) for child in children if isinstance(child, (dict, list)))
    return deepest


def _too_deep() -> ProviderError:
    return ProviderError("bad_response", f"The provider's answer is nested more than {MAX_DEPTH} levels deep.")


def _not_json(text: str) -> str:
    start = text.lstrip()
    if not start:
        return "The provider's answer is empty."
    if start.startswith("<"):
        return "The provider answered with a web page instead of JSON. Check the base URL."
    return "The provider's answer is not JSON."
