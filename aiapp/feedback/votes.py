"""Which votes are looked at: the one query that every count, list and file of feedback is made of."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.orm import contains_eager, load_only

from aiapp.executions.lists.filters import Filters, conditions
from aiapp.executions.models import Execution
from aiapp.extensions import db
from aiapp.feedback.models import Feedback
from aiapp.prompt_templates.models import PromptTemplate, PromptVersion
from aiapp.providers.wire_json import storable
from aiapp.workspaces.access import Access


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """What votes are limited to; None and "" do not limit.

    `template`, `version`, `model` and `provider` are those of the execution, as executions are filtered by; `user` is who
    voted, by id (see demand). `since` is included and `until` is not: when the vote was given. `commented`
    asks for votes with a comment or reasons.
    """

    template: str | None = None
    version: str | None = None
    model: str | None = None
    provider: str | None = None
    rating: str | None = None
    user: str | None = None
    since: datetime | None = None
    until: datetime | None = None
    commented: bool = False


@dataclass(frozen=True, slots=True)
class Vote:
    """A vote with what it is about."""

    feedback: Feedback
    execution: Execution


@dataclass(frozen=True, slots=True)
class Page:
    """Some votes, newest first; `next_cursor` leads to the next ones, None at the end."""

    rows: list[Vote]
    next_cursor: str | None


def commented(wanted: Wanted) -> Wanted:
    """Return the same votes, but only those that say something."""
    return replace(wanted, commented=True)


def demand(access: Access, wanted: Wanted) -> None:
    """Raise Denied where the votes of one member are asked for: only admins see how others vote."""
    if wanted.user and wanted.user != access.user.id:
        access.demand("admin")


def select(access: Access, wanted: Wanted) -> sa.Select[Feedback]:
    """Return the votes that the asking person may see, joined to their executions. Raises Denied as demand does."""
    demand(access, wanted)
    return (
        access.select(Feedback)
        .join(
            Execution, sa.and_(Execution.id == Feedback.execution_id, Execution.workspace_id == Feedback.workspace_id)
        )
        .where(*_conditions(access, wanted))
    )


def listed(access: Access, wanted: Wanted, *, cursor: str | None = None, limit: int = 50) -> Page:
    """Return votes, newest first. `cursor` is `next_cursor` of the page before."""
    query = select(access, wanted).order_by(Feedback.id.desc()).limit(limit + 1)
    if cursor:
        query = query.where(Feedback.id < cursor)
    rows = list(db.session.scalars(query).unique())
    shown = rows[:limit]
    about = _executions(access, [row.execution_id for row in shown])
    return Page([Vote(row, about[row.execution_id]) for row in shown], shown[-1].id if len(rows) > limit else None)


def _executions(access: Access, ids: list[str]) -> dict[str, Execution]:
    query = (
        access.select(Execution)
        .outerjoin(PromptTemplate, PromptTemplate.id == Execution.prompt_template_id)
        .outerjoin(PromptVersion, PromptVersion.id == Execution.prompt_version_id)
        .where(Execution.id.in_(ids))
        .options(
            contains_eager(Execution.prompt_template).load_only(PromptTemplate.slug, PromptTemplate.name).lazyload("*"),
            contains_eager(Execution.prompt_version).load_only(PromptVersion.number).lazyload("*"),
        )
    )
    shown = (Execution.provider, Execution.model, Execution.source, Execution.workspace_id)
    return {row.id: row for row in db.session.scalars(query.options(load_only(*shown)))}


def _conditions(access: Access, wanted: Wanted) -> list[sa.ColumnElement[bool]]:
    texts = (wanted.template, wanted.version, wanted.model, wanted.provider, wanted.rating, wanted.user)
    if any(text and storable(text) != text for text in texts):
        return [sa.false()]  # what cannot be stored is nowhere, and PostgreSQL would refuse to look for it
    about = Filters(template=wanted.template, version=wanted.version, model=wanted.model, provider=wanted.provider)
    found = list(conditions(access, about))
    if wanted.rating:
        found.append(Feedback.rating == wanted.rating)
    if wanted.user:
        found.append(Feedback.user_id == wanted.user)
    if wanted.since:
        found.append(Feedback.created_at >= wanted.since)
    if wanted.until:
        found.append(Feedback.created_at < wanted.until)
    if wanted.commented:
        reasons = sa.cast(Feedback.reasons, sa.Text)
        found.append(sa.or_(Feedback.comment != "", reasons != "[]"))
    return found
