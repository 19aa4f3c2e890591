"""How far batches are, counted from their rows; a row whose execution's end is not copied yet is asked of its execution."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any, TypeVar

import sqlalchemy as sa

from aiapp.batches.models import Batch, BatchRow
from aiapp.columns import now
from aiapp.executions.models import FINISHED, Execution
from aiapp.executions.running.states import database_time
from aiapp.extensions import db, settings

Query = TypeVar("Query", bound=sa.Select[*tuple[Any, ...]])
# What a batch comes to, for pages and programs: only `completed` is a success.
OUTCOMES = ("draft", "running", "paused", "cancelled", "completed", "incomplete", "failed")


@dataclass(slots=True)
class Counts:
    """Rows by state. `invalid` are completed ones whose answer is not in the format asked for.

    `cost` is what is known to have been spent in US dollars, failed and repeated executions included; `unpriced` are completed
    rows whose cost nobody knows.
    """

    waiting: int = 0
    running: int = 0
    completed: int = 0
    failed: int = 0
    cancelled: int = 0
    invalid: int = 0
    unpriced: int = 0
    cost: Decimal | None = None

    @property
    def rows(self) -> int:
        """All of them."""
        return self.waiting + self.running + self.ended

    @property
    def ended(self) -> int:
        """Those that nothing can change any more, however they ended."""
        return self.completed + self.failed + self.cancelled


def state() -> sa.ColumnElement[str]:
    """Return a row's state as it is now, for queries that join its execution (see joined)."""
    return sa.case(
        (BatchRow.state != "running", BatchRow.state),
        (Execution.id.is_(None), "failed"),
        (Execution.status.in_(FINISHED), Execution.status),
        else_="running",
    )


def joined(query: Query) -> Query:
    """Return a query of rows with their executions, also those that have none."""
    return query.outerjoin(Execution, Execution.id == BatchRow.execution_id)


def of(batch_ids: Iterable[str]) -> dict[str, Counts]:
    """Return the counts of batches by their ids. One moment's: each row is counted once."""
    ids = list(batch_ids)
    found = {one: Counts() for one in ids}
    if not ids:
        return found
    copied = _grouped(BatchRow.state, BatchRow.valid, BatchRow.cost).where(BatchRow.state != "running")
    asked = joined(_grouped(state(), Execution.valid, Execution.cost)).where(BatchRow.state == "running")
    both = sa.union_all(*(part.where(BatchRow.batch_id.in_(ids)) for part in (copied, asked)))
    for batch_id, name, number, invalid, priced, cost, earlier in db.session.execute(both):
        counts = found[batch_id]
        setattr(counts, name, getattr(counts, name) + number)
        counts.invalid += invalid if name == "completed" else 0
        counts.unpriced += number - priced if name == "completed" else 0
        spent = [amount for amount in (counts.cost, cost, earlier) if amount is not None]
        counts.cost = sum(spent, Decimal(0)) if spent else None
    return found


def outcome(batch: Batch, counts: Counts) -> str:
    """Return one of OUTCOMES. A batch of which nothing is left to do has ended, whoever has noticed."""
    if batch.status in ("draft", "cancelled"):
        return batch.status
    if counts.waiting or counts.running:
        return "paused" if batch.status == "paused" else "running"
    if counts.completed == counts.rows:
        return "completed"
    if counts.completed:
        return "incomplete"
    return "failed" if counts.failed else "cancelled"


def failures(batch_id: str) -> list[tuple[str | None, int]]:
    """Return how many rows failed with which class of error, the most frequent first; None is a row that got no execution."""
    query = joined(sa.select(Execution.error_class, sa.func.count()).select_from(BatchRow)).where(
        BatchRow.batch_id == batch_id, BatchRow.state.in_(("failed", "running")), state() == "failed"
    )
    found = db.session.execute(query.group_by(Execution.error_class).order_by(sa.func.count().desc()))
    return [(error_class, number) for error_class, number in found]


def pace(batch_id: str) -> int:
    """Return how many rows are begun in a minute, as in the last one."""
    recent = sa.select(sa.func.count(), sa.func.min(BatchRow.fed_at)).where(BatchRow.batch_id == batch_id)
    number, first = db.session.execute(recent.where(BatchRow.fed_at > database_time(-60.0))).one()
    if first is None:
        return 0
    seconds = min(60.0, max(5.0, (now() - first).total_seconds()))  # of the very first moment nothing can be told
    return round(number * 60 / seconds)


def under_way(batch_id: str) -> tuple[datetime | None, int]:
    """Return since when the oldest row is under way, and of how many rows the worker was lost, or is about to be given up."""
    # A worker that lives extends its lease after a third of it.
    soon = database_time(settings().lease_seconds / 3)
    lost = sa.and_(Execution.status == "processing", Execution.lease_until < soon)
    query = sa.select(sa.func.min(BatchRow.fed_at), sa.func.count().filter(lost)).select_from(BatchRow)
    query = query.join(Execution, Execution.id == BatchRow.execution_id)
    running = query.where(BatchRow.batch_id == batch_id, BatchRow.state == "running", Execution.status.not_in(FINISHED))
    first, number = db.session.execute(running).one()
    return first, number


def _grouped(name: Any, valid: Any, cost: Any) -> sa.Select[Any]:
    """Return batch, state, number, invalid ones, ones with a cost, their cost, and what was spent before."""
    columns = (
        BatchRow.batch_id,
        name.label("state"),
        sa.func.count().label("number"),
        sa.func.count().filter(valid.is_(False)).label("invalid"),
        sa.func.count(cost).label("priced"),
        sa.func.sum(cost).label("cost"),
        sa.func.sum(BatchRow.earlier_cost).label("earlier"),
    )
    return sa.select(*columns).group_by(BatchRow.batch_id, name)
