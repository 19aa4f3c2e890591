"""Tables of the list of executions: views that are kept by name, and what a person's own list looks like."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, mapped_column

from aiapp import sealing
from aiapp.columns import Id, Json, UtcDateTime, new_id, now
from aiapp.extensions import Model

NAME = 60


class SavedView(Model):
    """Filters and columns under a name: somebody's own, or with no owner the workspace's.

    `query` are the filters as the list's address has them; `columns` their names in order, None the reader's own.
    """

    __tablename__ = "saved_view"
    __table_args__ = (
        sa.Index("uq_saved_view_own", "workspace_id", "owner_id", "name", unique=True),
        sa.Index(
            "uq_saved_view_shared",
            "workspace_id",
            "name",
            unique=True,
            sqlite_where=sa.text("owner_id IS NULL"),
            postgresql_where=sa.text("owner_id IS NULL"),
        ),
    )

    id: Mapped[str] = mapped_column(Id, primary_key=True, default=new_id)
    workspace_id: Mapped[str] = mapped_column(sa.ForeignKey("workspace.id", ondelete="CASCADE"))
    owner_id: Mapped[str | None] = mapped_column(sa.ForeignKey("user.id", ondelete="CASCADE"), index=True)
    name: Mapped[str] = mapped_column(sa.String(NAME))
    query: Mapped[dict[str, Any]] = mapped_column(Json, default=dict)
    columns: Mapped[list[str] | None] = mapped_column(Json)
    created_at: Mapped[datetime] = mapped_column(UtcDateTime, default=now)
    updated_at: Mapped[datetime] = mapped_column(UtcDateTime, default=now, onupdate=now)

    @property
    def shared(self) -> bool:
        """Whether it is the workspace's."""
        return self.owner_id is None


# What somebody looks for may be a text's own words.
sealing.register(SavedView, {"query": {}}, execution=None)


class ListPreference(Model):
    """What one person's list looks like in one workspace: its columns, and the view that it opens with."""

    __tablename__ = "list_preference"

    workspace_id: Mapped[str] = mapped_column(sa.ForeignKey("workspace.id", ondelete="CASCADE"), primary_key=True)
    user_id: Mapped[str] = mapped_column(sa.ForeignKey("user.id", ondelete="CASCADE"), primary_key=True, index=True)
    columns: Mapped[list[str] | None] = mapped_column(Json)
    view_id: Mapped[str | None] = mapped_column(sa.ForeignKey("saved_view.id", ondelete="SET NULL"), index=True)
