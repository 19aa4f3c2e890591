"""A table that somebody brings, as CSV or as JSON lines: bytes in, rows out, or every mistake by row and column. PURE.

CSV as RFC 4180 has it, with a comma, a semicolon or a tab between cells (whichever divides the first row most) and the names of
the columns in the first row. JSON lines: one object a line. All or nothing: what has a mistake has no rows.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

from aiapp.batches import json_rows
from aiapp.batches.json_rows import MOST_CHARACTERS, UNSTORABLE

MOST_ROWS = 10_000
MOST_COLUMNS = 100
MOST_BYTES = 10 * 2**20
LONGEST_NAME = 100
MOST_PROBLEMS = 100
DELIMITERS = ",;\t"
KINDS = ("csv", "jsonl")


@dataclass(frozen=True, slots=True)
class Problem:
    """A mistake: row from 1 (the first after the header; None is the header or the whole), and its column where it is in one.

    `line` counts as a spreadsheet or an editor does, the header and empty ones among them; None is the whole, or no file.
    """

    message: str
    row: int | None = None
    column: str | None = None
    line: int | None = None


@dataclass(slots=True)
class Table:
    """What was read: the columns in their order and the rows by column. With `problems` (the first MOST_PROBLEMS of `mistakes`)
    there are no rows.
    """

    columns: list[str] = field(default_factory=list)
    rows: list[dict[str, Any]] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)
    mistakes: int = 0

    def refuse(self, message: str, row: int | None = None, column: str | None = None, line: int | None = None) -> None:
        """Note a mistake."""
        self.mistakes += 1
        if len(self.problems) < MOST_PROBLEMS:
            self.problems.append(Problem(message, row, column, line))


class TableError(ValueError):
    """Nothing more can be read after this mistake; `row` is where it is."""

    def __init__(self, message: str, row: int | None = None) -> None:
        super().__init__(message)
        self.row = row


def read(data: bytes, kind: str = "") -> Table:
    """Return the table in a file's bytes. Total.

    Arguments:
        kind: one of KINDS; "" looks at the beginning.
    """
    try:
        text = _decoded(data)
    except TableError as error:
        return _refused(error)
    return read_text(text, kind)


def read_text(text: str, kind: str = "") -> Table:
    """Return the table in a text. Total."""
    text = text.removeprefix("\ufeff")
    # A character is one byte at least: what is longer is refused before it is encoded to be counted.
    if len(text) > MOST_BYTES:
        return _refused(TableError(_TOO_LARGE))
    if not text.strip():
        return _refused(TableError("There is nothing in it."))
    table = Table()
    try:
        if (kind or kind_of(text)) == "jsonl":
            _read_lines(table, text)
        else:
            _read_csv(table, text)
    except TableError as error:
        table.refuse(str(error), error.row)
    if not table.rows and not table.problems:
        table.refuse("There are no rows.")
    if table.problems:
        table.rows = []
    return table


def from_rows(rows: Iterable[dict[str, Any]]) -> Table:
    """Return the table of rows that a program sends, checked as those of a file."""
    table = Table()
    try:
        for number, row in enumerate(rows, 1):
            _add_object(table, number, row)
    except TableError as error:
        table.refuse(str(error), error.row)
    if not table.rows and not table.problems:
        table.refuse("There are no rows.")
    if table.problems:
        table.rows = []
    return table


def kind_of(text: str, name: str = "") -> str:
    """Return which of KINDS a text is, by its file's name, else by how it begins."""
    ending = name.rpartition(".")[2].lower()
    if ending in ("jsonl", "ndjson", "json"):
        return "jsonl"
    if ending in ("csv", "tsv", "tab"):
        return "csv"
    return "jsonl" if text.lstrip("\ufeff \t\r\n").startswith(("{", "[")) else "csv"


_TOO_LARGE = f"This is larger than {MOST_BYTES // 2**20} MB: bring it in parts."


def _refused(error: TableError) -> Table:
    table = Table()
    table.refuse(str(error), error.row)
    return table


def _decoded(data: bytes) -> str:
    if len(data) > MOST_BYTES:
        raise TableError(_TOO_LARGE)
    if data.startswith((b"\xff\xfe", b"\xfe\xff")):
        raise TableError("This is text in UTF-16. Save it as UTF-8.")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise TableError(f"Line {line} of the file is not text in UTF-8. Save it as UTF-8.") from error


def _read_csv(table: Table, text: str) -> None:
    records = _records(text, _delimiter(text))
    header = next(records, [])
    _name_columns(table, [name.strip() for name in header])
    number = 0
    for line, cells in enumerate(records, 2):
        if not cells:  # an empty line
            continue
        number += 1
        _check_count(number)
        if len(cells) != len(table.columns):
            table.refuse(
                f"The header has {_cells(len(table.columns))}, this row {_cells(len(cells))}.", number, line=line
            )
            continue
        for name, cell in zip(table.columns, cells, strict=True):
            if UNSTORABLE.search(cell):
                table.refuse("This contains a character that cannot be stored.", number, name, line)
        if not table.problems:
            table.rows.append(dict(zip(table.columns, cells, strict=True)))


def _cells(number: int) -> str:
    return "1 cell" if number == 1 else f"{number:,} cells"


def _records(text: str, delimiter: str) -> Iterator[list[str]]:
    reader = csv.reader(_lines(text), delimiter=delimiter, strict=True)
    number = -1
    while True:
        try:
            cells = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            raise TableError(_in_words(str(error)), max(1, number + 1)) from error
        if cells:
            number += 1
        yield cells


def _lines(text: str) -> Iterator[str]:
    """Yield the lines of a text; only CR and LF end one (a cell may hold other separators of lines)."""
    return (match[0] for match in re.finditer(r"[^\r\n]*(?:\r\n|\r|\n)|[^\r\n]+", text))


def _in_words(said: str) -> str:
    if "field larger" in said:
        return f"A cell of this row is longer than {MOST_CHARACTERS:,} characters."
    if "unexpected end" in said:
        return "A quote is opened in this row and never closed."
    if "expected after" in said:
        return "After the quote that ends a cell stands more text: write a quote inside of a cell twice."
    return "This row cannot be read as CSV."


def _delimiter(text: str) -> str:
    """Return what divides the first row into most cells; a comma where nothing does."""

    def cells(delimiter: str) -> int:
        try:
            return len(next(csv.reader(_lines(text), delimiter=delimiter)))
        except (csv.Error, StopIteration):
            return 0

    return max(DELIMITERS, key=cells)


def _name_columns(table: Table, names: list[str]) -> None:
    if len(names) > MOST_COLUMNS:
        raise TableError(f"There are {len(names):,} columns, at most {MOST_COLUMNS} are read.")
    for place, name in enumerate(names, 1):
        if not name:
            table.refuse(f"Column {place} has no name in the first row.", line=1)
        elif names.index(name) != place - 1:
            table.refuse("This name is there twice in the first row.", column=name[:LONGEST_NAME], line=1)
        _check_name(table, name, None, 1)
    table.columns = names


def _check_name(table: Table, name: str, row: int | None, line: int | None = None) -> None:
    if len(name) > LONGEST_NAME:
        table.refuse(f"The name of a column is longer than {LONGEST_NAME} characters.", row, name[:LONGEST_NAME], line)
    if UNSTORABLE.search(name):
        table.refuse("The name of a column contains a character that cannot be stored.", row, line=line)


def _check_count(number: int) -> None:
    if number > MOST_ROWS:
        raise TableError(f"There are more than {MOST_ROWS:,} rows: bring them in parts.")


def _read_lines(table: Table, text: str) -> None:
    if text.lstrip().startswith("["):
        raise TableError("This is a JSON array. Write one object a line (JSON lines).")
    number = 0
    for line in _lines(text):
        if not line.strip():
            continue
        number += 1
        _check_count(number)
        try:
            value = json_rows.parse(line)
        except ValueError as error:
            table.refuse(str(error), number)
            continue
        _add_object(table, number, value)


def _add_object(table: Table, number: int, value: Any) -> None:
    _check_count(number)
    if not isinstance(value, dict):
        table.refuse("This row is no object: write {…}.", number)
        return
    known = set(table.columns)
    for name, cell in value.items():
        if not name.strip():
            table.refuse("A column of this row has no name.", number)
        if name not in known:
            _check_name(table, name, number)
            table.columns.append(name)
            if len(table.columns) > MOST_COLUMNS:
                raise TableError(f"With this row there are more than {MOST_COLUMNS} columns.", number)
        trouble = json_rows.trouble(cell, 1)
        if trouble:
            table.refuse(trouble, number, name[:LONGEST_NAME])
    if not table.problems:
        table.rows.append(value)
