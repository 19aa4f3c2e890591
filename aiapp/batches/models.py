"""Tables of batches: what is run with which version, and the rows, which know how far it is."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, mapped_column, relationship

from aiapp import sealing
from aiapp.accounts.models import User
from aiapp.columns import Id, Json, Money, UtcDateTime, new_id, now
from aiapp.executions.models import Execution
from aiapp.extensions import Model
from aiapp.prompt_templates.models import PromptTemplate, PromptVersion
from aiapp.workspaces.access import Access

STATUSES = ("draft", "running", "paused", "cancelled", "ended")
STATES = ("waiting", "running", "completed", "failed", "cancelled")
ENDED = frozenset({"completed", "failed", "cancelled"})


class Batch(Model):
    """A prompt template and a table of values for its variables.

    draft -> running <-> paused -> ended or cancelled, and back to running where rows are tried again. How far it is, is counted
    from the rows and stands nowhere else. `columns` are the table's, in their order; `mapping` says of each variable
    `{"column": name}` or `{"value": text}`. `asked` is how it was asked for (version, label, provider, credential_id, model,
    temperature, max_tokens). `checked` is what looking at all rows has found (see checking.Checked), None before. `prompt` is
    what the version said at the start, with all that it includes, so that no later edit divides the rows (see frozen.py). `note`
    says why it was paused by itself; rows begun before `counted_from` do not count for that (see halting.py). `size` is how many
    rows it has, `revision` counts the changes of a draft.
    `texts_erased_at` is set when it and its rows have no texts any more (see retention/erasing_batches.py).
    """

    __tablename__ = "batch"
    __table_args__ = (
        sa.Index("ix_batch_workspace_id_id", "workspace_id", "id"),
        sa.Index("ix_batch_status", "status"),
        sa.Index("ix_batch_erased", "workspace_id", "texts_erased_at", "id"),
    )

    id: Mapped[str] = mapped_column(Id, primary_key=True, default=new_id)
    workspace_id: Mapped[str] = mapped_column(sa.ForeignKey("workspace.id", ondelete="CASCADE"))
    user_id: Mapped[str | None] = mapped_column(sa.ForeignKey("user.id", ondelete="SET NULL"), index=True)
    token_name: Mapped[str | None] = mapped_column(sa.String(100))
    name: Mapped[str] = mapped_column(sa.String(100))
    file_name: Mapped[str] = mapped_column(sa.String(200), default="")
    prompt_template_id: Mapped[str | None] = mapped_column(
        sa.ForeignKey("prompt_template.id", ondelete="SET NULL"), index=True
    )
    prompt_version_id: Mapped[str | None] = mapped_column(
        sa.ForeignKey("prompt_version.id", ondelete="SET NULL"), index=True
    )
    size: Mapped[int] = mapped_column()
    columns: Mapped[list[str]] = mapped_column(Json, default=list)
    mapping: Mapped[dict[str, dict[str, str]]] = mapped_column(Json, default=dict)
    asked: Mapped[dict[str, Any]] = mapped_column(Json, default=dict)
    checked: Mapped[dict[str, Any] | None] = mapped_column(Json)
    prompt: Mapped[dict[str, Any] | None] = mapped_column(Json, deferred=True)
    priority: Mapped[str] = mapped_column(sa.String(8), default="low")
    at_once: Mapped[int] = mapped_column()
    per_minute: Mapped[int | None] = mapped_column()
    status: Mapped[str] = mapped_column(sa.String(10), default="draft")
    revision: Mapped[int] = mapped_column(default=1)
    note: Mapped[str] = mapped_column(sa.String(300), default="")
    created_at: Mapped[datetime] = mapped_column(UtcDateTime, default=now)
    started_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    counted_from: Mapped[datetime | None] = mapped_column(UtcDateTime)
    ended_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    texts_erased_at: Mapped[datetime | None] = mapped_column(UtcDateTime)

    user: Mapped[User | None] = relationship()
    prompt_template: Mapped[PromptTemplate | None] = relationship()
    prompt_version: Mapped[PromptVersion | None] = relationship()

    @classmethod
    def visible_to(cls, access: Access) -> sa.ColumnElement[bool] | None:
        """Return the condition for those that somebody may see, None where that is all of the workspace (see Access.select)."""
        if Execution.visible_to(access) is None:
            return None
        return cls.user_id == access.user.id


class BatchRow(Model):
    """One row of a batch's table, and what became of it. `number` counts from 1, `context` has the row's values by column.

    `execution_id` is its one execution, given in the transaction that makes it; `state` is running from then on, until the
    execution's end is copied here (feeding.py): that end is final, so the copy is too, and it stays when the execution is
    deleted. Before the copy the execution itself says how it stands. `parent_id` is the execution that the row's next one
    repeats, `earlier_cost` what the repeated ones cost. `error` says why no execution could be made.
    """

    __tablename__ = "batch_row"
    __table_args__ = (
        sa.UniqueConstraint("batch_id", "number"),
        sa.Index("ix_batch_row_counted", "batch_id", "state", "number", "valid", "cost", "earlier_cost"),
        sa.Index("ix_batch_row_fed", "batch_id", "fed_at"),
    )

    id: Mapped[str] = mapped_column(Id, primary_key=True, default=new_id)
    workspace_id: Mapped[str] = mapped_column(sa.ForeignKey("workspace.id", ondelete="CASCADE"), index=True)
    batch_id: Mapped[str] = mapped_column(sa.ForeignKey("batch.id", ondelete="CASCADE"))
    number: Mapped[int] = mapped_column()
    context: Mapped[dict[str, Any]] = mapped_column(Json, default=dict)
    state: Mapped[str] = mapped_column(sa.String(10), default="waiting")
    execution_id: Mapped[str | None] = mapped_column(Id, unique=True)
    parent_id: Mapped[str | None] = mapped_column(Id)
    fed_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    valid: Mapped[bool | None] = mapped_column()
    cost: Mapped[Decimal | None] = mapped_column(Money)
    earlier_cost: Mapped[Decimal | None] = mapped_column(Money)
    error: Mapped[str | None] = mapped_column(sa.Text)


# What all rows share belongs to no execution, and neither does a row that never ran: they go when the batch has ended. Where a
# table has no header, its first row names the columns.
_SHARED: dict[str, Any] = {"columns": [], "mapping": {}, "checked": None, "prompt": None}
sealing.register(Batch, _SHARED, execution=None, erased={"file_name": ""})
sealing.register(BatchRow, {"context": {}, "error": None}, execution="execution_id")
