"""What admins do with webhooks; each verb commits once, at its end, but for the test, which waits for an answer."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import sqlalchemy as sa

from aiapp import queue
from aiapp.columns import new_id, now
from aiapp.errors import Conflict
from aiapp.extensions import db
from aiapp.webhooks import delivering, fields, jobs, sealing
from aiapp.webhooks.announcing import DELIVER
from aiapp.webhooks.models import PING, Webhook, WebhookDelivery
from aiapp.webhooks.places import place
from aiapp.webhooks.sending import Received
from aiapp.workspaces.access import Access, missing

MOST_WEBHOOKS = 20


def listed(access: Access) -> list[Webhook]:
    """Return the workspace's webhooks, oldest first."""
    return list(db.session.scalars(access.select(Webhook).order_by(Webhook.id)))


def create(access: Access, values: Mapping[str, Any]) -> tuple[Webhook, str]:
    """Add a webhook and return it with its secret, which nobody can read again.

    Ends the caller's transaction before it asks the name service. Raises InvalidInput, Conflict `too_many`.

    Arguments:
        values: `url`, `events`, `active`.
    """
    cleaned = fields.checked(values)
    fields.demand_all(cleaned)
    fields.check_address(cleaned["url"])
    if len(listed(access)) >= MOST_WEBHOOKS:
        raise Conflict(f"There are at most {MOST_WEBHOOKS} webhooks.", code="too_many")
    webhook = Webhook(id=new_id(), workspace_id=access.workspace.id, **cleaned)
    secret = sealing.seal_new(access.workspace, webhook)
    db.session.add(webhook)
    access.audit("webhook.create", webhook.shown_url, after=_facts(webhook))
    db.session.commit()
    return webhook, secret


def update(access: Access, webhook_id: str, values: Mapping[str, Any]) -> Webhook:
    """Change `url`, `events` or `active`. Switched off, it gives up what waits; another address begins without failures.

    Ends the caller's transaction before it asks the name service. Raises InvalidInput, NotFound.
    """
    cleaned = fields.checked(values)
    known = access.get(Webhook, webhook_id).url
    if cleaned.get("url", known) != known:
        fields.check_address(cleaned["url"])
    webhook = _locked(access, webhook_id)
    before, url = _facts(webhook), webhook.url
    for field, value in cleaned.items():
        setattr(webhook, field, value)
    if webhook.url != url or (webhook.active and not before["active"]):
        webhook.failures = 0
    if webhook.active:
        webhook.gone = False
    elif before["active"]:
        delivering.give_up(webhook.id)
    after = {field: value for field, value in _facts(webhook).items() if value != before[field]}
    if webhook.url != url:
        after.setdefault("url", webhook.shown_url)  # only what is not shown of it has changed
    if after:
        access.audit("webhook.update", webhook.shown_url, before={field: before[field] for field in after}, after=after)
    db.session.commit()
    return webhook


def rotate(access: Access, webhook_id: str) -> tuple[Webhook, str]:
    """Give the webhook a new secret and return both; the old one signs on for a day. Raises NotFound, Conflict."""
    webhook = _locked(access, webhook_id)
    secret = sealing.seal_new(access.workspace, webhook)
    access.audit("webhook.rotate_secret", webhook.shown_url, after={"secret": "replaced"})
    db.session.commit()
    return webhook, secret


def delete(access: Access, webhook_id: str) -> str:
    """Delete the webhook with its secret and deliveries, and return its address. Raises NotFound."""
    webhook = access.get(Webhook, webhook_id)
    access.audit("webhook.delete", webhook.shown_url, before=_facts(webhook))
    access.delete(webhook)
    db.session.commit()
    return webhook.shown_url


def test(access: Access, webhook_id: str) -> tuple[WebhookDelivery, Received]:
    """Send a `ping` now, once, also where the webhook is switched off; return its delivery and what came back.

    Takes up to ten seconds; the caller's transaction is ended before. Raises NotFound, Unavailable `busy`.
    """
    webhook = access.get(Webhook, webhook_id)
    with place(webhook.workspace_id, webhook.id):
        delivery = WebhookDelivery(
            workspace_id=webhook.workspace_id,
            webhook_id=webhook.id,
            event=PING,
            payload={"webhook_id": webhook.id},
            state="sending",
            attempts=1,
            next_attempt_at=delivering.leased_until(),
        )
        db.session.add(delivery)
        db.session.flush()
        received, _ = jobs.carry(delivery)
    return find_delivery(access, webhook_id, delivery.id), received


def send_again(access: Access, webhook_id: str, delivery_id: str) -> WebhookDelivery:
    """Have a delivery sent now, with its whole schedule before it; its id stays, so a receiver knows it again.

    Raises NotFound; Conflict `off` where the webhook is switched off, `sending` where a worker has it at this moment.
    """
    webhook = _locked(access, webhook_id)
    delivery = find_delivery(access, webhook_id, delivery_id)
    if not webhook.active:
        raise Conflict("The webhook is switched off: switch it on first.", code="off")
    again = sa.update(WebhookDelivery).where(WebhookDelivery.id == delivery.id, WebhookDelivery.state != "sending")
    values = {"state": "pending", "attempts": 0, "next_attempt_at": now(), "http_status": None, "error": ""}
    taken = again.values(values | {"delivered_at": None}).returning(WebhookDelivery.id)
    if db.session.scalar(taken.execution_options(synchronize_session=False)) is None:
        raise Conflict("It is being sent at this moment.", code="sending")
    access.audit("webhook.send_again", webhook.shown_url, after={"delivery": delivery.id, "event": delivery.event})
    db.session.commit()
    queue.try_enqueue(DELIVER, delivery.id, delivery.workspace_id)
    db.session.refresh(delivery)
    return delivery


def find_delivery(access: Access, webhook_id: str, delivery_id: str) -> WebhookDelivery:
    """Return a delivery of this webhook. Raises NotFound."""
    query = access.select(WebhookDelivery).where(
        WebhookDelivery.id == delivery_id, WebhookDelivery.webhook_id == webhook_id
    )
    found = db.session.scalar(query.execution_options(populate_existing=True))
    if found is None:
        raise missing(WebhookDelivery)
    return found


def _locked(access: Access, webhook_id: str) -> Webhook:
    query = access.select(Webhook).where(Webhook.id == webhook_id).with_for_update(key_share=True)
    found = db.session.scalar(query.execution_options(populate_existing=True))
    if found is None:
        raise missing(Webhook)
    return found


def _facts(webhook: Webhook) -> dict[str, Any]:
    """Return what the audit trail may show."""
    return {"url": webhook.shown_url, "events": list(webhook.events), "active": webhook.active}
