"""Tables of how versions reach people: labels and where they point, approvals, preview links, and what happened when."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, mapped_column, relationship

from aiapp.accounts.models import User
from aiapp.columns import Id, Json, UtcDateTime, new_id, now
from aiapp.extensions import Model
from aiapp.prompt_templates.models import PromptTemplate, PromptVersion

# The label that every client gets by default. It is no row: it is the version whose status is published.
PUBLISHED = "published"
# Who has to agree before a version is published: nobody, an admin, anybody but who asks.
APPROVALS = ("none", "admin", "second_person")
APPROVAL_STATES = ("open", "approved", "rejected", "withdrawn")


class PublishingRule(Model):
    """What a workspace asks for before a version is published; a workspace without a row asks for nothing."""

    __tablename__ = "publishing_rule"

    workspace_id: Mapped[str] = mapped_column(sa.ForeignKey("workspace.id", ondelete="CASCADE"), primary_key=True)
    approval: Mapped[str] = mapped_column(sa.String(15), default="none")


class Label(Model):
    """A name that a version of each prompt template may have: staging, canary. Moving a `protected` one asks for approval."""

    __tablename__ = "label"
    __table_args__ = (sa.UniqueConstraint("workspace_id", "name"),)

    id: Mapped[str] = mapped_column(Id, primary_key=True, default=new_id)
    workspace_id: Mapped[str] = mapped_column(sa.ForeignKey("workspace.id", ondelete="CASCADE"))
    name: Mapped[str] = mapped_column(sa.String(40))
    protected: Mapped[bool] = mapped_column(default=False)
    created_at: Mapped[datetime] = mapped_column(UtcDateTime, default=now)


class LabelledVersion(Model):
    """Which version of a prompt template a label points to."""

    __tablename__ = "labelled_version"

    prompt_template_id: Mapped[str] = mapped_column(
        sa.ForeignKey("prompt_template.id", ondelete="CASCADE"), primary_key=True
    )
    label_id: Mapped[str] = mapped_column(sa.ForeignKey("label.id", ondelete="CASCADE"), primary_key=True, index=True)
    workspace_id: Mapped[str] = mapped_column(sa.ForeignKey("workspace.id", ondelete="CASCADE"), index=True)
    prompt_version_id: Mapped[str] = mapped_column(sa.ForeignKey("prompt_version.id", ondelete="CASCADE"), index=True)

    label: Mapped[Label] = relationship(lazy="joined")
    prompt_version: Mapped[PromptVersion] = relationship()


class PromptApproval(Model):
    """A request to publish a version, or to point a protected label at it or take it off, and what became of it.

    `label_id` is None where it is about publishing. With `takes_off` the version is the one that the label pointed to.
    `lock_version` is what was asked for: a version that was changed since needs a new request.
    """

    __tablename__ = "prompt_approval"
    __table_args__ = (sa.Index("ix_prompt_approval_workspace_id_state_id", "workspace_id", "state", "id"),)

    id: Mapped[str] = mapped_column(Id, primary_key=True, default=new_id)
    workspace_id: Mapped[str] = mapped_column(sa.ForeignKey("workspace.id", ondelete="CASCADE"))
    prompt_template_id: Mapped[str] = mapped_column(sa.ForeignKey("prompt_template.id", ondelete="CASCADE"), index=True)
    prompt_version_id: Mapped[str] = mapped_column(sa.ForeignKey("prompt_version.id", ondelete="CASCADE"), index=True)
    label_id: Mapped[str | None] = mapped_column(sa.ForeignKey("label.id", ondelete="CASCADE"), index=True)
    takes_off: Mapped[bool] = mapped_column(default=False)
    lock_version: Mapped[int] = mapped_column()
    message: Mapped[str] = mapped_column(sa.String(500), default="")
    semver: Mapped[str | None] = mapped_column(sa.String(30))
    state: Mapped[str] = mapped_column(sa.String(10), default="open")
    requested_by_id: Mapped[str | None] = mapped_column(sa.ForeignKey("user.id", ondelete="SET NULL"))
    requested_at: Mapped[datetime] = mapped_column(UtcDateTime, default=now)
    decided_by_id: Mapped[str | None] = mapped_column(sa.ForeignKey("user.id", ondelete="SET NULL"))
    decided_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    decision: Mapped[str] = mapped_column(sa.String(500), default="")

    prompt_template: Mapped[PromptTemplate] = relationship()
    prompt_version: Mapped[PromptVersion] = relationship()
    label: Mapped[Label | None] = relationship(lazy="joined")
    requested_by: Mapped[User | None] = relationship(foreign_keys=requested_by_id, lazy="joined")
    decided_by: Mapped[User | None] = relationship(foreign_keys=decided_by_id, lazy="joined")


class PreviewLink(Model):
    """A link that shows a version to whoever has it, until it expires. The row holds the hash of its secret."""

    __tablename__ = "preview_link"

    id: Mapped[str] = mapped_column(Id, primary_key=True, default=new_id)
    workspace_id: Mapped[str] = mapped_column(sa.ForeignKey("workspace.id", ondelete="CASCADE"), index=True)
    prompt_version_id: Mapped[str] = mapped_column(sa.ForeignKey("prompt_version.id", ondelete="CASCADE"), index=True)
    secret_hash: Mapped[str] = mapped_column(sa.String(64), unique=True)
    created_by_id: Mapped[str | None] = mapped_column(sa.ForeignKey("user.id", ondelete="SET NULL"))
    created_at: Mapped[datetime] = mapped_column(UtcDateTime, default=now)
    expires_at: Mapped[datetime] = mapped_column(UtcDateTime)

    prompt_version: Mapped[PromptVersion] = relationship()
    created_by: Mapped[User | None] = relationship(lazy="joined")


class PromptEvent(Model):
    """Something that happened to a prompt template, for its history: `action` is details, archive, publish, label or approval.

    `before` and `after` hold the fields that changed; for a label, the numbers of the versions that it pointed to.
    """

    __tablename__ = "prompt_event"
    __table_args__ = (sa.Index("ix_prompt_event_prompt_template_id_id", "prompt_template_id", "id"),)

    id: Mapped[str] = mapped_column(Id, primary_key=True, default=new_id)
    workspace_id: Mapped[str] = mapped_column(sa.ForeignKey("workspace.id", ondelete="CASCADE"), index=True)
    prompt_template_id: Mapped[str] = mapped_column(sa.ForeignKey("prompt_template.id", ondelete="CASCADE"))
    action: Mapped[str] = mapped_column(sa.String(20))
    label: Mapped[str | None] = mapped_column(sa.String(40))
    before: Mapped[dict[str, Any] | None] = mapped_column(Json)
    after: Mapped[dict[str, Any] | None] = mapped_column(Json)
    message: Mapped[str] = mapped_column(sa.String(500), default="")
    user_id: Mapped[str | None] = mapped_column(sa.ForeignKey("user.id", ondelete="SET NULL"))
    at: Mapped[datetime] = mapped_column(UtcDateTime, default=now)

    user: Mapped[User | None] = relationship(lazy="joined")
