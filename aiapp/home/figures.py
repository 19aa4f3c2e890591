"""The figures of Home, each from one query."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal

import sqlalchemy as sa
from sqlalchemy.orm import joinedload

from aiapp.columns import now
from aiapp.credentials.models import Credential
from aiapp.credentials.order import ORDER
from aiapp.credentials.selection import health_of
from aiapp.executions.models import Execution
from aiapp.extensions import db
from aiapp.prompt_templates import approvals
from aiapp.prompt_templates.models import PromptTemplate, PromptVersion
from aiapp.prompt_templates.release_models import PromptApproval
from aiapp.workspaces.access import Access

RECENT = 6
DRAFTS = 5
APPROVALS = 5


@dataclass(frozen=True, slots=True)
class Day:
    """The last 24 hours. `cost` sums what is known, of `tests` too (test runs, which count for nothing else); `unpriced` counts
    the executions whose cost is not.
    """

    executions: int
    completed: int
    failed: int
    cancelled: int
    cost: Decimal | None
    unpriced: int
    median_ms: int | None
    p95_ms: int | None
    tests: int

    @property
    def success(self) -> float | None:
        """Per cent of the ended ones that completed; cancelled ones were stopped by people and do not count."""
        ended = self.completed + self.failed
        return None if ended == 0 else 100 * self.completed / ended


@dataclass(frozen=True, slots=True)
class SetUp:
    """How far the set-up is: one of each is enough."""

    credential: Credential | None
    prompt_template: PromptTemplate | None
    executed: bool

    @property
    def done(self) -> int:
        """How many of the three steps are done."""
        return sum((self.credential is not None, self.prompt_template is not None, self.executed))


def set_up(access: Access) -> SetUp:
    """Return the first credential and prompt template, and whether anything ever ran."""
    # also those that others ran and keep to themselves
    executed = sa.select(Execution.id).where(Execution.workspace_id == access.workspace.id).limit(1)
    return SetUp(
        credential=db.session.scalar(
            access.select(Credential).where(Credential.owner_id.is_(None)).order_by(Credential.position).limit(1)
        ),
        prompt_template=db.session.scalar(access.select(PromptTemplate).order_by(PromptTemplate.id).limit(1)),
        executed=db.session.scalar(executed) is not None,
    )


def last_day(access: Access) -> Day:
    """Return the figures of the last 24 hours."""
    since = now() - timedelta(hours=24)
    # ids begin with their time: the primary key answers "since" without an index of its own
    day = sa.and_(Execution.workspace_id == access.workspace.id, Execution.id >= _first_id(since))
    tested = Execution.source == "preview"
    rows = db.session.execute(
        sa.select(
            Execution.status,
            tested,
            sa.func.count(),
            sa.func.sum(Execution.cost),
            sa.func.count().filter(Execution.cost.is_(None)),
        )
        .where(day)
        .group_by(Execution.status, tested)
    ).all()
    counts: dict[str, int] = {status: count for status, test, count, _, _ in rows if not test}
    spans = db.session.execute(
        sa.select(Execution.started_at, Execution.completed_at)
        .where(day, ~tested, Execution.status == "completed", Execution.started_at.is_not(None))
        .order_by(Execution.id.desc())
        .limit(1000)  # the newest thousand say enough about a day's durations
    )
    durations = sorted(
        round((ended - started).total_seconds() * 1000)
        for started, ended in spans
        if started is not None and ended is not None
    )
    costs = [cost for _, _, _, cost, _ in rows if cost is not None]
    return Day(
        executions=sum(counts.values()),
        completed=counts.get("completed", 0),
        failed=counts.get("failed", 0),
        cancelled=counts.get("cancelled", 0),
        cost=sum(costs, Decimal(0)) if costs else None,
        unpriced=sum(unknown for status, _, _, _, unknown in rows if status == "completed"),
        median_ms=durations[len(durations) // 2] if durations else None,
        p95_ms=durations[min(len(durations) - 1, len(durations) * 95 // 100)] if durations else None,
        tests=sum(count for _, test, count, _, _ in rows if test),
    )


def recent(access: Access) -> list[Execution]:
    """Return the newest executions with what they ran."""
    query = access.select(Execution).order_by(Execution.id.desc()).limit(RECENT)
    options = (joinedload(Execution.prompt_template), joinedload(Execution.prompt_version))
    return list(db.session.scalars(query.options(*options)).unique())


def down(access: Access) -> list[Credential]:
    """Return the credentials that are switched on and cannot answer, in fallback order."""
    query = access.select(Credential).where(
        Credential.owner_id.is_(None), Credential.active.is_(True), Credential.health == "down"
    )
    found = db.session.scalars(query.order_by(*ORDER))
    # one that was down because its key could not be read is not, once it can be
    return [row for row in found if health_of(access.workspace, row)[0] == "down"]


def drafts(access: Access) -> list[PromptVersion]:
    """Return the asking person's own drafts, last touched first."""
    query = access.select(PromptVersion).where(
        PromptVersion.author_id == access.user.id, PromptVersion.status == "draft"
    )
    return list(db.session.scalars(query.order_by(PromptVersion.updated_at.desc()).limit(DRAFTS)).unique())


def approvals_for(access: Access) -> list[PromptApproval]:
    """Return the newest requests that this person may decide."""
    return approvals.waiting_for(access, APPROVALS)


def _first_id(at: datetime) -> str:
    return f"{int(at.timestamp() * 1000):012x}" + "0" * 20
