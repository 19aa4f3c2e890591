"""Tables of prompt templates: the template, its numbered versions, its tags."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, mapped_column, relationship

from aiapp.accounts.models import User
from aiapp.columns import Id, Json, UtcDateTime, new_id, now
from aiapp.extensions import Model
from aiapp.providers.output_formats import WITH_DATA

VERSION_STATUSES = ("draft", "preview", "published", "archived")

prompt_template_tag = sa.Table(
    "prompt_template_tag",
    Model.metadata,
    sa.Column("prompt_template_id", sa.ForeignKey("prompt_template.id", ondelete="CASCADE"), primary_key=True),
    sa.Column("tag_id", sa.ForeignKey("tag.id", ondelete="CASCADE"), primary_key=True, index=True),
    sa.Column("workspace_id", sa.ForeignKey("workspace.id", ondelete="CASCADE"), nullable=False, index=True),
)


class Tag(Model):
    """A word that a workspace sorts its prompt templates by."""

    __tablename__ = "tag"
    __table_args__ = (sa.UniqueConstraint("workspace_id", "name"),)

    id: Mapped[str] = mapped_column(Id, primary_key=True, default=new_id)
    workspace_id: Mapped[str] = mapped_column(sa.ForeignKey("workspace.id", ondelete="CASCADE"))
    name: Mapped[str] = mapped_column(sa.String(50))


class PromptTemplate(Model):
    """A named prompt. What it says is in its versions; what it is called is here."""

    __tablename__ = "prompt_template"
    __table_args__ = (sa.UniqueConstraint("workspace_id", "slug"),)

    id: Mapped[str] = mapped_column(Id, primary_key=True, default=new_id)
    workspace_id: Mapped[str] = mapped_column(sa.ForeignKey("workspace.id", ondelete="CASCADE"))
    slug: Mapped[str] = mapped_column(sa.String(60))
    name: Mapped[str] = mapped_column(sa.String(100))
    description: Mapped[str] = mapped_column(sa.Text, default="")
    task: Mapped[str | None] = mapped_column(sa.String(60))
    active: Mapped[bool] = mapped_column(default=True)
    last_number: Mapped[int] = mapped_column(default=0)
    created_at: Mapped[datetime] = mapped_column(UtcDateTime, default=now)
    updated_at: Mapped[datetime] = mapped_column(UtcDateTime, default=now, onupdate=now)

    # Read only: the rows between carry workspace_id, which a relationship would not write (see tagging.py).
    tags: Mapped[list[Tag]] = relationship(
        secondary=prompt_template_tag, order_by=Tag.name, lazy="selectin", viewonly=True
    )


class PromptVersion(Model):
    """One numbered text of a prompt template. A draft changes under `lock_version`; a published one never changes again.

    `variables` is a list of `{name, type, required, default, description, sample}`; `messages` are example turns
    `{role, content}`. `semver` is given at publishing. `branch` names the line of versions it belongs to, None the main one;
    `parent` is what it began as a copy of, `merged` the version of another branch whose changes it took in.
    """

    __tablename__ = "prompt_version"
    __table_args__ = (
        sa.UniqueConstraint("prompt_template_id", "number"),
        sa.Index("ix_prompt_version_prompt_template_id_status", "prompt_template_id", "status"),
    )

    id: Mapped[str] = mapped_column(Id, primary_key=True, default=new_id)
    workspace_id: Mapped[str] = mapped_column(sa.ForeignKey("workspace.id", ondelete="CASCADE"), index=True)
    prompt_template_id: Mapped[str] = mapped_column(sa.ForeignKey("prompt_template.id", ondelete="CASCADE"))
    number: Mapped[int] = mapped_column()
    status: Mapped[str] = mapped_column(sa.String(10), default="draft")
    system: Mapped[str] = mapped_column(sa.Text, default="")
    body: Mapped[str] = mapped_column(sa.Text, default="")
    messages: Mapped[list[dict[str, str]]] = mapped_column(Json, default=list)
    variables: Mapped[list[dict[str, Any]]] = mapped_column(Json, default=list)
    output_format: Mapped[str] = mapped_column(sa.String(10), default="text")
    json_schema: Mapped[dict[str, Any] | None] = mapped_column(Json)
    provider: Mapped[str | None] = mapped_column(sa.String(30))
    model: Mapped[str | None] = mapped_column(sa.String(200))
    temperature: Mapped[float | None] = mapped_column()
    max_tokens: Mapped[int | None] = mapped_column()
    message: Mapped[str] = mapped_column(sa.String(500), default="")
    author_id: Mapped[str | None] = mapped_column(sa.ForeignKey("user.id", ondelete="SET NULL"))
    parent_id: Mapped[str | None] = mapped_column(sa.ForeignKey("prompt_version.id", ondelete="SET NULL"))
    merged_id: Mapped[str | None] = mapped_column(sa.ForeignKey("prompt_version.id", ondelete="SET NULL"))
    branch: Mapped[str | None] = mapped_column(sa.String(60))
    semver: Mapped[str | None] = mapped_column(sa.String(30))
    lock_version: Mapped[int] = mapped_column(default=1)
    created_at: Mapped[datetime] = mapped_column(UtcDateTime, default=now)
    updated_at: Mapped[datetime] = mapped_column(UtcDateTime, default=now)
    published_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    published_by_id: Mapped[str | None] = mapped_column(sa.ForeignKey("user.id", ondelete="SET NULL"))

    prompt_template: Mapped[PromptTemplate] = relationship(lazy="joined")
    author: Mapped[User | None] = relationship(foreign_keys=author_id, lazy="joined")
    published_by: Mapped[User | None] = relationship(foreign_keys=published_by_id, lazy="joined")
    parent: Mapped[PromptVersion | None] = relationship(remote_side=id, foreign_keys=parent_id)
    merged: Mapped[PromptVersion | None] = relationship(remote_side=id, foreign_keys=merged_id)

    @property
    def answers_by_schema(self) -> bool:
        """Whether answers are compared with the JSON schema: there is one, and they have a value."""
        return self.json_schema is not None and self.output_format in WITH_DATA


class PromptRevision(Model):
    """What a draft said before a save replaced it: `content`, under `lock_version`, until `author` saved something else at
    `saved_at`. Without an author nothing has replaced it yet: something began as a copy of it at that moment.
    """

    __tablename__ = "prompt_revision"
    __table_args__ = (sa.Index("ix_prompt_revision_prompt_version_id_id", "prompt_version_id", "id"),)

    id: Mapped[str] = mapped_column(Id, primary_key=True, default=new_id)
    workspace_id: Mapped[str] = mapped_column(sa.ForeignKey("workspace.id", ondelete="CASCADE"), index=True)
    prompt_version_id: Mapped[str] = mapped_column(sa.ForeignKey("prompt_version.id", ondelete="CASCADE"))
    lock_version: Mapped[int] = mapped_column()
    content: Mapped[dict[str, Any]] = mapped_column(Json)
    author_id: Mapped[str | None] = mapped_column(sa.ForeignKey("user.id", ondelete="SET NULL"))
    saved_at: Mapped[datetime] = mapped_column(UtcDateTime, default=now)

    author: Mapped[User | None] = relationship(lazy="joined")


class PromptFavourite(Model):
    """A prompt template that a person keeps at the top of their list."""

    __tablename__ = "prompt_favourite"

    user_id: Mapped[str] = mapped_column(sa.ForeignKey("user.id", ondelete="CASCADE"), primary_key=True)
    prompt_template_id: Mapped[str] = mapped_column(
        sa.ForeignKey("prompt_template.id", ondelete="CASCADE"), primary_key=True, index=True
    )
    workspace_id: Mapped[str] = mapped_column(sa.ForeignKey("workspace.id", ondelete="CASCADE"), index=True)
