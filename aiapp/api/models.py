"""The table of idempotency keys: the first answer to each, kept for a day."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, mapped_column

from aiapp import sealing
from aiapp.columns import Id, Json, UtcDateTime, new_id, now
from aiapp.extensions import Model


class IdempotencyKey(Model):
    """A key that a client sent with a POST, what the request was (hashed), and what was answered: None until it is known.

    `id` is also the id of the execution that the request makes, if it makes one.
    """

    __tablename__ = "idempotency_key"
    __table_args__ = (sa.UniqueConstraint("workspace_id", "key"),)

    id: Mapped[str] = mapped_column(Id, primary_key=True, default=new_id)
    # Checked at the commit: PostgreSQL would share-lock the workspace from here on, and two requests that then both lock it
    # whole (order.locked) would wait for each other.
    workspace_id: Mapped[str] = mapped_column(
        sa.ForeignKey("workspace.id", ondelete="CASCADE", deferrable=True, initially="DEFERRED")
    )
    key: Mapped[str] = mapped_column(sa.String(255))
    request_hash: Mapped[str] = mapped_column(sa.String(64))
    status: Mapped[int | None] = mapped_column()
    answer: Mapped[dict[str, Any] | None] = mapped_column(Json)
    created_at: Mapped[datetime] = mapped_column(UtcDateTime, default=now, index=True)


# Once erased, a retry is answered with the execution as it then is; what made none is not made twice (see idempotency.once).
sealing.register(IdempotencyKey, {"answer": None}, execution="id", erased={"status": None}, ended="created_at")
