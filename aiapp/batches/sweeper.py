"""Finds the batches that no wake-up will move, and forgets tables that nobody has started."""

from __future__ import annotations

from datetime import timedelta

import sqlalchemy as sa

from aiapp.batches import jobs
from aiapp.batches.models import Batch, BatchRow
from aiapp.columns import now
from aiapp.extensions import db, reading

KEPT = timedelta(days=7)
MOST = 200
FORGOTTEN_AT_ONCE = 20  # each with its rows

_last = ""  # the batch that the sweep before came to, where there were more


def sweep_batches() -> int:
    """Have every batch fed that runs, or of which something still runs, MOST at a time; return how many. Needs an app context."""
    global _last
    running = sa.exists().where(BatchRow.batch_id == Batch.id, BatchRow.state == "running")
    moving = sa.or_(Batch.status == "running", sa.and_(Batch.status.in_(("paused", "cancelled")), running))
    with reading():
        query = sa.select(Batch.id, Batch.workspace_id, Batch.priority).where(moving, Batch.id > _last)
        batches = db.session.execute(query.order_by(Batch.id).limit(MOST)).all()
        db.session.remove()
    _last = batches[-1].id if len(batches) == MOST else ""
    for batch_id, workspace_id, priority in batches:
        jobs.wake(batch_id, workspace_id, priority)
    return len(batches)


def forget_old_drafts() -> int:
    """Delete batches that were never started, a week after they were made; return how many. Commits."""
    old = sa.select(Batch.id).where(Batch.status == "draft", Batch.created_at < now() - KEPT).limit(FORGOTTEN_AT_ONCE)
    gone = sa.delete(Batch).where(Batch.id.in_(old), Batch.status == "draft").returning(Batch.id)
    forgotten = len(db.session.execute(gone.execution_options(synchronize_session=False)).all())
    db.session.commit()
    return forgotten
