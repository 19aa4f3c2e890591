"""The table of feedback: what people thought of an execution's output."""

from __future__ import annotations

from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, mapped_column, relationship

from aiapp import sealing
from aiapp.accounts.models import User
from aiapp.columns import Id, Json, UtcDateTime, new_id, now
from aiapp.executions.models import Execution
from aiapp.extensions import Model
from aiapp.workspaces.access import Access

RATINGS = ("up", "down")
# What pages offer; a program may give others.
REASONS = {
    "up": ("Correct", "Complete", "Well written", "Right format"),
    "down": ("Incorrect", "Incomplete", "Made up", "Wrong format", "Wrong tone", "Too long"),
}
LISTED = frozenset(reason for some in REASONS.values() for reason in some)


class Feedback(Model):
    """One person's thumb for one execution, with an optional comment and reasons."""

    __tablename__ = "feedback"
    __table_args__ = (sa.UniqueConstraint("execution_id", "user_id"),)

    id: Mapped[str] = mapped_column(Id, primary_key=True, default=new_id)
    workspace_id: Mapped[str] = mapped_column(sa.ForeignKey("workspace.id", ondelete="CASCADE"), index=True)
    execution_id: Mapped[str] = mapped_column(sa.ForeignKey("execution.id", ondelete="CASCADE"))
    user_id: Mapped[str] = mapped_column(sa.ForeignKey("user.id", ondelete="CASCADE"), index=True)
    rating: Mapped[str] = mapped_column(sa.String(4))
    comment: Mapped[str] = mapped_column(sa.Text, default="")
    reasons: Mapped[list[str]] = mapped_column(Json, default=list)
    created_at: Mapped[datetime] = mapped_column(UtcDateTime, default=now)
    updated_at: Mapped[datetime] = mapped_column(UtcDateTime, default=now, onupdate=now)

    user: Mapped[User] = relationship(lazy="joined")

    @classmethod
    def visible_to(cls, access: Access) -> sa.ColumnElement[bool] | None:
        """Return the condition for those on executions that somebody may see, None where that is all (see Access.select)."""
        condition = Execution.visible_to(access)
        if condition is None:
            return None
        seen = sa.select(Execution.id).where(Execution.workspace_id == access.workspace.id, condition)
        return cls.execution_id.in_(seen)

    def names_voter_to(self, access: Access) -> bool:
        """Whether somebody is told who voted: by a bare thumb only admins are, by a comment everybody who reads it."""
        return bool(self.comment) or self.user_id == access.user.id or access.allows("admin")


sealing.register(Feedback, {"comment": "", "reasons": []}, execution="execution_id", counted={"reasons": LISTED})
