"""The JSON value in what a model wrote: strictly read, out of a code block or, where only one stands there, out of prose."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import Any

from aiapp.providers.wire_json import storable_value

# Deeper than any answer that is meant; every reader after us may be recursive.
MAX_DEPTH = 100
# How often a bracket in prose is tried as the beginning of a value.
MAX_TRIES = 20

# Python's words for a mistake, and people's.
_WORDS = {
    "Expecting value": "a value was expected",
    "Expecting property name": "a name in double quotes was expected",
    "Expecting ',' delimiter": "a comma or the end was expected",
    "Expecting ':' delimiter": "a colon was expected",
    "Unterminated string": "a text begins that does not end",
    "Extra data": "there is more after its end",
    "Invalid control character": "a line break or another control character stands in a text",
    "Invalid \\": "a backslash stands where none may",
}
_OPENING = re.compile(r"[\[{]")
_BRACKET = re.compile(r"[\[\]{}]")


class NotJson(ValueError):
    """There is no JSON value in the text; the message says why, for people."""


@dataclass(frozen=True, slots=True)
class Reading:
    """A value, and `repair`: what was done to find it, None where the text (or the one code block that it is) is JSON."""

    data: Any
    repair: str | None = None


def read(text: str) -> Reading:
    """Return the JSON value in `text`.

    Raises NotJson: for what JSON has not (NaN), for several values, for a key that is there
    twice (one of its values would be lost), for nesting too deep.
    """
    plain = unfenced(text)
    if not plain:
        raise NotJson("The answer is empty.")
    try:
        return Reading(_checked(_decoder.decode(plain)))
    except json.JSONDecodeError as error:
        found = _in_prose(plain)
        if len(found) == 1:
            return Reading(_checked(found[0]), "The JSON stood in other text, which was left out.")
        if found:
            raise NotJson("There are several JSON values in the text, so none of them is the answer.") from error
        raise _mistake(plain, error) from error
    except RecursionError as error:
        raise NotJson(_TOO_DEEP) from error
    except NotJson:
        raise
    except ValueError as error:  # an integer of more digits than Python reads
        raise NotJson("A number is too long to be read.") from error


_TOO_DEEP = f"This JSON is nested more than {MAX_DEPTH} levels deep."


def unfenced(text: str) -> str:
    """Return what stands in a code block that is the whole text, else the text; without space and byte order mark around."""
    text = text.strip().removeprefix("\ufeff").strip()
    first, _, rest = text.partition("\n")
    body = rest.removesuffix("```")
    if first.startswith("```") and "`" not in first[3:] and len(body) < len(rest):
        return body.strip()
    return text


def in_words(error: json.JSONDecodeError) -> str:
    """Return for people what is wrong with a text that is not JSON, and where."""
    what = next((words for said, words in _WORDS.items() if error.msg.startswith(said)), "it cannot be read")
    return f"This is not JSON: {what} (line {error.lineno}, column {error.colno})."


def _mistake(text: str, error: json.JSONDecodeError) -> NotJson:
    """Return what is wrong with the first value that was begun in a text, else with the text."""
    opening = _OPENING.search(text)
    try:
        if opening is not None:
            _decoder.raw_decode(text, opening.start())
    except json.JSONDecodeError as inside:
        error = inside
    except NotJson as inside:
        return inside
    except (ValueError, RecursionError):
        pass
    return NotJson(in_words(error))


def _in_prose(text: str) -> list[Any]:
    """Return the objects and arrays that stand on their own in a text, at most two: the second makes it ambiguous.

    What is inside brackets that are no JSON is not looked at: a part of a broken answer is not the answer.
    """
    found: list[Any] = []
    at = 0
    for _ in range(MAX_TRIES):
        opening = _OPENING.search(text, at)
        if opening is None or len(found) == 2:
            return found
        try:
            value, at = _decoder.raw_decode(text, opening.start())
        except (ValueError, RecursionError):
            closed = _after_match(text, opening.start())
            if closed is None:
                return found
            at = closed
        else:
            found.append(value)
    return []


def _after_match(text: str, start: int) -> int | None:
    """Return the place after the bracket that closes the one at `start`."""
    open_brackets = 0
    for bracket in _BRACKET.finditer(text, start):
        open_brackets += 1 if bracket[0] in "[{" else -1
        if open_brackets == 0:
            return bracket.end()
    return None


def _checked(value: Any) -> Any:
    """Return the value with text that can be stored. Raises NotJson where it is nested too deeply."""
    level = [value]
    for _ in range(MAX_DEPTH + 1):
        containers = [outer for outer in level if isinstance(outer, dict | list)]
        if not containers:
            break
        level = [inner for outer in containers for inner in (outer.values() if isinstance(outer, dict) else outer)]
    else:
        raise NotJson(_TOO_DEEP)
    return storable_value(value)


def _float(text: str) -> float:
    value = float(text)
    if value in {float("inf"), float("-inf")}:
        raise NotJson(f"The number {text[:40]} is too large.")
    return value


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    value = dict(pairs)
    if len(value) < len(pairs):
        seen: set[str] = set()
        twice = next(name for name, _ in pairs if name in seen or seen.add(name))  # type: ignore[func-returns-value]
        raise NotJson(f"The key {twice[:40]} is there twice.")
    return value


def _refuse(constant: str) -> None:
    raise NotJson(f"JSON has no {constant}.")


_decoder = json.JSONDecoder(object_pairs_hook=_object, parse_float=_float, parse_constant=_refuse)
