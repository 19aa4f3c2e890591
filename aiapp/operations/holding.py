"""The workers that are alive, and the executions that workers hold: by the rows, and by what the workers said of themselves."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa

from aiapp.columns import now
from aiapp.executions import pauses
from aiapp.executions.models import Execution, QueuePause
from aiapp.extensions import db
from aiapp.queue_figures import WorkerFacts

# A worker looks once a second whether it is drained: what it said before that counts nothing that it took since.
NOTICED = timedelta(seconds=2)


@dataclass(frozen=True, slots=True)
class Held:
    """An execution that a worker holds. `lost`: its lease has run out, so that another worker may take it."""

    id: str
    workspace_id: str
    priority: str
    since: datetime
    lease_owner: str
    lease_until: datetime

    @property
    def lost(self) -> bool:
        """Whether its worker has not been heard of for longer than a lease."""
        return self.lease_until < now()


@dataclass(frozen=True, slots=True)
class Worker:
    """A worker that is alive, the executions that it holds, and the row that drains it.

    `rows` is how many it holds by the database, of which `held` has the first.
    """

    facts: WorkerFacts
    held: list[Held]
    rows: int
    drained: QueuePause | None

    @property
    def running(self) -> int:
        """How many jobs it has in hand: what it said some seconds ago, or more where the rows know more."""
        return max(self.facts.running, self.rows)

    @property
    def emptied(self) -> bool:
        """Whether it is drained, and both the rows and what it said since then tell that it holds nothing."""
        return self.drained is not None and not self.running and self.facts.heartbeat > self.drained.at + NOTICED


def held(workspace_id: str | None, most: int) -> list[Held]:
    """Return what workers hold of one workspace, or of all, the oldest first."""
    lease = (Execution.started_at, Execution.lease_owner, Execution.lease_until)
    query: Any = sa.select(Execution.id, Execution.workspace_id, Execution.priority, *lease)
    query = query.where(Execution.status == "processing")
    if workspace_id is not None:
        query = query.where(Execution.workspace_id == workspace_id)
    return [Held(*row) for row in db.session.execute(query.order_by(Execution.started_at).limit(most))]


def workers(
    alive: Sequence[WorkerFacts], held: Sequence[Held], standing: Mapping[str, QueuePause], most: int
) -> list[Worker]:
    """Return the workers with what they hold. Of all executions that are held, `most` are counted."""
    some = sa.select(Execution.lease_owner).where(Execution.status == "processing").limit(most).subquery()
    owner = some.c.lease_owner
    rows = {
        row.lease_owner: row.number
        for row in db.session.execute(sa.select(owner, sa.func.count().label("number")).group_by(owner))
    }
    return [
        Worker(
            facts,
            [row for row in held if row.lease_owner == facts.lease_owner],
            rows.get(facts.lease_owner, 0),
            standing.get(pauses.of_worker(facts.name)),
        )
        for facts in alive
    ]
