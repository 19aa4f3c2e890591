"""The tables of credentials: a workspace's keys for AI providers, and how each of them did."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, mapped_column

from aiapp.columns import Id, Json, UtcDateTime, new_id, now
from aiapp.extensions import Model

HEALTH = ("unknown", "healthy", "degraded", "down")


class Credential(Model):
    """A key for one provider, where it stands in the fallback order, and how it last did.

    owner_id: whose personal credential it is, None for the workspace's.
    api_key: the vault's blob, never the key.
    health: what the last look at it has shown, with `health_reason`; since `health_since`. `health_rung`: the rung of a test at
        which a trouble was found (a call of an execution is a completion).
    last_test: the result of the last connection test: `{"ok", "steps": [{"step", "ok", "ms", "detail", "hint"}], "error_class",
        "at"}`; results of before `at` was kept have none. A scheduled check that holds leaves it, and sets `last_tested_at`.
    check_asked_at: when a scheduled check of it was last put on a queue.
    test_asked_at: when a test that a worker is to run was last put on a queue, None once it has ended.
    models: the names that the provider listed at `models_at`, None where it has never told.
    allowed_models: no other is asked of it, None for any.
    drill_until: until then every call of it fails without being made, so that one sees what follows (a failure drill).
    """

    __tablename__ = "credential"
    __table_args__ = (
        # Who leaves the workspace takes their personal credentials with them.
        sa.ForeignKeyConstraint(
            ["workspace_id", "owner_id"], ["membership.workspace_id", "membership.user_id"], ondelete="CASCADE"
        ),
        sa.UniqueConstraint("workspace_id", "owner_id", "name"),
        sa.Index(
            "uq_credential_workspace_name",
            "workspace_id",
            "name",
            unique=True,
            sqlite_where=sa.text("owner_id IS NULL"),
            postgresql_where=sa.text("owner_id IS NULL"),
        ),
        sa.Index("ix_credential_workspace_id_position", "workspace_id", "position"),
    )

    id: Mapped[str] = mapped_column(Id, primary_key=True, default=new_id)
    workspace_id: Mapped[str] = mapped_column(sa.ForeignKey("workspace.id", ondelete="CASCADE"))
    owner_id: Mapped[str | None] = mapped_column(Id)
    provider: Mapped[str] = mapped_column(sa.String(30))
    name: Mapped[str] = mapped_column(sa.String(100))
    api_key: Mapped[bytes | None] = mapped_column(sa.LargeBinary)
    key_hint: Mapped[str | None] = mapped_column(sa.String(4))
    base_url: Mapped[str] = mapped_column(sa.String(500))
    preferred_model: Mapped[str | None] = mapped_column(sa.String(200))
    temperature: Mapped[float | None] = mapped_column()
    max_tokens: Mapped[int | None] = mapped_column()
    system_prompt: Mapped[str | None] = mapped_column(sa.Text)
    settings: Mapped[dict[str, Any]] = mapped_column(Json, default=dict)
    is_default: Mapped[bool] = mapped_column(default=False)
    position: Mapped[int] = mapped_column(default=0)
    active: Mapped[bool] = mapped_column(default=True)
    health: Mapped[str] = mapped_column(sa.String(10), default="unknown")
    health_rung: Mapped[str | None] = mapped_column(sa.String(10))
    health_reason: Mapped[str | None] = mapped_column(sa.String(30))
    health_since: Mapped[datetime | None] = mapped_column(UtcDateTime)
    last_test: Mapped[dict[str, Any] | None] = mapped_column(Json)
    last_tested_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    check_asked_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    test_asked_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    models: Mapped[list[str] | None] = mapped_column(Json)
    models_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    allowed_models: Mapped[list[str] | None] = mapped_column(Json)
    last_used_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    drill_until: Mapped[datetime | None] = mapped_column(UtcDateTime)
    created_at: Mapped[datetime] = mapped_column(UtcDateTime, default=now)
    updated_at: Mapped[datetime] = mapped_column(UtcDateTime, default=now, onupdate=now)


class CircuitBreaker(Model):
    """A model of a credential that is not asked for a while, because its last calls failed. No row: it is asked (closed).

    cause: `failures` (in a row, or too many of the last ones) or `rate_limit` (the provider named a moment).
    until: before then it is open; after it one execution tries it (half-open), for which it holds `probe_until`.
    trips: how often it opened in a row, which makes each time longer.
    error_class, message: of the call that opened it.
    """

    __tablename__ = "circuit_breaker"
    __table_args__ = (sa.UniqueConstraint("credential_id", "model"),)

    id: Mapped[str] = mapped_column(Id, primary_key=True, default=new_id)
    workspace_id: Mapped[str] = mapped_column(sa.ForeignKey("workspace.id", ondelete="CASCADE"), index=True)
    credential_id: Mapped[str] = mapped_column(sa.ForeignKey("credential.id", ondelete="CASCADE"))
    model: Mapped[str] = mapped_column(sa.String(200))
    cause: Mapped[str] = mapped_column(sa.String(10))
    error_class: Mapped[str] = mapped_column(sa.String(20))
    message: Mapped[str] = mapped_column(sa.String(500))
    trips: Mapped[int] = mapped_column(default=1)
    opened_at: Mapped[datetime] = mapped_column(UtcDateTime)
    until: Mapped[datetime] = mapped_column(UtcDateTime)
    probe_until: Mapped[datetime | None] = mapped_column(UtcDateTime)


SOURCES = ("test", "schedule", "execution")


class CredentialCheck(Model):
    """One look at a credential: a test that somebody asked for, a scheduled one, or a call of an execution (few of many).

    `health` and `reason` are the credential's after it, `step` is the rung of a test that failed, `ms` how long the completion
    took: None where none was asked for, or none answered.
    """

    __tablename__ = "credential_check"
    __table_args__ = (sa.Index("ix_credential_check_seen", "workspace_id", "at"),)

    id: Mapped[str] = mapped_column(Id, primary_key=True, default=new_id)
    workspace_id: Mapped[str] = mapped_column(sa.ForeignKey("workspace.id", ondelete="CASCADE"))
    credential_id: Mapped[str] = mapped_column(sa.ForeignKey("credential.id", ondelete="CASCADE"), index=True)
    at: Mapped[datetime] = mapped_column(UtcDateTime, default=now)
    source: Mapped[str] = mapped_column(sa.String(10))
    health: Mapped[str] = mapped_column(sa.String(10))
    reason: Mapped[str | None] = mapped_column(sa.String(30))
    step: Mapped[str | None] = mapped_column(sa.String(10))
    ms: Mapped[int | None] = mapped_column()
