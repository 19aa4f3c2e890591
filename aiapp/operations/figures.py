"""What the queue pages show, read from rows: of one workspace, or of all of them. No query reads more than MOST rows.

Redis is asked for what only Redis knows: the workers, the deliveries, and those that crashed.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa

from aiapp import queue, queue_figures
from aiapp.columns import now
from aiapp.errors import Unavailable
from aiapp.executions import pauses
from aiapp.executions.models import PRIORITIES, Attempt, Execution, QueuePause
from aiapp.executions.running import states
from aiapp.extensions import db
from aiapp.operations import holding
from aiapp.operations.holding import Held, Worker
from aiapp.queue_figures import Crash, WorkerFacts
from aiapp.workspaces.models import Workspace

MOST = 10_000
SHOWN = 50
SHOWN_WORKSPACES = 20
CRASHES = 20
DAY = timedelta(hours=24)


@dataclass(frozen=True, slots=True)
class Line:
    """What waits in a queue, or of a workspace, and what runs.

    `deliveries` is None where Redis is away. `drain` drains the last of a queue's workers; `served` says that it has any, where
    that is known.
    """

    name: str
    waiting: int
    oldest: datetime | None
    running: int
    deliveries: int | None = None
    pause: QueuePause | None = None
    drain: QueuePause | None = None
    served: bool = True


@dataclass(frozen=True, slots=True)
class Retry:
    """An execution that waits for its next round, and the class of the error that it waits after."""

    id: str
    workspace_id: str
    priority: str
    at: datetime
    round: int
    error_class: str | None


@dataclass(frozen=True, slots=True)
class Figures:
    """Everything on a queue page; `names` are names and slugs of workspaces.

    `workers` is None where Redis is away. `drain` is the newest row that drains a worker where all are drained; the `pauses`
    of one workspace have no other one of a worker. `capped` says that there are more than MOST of something.
    """

    queues: list[Line]
    workspaces: list[Line]
    names: Mapping[str, tuple[str, str]]
    workers: list[Worker] | None
    elsewhere: list[Held]
    retries: list[Retry]
    retry_count: int
    failed: list[tuple[str | None, int]]
    crashes: list[Crash]
    pauses: Mapping[str, QueuePause]
    drain: QueuePause | None
    capped: bool

    @property
    def waiting(self) -> int:
        """How many executions could start now."""
        return sum(line.waiting for line in self.queues)

    @property
    def running(self) -> int:
        """How many executions workers hold."""
        return sum(line.running for line in self.queues)

    @property
    def oldest(self) -> datetime | None:
        """Since when the oldest of those that could start now waits."""
        return min((line.oldest for line in self.queues if line.oldest), default=None)

    @property
    def failures(self) -> int:
        """How many executions failed in the last 24 hours."""
        return sum(count for _, count in self.failed)


def read(workspace_id: str | None = None) -> Figures:
    """Return the figures of one workspace, or of the whole installation."""
    standing = {pause.what: pause for pause in pauses.standing(workspace_id)}
    waiting, running = _waiting(workspace_id), _running(workspace_id)
    failed, retries = _failed(workspace_id), _retries(workspace_id)
    retry_count = _retry_count(workspace_id)
    held = holding.held(workspace_id, SHOWN)
    deliveries, workers, crashes = _redis(workspace_id)
    lines = [
        _line(name, waiting, running, lambda row, name=name: row.priority == name, standing.get(name), deliveries)
        for name in PRIORITIES
    ]
    of_each = _of_workspaces(waiting, running, standing) if workspace_id is None else []
    if workers is not None:
        lines = [_served(line, workers, standing) for line in lines]
    counts = (sum(row.number for row in waiting), sum(count for _, count in failed), retry_count)
    owners = {worker.lease_owner for worker in workers or ()}
    drain = pauses.last_drain([worker.name for worker in workers or ()], standing)
    mentioned = {line.name for line in of_each}
    for rows in (held, retries, crashes):
        mentioned |= {row.workspace_id for row in rows}
    return Figures(
        queues=lines,
        workspaces=of_each,
        names=_names(mentioned),
        workers=None if workers is None else holding.workers(workers, held, standing, MOST),
        elsewhere=[row for row in held if row.lease_owner not in owners],
        retries=retries,
        retry_count=retry_count,
        failed=failed,
        crashes=crashes,
        pauses=standing if workspace_id is None else _concerning(standing, drain),
        drain=drain,
        capped=max(counts) >= MOST,
    )


def _served(line: Line, workers: Sequence[WorkerFacts], standing: Mapping[str, QueuePause]) -> Line:
    names = [worker.name for worker in workers if line.name in worker.queues]
    return replace(line, drain=pauses.last_drain(names, standing), served=bool(names))


def _concerning(standing: Mapping[str, QueuePause], drain: QueuePause | None) -> dict[str, QueuePause]:
    """Return the pauses that keep a workspace waiting: one worker of several that is drained does not."""
    one_worker = pauses.of_worker("")
    return {what: pause for what, pause in standing.items() if pause is drain or not what.startswith(one_worker)}


def _waiting(workspace_id: str | None) -> Sequence[sa.Row[Any]]:
    since = sa.func.coalesce(Execution.next_attempt_at, Execution.created_at).label("since")
    some = _some(sa.select(Execution.priority, Execution.workspace_id, since).where(states.due()), workspace_id)
    return _counted(some, sa.func.min(some.c.since).label("oldest"))


def _running(workspace_id: str | None) -> Sequence[sa.Row[Any]]:
    query = sa.select(Execution.priority, Execution.workspace_id).where(Execution.status == "processing")
    return _counted(_some(query, workspace_id), sa.null().label("oldest"))


def _some(query: Any, workspace_id: str | None) -> sa.Subquery:
    if workspace_id is not None:
        query = query.where(Execution.workspace_id == workspace_id)
    some: sa.Subquery = query.limit(MOST).subquery()
    return some


def _counted(some: sa.Subquery, oldest: sa.ColumnElement[Any]) -> Sequence[sa.Row[Any]]:
    by = (some.c.priority, some.c.workspace_id)
    return db.session.execute(sa.select(*by, sa.func.count().label("number"), oldest).group_by(*by)).all()


def _line(name: str, waiting: Any, running: Any, mine: Any, pause: QueuePause | None, deliveries: Any = None) -> Line:
    ours = [row for row in waiting if mine(row)]
    return Line(
        name=name,
        waiting=sum(row.number for row in ours),
        oldest=min((row.oldest for row in ours), default=None),
        running=sum(row.number for row in running if mine(row)),
        deliveries=None if deliveries is None else deliveries[name],
        pause=pause,
    )


def _of_workspaces(waiting: Any, running: Any, standing: Mapping[str, QueuePause]) -> list[Line]:
    paused = {pause.workspace_id for pause in standing.values() if pause.workspace_id}
    ids = {row.workspace_id for row in (*waiting, *running)} | paused
    lines = [
        _line(
            one,
            waiting,
            running,
            lambda row, one=one: row.workspace_id == one,
            standing.get(pauses.of_workspace(one)),
        )
        for one in ids
    ]
    return sorted(lines, key=lambda line: (-line.waiting, -line.running, line.name))[:SHOWN_WORKSPACES]


def _later(query: Any, workspace_id: str | None) -> Any:
    query = query.where(Execution.status == "pending", Execution.next_attempt_at > states.database_time())
    return query if workspace_id is None else query.where(Execution.workspace_id == workspace_id)


def _retries(workspace_id: str | None) -> list[Retry]:
    last = (
        sa.select(Attempt.error_class)
        .where(Attempt.execution_id == Execution.id)
        .order_by(Attempt.number.desc())
        .limit(1)
        .scalar_subquery()
    )
    columns = (Execution.id, Execution.workspace_id, Execution.priority, Execution.next_attempt_at, Execution.round)
    query = _later(sa.select(*columns, last), workspace_id).order_by(Execution.next_attempt_at).limit(SHOWN)
    return [Retry(*row) for row in db.session.execute(query)]


def _retry_count(workspace_id: str | None) -> int:
    some = _later(sa.select(Execution.id), workspace_id).limit(MOST).subquery()
    return db.session.scalar(sa.select(sa.func.count()).select_from(some)) or 0


def _failed(workspace_id: str | None) -> list[tuple[str | None, int]]:
    # the word stands in the statement itself: only then does SQLite use the index of those that failed
    failed = Execution.status == sa.literal_column("'failed'")
    query = sa.select(Execution.error_class).where(failed, Execution.completed_at > now() - DAY)
    some = _some(query, workspace_id)
    number = sa.func.count().label("number")
    rows = db.session.execute(
        sa.select(some.c.error_class, number).group_by(some.c.error_class).order_by(number.desc())
    )
    return [(row.error_class, row.number) for row in rows]


def _redis(workspace_id: str | None) -> tuple[dict[str, int] | None, list[WorkerFacts] | None, list[Crash]]:
    try:
        workers = queue_figures.living()
        if workspace_id is not None:
            return queue.depth_of(workspace_id), workers, []
        return queue.depth(), workers, queue_figures.crashed(CRASHES)
    except Unavailable:
        return None, None, []


def _names(ids: set[str]) -> dict[str, tuple[str, str]]:
    """Return the names and slugs of workspaces."""
    rows = db.session.execute(sa.select(Workspace.id, Workspace.name, Workspace.slug).where(Workspace.id.in_(ids)))
    return {row.id: (row.name, row.slug) for row in rows}
