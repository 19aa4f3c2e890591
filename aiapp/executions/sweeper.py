"""Finds the executions that no delivery will bring to a worker, and delivers them again.

Redis may lose a wake-up, a worker may die: the rows know. What is due is decided by the database's clock (see states.py), and
what is delivered twice finds nothing to do, so several sweepers disturb nobody.
"""

from __future__ import annotations

import sqlalchemy as sa

from aiapp import queue, sealing
from aiapp.errors import Unavailable
from aiapp.executions import cancelling, deliveries
from aiapp.executions.models import PRIORITIES, Execution
from aiapp.executions.running import states
from aiapp.executions.streaming.publishing import Publisher
from aiapp.extensions import db, reading, redis
from aiapp.observability.logs import log

BATCH = 1000
# More are left to the next sweep: a lost queue of a million rows shall not fill Redis in one go.
MOST = 20_000


def sweep() -> int:
    """Deliver what is due or abandoned and not on a queue, and end what was to be cancelled by a worker that is gone.

    Returns how many executions it moved or delivered. Needs an app context; an absent Redis is no error.
    """
    cancelled = _cancel_abandoned()
    delivered = 0
    try:
        for priority in PRIORITIES:
            delivered += _deliver(priority)
    except Unavailable:
        log(__name__).warning("sweeper.queue_unavailable")
    if cancelled or delivered:
        log(__name__).info("sweeper.swept", cancelled=cancelled, delivered=delivered)
    return cancelled + delivered


def wake_workspace(workspace_id: str) -> None:
    """Deliver the oldest of what is due in a workspace; the sweep delivers the rest. An absent Redis is no error."""
    try:
        for priority in PRIORITIES:
            found = _lost(priority, workspace_id=workspace_id)
            on_queue = queue.waiting([priority])
            deliveries.wake_many([row for row in found if row[0] not in on_queue], priority)
    except Unavailable:
        log(__name__).warning("sweeper.queue_unavailable")


def _deliver(priority: str) -> int:
    delivered, last, on_queue = 0, "", queue.waiting([priority])
    while delivered < MOST:
        found = _lost(priority, after=last)
        missing = [row for row in found if row[0] not in on_queue]
        if missing:
            # asked again after the rows were read: what is delivered in between is on a queue, or no longer due
            on_queue = queue.waiting([priority])
            missing = [row for row in missing if row[0] not in on_queue]
        deliveries.wake_many(missing, priority)
        delivered += len(missing)
        if len(found) < BATCH:
            break
        last = found[-1][0]
    return delivered


def _lost(priority: str, *, after: str = "", workspace_id: str | None = None) -> list[tuple[str, str]]:
    """Return the next rows of this priority that somebody should run, oldest first: their ids and their workspaces'."""
    query = sa.select(Execution.id, Execution.workspace_id).where(
        Execution.priority == priority, Execution.id > after, states.startable()
    )
    if workspace_id is not None:
        query = query.where(Execution.workspace_id == workspace_id)
    with reading():
        try:
            rows = db.session.execute(query.order_by(Execution.id).limit(BATCH))
            return [(row.id, row.workspace_id) for row in rows]
        finally:
            db.session.remove()


def _cancel_abandoned() -> int:
    """End the rows whose worker was lost after somebody had cancelled them."""
    with reading():
        wanted = sa.and_(states.abandoned(), Execution.cancel_requested_at.is_not(None))
        ids = list(db.session.scalars(sa.select(Execution.id).where(wanted).limit(BATCH)))
        db.session.remove()
    ended = 0
    for execution_id in ids:
        try:
            with states.transaction():
                moved = cancelling.end_unworked(execution_id)
        except sealing.Unsealable:  # its workspace's keys are not here: it waits, and the others do not
            continue
        if moved:
            ended += 1
            log(__name__).info("execution.cancelled", execution_id=execution_id)
            Publisher(redis(), execution_id).done("cancelled", error_class="cancelled")
    return ended
