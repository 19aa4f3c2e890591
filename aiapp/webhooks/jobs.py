"""What a worker does for webhooks: send one delivery. Twice does no harm, and one that was deleted meanwhile is nothing to do."""

from __future__ import annotations

from datetime import datetime, timedelta
from random import SystemRandom

import sqlalchemy as sa

from aiapp import queue
from aiapp.columns import now
from aiapp.errors import Unavailable
from aiapp.extensions import db, reading
from aiapp.observability.logs import log
from aiapp.webhooks import delivering
from aiapp.webhooks.announcing import DELIVER
from aiapp.webhooks.models import PING, Webhook, WebhookDelivery
from aiapp.webhooks.places import place
from aiapp.webhooks.sending import Received, send

# A delivery that finds no place comes back after so many seconds.
_AGAIN = (1.0, 8.0)


def deliver(delivery_id: str) -> None:
    """Send one delivery once, if it is due, and write down what came back. Needs an app context."""
    with reading():
        found = db.session.execute(
            sa.select(WebhookDelivery.workspace_id, WebhookDelivery.webhook_id).where(
                WebhookDelivery.id == delivery_id, delivering.due()
            )
        ).first()
        db.session.remove()
    if found is None:
        return
    try:
        with place(found.workspace_id, found.webhook_id):
            again = _deliver(delivery_id)
    except Unavailable:
        again = now() + timedelta(seconds=SystemRandom().uniform(*_AGAIN))
    if again is not None:
        _wake_at(delivery_id, found.workspace_id, again)


def carry(delivery: WebhookDelivery) -> tuple[Received, datetime | None]:
    """Send a row that was claimed, and settle it: what came back, and when it is tried again. Commits twice."""
    made = delivering.parcel(delivery)
    db.session.commit()  # no connection is held while a stranger's server is waited for
    received = made if isinstance(made, Received) else send(made)
    again = delivering.settle(delivery, received)
    db.session.commit()
    log(__name__).info(
        "webhook.sent",
        webhook_id=delivery.webhook_id,
        delivery_id=delivery.id,
        attempt=delivery.attempts,
        status=received.status,
        ms=received.ms,
        delivered=received.ok,
    )
    return received, again


def _deliver(delivery_id: str) -> datetime | None:
    delivery = delivering.claim(delivery_id)
    if delivery is None:
        db.session.rollback()
        return None
    webhook = db.session.get_one(Webhook, delivery.webhook_id, populate_existing=True)
    if not webhook.active and delivery.event != PING:
        delivering.end_unsent(delivery)
        db.session.commit()
        return None
    return carry(delivery)[1]


def _wake_at(delivery_id: str, workspace_id: str, when: datetime) -> None:
    try:
        queue.enqueue_at(DELIVER, delivery_id, workspace_id, when)
    except Unavailable:
        log(__name__).warning("webhooks.wake_up_lost", delivery_id=delivery_id)
