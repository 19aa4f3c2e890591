"""Writes down what webhooks are to be told, in the transaction of what happened, and wakes workers to tell it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import sqlalchemy as sa

from aiapp import queue
from aiapp.columns import new_id
from aiapp.errors import Unavailable
from aiapp.extensions import db
from aiapp.observability.logs import log
from aiapp.webhooks.models import EVENTS, Webhook, WebhookDelivery

DELIVER = "aiapp.webhooks.jobs.deliver"
_ANNOUNCED = "webhooks.announced"
Announced = list[tuple[str, str]]  # the id of a delivery, and that of its workspace


def announce(workspace_id: str, event: str, payload: Mapping[str, Any]) -> None:
    """Add a delivery for each active webhook of the workspace that listens to `event`, uncommitted. Call wake() after the commit.

    Arguments:
        event: one of EVENTS.
        payload: JSON, sent as the `data` of `{"type", "timestamp", "data"}`; no secrets.
    """
    if event not in EVENTS:
        raise ValueError(f"no such event: {event}")
    active = sa.select(Webhook).where(Webhook.workspace_id == workspace_id, Webhook.active)
    for webhook in db.session.scalars(active.order_by(Webhook.id)):
        if event in webhook.events:
            delivery = WebhookDelivery(
                id=new_id(), workspace_id=workspace_id, webhook_id=webhook.id, event=event, payload=dict(payload)
            )
            db.session.add(delivery)
            db.session.info.setdefault(_ANNOUNCED, []).append((delivery.id, workspace_id))


def announced() -> Announced:
    """Return what this session has announced, once: for a wake() after its end."""
    rows: Announced = db.session.info.pop(_ANNOUNCED, [])
    return rows


def wake(rows: Announced | None = None) -> None:
    """Have workers send what this session has announced and committed. An absent Redis is no error: the sweep finds the rows.

    Ids of rows that were rolled back do no harm: a worker finds nothing to do.

    Arguments:
        rows: what announced() has returned, where the session has ended since.
    """
    rows = announced() if rows is None else rows
    try:
        queue.enqueue_many(DELIVER, rows)
    except Unavailable:
        log(__name__).warning("webhooks.not_queued", number=len(rows))
