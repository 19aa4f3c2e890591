"""Records of a CSV file that others open in a spreadsheet (RFC 4180). PURE."""

from __future__ import annotations

import re
from collections.abc import Iterable

# Those of East Asian keyboards too: spreadsheets read them as the plain ones.
_FORMULA = re.compile(r"[\t\r\n]|\s*[=+\-@＝＋－＠]")  # some drop the blanks before one
_NUMBER = re.compile(r"[+-]?[0-9]+(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?")
# The comma, and what spreadsheets take for a separator besides: what follows would begin a cell, and may be a formula.
_SEPARATOR = re.compile('[",;\t\r\n]')


def cell(value: object) -> str:
    """Return a value as a cell that no spreadsheet takes for a formula; numbers stay numbers, None is empty."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    text = str(value)
    return f"'{text}" if _FORMULA.match(text) and not _NUMBER.fullmatch(text) else text


def record(values: Iterable[object]) -> str:
    """Return one record with its line end."""
    return ",".join(_quoted(cell(value)) for value in values) + "\r\n"


def _quoted(text: str) -> str:
    doubled = text.replace('"', '""')
    return f'"{doubled}"' if _SEPARATOR.search(text) else text
