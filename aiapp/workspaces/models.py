"""Tables of workspaces: who belongs to one and who is invited."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, mapped_column, relationship

from aiapp.accounts.models import User
from aiapp.columns import Id, Json, UtcDateTime, new_id, now
from aiapp.extensions import Model

# How long texts that are not kept can be read.
AFTER_THE_END = timedelta(hours=1)
# Each role may do everything that the ones before it may.
ROLES = ("viewer", "editor", "admin", "owner")


class Workspace(Model):
    """A team's room: everything it holds names it. `data_key` encrypts its secrets and is itself wrapped by a master key.

    What becomes of its executions: `seals_texts` encrypts their texts too; without `keeps_texts` they are erased soon after the
    end (and encrypted until then); `texts_days` and `executions_days` are when texts are erased and executions deleted;
    `private_executions` hides them from all but their author and admins. `resealing` says how far the rows from before a change
    of the first two are (None: all done), `texts_erased_to` that every execution with a smaller id has no texts any more.
    """

    __tablename__ = "workspace"

    id: Mapped[str] = mapped_column(Id, primary_key=True, default=new_id)
    slug: Mapped[str] = mapped_column(sa.String(60), unique=True)
    name: Mapped[str] = mapped_column(sa.String(100))
    data_key: Mapped[bytes | None] = mapped_column(sa.LargeBinary)
    seals_texts: Mapped[bool] = mapped_column(default=False, server_default=sa.false())
    keeps_texts: Mapped[bool] = mapped_column(default=True, server_default=sa.true())
    texts_days: Mapped[int | None] = mapped_column()
    executions_days: Mapped[int | None] = mapped_column()
    private_executions: Mapped[bool] = mapped_column(default=False, server_default=sa.false())
    resealing: Mapped[dict[str, Any] | None] = mapped_column(Json)
    texts_erased_to: Mapped[str] = mapped_column(Id, default="", server_default="")
    created_at: Mapped[datetime] = mapped_column(UtcDateTime, default=now)

    @property
    def encrypts_texts(self) -> bool:
        """Whether texts of executions are encrypted when they are written; those that are not kept are, until they are erased."""
        return self.seals_texts or not self.keeps_texts

    @property
    def searches_texts(self) -> bool:
        """Whether the database can look for words in texts: it can not while any may be encrypted."""
        return not self.encrypts_texts and self.resealing is None

    def texts_until(self, made: datetime, ended: datetime | None) -> datetime | None:
        """Return until when the texts of an execution are kept that was made and has ended then; None: not known, or for good."""
        if not self.keeps_texts:
            return ended + AFTER_THE_END if ended is not None else None
        return made + timedelta(days=self.texts_days) if self.texts_days is not None else None


class Membership(Model):
    """A user's role in a workspace."""

    __tablename__ = "membership"
    __table_args__ = (sa.UniqueConstraint("workspace_id", "user_id"),)

    id: Mapped[str] = mapped_column(Id, primary_key=True, default=new_id)
    workspace_id: Mapped[str] = mapped_column(sa.ForeignKey("workspace.id", ondelete="CASCADE"))
    user_id: Mapped[str] = mapped_column(sa.ForeignKey("user.id", ondelete="CASCADE"), index=True)
    role: Mapped[str] = mapped_column(sa.String(8))
    created_at: Mapped[datetime] = mapped_column(UtcDateTime, default=now)

    workspace: Mapped[Workspace] = relationship(lazy="joined")
    user: Mapped[User] = relationship(lazy="joined")


class Invitation(Model):
    """A link that makes its bearer a member. The row holds the hash of its secret."""

    __tablename__ = "invitation"

    id: Mapped[str] = mapped_column(Id, primary_key=True, default=new_id)
    workspace_id: Mapped[str] = mapped_column(sa.ForeignKey("workspace.id", ondelete="CASCADE"), index=True)
    secret_hash: Mapped[str] = mapped_column(sa.String(64), unique=True)
    email: Mapped[str] = mapped_column(sa.String(254))
    role: Mapped[str] = mapped_column(sa.String(8))
    invited_by_id: Mapped[str | None] = mapped_column(sa.ForeignKey("user.id", ondelete="SET NULL"))
    created_at: Mapped[datetime] = mapped_column(UtcDateTime, default=now)
    expires_at: Mapped[datetime] = mapped_column(UtcDateTime)

    workspace: Mapped[Workspace] = relationship(lazy="joined")
    invited_by: Mapped[User | None] = relationship(lazy="joined")
