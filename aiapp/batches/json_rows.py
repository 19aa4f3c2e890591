"""One line of JSON as the row of a table: its size and depth are looked at before it is parsed. PURE."""

from __future__ import annotations

import json
import math
import re
from typing import Any

from aiapp.providers.json_text import in_words

MOST_CHARACTERS = 131_072  # of a cell of CSV, and of a JSON line eight times as many
MOST_DEPTH = 32
MOST_DIGITS = 300
_TOO_LARGE = 10**MOST_DIGITS
UNSTORABLE = re.compile("[\x00\ud800-\udfff]")

_JSON_PIECE = re.compile(r'"(?:[^"\\]|\\.)*+"?|[\[{]|[\]}]')


def parse(line: str) -> Any:
    """Return the JSON value of a line. Raises ValueError in words."""
    if len(line) > 8 * MOST_CHARACTERS:
        raise ValueError(f"This row is longer than {8 * MOST_CHARACTERS:,} characters.")
    if _depth_of(line) > MOST_DEPTH:
        raise ValueError(f"This row is nested more than {MOST_DEPTH} levels deep.")
    try:
        return json.loads(line, object_pairs_hook=_pairs, parse_int=_integer, parse_constant=_refuse_constant)
    except json.JSONDecodeError as error:
        raise ValueError(in_words(error)) from error


def _depth_of(line: str) -> int:
    depth = deepest = 0
    for piece in _JSON_PIECE.finditer(line):
        if piece[0] in "[{":
            depth += 1
            deepest = max(deepest, depth)
        elif piece[0] in "]}":
            depth -= 1
    return deepest


def _pairs(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    value = dict(pairs)
    if len(value) < len(pairs):
        raise ValueError("A key is there twice in this row.")
    return value


def _integer(digits: str) -> int:
    if len(digits) > MOST_DIGITS:
        raise ValueError(f"A number of this row has more than {MOST_DIGITS} digits.")
    return int(digits)


def _refuse_constant(name: str) -> None:
    raise ValueError(f"JSON has no {name}.")


def trouble(value: Any, depth: int) -> str:
    """Return why a value cannot be taken, "" where it can; `depth` is that of what it stands in."""
    if depth > MOST_DEPTH:
        return f"This is nested more than {MOST_DEPTH} levels deep."
    if isinstance(value, str):
        if len(value) > 8 * MOST_CHARACTERS:
            return f"This is longer than {8 * MOST_CHARACTERS:,} characters."
        return "This contains a character that cannot be stored." if UNSTORABLE.search(value) else ""
    if isinstance(value, float) and not math.isfinite(value):
        return "JSON has no NaN." if math.isnan(value) else "This number is too large."
    if isinstance(value, int) and abs(value) >= _TOO_LARGE:
        return f"This number has more than {MOST_DIGITS} digits."
    if isinstance(value, dict):
        return next(filter(None, (trouble(part, depth + 1) for pair in value.items() for part in pair)), "")
    if isinstance(value, list):
        return next(filter(None, (trouble(part, depth + 1) for part in value)), "")
    return ""
