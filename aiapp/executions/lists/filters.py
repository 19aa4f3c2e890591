"""What a list of executions is limited to, and how a database is asked for it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import astuple, dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

import sqlalchemy as sa

from aiapp.containing import contains
from aiapp.errors import InvalidInput
from aiapp.executions.batch_rows import ROWS
from aiapp.executions.lists.in_sql import milliseconds_between, roughly_between, unindexed
from aiapp.executions.models import Attempt, Execution
from aiapp.extensions import db
from aiapp.prompt_templates.models import PromptTemplate, PromptVersion
from aiapp.prompt_templates.release_models import Label, LabelledVersion
from aiapp.providers.wire_json import storable
from aiapp.workspaces.access import Access

# A text is looked for in the newest executions only: nobody waits for a walk through all of them.
SEARCHED = 5000
# A source of lists only: everything but the test runs of the editor.
RUNS = "runs"
TEST_RUN = "preview"
# Statuses of lists only, as state_word says them: each is a part of one that executions have.
FINER = {"retrying": "pending", "streaming": "processing"}
SEVERAL = "several"
FEEDBACK = ("up", "down", "any", "none")

# at most between the making of a row's id and its created_at
_SLACK = timedelta(minutes=1)
_MOST_DOLLARS, _MOST_SECONDS = Decimal(10**6), 10**9
_MOST_VERSION = 2**31 - 1
_SPAN = (Execution.started_at, Execution.completed_at)
_ROUGH_MS = 3
_KNOWN = 100

# Feedback stands below executions in the order of imports: only its table's name is known here.
THUMBS = sa.table("feedback", sa.column("workspace_id"), sa.column("execution_id"), sa.column("rating"))


@dataclass(frozen=True, slots=True, kw_only=True)
class Filters:
    """What a list is limited to; None and "" do not limit.

    `status` may be one of FINER too, `attempts` is SEVERAL where it limits. `template` is a slug; `version` a version's number,
    its semver or a label that points to it, of that prompt template or of any. `source` is where it was asked for, or RUNS;
    `batch` is a batch's id, `user` a user's, `feedback` one of FEEDBACK. Costs in US dollars and durations in seconds include
    both bounds, and leave out what is unknown; `since` is included, `until` not. `q` is a part of an id or of the texts; where
    these are encrypted, of the id or the names of prompt template, model and credential.
    """

    status: str | None = None
    template: str | None = None
    version: str | None = None
    model: str | None = None
    provider: str | None = None
    credential_id: str | None = None
    user: str | None = None
    mine: bool = False
    source: str | None = None
    batch: str | None = None
    feedback: str | None = None
    error_class: str | None = None
    attempts: str | None = None
    cost_from: Decimal | None = None
    cost_to: Decimal | None = None
    duration_from: Decimal | None = None
    duration_to: Decimal | None = None
    since: datetime | None = None
    until: datetime | None = None
    q: str | None = None

    @property
    def nowhere(self) -> bool:
        """Whether a text is looked for that cannot be stored, so that no row has it; PostgreSQL would refuse to look."""
        return any(isinstance(value, str) and storable(value) != value for value in astuple(self))


def conditions(access: Access, filters: Filters) -> Iterator[sa.ColumnElement[bool]]:
    """Yield what an execution of the workspace must be like. Raises InvalidInput for an unknown value of `feedback`."""
    equal: list[tuple[Any, Any]] = [
        (Execution.status, FINER.get(filters.status or "", filters.status)),
        (Execution.provider, filters.provider),
        (Execution.model, filters.model),
        (Execution.credential_id, filters.credential_id),
        (Execution.error_class, filters.error_class),
        (Execution.source, None if filters.source == RUNS else filters.source),
        (Execution.user_id, filters.user),
        (Execution.user_id, access.user.id if filters.mine else None),
    ]
    if filters.template:
        equal.append((Execution.prompt_template_id, _template(access, filters.template).scalar_subquery()))
    given = [(column, value) for column, value in equal if value is not None and value != ""]
    others = [*_of_version(access, filters), *_ranges(filters), *_finer(filters)]
    if filters.batch:
        others.append(Execution.id.in_(_of_batch(access, filters.batch)))
    if filters.source == RUNS:
        others.append(Execution.source != TEST_RUN)
    # Of several filters SQLite would take the index of one and fetch each of its rows to look at the others, also where none
    # is found; the index that has all of them is walked in a tenth of the time.
    several = len(given) + len(others) + bool(filters.feedback) > 1
    for column, value in given:
        yield (unindexed(column) if several else column) == value
    yield from others
    yield from _at(filters)
    if filters.feedback:
        yield _rated(access, filters.feedback)
    if filters.q:
        yield from _containing(access, filters.q)


def milliseconds() -> sa.ColumnElement[int]:
    """Return how long an execution took, as Execution.duration_ms says, in SQL."""
    return milliseconds_between(*_SPAN)


def _template(access: Access, slug: str) -> sa.Select[str]:
    return sa.select(PromptTemplate.id).where(
        PromptTemplate.workspace_id == access.workspace.id, PromptTemplate.slug == slug
    )


def _of_version(access: Access, filters: Filters) -> Iterator[sa.ColumnElement[bool]]:
    if not filters.version:
        return
    text = filters.version.strip()
    number = text.removeprefix("v")
    labelled = (
        sa.select(LabelledVersion.prompt_version_id)
        .join(Label, Label.id == LabelledVersion.label_id)
        .where(Label.workspace_id == access.workspace.id, Label.name == text)
    )
    named = [PromptVersion.semver == text, PromptVersion.id.in_(labelled)]
    if number.isascii() and number.isdigit() and int(number) <= _MOST_VERSION:
        named.append(PromptVersion.number == int(number))
    versions = sa.select(PromptVersion.id).where(PromptVersion.workspace_id == access.workspace.id, sa.or_(*named))
    if filters.template:
        versions = versions.where(PromptVersion.prompt_template_id.in_(_template(access, filters.template)))
    # Known ids are looked for faster than a query's: a database that knows there are none walks through nothing.
    found = list(db.session.scalars(versions.limit(_KNOWN + 1)))
    yield Execution.prompt_version_id.in_(found if len(found) <= _KNOWN else versions)


def _of_batch(access: Access, batch_id: str) -> sa.Select[str]:
    """Return the ids of what a batch's rows have run, and of what they had run before they were tried again."""
    last = sa.func.coalesce(ROWS.c.execution_id, ROWS.c.parent_id).label("id")
    found = sa.select(last).where(ROWS.c.workspace_id == access.workspace.id, ROWS.c.batch_id == batch_id)
    runs = found.cte("runs", recursive=True)
    runs = runs.union(sa.select(Execution.parent_id).where(Execution.id == runs.c.id, Execution.parent_id.is_not(None)))
    return sa.select(runs.c.id).where(runs.c.id.is_not(None))


def _finer(filters: Filters) -> Iterator[sa.ColumnElement[bool]]:
    if filters.status == "retrying":
        yield Execution.round > 0
    if filters.status == "streaming":
        yield Execution.stream.is_(True)
    if filters.attempts == SEVERAL:
        yield sa.select(Attempt.id).where(Attempt.execution_id == Execution.id, Attempt.number == 2).exists()


def _ranges(filters: Filters) -> Iterator[sa.ColumnElement[bool]]:
    if filters.cost_from is not None:
        yield Execution.cost >= _between(filters.cost_from, _MOST_DOLLARS)
    if filters.cost_to is not None:
        yield Execution.cost <= _between(filters.cost_to, _MOST_DOLLARS)
    # Exact milliseconds cost three times as much as rough ones: they are for those near the bound.
    if filters.duration_from is not None:
        least = int(_between(filters.duration_from, _MOST_SECONDS) * 1000)
        near = sa.and_(roughly_between(*_SPAN) >= least - _ROUGH_MS, milliseconds() >= least)
        yield sa.or_(roughly_between(*_SPAN) >= least + _ROUGH_MS, near)
    if filters.duration_to is not None:
        most = int(_between(filters.duration_to, _MOST_SECONDS) * 1000)
        near = sa.and_(roughly_between(*_SPAN) <= most + _ROUGH_MS, milliseconds() <= most)
        yield sa.or_(roughly_between(*_SPAN) <= most - _ROUGH_MS, near)


def _between(value: Decimal, most: Decimal | int) -> Decimal:
    """Return a bound that the databases' whole numbers can hold: nothing costs or takes more."""
    return max(Decimal(0), min(value, Decimal(most)))


def _at(filters: Filters) -> Iterator[sa.ColumnElement[bool]]:
    # An id begins with the moment of its making: it decides, but for rows near the bound, which alone are fetched for it.
    if filters.since:
        yield Execution.id >= _first_id(filters.since, -_SLACK)
        yield sa.or_(Execution.id >= _first_id(filters.since, _SLACK), Execution.created_at >= filters.since)
    if filters.until:
        yield Execution.id < _first_id(filters.until, _SLACK)
        yield sa.or_(Execution.id < _first_id(filters.until, -_SLACK), Execution.created_at < filters.until)


def _first_id(when: datetime, slack: timedelta) -> str:
    """Return the smallest id that new_id can make `slack` after `when`; numbers, because the calendar ends and they do not."""
    return f"{max(0, int((when.timestamp() + slack.total_seconds()) * 1000)):012x}".ljust(32, "0")


def _rated(access: Access, feedback: str) -> sa.ColumnElement[bool]:
    if feedback not in FEEDBACK:
        raise InvalidInput(errors=[{"field": "feedback", "message": f"Choose one of: {', '.join(FEEDBACK)}."}])
    if feedback == "none":
        return ~sa.select(sa.literal(1)).select_from(THUMBS).where(THUMBS.c.execution_id == Execution.id).exists()
    thumbs = sa.select(THUMBS.c.execution_id).where(THUMBS.c.workspace_id == access.workspace.id)
    if feedback in ("up", "down"):
        thumbs = thumbs.where(THUMBS.c.rating == feedback)
    return Execution.id.in_(thumbs)


def _containing(access: Access, text: str) -> Iterator[sa.ColumnElement[bool]]:
    newest = sa.select(Execution.id).where(Execution.workspace_id == access.workspace.id)
    first = newest.order_by(Execution.id.desc()).offset(SEARCHED).limit(1).scalar_subquery()
    yield Execution.id > sa.func.coalesce(first, "")
    wanted = text.strip()
    if access.workspace.searches_texts:
        yield sa.or_(*(contains(column, wanted) for column in (Execution.id, Execution.body, Execution.output)))
        return
    templates = sa.select(PromptTemplate.id).where(
        PromptTemplate.workspace_id == access.workspace.id,
        sa.or_(*(contains(column, wanted) for column in (PromptTemplate.name, PromptTemplate.slug))),
    )
    facts = (Execution.id, Execution.model, Execution.credential_name)
    yield sa.or_(Execution.prompt_template_id.in_(templates), *(contains(column, wanted) for column in facts))
