"""Tables that somebody brings: what is read of them, and how each mistake is told."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aiapp.batches import tables

ROWS = [{"name": "Ada", "message": 'She said "no, thanks"'}, {"name": "Bo", "message": "two\nlines"}]


@pytest.mark.parametrize("delimiter", list(tables.DELIMITERS))
@pytest.mark.parametrize("mark", ["", "\ufeff"])
@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_csv_is_read_whatever_divides_its_cells(delimiter, mark, end):
    lines = [("name", "message"), ("Ada", '"She said ""no, thanks"""'), ("Bo", '"two\nlines"'), ()]
    text = mark + end.join(delimiter.join(line) for line in lines)
    found = tables.read(text.encode())
    assert (found.columns, found.rows, found.problems) == (["name", "message"], ROWS, [])


def test_json_lines_are_read_with_their_types_and_columns_in_order():
    lines = [{"a": 1, "b": {"c": [True, None]}}, {"b": "x", "d": 2.5}]
    found = tables.read_text("\n\n".join(json.dumps(line) for line in lines))
    assert (found.columns, found.rows) == (["a", "b", "d"], lines)


@pytest.mark.parametrize(
    ("data", "row", "column", "words"),
    [
        (b"", None, None, "nothing in it"),
        (b"a,b\n", None, None, "no rows"),
        (b"a,b\n1,2\n3\n", 2, None, "The header has 2 cells, this row 1 cell."),
        (b'a,b\n1,2\n"x"y,2\n', 2, None, "write a quote inside of a cell twice"),
        (b'a,b\n1,2\n3,"open\n', 2, None, "never closed"),
        (b"a,a\n1,2\n", None, "a", "twice"),
        (b"a,\n1,2\n", None, None, "Column 2 has no name"),
        (b"a,b\n1,\x00\n", 1, "b", "cannot be stored"),
        (b"a,b\n1,2\n1,\xe4\n", None, None, "Line 3 of the file is not text in UTF-8"),
        ("a,b\n1,2\n".encode("utf-16"), None, None, "UTF-16"),
        (b"a\n" + b"x" * 131_073 + b"\n", 1, None, "longer than 131,072"),
        (b"a\n" + b"x\n" * 10_001, None, None, "more than 10,000 rows"),
        (b",".join(b"c%d" % n for n in range(101)) + b"\n", None, None, "101 columns"),
        (b"x" * (tables.MOST_BYTES + 1), None, None, "larger than 10 MB"),
        (b'{"a": 1}\n{"a": }\n', 2, None, "This is not JSON"),
        (b'{"a": 1}\n[2]\n', 2, None, "no object"),
        (b'[{"a": 1}]', None, None, "one object a line"),
        (b'{"a": 1, "a": 2}', 1, None, "twice"),
        (b'{"a": NaN}', 1, None, "no NaN"),
        (b'{"a": 1e999}', 1, "a", "too large"),
        (b'{"a": "\\ud800"}', 1, "a", "cannot be stored"),
        (b'{"a": ' + b"[" * 40 + b"]" * 40 + b"}", 1, None, "32 levels"),
        (b'{"a": ' + b"9" * 5000 + b"}", 1, None, "300 digits"),
    ],
)
def test_a_mistake_is_told_by_row_and_column_and_nothing_is_taken(data, row, column, words):
    found = tables.read(data)
    assert found.rows == []
    assert (found.problems[0].row, found.problems[0].column) == (row, column)
    assert words in found.problems[0].message


def test_every_mistake_is_counted_and_the_first_hundred_are_told():
    found = tables.read(b"a,b\n" + b"1\n" * 250)
    assert (found.mistakes, len(found.problems), found.problems[-1].row) == (250, 100, 100)


def test_nesting_is_measured_before_anything_is_parsed():
    assert tables.read_text('{"a": ' * 100_000, "jsonl").problems[0].message.endswith("32 levels deep.")
    assert tables.read_text('{"a": "' + "[" * 1000 + '"}', "jsonl").rows == [{"a": "[" * 1000}]


@pytest.mark.parametrize(
    ("value", "words"), [(float("nan"), "no NaN"), (float("-inf"), "too large"), (-(10**300), "300 digits")]
)
def test_numbers_that_no_json_can_hold_are_refused_wherever_they_stand(value, words):
    found = tables.from_rows([{"a": 10**299, "b": {"c": [value]}}])
    assert (found.rows, found.problems[0].row, found.problems[0].column) == ([], 1, "b")
    assert words in found.problems[0].message


@given(st.binary(max_size=400))
def test_no_bytes_break_the_reader(data):
    for kind in ("", *tables.KINDS):
        found = tables.read(data, kind)
        assert bool(found.rows) != bool(found.problems)


def test_the_line_of_a_mistake_counts_the_header_and_empty_lines_and_a_whole_file_has_none():
    found = tables.read(b'a,b\n1,"two\nlines"\n\n1\n')
    assert (found.problems[0].row, found.problems[0].line) == (2, 4)  # as a spreadsheet counts
    assert (tables.read(b"a,a\n").problems[0].line, tables.read(b"\xe4").problems[0].line) == (1, None)
