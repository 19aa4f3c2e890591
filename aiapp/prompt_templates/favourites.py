"""Favourites: the prompt templates that a person keeps at hand. Each has their own; nobody else sees them."""

from __future__ import annotations

import sqlalchemy as sa

from aiapp.extensions import db, insert
from aiapp.prompt_templates.models import PromptFavourite, PromptTemplate
from aiapp.workspaces.access import Access


def is_one(access: Access, template: PromptTemplate) -> bool:
    """Whether `template` is a favourite of who asks."""
    return db.session.scalar(sa.select(sa.select(PromptFavourite).where(*_mine(access, template)).exists())) is True


def keep(access: Access, template: PromptTemplate) -> None:
    """Make `template` a favourite of who asks; it may be one already."""
    row = {
        "user_id": access.user.id,
        "prompt_template_id": template.id,
        "workspace_id": access.workspace.id,
    }
    db.session.execute(insert(PromptFavourite).values(row).on_conflict_do_nothing())
    db.session.commit()


def drop(access: Access, template: PromptTemplate) -> None:
    """Let `template` be no favourite of who asks."""
    db.session.execute(sa.delete(PromptFavourite).where(*_mine(access, template)))
    db.session.commit()


def _mine(access: Access, template: PromptTemplate) -> tuple[sa.ColumnElement[bool], ...]:
    return (
        PromptFavourite.user_id == access.user.id,
        PromptFavourite.prompt_template_id == template.id,
        PromptFavourite.workspace_id == access.workspace.id,
    )
