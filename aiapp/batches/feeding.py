"""Feeds the rows of a batch to the workers, some at a time: a row gets its execution in the transaction that makes it.

Whoever feeds holds the batch's row, so that several at once are harmless; nothing is lost with one that dies, because the rows
say what is left to do.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa
from sqlalchemy.exc import DataError, DBAPIError, IntegrityError, StatementError

from aiapp.batches import announcements, checking, frozen, halting
from aiapp.batches.models import Batch, BatchRow
from aiapp.columns import new_id, now
from aiapp.errors import InvalidInput
from aiapp.executions.models import FINISHED, Execution
from aiapp.executions.running.states import database_time
from aiapp.extensions import db
from aiapp.observability.logs import log

# In one transaction, so that nobody waits long for the database.
STEP = 50
MINUTE = timedelta(minutes=1)
UNKNOWN_VALUES = "Nobody knows its values any more: its texts were erased, or the server's keys do not open them."
REFUSED = "The database could not store its execution."

# A row, and the columns of its execution.
Filled = tuple[BatchRow, dict[str, Any]]


@dataclass(slots=True)
class Fed:
    """What a step did: the executions that it made. `again` says that there is room for more, `later` when there will be."""

    workspace_id: str = ""
    priority: str = "low"
    made: list[str] = field(default_factory=list)
    again: bool = False
    later: datetime | None = None
    ended: bool = False


def step(batch_id: str) -> Fed:
    """Copy what has ended and make the executions that there is room for, in the caller's transaction."""
    batch = db.session.scalars(
        sa.select(Batch).where(Batch.id == batch_id, Batch.status != "draft").with_for_update()
    ).first()
    if batch is None:
        return Fed()
    fed = Fed(batch.workspace_id, batch.priority)
    settle(batch_id)
    if batch.status == "running":
        batch.note = halting.reason(batch)
        batch.status = "paused" if batch.note else "running"
    if batch.status == "running":
        _make(batch, fed)
    fed.ended = note_end(batch)
    return fed


def note_end(batch: Batch) -> bool:
    """Copy what has ended; where nothing is left to do, the batch has ended: return whether it has just then."""
    settle(batch.id)
    if batch.status not in ("running", "paused") or _left(batch.id):
        return False
    batch.status, batch.ended_at = "ended", now()
    announcements.ended(batch)
    return True


def settle(batch_id: str) -> None:
    """Copy the ends of executions to their rows: each once, because then the row runs no longer."""
    running = sa.and_(BatchRow.batch_id == batch_id, BatchRow.state == "running")
    ended = sa.and_(Execution.id == BatchRow.execution_id, Execution.status.in_(FINISHED))
    copied = sa.update(BatchRow).where(running, ended)
    copied = copied.values(state=Execution.status, valid=Execution.valid, cost=Execution.cost)
    gone = sa.update(BatchRow).where(running, ~sa.exists().where(Execution.id == BatchRow.execution_id))
    for change in (copied, gone.values(state="failed", error="Its execution was deleted.")):
        db.session.execute(change.execution_options(synchronize_session=False))


def _make(batch: Batch, fed: Fed) -> None:
    room = batch.at_once - _number(batch.id, BatchRow.state == "running")
    waiting = sa.select(BatchRow).where(BatchRow.batch_id == batch.id, BatchRow.state == "waiting")
    if batch.per_minute is not None:
        recently = BatchRow.fed_at > database_time(-60.0)
        begun = sa.select(sa.func.count(), sa.func.min(BatchRow.fed_at)).where(BatchRow.batch_id == batch.id, recently)
        again = sa.func.count().filter(BatchRow.state == "waiting")
        recent, oldest, repeated = db.session.execute(begun.add_columns(again)).one()
        if repeated or recent + room > batch.per_minute:
            fed.later = (oldest or now()) + MINUTE
        room = min(room, batch.per_minute - recent)
        # A row is begun once a minute at the most: its next beginning would hide the one before from the count.
        waiting = waiting.where(sa.or_(BatchRow.fed_at.is_(None), sa.not_(recently)))
    if room <= 0:
        return
    rows = db.session.scalars(waiting.order_by(BatchRow.number).limit(min(room, STEP))).all()
    prepared = frozen.thaw(batch.prompt or {})
    parents = [row.parent_id for row in rows if row.parent_id is not None]
    there = set(db.session.scalars(sa.select(Execution.id).where(Execution.id.in_(parents)))) if parents else set()
    specs = {spec["name"]: spec for spec in checking.variables(prepared)}
    filled: list[Filled] = []
    for row in rows:
        if batch.columns and not row.context:  # no row is stored like that (see drafts)
            row.state, row.error = "failed", UNKNOWN_VALUES
            continue
        try:
            columns = prepared.columns(checking.values(specs, batch.mapping, row.context))
        except InvalidInput as error:  # it could be filled when the batch was started
            told = "; ".join(f"{item['field']}: {item['message']}" for item in error.errors) or str(error)
            row.state, row.error = "failed", told[:500]
            continue
        filled.append((row, _of_batch(batch, row.parent_id if row.parent_id in there else None, columns)))
    fed.made = _stored(filled)
    # No execution that was made wakes the next step where none was.
    fed.again = len(rows) == min(room, STEP) and (room > STEP or len(fed.made) < len(rows))


def _of_batch(batch: Batch, parent_id: str | None, columns: dict[str, Any]) -> dict[str, Any]:
    # The prompt template may have been deleted since its text was copied: then the batch's row says so.
    whose = {"prompt_template_id": batch.prompt_template_id, "prompt_version_id": batch.prompt_version_id}
    whose |= {"workspace_id": batch.workspace_id, "user_id": batch.user_id, "token_name": batch.token_name}
    return {**columns, **whose, "parent_id": parent_id}


def _stored(filled: Sequence[Filled]) -> list[str]:
    """Begin the rows, and return the executions' ids. Those that the database refuses fail, and keep no other one waiting."""
    try:
        with db.session.begin_nested():
            return _begin(filled)
    except (StatementError, ValueError, OverflowError) as error:
        if not _is_refusal(error):
            raise
        if len(filled) > 1:
            return [execution_id for one in filled for execution_id in _stored([one])]
        ((row, _),) = filled
        row.state, row.error = "failed", REFUSED
        log(__name__).warning("batch.row_refused", batch_id=row.batch_id, row=row.number, error=type(error).__name__)
        return []


def _is_refusal(error: Exception) -> bool:
    """Whether it is about the values: whatever else a database or its driver says may be over the next time."""
    return not isinstance(error, DBAPIError) or isinstance(error, DataError | IntegrityError)


def _begin(filled: Sequence[Filled]) -> list[str]:
    """Give each row its execution; where one has one by now, the whole transaction is given up."""
    made = [(row, Execution(id=new_id(), **columns)) for row, columns in filled]
    db.session.add_all(execution for _, execution in made)
    db.session.flush()
    for row, execution in made:
        waits = sa.and_(BatchRow.id == row.id, BatchRow.state == "waiting", BatchRow.execution_id.is_(None))
        taken = (
            sa.update(BatchRow).where(waits).values(state="running", execution_id=execution.id, fed_at=database_time())
        )
        db.session.execute(taken.returning(BatchRow.id).execution_options(synchronize_session=False)).one()
    return [execution.id for _, execution in made]


def _left(batch_id: str) -> bool:
    return bool(_number(batch_id, BatchRow.state.in_(("waiting", "running"))))


def _number(batch_id: str, condition: sa.ColumnElement[bool]) -> int:
    return db.session.scalars(
        sa.select(sa.func.count()).select_from(BatchRow).where(BatchRow.batch_id == batch_id, condition)
    ).one()
