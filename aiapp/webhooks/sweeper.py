"""Finds the deliveries that no wake-up will bring to a worker, wakes one again, and forgets what is old."""

from __future__ import annotations

from datetime import timedelta

import sqlalchemy as sa

from aiapp import queue
from aiapp.columns import now
from aiapp.errors import Unavailable
from aiapp.extensions import db, reading
from aiapp.observability.logs import log
from aiapp.webhooks import delivering
from aiapp.webhooks.announcing import DELIVER
from aiapp.webhooks.models import ENDED, WebhookDelivery

# More are left to the next sweep: a lost queue shall not fill Redis in one go.
BATCH = 1000
KEPT = timedelta(days=30)


def sweep_webhooks() -> int:
    """Have workers send what is due and not on a queue; return how many. Needs an app context; an absent Redis is no error."""
    with reading():
        rows = sa.select(WebhookDelivery.id, WebhookDelivery.workspace_id).where(delivering.due())
        oldest = rows.order_by(WebhookDelivery.next_attempt_at).limit(BATCH)
        due = {row.id: row.workspace_id for row in db.session.execute(oldest)}
        db.session.remove()
    if not due:
        return 0
    try:
        # asked after the rows were read: what is delivered in between is on a queue, or no longer due
        missing = sorted(due.keys() - queue.waiting())
        queue.enqueue_many(DELIVER, [(delivery_id, due[delivery_id]) for delivery_id in missing])
    except Unavailable:
        log(__name__).warning("webhooks.queue_unavailable", number=len(due))
        return 0
    return len(missing)


def forget_old_deliveries() -> int:
    """Delete the deliveries that ended and began KEPT ago; return how many. Commits after every BATCH."""
    old = WebhookDelivery.state.in_(ENDED), WebhookDelivery.created_at < now() - KEPT
    number = 0
    while True:
        ids = db.session.scalars(sa.select(WebhookDelivery.id).where(*old).limit(BATCH)).all()
        db.session.execute(
            sa.delete(WebhookDelivery)
            .where(WebhookDelivery.id.in_(ids), *old)
            .execution_options(synchronize_session=False)
        )
        db.session.commit()
        number += len(ids)
        if len(ids) < BATCH:
            return number
