"""Files of records are read back as they were written, and a spreadsheet finds no formula in them."""

from __future__ import annotations

import csv
import io

import pytest

from aiapp.csv_records import cell, record


@pytest.mark.parametrize(
    "text", ["=1+1", "+x", "-x", "@SUM(A1)", "\t=1", "\r=1", "\n=1", " =1", "\x0b=1", "＝1", "－1+1"]
)
def test_what_a_spreadsheet_would_run_is_text(text):
    assert cell(text) == f"'{text}"


def test_numbers_stay_numbers_and_nothing_is_empty():
    values = [-2, "-0.5", "+1e-7", None, True, ""]
    assert record(values) == "-2,-0.5,+1e-7,,true,\r\n"


def test_a_cell_ends_at_no_separator_that_a_spreadsheet_may_choose():
    values = ["a;=1+1", "b\t=1+1", 'say "hi"', "1,5", "two\nlines", "plain"]
    written = record(values)
    assert written == '"a;=1+1","b\t=1+1","say ""hi""","1,5","two\nlines",plain\r\n'
    assert list(csv.reader(io.StringIO(written, newline=""))) == [values]
