"""What the tests of webhooks share: a receiver on the loopback, and an office that adds webhooks and sends."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
import sqlalchemy as sa
from flask import Flask
from receiver import Receiver, receiving

from aiapp.columns import now
from aiapp.config import Settings
from aiapp.extensions import db
from aiapp.webhooks import actions, announcing, jobs
from aiapp.webhooks.models import EVENTS, Webhook, WebhookDelivery

PUBLISHED, MOVED, *_ = EVENTS


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with receiving() as told:
        yield told


@pytest.fixture
def settings(settings: Settings, receiver: Receiver) -> Settings:
    return replace(settings, outbound_allow=frozenset({receiver.origin}), lease_seconds=1.0)


class Office:
    """Adam, who keeps the webhooks of acme, and a worker."""

    def __init__(self, team: Any, receiver: Receiver) -> None:
        self.access = team.access("adam")
        self.receiver = receiver
        self.secret = ""

    def add(self, url: str = "", events: tuple[str, ...] = EVENTS) -> Webhook:
        """Add a webhook; its secret is kept."""
        webhook, self.secret = actions.create(
            self.access, {"url": url or self.receiver.url, "events": list(events), "active": True}
        )
        return webhook

    def announce(self, event: str = PUBLISHED, **payload: Any) -> list[str]:
        """Announce and commit as a feature does; return the ids of the new deliveries."""
        known = set(db.session.scalars(sa.select(WebhookDelivery.id)))
        announcing.announce(self.access.workspace.id, event, payload or {"slug": "greeting"})
        db.session.commit()
        announcing.wake()
        made = sorted(set(db.session.scalars(sa.select(WebhookDelivery.id))) - known)
        db.session.commit()  # nothing is held open while workers write
        return made

    def work(self, delivery_id: str, *, soon: bool = True) -> WebhookDelivery:
        """Do what a worker does with one delivery and return the row; with `soon` what waits for its time is due now."""
        if soon:
            early = sa.update(WebhookDelivery).where(
                WebhookDelivery.id == delivery_id, WebhookDelivery.state == "pending"
            )
            db.session.execute(early.values(next_attempt_at=now()))
            db.session.commit()
        jobs.deliver(delivery_id)
        return self.row(delivery_id)

    def row(self, delivery_id: str) -> WebhookDelivery:
        return self._fresh(WebhookDelivery, delivery_id)

    def webhook(self, webhook_id: str) -> Webhook:
        return self._fresh(Webhook, webhook_id)

    def _fresh(self, table: type[Any], row_id: str) -> Any:
        db.session.commit()
        row = db.session.get_one(table, row_id, populate_existing=True)
        db.session.commit()
        return row


@pytest.fixture
def office(app: Flask, team: Any, receiver: Receiver) -> Iterator[Office]:
    with app.app_context():
        yield Office(team, receiver)
