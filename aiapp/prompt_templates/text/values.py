"""What a variable of each type takes, and how its value is written into a prompt."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from typing import Any

from aiapp.providers.json_text import in_words

_NUMBER = re.compile(r"[+-]?[0-9]+(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?")
_JSON_SPACE = re.compile(r'("(?:[^"\\]|\\.)*+")|[ \t\r\n]+')


def blank(name: str) -> dict[str, Any]:
    """Return the spec of a variable that nobody has declared yet."""
    return {"name": name, "type": "text", "required": True, "default": None, "description": "", "sample": None}


def write(value: Any, spec: Mapping[str, Any]) -> str:
    """Return the text of a variable's value.

    Arguments:
        value: a JSON value, or the text that a form sends for one.
        spec: the declared variable: `type` (one of VARIABLE_TYPES, text where it is none of them) and `choices`.
    Raises ValueError with a sentence for people where the value is not of the type.
    """
    return _WRITERS.get(str(spec.get("type")), _write_text)(value, spec)


def as_text(value: Any) -> str:
    """Return a JSON value as prompt text: a string as it is, everything else as compact JSON (`true`, `1.5`, `{"a":1}`).

    Raises ValueError for what JSON cannot say: NaN, objects of Python, nesting without end.
    """
    if isinstance(value, str):
        return value
    try:
        return json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    except (TypeError, ValueError, RecursionError) as error:
        raise ValueError("This cannot be written as JSON.") from error


def _write_text(value: Any, spec: Mapping[str, Any]) -> str:
    return as_text(value)


def _write_number(value: Any, spec: Mapping[str, Any]) -> str:
    if isinstance(value, str) and _NUMBER.fullmatch(value.strip()):
        return value.strip()
    if isinstance(value, int | float) and not isinstance(value, bool):
        return as_text(value)
    raise ValueError("This is not a number. Write it like 12 or 3.5.")


def _write_boolean(value: Any, spec: Mapping[str, Any]) -> str:
    if isinstance(value, bool):
        return as_text(value)
    if isinstance(value, str) and value.strip().lower() in {"true", "false"}:
        return value.strip().lower()
    raise ValueError("This is neither true nor false.")


def _write_choice(value: Any, spec: Mapping[str, Any]) -> str:
    choices = [as_text(choice) for choice in spec.get("choices") or ()]
    text = as_text(value)
    if choices and text not in choices:
        raise ValueError("Choose one of: " + ", ".join(choices[:20]) + ("" if len(choices) <= 20 else ", …") + ".")
    return text


def _write_json(value: Any, spec: Mapping[str, Any]) -> str:
    """A string is JSON text, as a form sends it: its numbers, keys and their order stay as written."""
    if not isinstance(value, str):
        return as_text(value)
    try:
        json.loads(value, parse_constant=_refuse_constant, parse_int=str, parse_float=str)
    except json.JSONDecodeError as error:
        raise ValueError(in_words(error)) from error
    except RecursionError as error:
        raise ValueError("This JSON is nested too deeply.") from error
    return _JSON_SPACE.sub(r"\1", value)


def _refuse_constant(name: str) -> None:
    raise ValueError(f"JSON has no {name}.")


_WRITERS: dict[str, Callable[[Any, Mapping[str, Any]], str]] = {
    "text": _write_text,
    "long_text": _write_text,
    "number": _write_number,
    "boolean": _write_boolean,
    "choice": _write_choice,
    "json": _write_json,
}

VARIABLE_TYPES = tuple(_WRITERS)
