"""Tables of executions: what was asked, every attempt to have it answered, and what came back."""

from __future__ import annotations

from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, mapped_column, query_expression, relationship

from aiapp import sealing
from aiapp.accounts.models import User
from aiapp.columns import Id, Json, Money, UtcDateTime, new_id, now
from aiapp.extensions import Model
from aiapp.prompt_templates.models import PromptTemplate, PromptVersion
from aiapp.workspaces.access import Access

STATUSES = ("pending", "processing", "completed", "failed", "cancelled")
FINISHED = frozenset({"completed", "failed", "cancelled"})
PRIORITIES = ("high", "default", "low")


def _where(condition: str) -> dict[str, Any]:
    return {"sqlite_where": sa.text(condition), "postgresql_where": sa.text(condition)}


class Execution(Model):
    """One prompt that a model is to answer. The row is the job: Redis only wakes a worker for it.

    States move by compare-and-set: pending -> processing (a lease) -> completed, failed or cancelled; back to pending for a
    retry (`next_attempt_at`) or when a worker was lost. `round` counts the retries. `partial` says that
    `output` broke off. `template` and `template_system` are texts that were sent instead of the name of a prompt template.
    `provider`, `model` and the credential are those that answered, else that were asked last. `unpinned`: it repeats one that
    asked a certain credential, which whoever repeats it cannot use, and takes what there is instead. `fetched` are the names of
    the context whose values filled themselves (prompt_templates/text/fetchers.py). `opening` is no column:
    lists that leave `body` in the database have its beginning there, where no prompt template gives a name.
    """

    __tablename__ = "execution"
    __table_args__ = (
        # every filter of the list, so that a walk by id reads no row that it does not show (see filters.py)
        sa.Index(
            "ix_execution_listed",
            "workspace_id",
            "id",
            "status",
            "source",
            "provider",
            "model",
            "prompt_template_id",
            "prompt_version_id",
            "credential_id",
            "user_id",
            "error_class",
            "cost",
            "started_at",
            "completed_at",
        ),
        sa.Index("ix_execution_workspace_id_status_id", "workspace_id", "status", "id"),
        sa.Index("ix_execution_workspace_id_prompt_template_id_id", "workspace_id", "prompt_template_id", "id"),
        sa.Index("ix_execution_workspace_id_provider_id", "workspace_id", "provider", "id"),
        sa.Index("ix_execution_workspace_id_model_id", "workspace_id", "model", "id"),
        sa.Index("ix_execution_workspace_id_user_id_id", "workspace_id", "user_id", "id"),
        sa.Index("ix_execution_status_lease_until", "status", "lease_until"),
        # Of few rows each: what waits for a later round, and what failed lately in any workspace (see operations/figures.py).
        sa.Index("ix_execution_next_attempt_at", "next_attempt_at", **_where("next_attempt_at IS NOT NULL")),
        sa.Index("ix_execution_completed_at", "completed_at", "error_class", **_where("status = 'failed'")),
    )

    id: Mapped[str] = mapped_column(Id, primary_key=True, default=new_id)
    workspace_id: Mapped[str] = mapped_column(sa.ForeignKey("workspace.id", ondelete="CASCADE"))
    user_id: Mapped[str | None] = mapped_column(sa.ForeignKey("user.id", ondelete="SET NULL"), index=True)
    token_name: Mapped[str | None] = mapped_column(sa.String(100))
    source: Mapped[str] = mapped_column(sa.String(10))
    parent_id: Mapped[str | None] = mapped_column(sa.ForeignKey("execution.id", ondelete="SET NULL"), index=True)
    prompt_template_id: Mapped[str | None] = mapped_column(sa.ForeignKey("prompt_template.id", ondelete="SET NULL"))
    prompt_version_id: Mapped[str | None] = mapped_column(sa.ForeignKey("prompt_version.id", ondelete="SET NULL"))
    # what was asked
    template: Mapped[str | None] = mapped_column(sa.Text)
    template_system: Mapped[str | None] = mapped_column(sa.Text)
    context: Mapped[dict[str, Any]] = mapped_column(Json, default=dict)
    fetched: Mapped[list[str]] = mapped_column(Json, default=list, server_default=sa.text("'[]'"))
    system: Mapped[str] = mapped_column(sa.Text, default="")
    body: Mapped[str] = mapped_column(sa.Text, default="")
    messages: Mapped[list[dict[str, str]]] = mapped_column(Json, default=list)
    format: Mapped[str] = mapped_column(sa.String(10), default="text")
    json_schema: Mapped[dict[str, Any] | None] = mapped_column(Json)
    requested_provider: Mapped[str | None] = mapped_column(sa.String(30))
    requested_credential_id: Mapped[str | None] = mapped_column(Id)
    requested_model: Mapped[str | None] = mapped_column(sa.String(200))
    unpinned: Mapped[bool] = mapped_column(default=False, server_default=sa.false())
    temperature: Mapped[float | None] = mapped_column()
    max_tokens: Mapped[int | None] = mapped_column()
    stream: Mapped[bool] = mapped_column(default=True)
    priority: Mapped[str] = mapped_column(sa.String(8), default="default")
    # where it stands
    status: Mapped[str] = mapped_column(sa.String(10), default="pending")
    round: Mapped[int] = mapped_column(default=0)
    next_attempt_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    lease_owner: Mapped[str | None] = mapped_column(sa.String(64))
    lease_until: Mapped[datetime | None] = mapped_column(UtcDateTime)
    cancel_requested_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    # what came back
    provider: Mapped[str | None] = mapped_column(sa.String(30))
    model: Mapped[str | None] = mapped_column(sa.String(200))
    credential_id: Mapped[str | None] = mapped_column(Id)
    credential_name: Mapped[str | None] = mapped_column(sa.String(100))
    output: Mapped[str | None] = mapped_column(sa.Text)
    output_data: Mapped[Any | None] = mapped_column(Json)
    problems: Mapped[list[str]] = mapped_column(Json, default=list)
    valid: Mapped[bool | None] = mapped_column()
    partial: Mapped[bool] = mapped_column(default=False)
    finish: Mapped[str | None] = mapped_column(sa.String(60))
    tool_calls: Mapped[list[dict[str, str]]] = mapped_column(Json, default=list)
    error_class: Mapped[str | None] = mapped_column(sa.String(20))
    error_message: Mapped[str | None] = mapped_column(sa.Text)
    input_tokens: Mapped[int | None] = mapped_column(sa.BigInteger)
    output_tokens: Mapped[int | None] = mapped_column(sa.BigInteger)
    cached_tokens: Mapped[int | None] = mapped_column(sa.BigInteger)
    cache_write_tokens: Mapped[int | None] = mapped_column(sa.BigInteger)
    reasoning_tokens: Mapped[int | None] = mapped_column(sa.BigInteger)
    cost: Mapped[Decimal | None] = mapped_column(Money)
    created_at: Mapped[datetime] = mapped_column(UtcDateTime, default=now)
    started_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    completed_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    # what is left of texts that were erased: keyed hashes and lengths in characters
    texts_erased_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    input_hash: Mapped[str | None] = mapped_column(sa.String(64))
    output_hash: Mapped[str | None] = mapped_column(sa.String(64))
    input_characters: Mapped[int | None] = mapped_column()
    output_characters: Mapped[int | None] = mapped_column()

    opening: Mapped[str | None] = query_expression()
    user: Mapped[User | None] = relationship()
    prompt_template: Mapped[PromptTemplate | None] = relationship()
    prompt_version: Mapped[PromptVersion | None] = relationship()
    attempts: Mapped[list[Attempt]] = relationship(
        order_by="Attempt.number", back_populates="execution", passive_deletes=True
    )

    def shows_hashes_to(self, access: Access) -> bool:
        """Whether somebody sees the hashes of erased texts: who can run alike texts could guess a short one by its hash."""
        return access.allows("admin") or self.user_id == access.user.id

    @classmethod
    def visible_to(cls, access: Access) -> sa.ColumnElement[bool] | None:
        """Return the condition for those that somebody may see, None where that is all of the workspace (see Access.select)."""
        return cls.user_id == access.user.id if access.sees_own_only else None

    @property
    def finished(self) -> bool:
        """Whether nothing can change any more."""
        return self.status in FINISHED

    @property
    def duration_ms(self) -> int | None:
        """Milliseconds from the first start to the end; None while it runs or when it never started."""
        if self.started_at is None or self.completed_at is None:
            return None
        return (self.completed_at - self.started_at + timedelta(microseconds=500)) // timedelta(milliseconds=1)

    @property
    def total_tokens(self) -> int | None:
        """Input and output tokens together; None while either is unknown."""
        if self.input_tokens is None or self.output_tokens is None:
            return None
        return self.input_tokens + self.output_tokens


class Attempt(Model):
    """One call to one target. `reason` says why this target, `next_reason` why the execution went on or ended after it.

    The credential's name is copied: the attempt outlives it. `prices` are the prices that `cost` was computed with. `output` is
    the text that had arrived when a call failed (its beginning, see gateway.outcomes.Partial; the longest one moves to an
    execution that ends without an answer), `retry_after` the seconds that the provider then asked to wait.
    `passed_over` are the candidates that stood before this one and were not asked, each
    `{"credential_id", "credential_name", "provider", "model", "because"}`. `raw` is what the provider answered, cut to a bound
    and without the key; only its own page reads it.
    """

    __tablename__ = "attempt"
    __table_args__ = (
        sa.UniqueConstraint("execution_id", "number"),
        sa.Index("ix_attempt_credential_id_model_started_at", "credential_id", "model", "started_at"),
    )

    id: Mapped[str] = mapped_column(Id, primary_key=True, default=new_id)
    workspace_id: Mapped[str] = mapped_column(sa.ForeignKey("workspace.id", ondelete="CASCADE"), index=True)
    execution_id: Mapped[str] = mapped_column(sa.ForeignKey("execution.id", ondelete="CASCADE"))
    number: Mapped[int] = mapped_column()
    credential_id: Mapped[str | None] = mapped_column(Id)
    credential_name: Mapped[str] = mapped_column(sa.String(100), default="")
    provider: Mapped[str] = mapped_column(sa.String(30))
    model: Mapped[str] = mapped_column(sa.String(200))
    status: Mapped[str] = mapped_column(sa.String(10))
    reason: Mapped[str] = mapped_column(sa.String(300), default="")
    next_reason: Mapped[str] = mapped_column(sa.String(300), default="")
    error_class: Mapped[str | None] = mapped_column(sa.String(20))
    error_message: Mapped[str | None] = mapped_column(sa.Text)
    http_status: Mapped[int | None] = mapped_column()
    retry_after: Mapped[float | None] = mapped_column()
    output: Mapped[str | None] = mapped_column(sa.Text)
    started_at: Mapped[datetime] = mapped_column(UtcDateTime)
    duration_ms: Mapped[int | None] = mapped_column()
    first_token_ms: Mapped[int | None] = mapped_column()
    finish: Mapped[str | None] = mapped_column(sa.String(60))
    input_tokens: Mapped[int | None] = mapped_column(sa.BigInteger)
    output_tokens: Mapped[int | None] = mapped_column(sa.BigInteger)
    cached_tokens: Mapped[int | None] = mapped_column(sa.BigInteger)
    cache_write_tokens: Mapped[int | None] = mapped_column(sa.BigInteger)
    reasoning_tokens: Mapped[int | None] = mapped_column(sa.BigInteger)
    cost: Mapped[Decimal | None] = mapped_column(Money)
    prices: Mapped[dict[str, Any] | None] = mapped_column(Json)
    passed_over: Mapped[list[dict[str, str]]] = mapped_column(Json, default=list, server_default=sa.text("'[]'"))
    raw: Mapped[str | None] = mapped_column(sa.Text, deferred=True)

    execution: Mapped[Execution] = relationship(back_populates="attempts")

    @property
    def why(self) -> str:
        """Why this target, and what followed, in sentences."""
        return " ".join(part if part.endswith(".") else f"{part}." for part in (self.reason, self.next_reason) if part)


sealing.register(
    Execution,
    {
        "template": None,
        "template_system": None,
        "context": {},
        "system": "",
        "body": "",
        "messages": [],
        "output": None,
        "output_data": None,
        "problems": [],
        "tool_calls": [],
        "error_message": None,
    },
    execution="id",
    read_as={"opening": "body"},
)
sealing.register(
    Attempt,
    {"output": None, "raw": None, "error_message": None},
    row=("execution_id", "number"),
    execution="execution_id",
)


class QueuePause(Model):
    """What nothing is started of until somebody resumes it; what runs goes on to its end.

    `what` is `all`, the name of a queue, `workspace:<id>` or `worker:<name>` (one that is drained).
    """

    __tablename__ = "queue_pause"

    what: Mapped[str] = mapped_column(sa.String(80), primary_key=True)
    workspace_id: Mapped[str | None] = mapped_column(sa.ForeignKey("workspace.id", ondelete="CASCADE"), index=True)
    reason: Mapped[str] = mapped_column(sa.String(200), default="")
    by: Mapped[str] = mapped_column(sa.String(254))
    at: Mapped[datetime] = mapped_column(UtcDateTime, default=now)
