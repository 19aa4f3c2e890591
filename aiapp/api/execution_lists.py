"""The API's lists of executions, also as files, and the views of them that are kept by name."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from typing import Annotated, Any, Literal

from flask import Response, stream_with_context
from pydantic import BaseModel, ConfigDict, Field
from typing_extensions import TypedDict

from aiapp.api.asking import asking, needs
from aiapp.api.execution_shapes import ExecutionSummary, summary
from aiapp.api.executions import executions
from aiapp.api.idempotency import once
from aiapp.api.locating import creates
from aiapp.api.paging import Listed, PageQuery, in_order, page
from aiapp.api.shapes import GONE, MOST_ITEMS, Gone, Id, Text, Time, aware
from aiapp.executions import actions
from aiapp.executions.lists import exporting, saved_views
from aiapp.executions.lists.filters import Filters
from aiapp.executions.lists.list_columns import COLUMNS
from aiapp.executions.lists.view_models import ListPreference, SavedView
from aiapp.wire_values import moment

__all__ = ["bound", "executions"]

# No execution is older or younger; arithmetic with the first and the last days of the calendar fails.
EARLIEST, LATEST = datetime(1970, 1, 1, tzinfo=UTC), datetime(9000, 1, 1, tzinfo=UTC)
_MOST = Decimal(10**12)


class FilterQuery(BaseModel):
    """Which executions."""

    model_config = ConfigDict(populate_by_name=True)

    status: Literal["pending", "retrying", "processing", "streaming", "completed", "failed", "cancelled"] | None = (
        Field(None, description="retrying ones are pending, streaming ones processing")
    )
    template: Text | None = Field(None, description="the slug of a prompt template")
    version: Text | None = Field(None, description="a version's number, its semver, or a label that points to it")
    provider: Text | None = None
    model: Text | None = None
    credential_id: Text | None = Field(None, description="the one that answered, else that was asked last")
    source: Text | None = Field(
        None, description="page, api, preview (test runs), batch or cli; runs is all but test runs"
    )
    batch: Text | None = Field(None, description="a batch's id: what its rows ran, and what they ran before a retry")
    error_class: Text | None = None
    attempts: Literal["several"] | None = Field(None, description="only those with more than one")
    feedback: Literal["up", "down", "any", "none"] | None = None
    user: Text | None = Field(None, description="a user's id")
    mine: bool = False
    cost_from: Decimal | None = Field(None, ge=0, le=_MOST, description="US dollars, included")
    cost_to: Decimal | None = Field(None, ge=0, le=_MOST, description="US dollars, included")
    duration_from: Decimal | None = Field(None, ge=0, le=_MOST, description="seconds, included")
    duration_to: Decimal | None = Field(None, ge=0, le=_MOST, description="seconds, included")
    from_: datetime | None = Field(None, alias="from", description="ISO 8601")
    to: datetime | None = Field(None, description="ISO 8601, not included")
    q: Text = Field("", max_length=200, description="in output and inputs of the newest 5,000, or an id")


class ListQuery(PageQuery, FilterQuery):
    """Which executions, and which part of them."""


class ViewPath(BaseModel):
    """A saved view."""

    view_id: Id


class ViewBody(BaseModel):
    """What can be set of a saved view. In a PATCH, what is left out stays."""

    model_config = ConfigDict(extra="forbid")

    name: Text | None = Field(None, description="unique among the workspace's, or among your own")
    query: dict[Text, Text] | None = Field(
        None, max_length=50, description="filters as /executions takes them, and `period`: the last 1, 7, 30 or 90 days"
    )
    columns: list[Text] | None = Field(
        None, max_length=MOST_ITEMS, description=f"of {', '.join(COLUMNS)}; null: each reader's own"
    )
    shared: bool | None = Field(None, description="with the workspace; needs an editor")
    is_default: bool | None = Field(None, description="whether your own list opens with it")


class SavedViewShape(TypedDict):
    """Filters and columns of the list under a name."""

    id: Id
    name: str
    query: dict[str, str]
    columns: list[str] | None
    shared: bool
    is_default: Annotated[bool, Field(description="your own list opens with it")]
    updated_at: Time


class CsvFile(Response):
    """A table."""

    default_mimetype = "text/csv"


class JsonLines(Response):
    """One JSON object a line."""

    default_mimetype = "application/x-ndjson"


@executions.get("/executions", summary="Executions, newest first")
@needs("viewer", "read")
def index(query: ListQuery) -> Listed[ExecutionSummary]:
    """Without prompts and outputs; read one for those."""
    found = actions.list_executions(asking(), _filters(query), cursor=query.cursor, limit=query.limit, texts=False)
    return page([summary(row) for row in found.rows], found.next_cursor)


@executions.get("/executions.csv", summary="Executions as CSV")
@needs("viewer", "read")
def as_csv(query: FilterQuery) -> CsvFile:
    """The newest 50,000, without prompts and outputs. A cell that a spreadsheet would take for a formula begins with '."""
    lines = exporting.stream(asking(), _filters(query), "csv")
    return CsvFile(stream_with_context(lines), mimetype=exporting.KINDS["csv"])


@executions.get("/executions.jsonl", summary="Executions as JSON lines")
@needs("viewer", "read")
def as_lines(query: FilterQuery) -> JsonLines:
    """The newest 50,000, without prompts and outputs."""
    lines = exporting.stream(asking(), _filters(query), "jsonl")
    return JsonLines(stream_with_context(lines), mimetype=exporting.KINDS["jsonl"])


@executions.get("/saved-views", summary="Saved views of the list of executions")
@needs("viewer", "read")
def views(query: PageQuery) -> Listed[SavedViewShape]:
    """The workspace's and your own, the oldest first."""
    chosen = saved_views.preference(asking())
    return in_order(saved_views.listed(asking()), lambda row: (row.id,), query, lambda row: show(row, chosen))


@executions.post("/saved-views", summary="Save a view")
@creates("executions.read_view", id="view_id")
@once()
@needs("viewer", "write")
def create_view(body: ViewBody) -> tuple[SavedViewShape, Literal[201]]:
    """Needs a name."""
    access = asking()
    view = saved_views.create(access, body.name or "", body.query or {}, body.columns, shared=bool(body.shared))
    if body.is_default:
        saved_views.prefer_view(access, view)
    return show(view, saved_views.preference(access)), 201


@executions.get("/saved-views/<id:view_id>", summary="One saved view")
@needs("viewer", "read")
def read_view(path: ViewPath) -> SavedViewShape:
    """How it stands."""
    return show(saved_views.find(asking(), path.view_id), saved_views.preference(asking()))


@executions.patch("/saved-views/<id:view_id>", summary="Change a saved view")
@needs("viewer", "write")
def update_view(path: ViewPath, body: ViewBody) -> SavedViewShape:
    """The workspace's need an editor; which view your list opens with is yours to say."""
    access = asking()
    view = saved_views.find(access, path.view_id)
    changes = body.model_dump(exclude_unset=True, exclude={"is_default"})
    changes = {name: value for name, value in changes.items() if value is not None or name == "columns"}
    if changes:
        view = saved_views.update(access, view, changes)
    if body.is_default is not None:
        chosen = saved_views.preference(access)
        if body.is_default or (chosen is not None and chosen.view_id == view.id):
            saved_views.prefer_view(access, view if body.is_default else None)
    return show(view, saved_views.preference(access))


@executions.delete("/saved-views/<id:view_id>", summary="Delete a saved view")
@needs("viewer", "write")
def delete_view(path: ViewPath) -> Gone:
    """The executions stay."""
    access = asking()
    saved_views.delete(access, saved_views.find(access, path.view_id))
    return GONE


def show(view: SavedView, chosen: ListPreference | None) -> SavedViewShape:
    """Return a saved view."""
    return {
        "id": view.id,
        "name": view.name,
        "query": view.query,
        "columns": view.columns,
        "shared": view.shared,
        "is_default": chosen is not None and chosen.view_id == view.id,
        "updated_at": moment(view.updated_at),
    }


def bound(when: datetime | None, field: str) -> datetime | None:
    """Return a time of a request within what the database can hold. Raises InvalidInput."""
    known = aware(when, field)
    return None if known is None else min(max(known, EARLIEST), LATEST)


def _filters(query: FilterQuery) -> Filters:
    given: dict[str, Any] = query.model_dump(exclude={"limit", "cursor", "from_", "to"})
    return Filters(since=bound(query.from_, "from"), until=bound(query.to, "to"), **given)
