"""The API's batches: a prompt template run with the rows of a table."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Annotated, Any, Literal

from flask import stream_with_context
from flask_openapi3.blueprint import APIBlueprint
from flask_openapi3.models.tag import Tag
from pydantic import BaseModel, Field

from aiapp.api.asking import asking, needs
from aiapp.api.batch_shapes import Batch, BatchEstimate, BatchRow, show, show_estimate, show_row
from aiapp.api.execution_lists import CsvFile, JsonLines
from aiapp.api.idempotency import once
from aiapp.api.locating import creates
from aiapp.api.paging import Listed, PageQuery, page
from aiapp.api.shapes import GONE, Gone, Id, OptionalBody, Strict, Text
from aiapp.batches import actions, bounds, counting, drafts, estimating, listing, results, tables, wishes
from aiapp.batches import models as rows
from aiapp.errors import InvalidInput, NotFound
from aiapp.executions.submission import prepare

batches = APIBlueprint("batches", __name__, abp_tags=[Tag(name="Batches")], abp_security=[{"token": []}])
batches.url_value_preprocessor(bounds.raise_for_table)  # authenticate looks at the token before it reads anything


class BatchPath(BaseModel):
    """A batch."""

    batch_id: Id


class RowsQuery(PageQuery):
    """Which rows."""

    status: Literal["waiting", "running", "completed", "failed", "cancelled"] | None = None


class BatchesQuery(PageQuery):
    """Which batches."""

    q: Text = Field("", description="part of the name")
    status: Literal["draft", "running", "paused", "ended", "cancelled", "failed"] | None = Field(
        None, description="ended: however; failed: with rows that failed, whatever else it is"
    )
    template: Text = Field("", description="slug of its prompt template")


class ResultsQuery(BaseModel):
    """Which rows."""

    status: Literal["waiting", "running", "completed", "failed", "cancelled"] | None = None


class Settings(Strict):
    """Who answers, and how fast. What is left out is the version's, then the credential's choice."""

    version: int | None = Field(None, description="default: the published one")
    label: Text | None = Field(None, description="the version that this label points to now, instead of a number")
    provider: Text | None = Field(None, description="limits the choice to that provider's credentials")
    credential_id: Text | None = Field(None, description="this credential and no other")
    model: Text | None = None
    temperature: float | None = Field(None, description="0 to 2")
    max_tokens: int | None = None
    name: Text = ""
    priority: Text = Field("low", description="high, default or low")
    at_once: int = Field(wishes.AT_ONCE, description=f"executions under way at the most, 1 to {wishes.MOST_AT_ONCE}")
    per_minute: int | None = Field(None, description=f"rows begun in a minute at the most, 1 to {wishes.MOST_A_MINUTE}")
    columns: dict[str, Text] = Field(
        default_factory=dict, max_length=500, description="the column of a variable; what is left out goes by its name"
    )
    values: dict[str, Text] = Field(
        default_factory=dict, max_length=500, description="of a variable that has the same value in all rows"
    )


class TableBody(Strict):
    """A table, as one of rows, csv and jsonl."""

    rows: Annotated[list[dict[str, Any]], Field(max_length=tables.MOST_ROWS)] | None = None
    csv: str | None = Field(None, description="with the names of the columns in the first row")
    jsonl: str | None = Field(None, description="one JSON object a line")


class BatchBody(Settings, TableBody):
    """A table, as one of rows, csv and jsonl, and what to do with it."""

    prompt_template: Text = Field(description="its slug")
    start: bool = Field(True, description="false: it stays a draft, whose problems and settings can be looked at first")


class RetryBody(OptionalBody, Strict):
    """Which rows, and whom the rows that are not begun yet ask: as before where all three are left out."""

    rows: Literal["failed", "cancelled", "all"] = "failed"
    provider: Text | None = None
    credential_id: Text | None = None
    model: Text | None = None


@batches.get("/batches", summary="Batches, newest first")
@needs("viewer", "read")
def index(query: BatchesQuery) -> Listed[Batch]:
    """With how far each is."""
    if query.cursor and not re.fullmatch("[0-9a-f]{32}", query.cursor):
        raise _unknown_cursor()
    wanted = listing.Wanted(query.q, query.status or "", query.template)
    found, cursor = listing.batches(asking(), wanted, cursor=query.cursor or "", limit=query.limit, settings=True)
    counts = counting.of(batch.id for batch in found)
    return page([show(batch, counts[batch.id]) for batch in found], cursor)


@batches.post("/batches", summary="Run a prompt template with a table")
@creates("batches.read", id="batch_id")
@once()
@needs("editor", "run")
def create(body: BatchBody) -> tuple[Batch, Literal[202]]:
    """Every row is looked at first: 422 names the mistakes by row and column, and then nothing is stored or run."""
    table = _table(body)
    made = drafts.create(asking(), table, _wish(body, body.prompt_template), mapping=_mapping(body), start=body.start)
    return _shown(made), 202


@batches.get("/batches/<id:batch_id>", summary="One batch")
@needs("viewer", "read")
def read(path: BatchPath) -> Batch:
    """Its counts are those of its rows at this moment."""
    return _shown(_found(path))


@batches.put("/batches/<id:batch_id>", summary="Change a draft")
@needs("editor", "run")
def change(path: BatchPath, body: Settings) -> Batch:
    """All of its settings are replaced, and all rows looked at again: see problems. 409 for one that was started."""
    batch = _found(path)
    slug = wishes.of(batch).prompt_template
    return _shown(drafts.change(asking(), batch, _wish(body, slug), _mapping(body), by_name=True))


@batches.put("/batches/<id:batch_id>/table", summary="Replace the table of a draft")
@needs("editor", "run")
def replace_table(path: BatchPath, body: TableBody) -> Batch:
    """Its settings stay, and what each variable takes, where the table has a column of that name: see problems."""
    return _shown(drafts.replace_table(asking(), _found(path), _table(body)))


@batches.post("/batches/<id:batch_id>/leave-out", summary="Leave rows of a draft out")
@needs("editor", "run")
def leave_out(path: BatchPath) -> Batch:
    """Those that cannot be run are none of the batch any more; the others keep their numbers. 422 where none would be left."""
    return _shown(drafts.leave_out(asking(), _found(path)))


@batches.get("/batches/<id:batch_id>/wrong-rows.csv", summary="The rows of a draft that cannot be run, as CSV")
@needs("viewer", "read")
def wrong_rows(path: BatchPath) -> CsvFile:
    """Each with its number and the reason, after the table's own columns. 404 for a batch that was started."""
    batch, access = _found(path), asking()
    if batch.status != "draft":
        raise NotFound
    prepared = prepare(access, wishes.of(batch).submission())
    parts = results.wrong(prepared, batch.id, batch.columns, batch.mapping)
    return CsvFile(stream_with_context(parts), mimetype=results.KINDS["csv"])


@batches.delete("/batches/<id:batch_id>", summary="Delete a batch")
@needs("editor", "run")
def delete(path: BatchPath) -> Gone:
    """A draft, or one that has ended: its rows go, its executions stay. 409 `running` where it has not ended."""
    actions.delete(asking(), _found(path))
    return GONE


@batches.get("/batches/<id:batch_id>/estimate", summary="What a batch may cost")
@needs("viewer", "read")
def estimate(path: BatchPath) -> BatchEstimate:
    """As if whoever asks started it now; no provider is called. 409 `gone` where its prompt template was deleted."""
    batch, access = _found(path), asking()
    return show_estimate(
        estimating.estimate(batch, access.user.id, prepare(access, wishes.of(batch).submission()).settings)
    )


@batches.post("/batches/<id:batch_id>/start", summary="Start a draft")
@needs("editor", "run")
def start(path: BatchPath) -> Batch:
    """The version's text is fixed at this moment. 422 where rows cannot be run."""
    return _shown(drafts.start(asking(), _found(path)))


@batches.post("/batches/<id:batch_id>/pause", summary="Pause a batch")
@needs("editor", "run")
def pause(path: BatchPath) -> Batch:
    """No more rows are begun; what is under way goes on to its end."""
    return _shown(actions.pause(asking(), _found(path)))


@batches.post("/batches/<id:batch_id>/resume", summary="Resume a batch")
@needs("editor", "run")
def resume(path: BatchPath) -> Batch:
    """Goes on with the rows that wait."""
    return _shown(actions.resume(asking(), _found(path)))


@batches.post("/batches/<id:batch_id>/cancel", summary="Cancel a batch")
@needs("editor", "run")
def cancel(path: BatchPath) -> Batch:
    """Rows that wait are not begun, executions under way are cancelled. 409 `finished` where it has ended."""
    return _shown(actions.cancel(asking(), _found(path)))


@batches.post("/batches/<id:batch_id>/retry", summary="Try failed rows again")
@needs("editor", "run")
def retry(path: BatchPath, body: RetryBody) -> Batch:
    """Only these get a new execution, whose parent is the old one. 409 `nothing_to_retry` where there is none.

    A batch that somebody paused stays paused; one that paused by itself goes on.
    """
    asked = {name: getattr(body, name) for name in body.model_fields_set.intersection(actions.ASKED)}
    return _shown(actions.retry(asking(), _found(path), body.rows, asked))


@batches.get("/batches/<id:batch_id>/rows", summary="The rows of a batch")
@needs("viewer", "read")
def list_rows(path: BatchPath, query: RowsQuery) -> Listed[BatchRow]:
    """In the order of the table."""
    cursor = query.cursor or "0"
    if not re.fullmatch("[0-9]{1,9}", cursor):
        raise _unknown_cursor()
    batch = _found(path)
    found = listing.lines(batch.id, state=query.status or "", after=int(cursor), limit=query.limit + 1)
    shown = found[: query.limit]
    return page([show_row(line) for line in shown], str(shown[-1].row.number) if len(found) > len(shown) else None)


@batches.get("/batches/<id:batch_id>/results.csv", summary="The results of a batch as CSV")
@needs("viewer", "read")
def results_csv(path: BatchPath, query: ResultsQuery) -> CsvFile:
    """A cell that a spreadsheet would take for a formula has an apostrophe before it."""
    return CsvFile(_results(path, "csv", query), mimetype=results.KINDS["csv"])


@batches.get("/batches/<id:batch_id>/results.jsonl", summary="The results of a batch as JSON lines")
@needs("viewer", "read")
def results_jsonl(path: BatchPath, query: ResultsQuery) -> JsonLines:
    """One object a row; the columns of the table are its `input`."""
    return JsonLines(_results(path, "jsonl", query), mimetype=results.KINDS["jsonl"])


def _results(path: BatchPath, kind: str, query: ResultsQuery) -> Iterator[str]:
    batch = _found(path)
    return stream_with_context(results.stream(batch.id, batch.columns, kind, state=query.status or ""))


def _found(path: BatchPath) -> rows.Batch:
    return asking().get(rows.Batch, path.batch_id)


def _shown(batch: rows.Batch) -> Batch:
    return show(batch, counting.of([batch.id])[batch.id])


def _table(body: TableBody) -> tables.Table:
    given = [value for value in (body.rows, body.csv, body.jsonl) if value is not None]
    if len(given) != 1:
        message = "Give the table as one of rows, csv and jsonl."
        raise InvalidInput(errors=[{"field": "rows", "message": message}])
    if body.rows is not None:
        return tables.from_rows(body.rows)
    return tables.read_text(body.jsonl, "jsonl") if body.jsonl is not None else tables.read_text(body.csv or "", "csv")


def _wish(body: Settings, slug: str) -> wishes.Wish:
    names = (*wishes.ASKED, "name", "priority", "at_once", "per_minute")
    return wishes.Wish(prompt_template=slug, **{name: getattr(body, name) for name in names})


def _mapping(body: Settings) -> dict[str, dict[str, str]]:
    taken = {name: {"column": column} for name, column in body.columns.items()}
    return taken | {name: {"value": value} for name, value in body.values.items()}


def _unknown_cursor() -> InvalidInput:
    return InvalidInput(errors=[{"field": "cursor", "message": "No list has given this cursor."}])
