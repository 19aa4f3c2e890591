"""The audit trail: who did what, when, and what it was before and after. Rows are only ever added."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from flask import has_request_context
from sqlalchemy.orm import Mapped, mapped_column

from aiapp.columns import Id, Json, UtcDateTime, new_id, now
from aiapp.extensions import Model, client_address, db


class AuditEvent(Model):
    """One thing that somebody did. Names are copied, so an event outlives what it speaks of."""

    __tablename__ = "audit_event"
    __table_args__ = (sa.Index("ix_audit_event_workspace_id_id", "workspace_id", "id"),)

    id: Mapped[str] = mapped_column(Id, primary_key=True, default=new_id)
    workspace_id: Mapped[str | None] = mapped_column(sa.ForeignKey("workspace.id", ondelete="CASCADE"))
    actor_id: Mapped[str | None] = mapped_column(Id)
    actor: Mapped[str] = mapped_column(sa.String(254))
    action: Mapped[str] = mapped_column(sa.String(60))
    subject: Mapped[str] = mapped_column(sa.String(300))
    before: Mapped[dict[str, Any] | None] = mapped_column(Json)
    after: Mapped[dict[str, Any] | None] = mapped_column(Json)
    at: Mapped[datetime] = mapped_column(UtcDateTime, default=now)
    ip: Mapped[str] = mapped_column(sa.String(45), default="")


def record(
    action: str,
    subject: str,
    *,
    actor: str,
    actor_id: str | None = None,
    workspace_id: str | None = None,
    before: Mapping[str, Any] | None = None,
    after: Mapping[str, Any] | None = None,
) -> None:
    """Add an event to the session; the caller's commit keeps it together with what it describes.

    Arguments:
        action: noun and verb, such as `credential.create`.
        subject: what it was done to, as people know it.
        actor: the name people know the actor by; a command says `command line`.
        before, after: only the fields that changed, as JSON values; never a secret.
    """
    event = AuditEvent(
        workspace_id=workspace_id,
        actor_id=actor_id,
        actor=actor,
        action=action,
        subject=subject[:300],
        before=dict(before) if before is not None else None,
        after=dict(after) if after is not None else None,
        ip=client_address() if has_request_context() else "",
    )
    db.session.add(event)
