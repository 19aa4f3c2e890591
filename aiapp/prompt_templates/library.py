"""Finding a prompt template by its slug, and its versions; lists are in listing.py."""

from __future__ import annotations

import sqlalchemy as sa
from sqlalchemy.orm import contains_eager, defer, lazyload

from aiapp.errors import NotFound
from aiapp.extensions import db
from aiapp.prompt_templates.models import PromptTemplate, PromptVersion
from aiapp.prompt_templates.text import fields
from aiapp.workspaces.access import Access

_MAX_NUMBER = 2**31 - 1  # what the column of a version's number holds


def find(access: Access, slug: str) -> PromptTemplate:
    """Return the prompt template with this slug. Raises NotFound, in the same words whether others have it or nobody."""
    template = None
    if fields.SLUG.fullmatch(slug):
        template = db.session.scalars(access.select(PromptTemplate).where(PromptTemplate.slug == slug)).first()
    if template is None:
        raise NotFound(f"There is no prompt template called {slug[:60]} in this workspace.")
    return template


def version(access: Access, template: PromptTemplate, number: int) -> PromptVersion:
    """Return the version with this number. Raises NotFound."""
    found = None
    if 0 < number <= _MAX_NUMBER:
        found = db.session.scalars(_versions(access, template).where(PromptVersion.number == number)).first()
    if found is None:
        raise NotFound(f"The prompt template {template.slug} has no version {number}.")
    return found


def versions(access: Access, template: PromptTemplate, limit: int = 200, *, texts: bool = True) -> list[PromptVersion]:
    """Return the versions, newest first; without `texts`, what they say is not fetched before it is asked for."""
    query = _versions(access, template).order_by(PromptVersion.number.desc()).limit(limit)
    if not texts:
        columns = (PromptVersion.system, PromptVersion.body, PromptVersion.messages, PromptVersion.variables)
        query = query.options(*(defer(column) for column in columns))
    return list(db.session.scalars(query))


def published(access: Access, template: PromptTemplate) -> PromptVersion | None:
    """Return the version that everybody gets who asks for none in particular."""
    return db.session.scalars(_versions(access, template).where(PromptVersion.status == "published")).first()


def other_slugs(access: Access, template: PromptTemplate, limit: int = 200) -> list[str]:
    """Return the slugs of the workspace's other prompt templates, of the newest ones where there are more."""
    query = access.select(PromptTemplate).where(PromptTemplate.id != template.id, PromptTemplate.active.is_(True))
    newest = query.with_only_columns(PromptTemplate.slug).order_by(PromptTemplate.id.desc()).limit(limit)
    return sorted(db.session.scalars(newest))


def published_by_slug(access: Access, slug: str) -> PromptVersion | None:
    """Return the published version of the prompt template with this slug by one question; None where there is none.

    Both stay with the session: who names them afterwards, as an execution of them does, need not ask again.
    """
    if not fields.SLUG.fullmatch(slug):
        return None
    template = contains_eager(PromptVersion.prompt_template).lazyload(PromptTemplate.tags)
    people = lazyload(PromptVersion.author), lazyload(PromptVersion.published_by)
    query = access.select(PromptVersion).join(PromptVersion.prompt_template).options(template, *people)
    found = db.session.scalars(
        query.where(
            PromptTemplate.workspace_id == access.workspace.id,
            PromptTemplate.slug == slug,
            PromptVersion.status == "published",
        )
    ).first()
    db.session.info["published"] = found
    return found


def current(access: Access, template: PromptTemplate) -> PromptVersion:
    """Return what the template's page opens: an editor's open version newer than the published one, else this, else the newest.

    What is on a branch comes last. An older draft was passed by, by a merge or another draft: nobody publishes it by mistake.
    """
    newer = sa.select(sa.func.coalesce(sa.func.max(PromptVersion.number), 0)).where(
        PromptVersion.prompt_template_id == template.id, PromptVersion.status == "published"
    )
    opened = sa.and_(
        PromptVersion.status.in_(("draft", "preview")),
        PromptVersion.branch.is_(None),
        PromptVersion.number > newer.scalar_subquery(),
    )
    newest_open = sa.case((opened, 1), else_=0) if access.allows("editor") else sa.literal(0)
    is_published = sa.case((PromptVersion.status == "published", 1), else_=0)
    on_branch = sa.case((PromptVersion.branch.is_(None), 0), else_=1)
    order = (newest_open.desc(), is_published.desc(), on_branch, PromptVersion.number.desc())
    query = _versions(access, template).order_by(*order)
    found = db.session.scalars(query.limit(1)).first()
    if found is None:
        raise NotFound
    return found


def _versions(access: Access, template: PromptTemplate) -> sa.Select[PromptVersion]:
    return access.select(PromptVersion).where(PromptVersion.prompt_template_id == template.id)
