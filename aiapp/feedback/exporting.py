"""Votes as a CSV file, written while they are read."""

from __future__ import annotations

from collections.abc import Iterator

from aiapp.csv_records import record
from aiapp.extensions import db
from aiapp.feedback import votes
from aiapp.feedback.votes import Wanted
from aiapp.wire_values import moment
from aiapp.workspaces.access import Access

KIND = "text/csv"
MOST, AT_ONCE = 50_000, 200
COLUMNS = (
    "id",
    "execution_id",
    "rating",
    "reasons",
    "comment",
    "user",
    "template",
    "version",
    "provider",
    "model",
    "created_at",
    "updated_at",
)


def stream(access: Access, wanted: Wanted) -> Iterator[str]:
    """Return the newest MOST votes, newest first, as lines. Each reading is a transaction of its own.

    Raises Denied as votes.demand does, before the first line.
    """
    votes.demand(access, wanted)
    return _lines(access, wanted)


def _lines(access: Access, wanted: Wanted) -> Iterator[str]:
    yield record(COLUMNS)
    cursor, left = None, MOST
    while left:
        page = votes.listed(access, wanted, cursor=cursor, limit=min(AT_ONCE, left))
        lines = [record(_told(access, vote)) for vote in page.rows]
        cursor, left = page.next_cursor, left - len(page.rows)
        db.session.expunge_all()
        db.session.rollback()  # a slow reader holds no connection
        yield "".join(lines)
        if cursor is None:
            return


def _told(access: Access, vote: votes.Vote) -> tuple[object, ...]:
    feedback, execution = vote.feedback, vote.execution
    template, version = execution.prompt_template, execution.prompt_version
    return (
        feedback.id,
        feedback.execution_id,
        feedback.rating,
        "; ".join(feedback.reasons),
        feedback.comment,
        feedback.user.name if feedback.names_voter_to(access) else None,
        template.slug if template else None,
        version.number if version else None,
        execution.provider,
        execution.model,
        moment(feedback.created_at),
        moment(feedback.updated_at),
    )
