"""Choosing what to run: the prompt templates that are published, or what has to be done before there is one."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from flask import render_template
from sqlalchemy.orm import contains_eager, load_only

from aiapp.executions.pages.routes import blueprint
from aiapp.extensions import db
from aiapp.prompt_templates.models import PromptTemplate, PromptVersion
from aiapp.workspaces.access import Access, require

MOST = 200
DRAFTS = 10


@blueprint.get("/w/<workspace>/executions/choose")
@require()
def choose(access: Access) -> str:
    """Every published prompt template with its run form; without any, the newest drafts for who may publish one."""
    found = published(access)
    drafts = []
    if not found and access.allows("editor"):
        drafts = _versions(access, ("draft", "preview"), PromptVersion.updated_at.desc(), DRAFTS)
    return render_template("executions/choose.html", published=found[:MOST], more=len(found) > MOST, drafts=drafts)


def published(access: Access) -> list[PromptVersion]:
    """Return the published versions by the name of their prompt template: at most MOST, and one more where there are more."""
    return _versions(access, ("published",), PromptTemplate.name, MOST + 1)


def _versions(
    access: Access, statuses: tuple[str, ...], order: sa.SQLColumnExpression[Any], limit: int
) -> list[PromptVersion]:
    query = (
        access.select(PromptVersion)
        .join(PromptVersion.prompt_template)
        .where(PromptTemplate.active.is_(True), PromptVersion.status.in_(statuses))
        .options(
            contains_eager(PromptVersion.prompt_template),
            load_only(PromptVersion.number, PromptVersion.status, PromptVersion.output_format),
        )
        .order_by(order, PromptVersion.id)
        .limit(limit)
    )
    return list(db.session.scalars(query).unique())
