"""How a delivery's row moves: each move is one conditional UPDATE, so that of two who try only one succeeds."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from random import SystemRandom
from typing import Any

import sqlalchemy as sa

from aiapp import audit
from aiapp.columns import now
from aiapp.credentials import vault
from aiapp.extensions import db, settings
from aiapp.webhooks import retrying, sealing
from aiapp.webhooks.models import PING, WAITING, Webhook, WebhookDelivery
from aiapp.webhooks.sending import SECONDS, Parcel, Received
from aiapp.workspaces.models import Workspace

SWITCHED_OFF = "The webhook was switched off before this was delivered."
UNREADABLE = "The secret cannot be read: the server's master keys have changed. Give the webhook a new secret."
_random = SystemRandom()


def due(at: datetime | None = None) -> sa.ColumnElement[bool]:
    """Return the condition for a row that waits and may be sent now, or whose worker was lost."""
    return sa.and_(WebhookDelivery.state.in_(WAITING), WebhookDelivery.next_attempt_at <= (at or now()))


def leased_until() -> datetime:
    """Return until when a worker that begins now has the row: longer than any attempt takes."""
    return now() + timedelta(seconds=SECONDS + settings().lease_seconds)


def claim(delivery_id: str) -> WebhookDelivery | None:
    """Take a row that is due, uncommitted; None where there is nothing to do (any more)."""
    change = sa.update(WebhookDelivery).where(WebhookDelivery.id == delivery_id, due())
    taken = db.session.scalar(
        change.values(state="sending", attempts=WebhookDelivery.attempts + 1, next_attempt_at=leased_until()).returning(
            WebhookDelivery.id
        ),
        execution_options={"synchronize_session": False},
    )
    if taken is None:
        return None
    fresh = {"populate_existing": True}
    return db.session.get(WebhookDelivery, delivery_id, execution_options=fresh)


def parcel(delivery: WebhookDelivery) -> Parcel | Received:
    """Return what is to be sent for a row just claimed, or what became of it where nothing can be."""
    webhook = db.session.get_one(Webhook, delivery.webhook_id)
    workspace = db.session.get_one(Workspace, delivery.workspace_id)
    try:
        secrets = sealing.signing_secrets(workspace, webhook)
    except vault.Unreadable:
        return Received(None, UNREADABLE)
    return Parcel(delivery.id, webhook.url, delivery.message, secrets)


def settle(delivery: WebhookDelivery, received: Received) -> datetime | None:
    """Write what came of the attempt that `delivery` was claimed for; return when the next one is due. Uncommitted.

    Nothing is written where another worker has taken the row meanwhile. A receiver that answers 410 switches its webhook off.
    """
    # In the order in which a deletion locks them.
    locked = db.session.get(Webhook, delivery.webhook_id, with_for_update={"key_share": True}, populate_existing=True)
    if locked is None:
        return None
    values: dict[str, Any] = {"http_status": received.status, "error": received.error}
    wait = None if delivery.event == PING else retrying.wait(delivery.attempts, received.retry_after, rng=_random)
    again = None
    if received.ok:
        values |= {"state": "delivered", "delivered_at": now()}
    elif wait is None or received.status == 410:
        values["state"] = "failed"
    else:
        again = now() + timedelta(seconds=wait)
        values |= {"state": "pending", "next_attempt_at": again}
    mine = sa.update(WebhookDelivery).where(
        WebhookDelivery.id == delivery.id,
        WebhookDelivery.state == "sending",
        WebhookDelivery.attempts == delivery.attempts,
    )
    if not _moved(mine.values(**values)):
        return None
    locked.failures = 0 if received.ok else locked.failures + 1
    if received.status == 410 and locked.active:
        _switch_off(locked)
    return again


def give_up(webhook_id: str, words: str = SWITCHED_OFF) -> None:
    """End every delivery of a webhook that waits, uncommitted. One that is being sent ends by itself."""
    waiting = sa.update(WebhookDelivery).where(
        WebhookDelivery.webhook_id == webhook_id, WebhookDelivery.state == "pending"
    )
    db.session.execute(waiting.values(state="failed", error=words).execution_options(synchronize_session=False))


def end_unsent(delivery: WebhookDelivery) -> None:
    """End a claimed row whose webhook is off, uncommitted: nothing was sent."""
    delivery.state, delivery.error, delivery.attempts = "failed", SWITCHED_OFF, delivery.attempts - 1


def latest(workspace_id: str, webhook_ids: Sequence[str]) -> dict[str, WebhookDelivery]:
    """Return the newest delivery of each of these webhooks that has one, by the webhook's id."""
    newest = (
        sa.select(sa.func.max(WebhookDelivery.id))
        .where(WebhookDelivery.workspace_id == workspace_id, WebhookDelivery.webhook_id.in_(webhook_ids))
        .group_by(WebhookDelivery.webhook_id)
    )
    found = db.session.scalars(sa.select(WebhookDelivery).where(WebhookDelivery.id.in_(newest)))
    return {one.webhook_id: one for one in found}


def _switch_off(webhook: Webhook) -> None:
    webhook.active, webhook.gone = False, True
    give_up(webhook.id)
    audit.record(
        "webhook.gone",
        webhook.shown_url,
        actor="its receiver",
        workspace_id=webhook.workspace_id,
        before={"active": True},
        after={"active": False, "http_status": 410},
    )


def _moved(change: sa.Update) -> bool:
    moved = change.returning(WebhookDelivery.id).execution_options(synchronize_session=False)
    return db.session.scalar(moved) is not None
