"""Reading executions: lists by filters, waiting for one, and when one may be done."""

from __future__ import annotations

import re
import statistics
import time
from collections.abc import Iterator
from dataclasses import astuple, dataclass
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.orm import defer, joinedload, with_expression
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.functions import FunctionElement

from aiapp.columns import now
from aiapp.errors import InvalidInput
from aiapp.executions.models import FINISHED, Execution
from aiapp.executions.stream import closing
from aiapp.extensions import db, reading
from aiapp.prompt_templates.models import PromptTemplate
from aiapp.providers.wire_json import storable
from aiapp.workspaces.access import Access

MAX_LIMIT = 200
KINDS = ("runs", "tests")
MAX_WAIT_SECONDS = 60.0
# A text is looked for in the newest executions only: nobody waits for a walk through all of them.
SEARCHED = 5000
_SHOWN_USERS = 20
_RECENT = 50
_OPENING = 200
_LOOK_SECONDS = (0.05, 0.5)
# at most between the making of a row's id and its created_at
_SLACK = timedelta(minutes=1)

_TEXTS = (
    Execution.template,
    Execution.template_system,
    Execution.context,
    Execution.system,
    Execution.body,
    Execution.messages,
    Execution.json_schema,
    Execution.output,
    Execution.output_data,
)

# Feedback stands below executions in the order of imports: only its table's name is known here.
_FEEDBACK = sa.table("feedback", sa.column("execution_id"), sa.column("rating"))


@dataclass(frozen=True, slots=True, kw_only=True)
class Filters:
    """What a list is limited to; None and "" do not limit.

    `template` is a slug, `kind` runs or tests (test runs), `feedback` up, down, any or none, `user` a user's id, `since` is
    included and `until` is not, `q` is a part of an id or of the texts.
    """

    status: str | None = None
    provider: str | None = None
    model: str | None = None
    template: str | None = None
    kind: str | None = None
    feedback: str | None = None
    user: str | None = None
    mine: bool = False
    since: datetime | None = None
    until: datetime | None = None
    q: str | None = None


@dataclass(frozen=True, slots=True)
class Page:
    """Some executions, newest first; `next_cursor` leads to the next ones, None at the end."""

    rows: list[Execution]
    next_cursor: str | None


def list_executions(
    access: Access,
    filters: Filters | None = None,
    *,
    cursor: str | None = None,
    limit: int = 50,
    texts: bool = True,
    openings: bool = False,
) -> Page:
    """Return executions of the workspace, newest first, with their prompt template, version and user.

    Arguments:
        cursor: `next_cursor` of the page before.
        limit: 1 to MAX_LIMIT.
        texts: False leaves prompts and outputs in the database until one is read: for lists that do not show them.
        openings: True reads the first words of those that have no prompt template to be called by.

    Raises InvalidInput for a cursor that is none and for an unknown value of `feedback`.
    """
    query = access.select(Execution).options(
        joinedload(Execution.prompt_template), joinedload(Execution.prompt_version), joinedload(Execution.user)
    )
    if not texts:
        query = query.options(*(defer(column) for column in _TEXTS))
    if openings:
        nameless = sa.case((Execution.prompt_template_id.is_(None), sa.func.substr(Execution.body, 1, _OPENING)))
        query = query.options(with_expression(Execution.opening, nameless))
    if cursor:
        if not re.fullmatch("[0-9a-f]{32}", cursor):
            raise InvalidInput(errors=[{"field": "cursor", "message": "This is not a cursor of this list."}])
        query = query.where(Execution.id < cursor)
    filters = filters or Filters()
    if any(isinstance(value, str) and storable(value) != value for value in astuple(filters)):
        return Page([], None)  # what cannot be stored is nowhere, and PostgreSQL would refuse to look for it
    query = query.where(*_conditions(access, filters))
    limit = max(1, min(limit, MAX_LIMIT))
    rows = list(db.session.scalars(query.order_by(Execution.id.desc()).limit(limit + 1)))
    return Page(rows[:limit], rows[limit - 1].id if len(rows) > limit else None)


def using(access: Access, credential_id: str) -> list[tuple[PromptTemplate | None, int]]:
    """Return the prompt templates whose executions the credential has answered, most first, with how many it did.

    Of the newest SEARCHED executions of the workspace only. None stands for those of no prompt template.
    """
    newest = sa.select(Execution.id).where(Execution.workspace_id == access.workspace.id)
    first = newest.order_by(Execution.id.desc()).offset(SEARCHED).limit(1).scalar_subquery()
    number = sa.func.count(Execution.id)
    query = (
        sa.select(PromptTemplate, number)
        .select_from(Execution)
        .outerjoin(PromptTemplate, PromptTemplate.id == Execution.prompt_template_id)
        .where(
            Execution.workspace_id == access.workspace.id,
            Execution.id > sa.func.coalesce(first, ""),
            Execution.credential_id == credential_id,
            Execution.status == "completed",
        )
        .group_by(PromptTemplate.id)
        .order_by(number.desc(), PromptTemplate.id)
        .limit(_SHOWN_USERS)
    )
    return [(template, count) for template, count in db.session.execute(query)]


def wait(execution_id: str, seconds: float) -> Execution | None:
    """Return the execution as soon as it has ended, or as it is after `seconds` (at most MAX_WAIT_SECONDS).

    Ends the caller's transaction, so that no connection is held meanwhile. None where there is no such execution.
    """
    deadline = time.monotonic() + min(seconds, MAX_WAIT_SECONDS)
    pause, longest = _LOOK_SECONDS
    with reading():
        while True:
            db.session.commit()  # the last look's; it keeps the caller's objects as they are
            status = db.session.scalar(sa.select(Execution.status).where(Execution.id == execution_id))
            left = deadline - time.monotonic()
            if status is None or status in FINISHED or left <= 0 or closing.is_set():
                return db.session.get(Execution, execution_id, populate_existing=True)
            db.session.commit()
            closing.wait(min(pause, left))
            pause = min(pause * 1.5, longest)


def estimated_completion(execution: Execution) -> datetime | None:
    """Return when an execution that waits may be done: the median duration of the workspace's last ones, as often as needed.

    As many as are under way now are taken to go on at a time. None where the workspace has no completed execution yet.
    """
    recent = db.session.execute(
        sa.select(Execution.started_at, Execution.completed_at)
        .where(Execution.workspace_id == execution.workspace_id, Execution.status == "completed")
        .order_by(Execution.id.desc())
        .limit(_RECENT)
    )
    durations = [(end - start).total_seconds() for start, end in recent if start is not None and end is not None]
    if not durations:
        return None
    ahead, running = db.session.execute(
        sa.select(
            sa.func.count().filter(Execution.status == "pending", Execution.id < execution.id),
            sa.func.count().filter(Execution.status == "processing"),
        ).where(Execution.status.in_(("pending", "processing")))
    ).one()
    turns = 1 + ahead // max(1, running)
    return now() + timedelta(seconds=turns * statistics.median(durations))


class _unindexed(FunctionElement[Any]):
    """A column that SQLite shall not look up in an index of its own."""

    inherit_cache = True


@compiles(_unindexed)
def _as_it_is(element: _unindexed, compiler: SQLCompiler, **more: Any) -> str:
    return compiler.process(element.clauses, **more)


@compiles(_unindexed, "sqlite")
def _on_sqlite(element: _unindexed, compiler: SQLCompiler, **more: Any) -> str:
    return f"+{compiler.process(element.clauses, **more)}"


def _conditions(access: Access, filters: Filters) -> Iterator[sa.ColumnElement[bool]]:
    equal: list[tuple[Any, Any]] = [
        (Execution.status, filters.status),
        (Execution.provider, filters.provider),
        (Execution.model, filters.model),
        (Execution.user_id, access.user.id if filters.mine else filters.user),
    ]
    if filters.template:
        slug = sa.select(PromptTemplate.id).where(
            PromptTemplate.workspace_id == access.workspace.id, PromptTemplate.slug == filters.template
        )
        equal.append((Execution.prompt_template_id, slug.scalar_subquery()))
    given = [(column, value) for column, value in equal if value is not None and value != ""]
    # Of several filters SQLite would take the index of one and fetch each of its rows to look at the others, also where none
    # is found; the index that has all of them is walked in a tenth of the time.
    for column, value in given:
        yield (_unindexed(column) if len(given) + bool(filters.feedback) > 1 else column) == value
    # An id begins with the moment of its making: it decides, but for rows near the bound, which alone are fetched for it.
    if filters.since:
        yield Execution.id >= _first_id(filters.since, -_SLACK)
        yield sa.or_(Execution.id >= _first_id(filters.since, _SLACK), Execution.created_at >= filters.since)
    if filters.until:
        yield Execution.id < _first_id(filters.until, _SLACK)
        yield sa.or_(Execution.id < _first_id(filters.until, -_SLACK), Execution.created_at < filters.until)
    if filters.kind in KINDS:
        tests = Execution.source == "preview"
        yield tests if filters.kind == "tests" else ~tests
    if filters.feedback:
        yield _rated(filters.feedback)
    if filters.q:
        yield from _containing(access, filters.q)


def _first_id(when: datetime, slack: timedelta) -> str:
    """Return the smallest id that new_id can make `slack` after `when`; numbers, because the calendar ends and they do not."""
    return f"{max(0, int((when.timestamp() + slack.total_seconds()) * 1000)):012x}".ljust(32, "0")


def _rated(feedback: str) -> sa.ColumnElement[bool]:
    if feedback not in ("up", "down", "any", "none"):
        raise InvalidInput(errors=[{"field": "feedback", "message": "Choose one of: up, down, any, none."}])
    thumbs = sa.select(sa.literal(1)).select_from(_FEEDBACK).where(_FEEDBACK.c.execution_id == Execution.id)
    if feedback in ("up", "down"):
        thumbs = thumbs.where(_FEEDBACK.c.rating == feedback)
    return ~thumbs.exists() if feedback == "none" else thumbs.exists()


def _containing(access: Access, text: str) -> Iterator[sa.ColumnElement[bool]]:
    newest = sa.select(Execution.id).where(Execution.workspace_id == access.workspace.id)
    first = newest.order_by(Execution.id.desc()).offset(SEARCHED).limit(1).scalar_subquery()
    yield Execution.id > sa.func.coalesce(first, "")
    columns = (Execution.id, Execution.body, Execution.output)
    yield sa.or_(*(column.icontains(text.strip(), autoescape=True) for column in columns))
