"""The API's feedback: votes, and what they come to."""

from __future__ import annotations

import re
from datetime import datetime
from typing import Annotated, Literal

from flask import Response, stream_with_context
from flask_openapi3.blueprint import APIBlueprint
from flask_openapi3.models.tag import Tag
from pydantic import BaseModel, ConfigDict, Field
from typing_extensions import TypedDict

from aiapp.api.asking import asking, needs
from aiapp.api.execution_lists import bound
from aiapp.api.execution_shapes import ExecutedTemplate
from aiapp.api.paging import Listed, PageQuery, page
from aiapp.api.shapes import Id, Text, Time
from aiapp.errors import InvalidInput
from aiapp.feedback import exporting, reports, votes
from aiapp.feedback.reports import Share
from aiapp.feedback.votes import Wanted
from aiapp.wire_values import moment
from aiapp.workspaces.access import Access

feedback = APIBlueprint("feedback", __name__, abp_tags=[Tag(name="Feedback")], abp_security=[{"token": []}])


class AboutQuery(BaseModel):
    """What the votes are about, whose they are, and when they were given."""

    model_config = ConfigDict(populate_by_name=True)

    template: Text | None = Field(None, description="the slug of a prompt template")
    version: Text | None = Field(None, description="a version's number, its semver, or a label that points to it")
    provider: Text | None = None
    model: Text | None = None
    user: Text | None = Field(None, description="who voted: a user's id; another member's for admins only")
    commented: bool = Field(False, description="only with a comment or reasons")
    from_: datetime | None = Field(None, alias="from", description="when the vote was given, ISO 8601")
    to: datetime | None = Field(None, description="ISO 8601, not included")


class VotesQuery(AboutQuery):
    """Which votes."""

    rating: Literal["up", "down"] | None = None


class VotesPageQuery(PageQuery, VotesQuery):
    """Which votes, and which part of them."""


class SummaryQuery(AboutQuery):
    """Which votes, good and bad ones, and by what they are counted."""

    group_by: Literal["template", "version", "model", "provider", "user", "day", "week", "reason"] = "template"


class Voter(TypedDict):
    """Who voted."""

    id: Id
    name: str


class Vote(TypedDict):
    """What somebody thought of an output."""

    id: Id
    execution_id: Id
    rating: Literal["up", "down"]
    comment: str
    reasons: list[str]
    user: Annotated[
        Voter | None, Field(description="null to who is no admin, for another member's vote without a comment")
    ]
    template: ExecutedTemplate | None
    provider: str | None
    model: str | None
    created_at: Time
    updated_at: Time


class Counted(TypedDict):
    """Votes together. `rate` is the share of good ones; `low` and `high` are its bounds at 95 % (Wilson's interval)."""

    up: int
    down: int
    total: int
    rate: float | None
    low: float
    high: float


class Group(Counted):
    """Votes that have something in common."""

    key: Annotated[
        str | None,
        Field(
            description="a slug, a version's id, a name, a user's id, a day or a week's Monday; null: unknown or none"
        ),
    ]
    label: str
    template: Annotated[str | None, Field(description="of a version: the slug of its prompt template")]
    version: Annotated[int | None, Field(description="of a version: its number")]


class FeedbackSummary(TypedDict):
    """Votes by group. One vote can have several reasons: the sum of these groups is not the total."""

    group_by: str
    rows: Annotated[list[Group], Field(description="the 200 with the most votes; days and weeks in their order")]
    totals: Counted


class VotesFile(Response):
    """A table."""

    default_mimetype = "text/csv"


@feedback.get("/feedback", summary="Votes, newest first")
@needs("viewer", "read")
def index(query: VotesPageQuery) -> Listed[Vote]:
    """One vote a person and execution."""
    if query.cursor and not re.fullmatch("[0-9a-f]{32}", query.cursor):
        raise InvalidInput(errors=[{"field": "cursor", "message": "No list has given this cursor."}])
    found = votes.listed(asking(), _wanted(query), cursor=query.cursor, limit=query.limit)
    return page([show(asking(), vote) for vote in found.rows], found.next_cursor)


@feedback.get("/feedback/summary", summary="Votes counted")
@needs("viewer", "read")
def summary(query: SummaryQuery) -> FeedbackSummary:
    """By member for admins only."""
    access, wanted = asking(), _wanted(query)
    rows = [_group(share) for share in reports.by(access, wanted, query.group_by)]
    return {"group_by": query.group_by, "rows": rows, "totals": _counted(reports.total(access, wanted))}


@feedback.get("/feedback.csv", summary="Votes as CSV")
@needs("viewer", "read")
def as_csv(query: VotesQuery) -> VotesFile:
    """The newest 50,000. A cell that a spreadsheet would take for a formula begins with '."""
    lines = exporting.stream(asking(), _wanted(query))
    return VotesFile(stream_with_context(lines), mimetype=exporting.KIND)


def show(access: Access, vote: votes.Vote) -> Vote:
    """Return a vote with what it is about."""
    row, execution = vote.feedback, vote.execution
    template, version = execution.prompt_template, execution.prompt_version
    return {
        "id": row.id,
        "execution_id": row.execution_id,
        "rating": "up" if row.rating == "up" else "down",
        "comment": row.comment,
        "reasons": row.reasons,
        "user": {"id": row.user_id, "name": row.user.name} if row.names_voter_to(access) else None,
        "template": {"slug": template.slug, "version": version.number if version else None} if template else None,
        "provider": execution.provider,
        "model": execution.model,
        "created_at": moment(row.created_at),
        "updated_at": moment(row.updated_at),
    }


def _counted(share: Share) -> Counted:
    return {
        "up": share.up,
        "down": share.down,
        "total": share.total,
        "rate": None if share.rate is None else round(share.rate, 4),
        "low": round(share.low, 4),
        "high": round(share.high, 4),
    }


def _group(share: Share) -> Group:
    return {
        **_counted(share),
        "key": share.key,
        "label": share.label,
        "template": share.template,
        "version": share.number,
    }


def _wanted(query: AboutQuery) -> Wanted:
    given = query.model_dump(include={"rating", "template", "version", "provider", "model", "user", "commented"})
    return Wanted(since=bound(query.from_, "from"), until=bound(query.to, "to"), **given)
