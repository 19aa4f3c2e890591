"""What people read of webhooks."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

from aiapp.columns import now
from aiapp.webhooks.models import PING, WAITING, Webhook, WebhookDelivery
from aiapp.webhooks.retrying import ATTEMPTS

EVENT_WORDS = {
    "prompt_template.published": "A version is published",
    "prompt_template.label_moved": "A label is moved",
    "batch.ended": "A batch ends",
    PING: "Test",
}
# The mark of a state, of those that every list has.
MARKS = {
    "active": "healthy",
    "failing": "down",
    "off": "archived",
    "pending": "pending",
    "sending": "processing",
    "delivered": "completed",
    "failed": "failed",
}
_STATES = {"sending": "Sending", "delivered": "Delivered", "failed": "Failed"}


def webhook_state(webhook: Webhook) -> str:
    """Return how a webhook stands, for its mark."""
    if webhook.state == "failing":
        return f"Failing, {webhook.failures} tries in a row"
    return "Off: its receiver is gone" if webhook.gone else webhook.state.capitalize()


def events(webhook: Webhook) -> str:
    """Return what a webhook is told of."""
    words = ", ".join(EVENT_WORDS.get(event, event) for event in webhook.events)
    return words[:1] + words[1:].replace(", A ", ", a ")


def delivery_state(delivery: WebhookDelivery) -> str:
    """Return how a delivery stands, for its mark."""
    if delivery.state == "pending":
        return "Waiting to be tried again" if delivery.attempts else "Waiting"
    return _STATES[delivery.state]


def attempts(delivery: WebhookDelivery) -> str:
    """Return how often a delivery was tried, of how many."""
    most = 1 if delivery.event == PING else max(ATTEMPTS, delivery.attempts)
    return f"{delivery.attempts} of {most}"


def next_attempt(delivery: WebhookDelivery) -> datetime | None:
    """Return when a delivery is tried next, None where that is not known or never."""
    return delivery.next_attempt_at if delivery.state == "pending" else None


def any_moves(deliveries: Sequence[WebhookDelivery]) -> bool:
    """Whether there will soon be news about one of these, so that a page should look again."""
    soon = now() + timedelta(seconds=30)
    return any(one.state in WAITING and (one.state == "sending" or one.next_attempt_at < soon) for one in deliveries)
