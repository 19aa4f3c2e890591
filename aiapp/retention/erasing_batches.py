"""Erases the texts of batches: what their rows share, and the rows, also those that never ran."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta

import sqlalchemy as sa

from aiapp import sealing
from aiapp.batches.models import Batch, BatchRow
from aiapp.extensions import db
from aiapp.observability.logs import log
from aiapp.retention.actions import shortest
from aiapp.retention.rows import has_text, looking, nothing, rules_now
from aiapp.workspaces.models import AFTER_THE_END, Workspace

# In one transaction: others want to write, too.
ROWS = 500
# Whoever pauses a batch in the evening, or brings its table, goes on in the morning, also where no texts are kept.
WAITING = timedelta(days=1)
ABANDONED = "Nobody resumed it for so long that its texts were erased."


def erase_batches(workspace_id: str, at: datetime) -> Iterator[int]:
    """Erase the texts of a workspace's batches that are due at that time; yield how many rows each of its transactions changed.

    One that stays paused is ended, as if its last row had been its end, and one that nobody starts is deleted: else its texts
    would stay for as long as nobody looks.
    """
    while True:
        with rules_now(workspace_id) as workspace:
            due = _due(workspace, at) if workspace is not None else sa.false()
            batch_id = db.session.scalar(sa.select(Batch.id).where(due).order_by(Batch.id).limit(1))
        if batch_id is None:
            return
        if not _close(batch_id, due, at):
            continue
        yield 1
        yield from _erase_rows(batch_id)
        db.session.execute(sa.update(Batch).where(Batch.id == batch_id).values(texts_erased_at=at))
        db.session.commit()
        log(__name__).info("batch.texts_erased", workspace_id=workspace_id, batch_id=batch_id)


def _due(workspace: Workspace, at: datetime) -> sa.ColumnElement[bool]:
    days = shortest(workspace)
    if workspace.keeps_texts and days is None:
        return sa.false()
    end = at - (timedelta(days=days or 0) if workspace.keeps_texts else AFTER_THE_END)
    since = min(end, at - WAITING)
    of_it = BatchRow.batch_id == Batch.id
    last = sa.select(sa.func.max(BatchRow.fed_at)).where(of_it).scalar_subquery()
    # without its prompt: somebody was at it, and did not come to the end of its rows
    ended = sa.and_(Batch.status.in_(("ended", "cancelled")), sa.or_(Batch.ended_at < end, Batch.prompt.is_(None)))
    abandoned = sa.and_(
        Batch.status == "paused",
        Batch.started_at < since,
        sa.func.coalesce(last, Batch.started_at) < since,
        ~sa.exists().where(of_it, BatchRow.state == "running"),
    )
    unstarted = sa.and_(Batch.status == "draft", Batch.created_at < since)
    return sa.and_(
        Batch.workspace_id == workspace.id, Batch.texts_erased_at.is_(None), sa.or_(ended, abandoned, unstarted)
    )


def _close(batch_id: str, due: sa.ColumnElement[bool], at: datetime) -> bool:
    """Take from a batch what its rows share: nothing of it is run or tried again from then on. False where it goes on by now."""
    query = sa.select(Batch.status).where(Batch.id == batch_id, due).with_for_update()
    status = db.session.scalar(query)
    if status == "draft":
        db.session.execute(sa.delete(Batch).where(Batch.id == batch_id).execution_options(synchronize_session=False))
    elif status is not None:
        values = nothing(sealing.KINDS[Batch])
        if status == "paused":
            values |= {"status": "cancelled", "note": ABANDONED, "ended_at": at}
            waiting = sa.and_(BatchRow.batch_id == batch_id, BatchRow.state == "waiting")
            _change(sa.update(BatchRow).where(waiting).values(state="cancelled"))
        _change(sa.update(Batch).where(Batch.id == batch_id).values(values))
    db.session.commit()
    return status is not None


def _erase_rows(batch_id: str) -> Iterator[int]:
    kind, last = sealing.KINDS[BatchRow], 0
    rows = sa.select(BatchRow.number).where(BatchRow.batch_id == batch_id, has_text(kind)).order_by(BatchRow.number)
    while True:
        with looking():
            numbers = db.session.scalars(rows.where(BatchRow.number > last).limit(ROWS)).all()
        if not numbers:
            return
        these = sa.and_(BatchRow.batch_id == batch_id, BatchRow.number.in_(numbers))
        _change(sa.update(BatchRow).where(these).values(nothing(kind)))
        db.session.commit()
        last = numbers[-1]
        yield len(numbers)


def _change(statement: sa.Update) -> None:
    db.session.execute(statement.execution_options(synchronize_session=False))
