"""What may stand in a credential's fields: reads what a form or the API sends, and names every mistake at once."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Mapping
from typing import Any

from aiapp.errors import InvalidInput
from aiapp.providers.registry import PROVIDERS

# What people set. Everything else in a body (an id, a workspace, health) is not theirs and is passed over.
SETTABLE = (
    "provider",
    "name",
    "api_key",
    "base_url",
    "preferred_model",
    "temperature",
    "max_tokens",
    "system_prompt",
    "allowed_models",
    "settings",
    "is_default",
    "position",
    "active",
)
LONGEST_KEY = 500
LONGEST_SETTINGS = 20_000
LONGEST_SYSTEM_PROMPT = 100_000
MOST_TOKENS = 10_000_000
MOST_CREDENTIALS = 1000
MOST_ALLOWED_MODELS = 200
# A key shorter than this would be half given away by its last four characters.
HINTED_KEY = 12

# Control characters, line separators, what turns the direction of text, and the halves of characters that no database stores.
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069\ud800-\udfff]")
_NOT_STORABLE = re.compile(r"[\x00\ud800-\udfff]")
# Whoever chooses one that the provider does not offer is spoken to in its first; so a changed provider needs no changed settings.
_APIS = tuple(dict.fromkeys(api for provider in PROVIDERS.values() for api in provider.apis))
_API_VERSION = re.compile(r"[A-Za-z0-9.-]{1,40}")
_NEVER_EMPTY = frozenset({"provider", "name", "is_default", "position", "active"})


class Mistake(ValueError):
    """One field cannot stay as it is; the text says what to do. `parts`: which of its members cannot, each with its text."""

    def __init__(self, message: str = "", parts: Mapping[str, str] | None = None) -> None:
        super().__init__(message)
        self.parts = parts or {}


def checked(values: Mapping[str, Any]) -> dict[str, Any]:
    """Return what `read` does. Raises InvalidInput with one entry a field."""
    cleaned, errors = read(values)
    if errors:
        raise InvalidInput(errors=errors)
    return cleaned


def read(values: Mapping[str, Any]) -> tuple[dict[str, Any], list[Mapping[str, str]]]:
    """Return the settable fields of `values`, tidied and typed as the table has them, and what is wrong with the others.

    Numbers and truth values may come as a form's text. An empty text is None; `base_url` None means the provider's own. None for
    what has no empty value (a name, a place, yes or no) is as good as left out.
    """
    cleaned: dict[str, Any] = {}
    errors: list[Mapping[str, str]] = []
    for field in SETTABLE:
        if field not in values or (values[field] is None and field in _NEVER_EMPTY):
            continue
        try:
            cleaned[field] = _READERS[field](values[field])
        except Mistake as mistake:
            parts = {f"{field}.{part}": message for part, message in mistake.parts.items()}
            errors += [{"field": at, "message": message} for at, message in (parts or {field: str(mistake)}).items()]
    return cleaned, errors


def hint_of(key: str | None) -> str | None:
    """Return the last four characters of a key that is long enough to show them."""
    return key[-4:] if key and len(key) >= HINTED_KEY else None


def _provider(value: Any) -> str:
    if not isinstance(value, str) or value not in PROVIDERS:
        raise Mistake(f"Use one of {', '.join(PROVIDERS)}.")
    return value


def _name(value: Any) -> str:
    name = " ".join(value.split()) if isinstance(value, str) else ""
    if not 1 <= len(name) <= 100:
        raise Mistake("Use 1 to 100 characters.")
    return _printable(name)


def _api_key(value: Any) -> str | None:
    key = _text(value, LONGEST_KEY)
    if key is not None and not re.fullmatch(r"[\x21-\x7e]+", key):
        raise Mistake("A key has only letters, digits and signs: no spaces, no line breaks. Copy it once more.")
    return key


def _base_url(value: Any) -> str | None:
    url = _text(value, 500)
    return url.rstrip("/") if url else None


def _model(value: Any) -> str | None:
    model = _text(value, 200)
    return _printable(model) if model else None


def _temperature(value: Any) -> float | None:
    number = _number(value)
    if number is not None and not 0 <= number <= 2:
        raise Mistake("Use a number from 0 to 2, or leave it empty.")
    return number


def _max_tokens(value: Any) -> int | None:
    number = _number(value)
    if number is not None and not (1 <= number <= MOST_TOKENS and number == int(number)):
        raise Mistake(f"Use a whole number from 1 to {MOST_TOKENS:,}, or leave it empty.")
    return None if number is None else int(number)


def _position(value: Any) -> int:
    number = _number(value)
    if number is None or not (0 <= number <= MOST_CREDENTIALS and number == int(number)):
        raise Mistake(f"Use a whole number from 0 to {MOST_CREDENTIALS}.")
    return int(number)


def _system_prompt(value: Any) -> str | None:
    if isinstance(value, str):
        value = value.replace("\r\n", "\n")
    text = _text(value, LONGEST_SYSTEM_PROMPT)
    if text and _NOT_STORABLE.search(text):
        raise Mistake("It holds a character that cannot be stored.")
    return text


def _allowed_models(value: Any) -> list[str] | None:
    """Read a list, or a form's text with a model a line."""
    names = value.splitlines() if isinstance(value, str) else value or []
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        raise Mistake("Use a list of names of models.")
    allowed = list(dict.fromkeys(name for name in map(_model, names) if name))
    if len(allowed) > MOST_ALLOWED_MODELS:
        raise Mistake(f"Use at most {MOST_ALLOWED_MODELS} models.")
    return allowed or None


def _settings(value: Any) -> dict[str, Any]:
    if value is None:
        return {}
    if not isinstance(value, Mapping) or not set(value) <= _SETTINGS.keys():
        raise Mistake("Use an object with `api`, `api_version`, `stream` and `extra`.")
    wrong = {name: words for name, (fits, words) in _SETTINGS.items() if name in value and not fits(value[name])}
    if wrong:
        raise Mistake(parts=wrong)
    try:
        text = json.dumps(value, allow_nan=False, ensure_ascii=False)
        text.encode()
    except (TypeError, ValueError, RecursionError):
        raise Mistake("Extra request fields are a JSON object of values that can be stored.") from None
    if len(text) > LONGEST_SETTINGS or "\\u0000" in text:
        raise Mistake(f"Extra request fields are at most {LONGEST_SETTINGS:,} characters, without NUL.")
    return dict(value)


def _truth(value: Any) -> bool:
    if isinstance(value, bool):
        return value
    if value in ("1", "true", "on"):
        return True
    if value in ("", "0", "false", "off"):
        return False
    raise Mistake("Use true or false.")


def _number(value: Any) -> float | None:
    if value is None or value == "":
        return None
    if isinstance(value, bool) or not isinstance(value, (str, int, float)):
        raise Mistake("Use a number.")
    try:
        number = float(value)
    except (ValueError, OverflowError):
        raise Mistake("Use a number.") from None
    if not math.isfinite(number):
        raise Mistake("Use a number.")
    return number


def _text(value: Any, longest: int) -> str | None:
    if value is None:
        return None
    if not isinstance(value, str):
        raise Mistake("Use text.")
    text = value.strip()
    if len(text) > longest:
        raise Mistake(f"Use at most {longest:,} characters.")
    return text or None


def _printable(text: str) -> str:
    if _CONTROL.search(text):
        raise Mistake("It holds a control character.")
    return text


_SETTINGS: Mapping[str, tuple[Callable[[Any], bool], str]] = {
    "api": (lambda value: value in _APIS, f"Use one of {', '.join(_APIS)}."),
    "api_version": (
        lambda value: isinstance(value, str) and _API_VERSION.fullmatch(value) is not None,
        "Use a version such as 2024-10-21.",
    ),
    "stream": (lambda value: isinstance(value, bool), "Use true or false."),
    "extra": (
        lambda value: isinstance(value, Mapping),
        'This is not a JSON object such as {"top_k": 40}. Look for a quote, comma or bracket too few or too many.',
    ),
}
_READERS: Mapping[str, Callable[[Any], Any]] = {
    "provider": _provider,
    "name": _name,
    "api_key": _api_key,
    "base_url": _base_url,
    "preferred_model": _model,
    "temperature": _temperature,
    "max_tokens": _max_tokens,
    "system_prompt": _system_prompt,
    "allowed_models": _allowed_models,
    "settings": _settings,
    "is_default": _truth,
    "position": _position,
    "active": _truth,
}
