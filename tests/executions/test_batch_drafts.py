"""A batch before its start: a table with mistakes is replaced, or the rows with mistakes are left out."""

from __future__ import annotations

import csv
import io
from typing import Any

import pytest
import sqlalchemy as sa

from aiapp.batches.models import BatchRow
from aiapp.extensions import db

ROWS = "text,tone\nOne,calm\nTwo,wrong\n,calm\nFour,angry\n"


@pytest.fixture
def draft(desk: Any, api: Any) -> str:
    """The id of a draft with two of four rows that cannot be run."""
    given = {"columns": {"message": "text"}, "at_once": 3, "temperature": 0.5, "start": False}
    return api("bob", "run")("POST", "/batches", {"prompt_template": "triage", "csv": ROWS, **given}).json["id"]


def numbers(batch_id: str) -> list[int]:
    query = sa.select(BatchRow.number).where(BatchRow.batch_id == batch_id).order_by(BatchRow.number)
    found = list(db.session.scalars(query))
    db.session.remove()
    return found


def test_rows_that_cannot_be_run_are_downloaded_with_the_reason_and_left_out(draft, sign_in, api):
    path = f"/w/acme/batches/{draft}"
    bob, by_token = sign_in("bob"), api("bob", "run")
    assert "Leave 2 rows out" in bob.get(path).get_data(as_text=True)
    text = bob.get(f"{path}/wrong-rows.csv").get_data(as_text=True)
    assert by_token("GET", f"/batches/{draft}/wrong-rows.csv").get_data(as_text=True) == text
    wrong = list(csv.DictReader(io.StringIO(text)))
    assert [(row["text"], row["aiapp.row"]) for row in wrong] == [("Two", "2"), ("", "3")]
    assert wrong[1]["aiapp.problem"].startswith("message: ")
    given = {"column-message": "text", "column-tone": "tone", "at_once": "5"}
    assert bob.submit(f"{path}/leave-out", given).status_code == 303
    page = bob.get(path).get_data(as_text=True)
    assert "Start 2 rows" in page
    assert "(2 left out)" in page
    told = by_token("POST", f"/batches/{draft}/start").json
    assert (told["rows"], told["at_once"], told["counts"]["waiting"]) == (2, 5, 2)
    assert numbers(draft) == [1, 4]
    assert by_token("POST", f"/batches/{draft}/leave-out").json["code"] == "stale"
    assert bob.get(f"{path}/table").status_code == bob.get(f"{path}/wrong-rows.csv").status_code == 404


def test_another_table_keeps_the_settings_and_what_has_the_same_column(draft, sign_in, api):
    path = f"/w/acme/batches/{draft}"
    bob, by_token = sign_in("bob"), api("bob", "run")
    refused = bob.submit(f"{path}/table", {"pasted": "text\na,b\n"})
    assert refused.status_code == 422
    assert "this row 2 cells" in refused.get_data(as_text=True)
    assert numbers(draft) == [1, 2, 3, 4]
    assert bob.submit(f"{path}/table", {"pasted": "Tone;text\ncalm;Uno\ncalm;Due\n"}).status_code == 303
    told = by_token("GET", f"/batches/{draft}").json
    assert (told["rows"], told["problems"], told["temperature"], told["at_once"]) == (2, [], 0.5, 3)
    assert told["columns"] == {"message": "text", "tone": "Tone"}
    told = by_token("PUT", f"/batches/{draft}/table", {"rows": [{"other": "x"}]}).json
    assert (told["columns"], {one["field"] for one in told["problems"]}) == ({}, {"message"})
    assert by_token("POST", f"/batches/{draft}/leave-out").status_code == 422


def test_batches_are_found_by_name_status_and_prompt_template(desk, draft, sign_in, api):
    bob, by_token = sign_in("bob"), api("bob", "run")
    given = {"prompt_template": "triage", "name": "March 100%", "rows": [{"message": "one"}]}
    other = by_token("POST", "/batches", given).json["id"]
    for query, found in (
        ("q=march", {other}),
        ("q=%25", {other}),
        ("status=draft", {draft}),
        ("status=running&template=triage", {other}),
        ("status=failed", set()),
        ("template=triage", {draft, other}),
        ("template=else", set()),
    ):
        assert {one["id"] for one in by_token("GET", f"/batches?{query}").json["data"]} == found, query
        page = bob.get(f"/w/acme/batches?{query}").get_data(as_text=True)
        assert {one for one in (draft, other) if f"batches/{one}" in page} == found, query
    assert "No batch is like that" in page


def test_a_new_batch_names_the_variables_and_its_sample_table_can_be_run(desk, sign_in, api):
    by_token, bob = api("bob", "run"), sign_in("bob")
    page = bob.get("/w/acme/batches/new?prompt_template=triage").get_data(as_text=True)
    assert "<code>message</code>" in page
    assert "<code>tone</code>" in bob.get("/w/acme/batches/_variables?prompt_template=triage").get_data(as_text=True)
    assert bob.get("/w/acme/batches/_variables?prompt_template=none").status_code == 404
    table = bob.get("/w/acme/batches/sample.csv?prompt_template=triage").get_data(as_text=True)
    assert table.startswith("message,tone")
    made = by_token("POST", "/batches", {"prompt_template": "triage", "csv": table, "start": False}).json
    assert (made["rows"], made["problems"]) == (1, [])
