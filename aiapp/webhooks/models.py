"""Tables of webhooks: where to tell, and what was told."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, mapped_column, relationship

from aiapp.columns import Id, Json, UtcDateTime, new_id, now
from aiapp.extensions import Model
from aiapp.wire_values import moment

EVENTS = ("prompt_template.published", "prompt_template.label_moved", "batch.ended")
# A test that somebody asks for. Nobody listens to it, every webhook understands it.
PING = "ping"
# A delivery that is `sending` has a worker until its next_attempt_at: after that moment the worker was lost.
WAITING = ("pending", "sending")
ENDED = ("delivered", "failed")
DELIVERY_STATES = (*WAITING, *ENDED)
# So many attempts in a row without a 2xx make a webhook one that fails.
FAILING_AFTER = 5


class Webhook(Model):
    """An address that is told of events.

    secret: the vault's blob of what signs the deliveries; old_secret: the one before, which signs too until `old_secret_until`.
    failures: attempts in a row that were not answered with 2xx.
    gone: whether it was switched off because its receiver answered 410.
    """

    __tablename__ = "webhook"

    id: Mapped[str] = mapped_column(Id, primary_key=True, default=new_id)
    workspace_id: Mapped[str] = mapped_column(sa.ForeignKey("workspace.id", ondelete="CASCADE"), index=True)
    url: Mapped[str] = mapped_column(sa.String(500))
    secret: Mapped[bytes] = mapped_column(sa.LargeBinary)
    old_secret: Mapped[bytes | None] = mapped_column(sa.LargeBinary)
    old_secret_until: Mapped[datetime | None] = mapped_column(UtcDateTime)
    events: Mapped[list[str]] = mapped_column(Json, default=list)
    active: Mapped[bool] = mapped_column(default=True)
    gone: Mapped[bool] = mapped_column(default=False)
    failures: Mapped[int] = mapped_column(default=0)
    created_at: Mapped[datetime] = mapped_column(UtcDateTime, default=now)

    @property
    def state(self) -> str:
        """How it stands: active, failing or off."""
        if not self.active:
            return "off"
        return "failing" if self.failures >= FAILING_AFTER else "active"

    @property
    def host(self) -> str:
        """Whom it tells, in short."""
        return self.url.partition("://")[2].partition("/")[0].partition("?")[0]

    @property
    def shown_url(self) -> str:
        """The address without its query, which may hold a key."""
        path, mark, _ = self.url.partition("?")
        return path + ("?…" if mark else "")


class WebhookDelivery(Model):
    """One event for one webhook: sent until it is answered with 2xx, or given up. The row is the job.

    payload: what is sent as `data`.
    attempts: how often it was begun to be sent, since it was last asked for; of two workers only the last one's result counts.
    """

    __tablename__ = "webhook_delivery"
    __table_args__ = (
        sa.Index("ix_webhook_delivery_webhook_id_id", "webhook_id", "id"),
        sa.Index("ix_webhook_delivery_state_next_attempt_at", "state", "next_attempt_at"),
    )

    id: Mapped[str] = mapped_column(Id, primary_key=True, default=new_id)
    workspace_id: Mapped[str] = mapped_column(sa.ForeignKey("workspace.id", ondelete="CASCADE"), index=True)
    webhook_id: Mapped[str] = mapped_column(sa.ForeignKey("webhook.id", ondelete="CASCADE"))
    event: Mapped[str] = mapped_column(sa.String(60))
    payload: Mapped[dict[str, Any]] = mapped_column(Json)
    state: Mapped[str] = mapped_column(sa.String(10), default="pending")
    attempts: Mapped[int] = mapped_column(default=0)
    next_attempt_at: Mapped[datetime] = mapped_column(UtcDateTime, default=now)
    http_status: Mapped[int | None] = mapped_column()
    error: Mapped[str] = mapped_column(sa.String(300), default="")
    created_at: Mapped[datetime] = mapped_column(UtcDateTime, default=now)
    delivered_at: Mapped[datetime | None] = mapped_column(UtcDateTime)

    webhook: Mapped[Webhook] = relationship()

    @property
    def message(self) -> dict[str, Any]:
        """What is sent: the event, when it happened, and what happened."""
        happened = moment(self.created_at)
        return {"type": self.event, "timestamp": happened, "data": self.payload}
