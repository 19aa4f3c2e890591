"""Reading executions: lists by filters, waiting for one, and when one may be done."""

from __future__ import annotations

import re
import statistics
import time
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta

import sqlalchemy as sa
from sqlalchemy.orm import defer, joinedload, with_expression

from aiapp import sealing
from aiapp.accounts.models import User
from aiapp.columns import now
from aiapp.errors import InvalidInput
from aiapp.executions.lists.filters import SEARCHED, Filters, conditions
from aiapp.executions.models import FINISHED, Execution
from aiapp.executions.streaming.stream import closing
from aiapp.extensions import bounded, db, reading
from aiapp.prompt_templates.models import PromptTemplate, PromptVersion
from aiapp.workspaces.access import Access

MAX_LIMIT = 200
MAX_WAIT_SECONDS = 60.0
# Longer nobody waits for a text to be looked for.
SEARCH_SECONDS = 5.0
TOO_LONG = f"Looking for it takes longer than {SEARCH_SECONDS:.0f} seconds. Choose a prompt template, a member or a time besides."
# More are not counted for a page.
COUNTED = 10_000
_SHOWN_USERS = 20
_RECENT = 50
_OPENING = 200
_SEALED = 20_000
_LOOK_SECONDS = (0.05, 0.5)

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

# What a list shows of others, and nothing of what these are related to.
RELATED = (
    joinedload(Execution.prompt_template).load_only(PromptTemplate.name, PromptTemplate.slug).lazyload("*"),
    joinedload(Execution.prompt_version).load_only(PromptVersion.number).lazyload("*"),
    joinedload(Execution.user).load_only(User.name).lazyload("*"),
)


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
    patiently: bool = False,
) -> Page:
    """Return executions of the workspace, newest first, with their prompt template, version and user.

    Arguments:
        cursor: `next_cursor` of the page before.
        limit: 1 to MAX_LIMIT.
        texts: False leaves prompts and outputs in the database until one is read: for lists that do not show them.
        openings: True reads the first words of those that have no prompt template to be called by.
        patiently: True looks for a text for as long as it takes.

    Raises InvalidInput for a cursor that is none, for an unknown value of `feedback`, and for a text that is looked for too long.
    """
    query = _query(access, texts=texts, openings=openings)
    if cursor:
        if not re.fullmatch("[0-9a-f]{32}", cursor):
            raise InvalidInput(errors=[{"field": "cursor", "message": "This is not a cursor of this list."}])
        query = query.where(Execution.id < cursor)
    filters = filters or Filters()
    if filters.nowhere:
        return Page([], None)
    query = query.where(*conditions(access, filters))
    limit = max(1, min(limit, MAX_LIMIT))
    with _in_time(Filters() if patiently else filters):
        rows = list(db.session.scalars(query.order_by(Execution.id.desc()).limit(limit + 1)))
    return Page(rows[:limit], rows[limit - 1].id if len(rows) > limit else None)


def some(access: Access, ids: Collection[str]) -> list[Execution]:
    """Return those of the executions that the asking person may see, newest first, without texts."""
    query = _query(access, texts=False, openings=True).where(Execution.id.in_(ids))
    return list(db.session.scalars(query.order_by(Execution.id.desc())))


def count_executions(access: Access, filters: Filters) -> int:
    """Return how many executions of the workspace there are, COUNTED + 1 where there are more than COUNTED.

    Raises InvalidInput for a text that is looked for too long.
    """
    if filters.nowhere:
        return 0
    query = access.select(Execution).where(*conditions(access, filters)).with_only_columns(Execution.id)
    counted = query.limit(COUNTED + 1).subquery()
    with _in_time(filters):
        return db.session.scalar(sa.select(sa.func.count()).select_from(counted)) or 0


@contextmanager
def _in_time(filters: Filters) -> Iterator[None]:
    if not filters.q:
        yield
        return
    try:
        with bounded(SEARCH_SECONDS):
            yield
    except TimeoutError:
        raise InvalidInput(errors=[{"field": "q", "message": TOO_LONG}]) from None


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


def _query(access: Access, *, texts: bool, openings: bool) -> sa.Select[Execution]:
    query = access.select(Execution).options(*RELATED)
    if not texts:
        query = query.options(*(defer(column) for column in _TEXTS))
    if openings:
        # an encrypted text is read whole or not at all
        sealed = Execution.body.startswith(sealing.MARK, autoescape=True)
        whole = sa.case((sa.func.length(Execution.body) <= _SEALED, Execution.body), else_="")
        opening = sa.case((sealed, whole), else_=sa.func.substr(Execution.body, 1, _OPENING))
        nameless = sa.case((Execution.prompt_template_id.is_(None), opening))
        query = query.options(with_expression(Execution.opening, nameless))
    return query
