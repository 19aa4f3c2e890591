"""Records of a CSV file that others open in a spreadsheet (RFC 4180). PURE."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterable

_FORMULA = ("=", "+", "-", "@", "\t", "\r")
_NUMBER = re.compile(r"[+-]?[0-9]+(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?")


def cell(value: object) -> str:
    """Return a value as a cell that no spreadsheet takes for a formula; numbers stay numbers, None is empty."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    text = str(value)
    return f"'{text}" if text.startswith(_FORMULA) and not _NUMBER.fullmatch(text) else text


def record(values: Iterable[object]) -> str:
    """Return one record with its line end."""
    written = io.StringIO()
    csv.writer(written, lineterminator="\r\n").writerow([cell(value) for value in values])
    return written.getvalue()
