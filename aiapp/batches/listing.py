"""Reading batches and their rows, a bounded number at a time."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import defer, joinedload

from aiapp.batches import counting
from aiapp.batches.models import Batch, BatchRow
from aiapp.executions.models import Execution
from aiapp.extensions import db
from aiapp.workspaces.access import Access

SHOWN = 50
READ_AT_ONCE = 200
_UNREAD = (Execution.system, Execution.body, Execution.messages, Execution.context, Execution.json_schema)


@dataclass(frozen=True, slots=True)
class Line:
    """A row with its execution, None where it has none; `state` is what it is now."""

    row: BatchRow
    execution: Execution | None
    state: str


def batches(access: Access, *, cursor: str = "", limit: int = SHOWN) -> tuple[list[Batch], str | None]:
    """Return batches, newest first, and the cursor of the next ones."""
    query = access.select(Batch).options(
        joinedload(Batch.user), joinedload(Batch.prompt_template), joinedload(Batch.prompt_version)
    )
    query = query.options(defer(Batch.checked), defer(Batch.mapping), defer(Batch.columns))
    if cursor:
        query = query.where(Batch.id < cursor)
    found = list(db.session.scalars(query.order_by(Batch.id.desc()).limit(limit + 1)).unique())
    return found[:limit], found[limit - 1].id if len(found) > limit else None


def lines(batch_id: str, *, state: str = "", after: int = 0, limit: int = SHOWN) -> list[Line]:
    """Return rows with their executions, in the order of the table; none of another state where one is given."""
    query = counting.joined(sa.select(BatchRow, Execution, counting.state())).where(BatchRow.batch_id == batch_id)
    query = query.options(*(defer(column) for column in _UNREAD))
    if state:
        # said twice, so that the index by state is used: what runs may have ended
        query = query.where(BatchRow.state.in_((state, "running")), counting.state() == state)
    rows = db.session.execute(query.where(BatchRow.number > after).order_by(BatchRow.number).limit(limit))
    return [Line(row, execution, now) for row, execution, now in rows]


def contexts(batch_id: str, at_once: int = READ_AT_ONCE) -> Iterator[tuple[int, dict[str, Any]]]:
    """Yield number and values by column of every row, without keeping them all in memory."""
    after = 0
    while True:
        query = sa.select(BatchRow).where(BatchRow.batch_id == batch_id, BatchRow.number > after)
        rows = db.session.scalars(query.order_by(BatchRow.number).limit(at_once)).all()
        for row in rows:
            yield row.number, row.context
            db.session.expunge(row)
        if len(rows) < at_once:
            return
        after = rows[-1].number


def again(access: Access, batch_id: str) -> Batch:
    """Return a batch as it is after a change that went past the session. Raises NotFound."""
    batch = access.get(Batch, batch_id)
    db.session.refresh(batch)
    return batch
