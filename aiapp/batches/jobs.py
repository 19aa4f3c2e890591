"""The jobs of batches: feed one, at its start, whenever one of its executions has ended, and when the sweep finds it."""

from __future__ import annotations

import sqlalchemy as sa
from flask import current_app
from sqlalchemy.exc import SQLAlchemyError

from aiapp import queue
from aiapp.batches import feeding
from aiapp.batches.feeding import Fed
from aiapp.batches.models import BatchRow
from aiapp.errors import Unavailable
from aiapp.executions import deliveries
from aiapp.executions.running import states
from aiapp.extensions import db, reading
from aiapp.observability.logs import log
from aiapp.webhooks import announcing

FEED = "aiapp.batches.jobs.feed"


def feed(batch_id: str) -> None:
    """Make as many executions of a batch as there is room for. Needs an app context. Whoever is told twice finds nothing to do.

    What fails is left to the next sweep.
    """
    try:
        with current_app.app_context():  # a session of its own, whatever the caller's is doing
            while _feed_some(batch_id).again:
                pass
    except SQLAlchemyError as error:
        log(__name__).error("batch.left_to_sweeper", batch_id=batch_id, error=type(error).__name__)


def ended(execution_id: str) -> None:
    """Feed the batch that an execution which has just ended belongs to."""
    with current_app.app_context():
        with reading():
            batch_id = db.session.scalar(sa.select(BatchRow.batch_id).where(BatchRow.execution_id == execution_id))
            db.session.remove()
        if batch_id is not None:
            feed(batch_id)


def wake(batch_id: str, workspace_id: str, priority: str) -> None:
    """Have a worker feed the batch soon. Call it after the commit; an absent Redis is no error."""
    queue.try_enqueue(FEED, batch_id, workspace_id, priority=priority)


def _feed_some(batch_id: str) -> Fed:
    with states.transaction():
        fed = feeding.step(batch_id)
        announced = announcing.announced()
    if fed.made:
        log(__name__).info("batch.fed", batch_id=batch_id, workspace_id=fed.workspace_id, rows=len(fed.made))
    if fed.ended:
        log(__name__).info("batch.ended", batch_id=batch_id, workspace_id=fed.workspace_id)
        announcing.wake(announced)
    try:
        deliveries.wake_many([(one, fed.workspace_id) for one in fed.made], fed.priority)
        if fed.later is not None:
            queue.enqueue_at(FEED, batch_id, fed.workspace_id, fed.later, priority=fed.priority)
    except Unavailable:
        log(__name__).warning("batch.wake_ups_lost", batch_id=batch_id)
    return fed
