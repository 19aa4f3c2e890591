"""Finding prompt templates and their versions."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import aliased, defer

from aiapp.errors import InvalidInput, NotFound
from aiapp.extensions import db
from aiapp.prompt_templates import fields
from aiapp.prompt_templates.models import PromptTemplate, PromptVersion, Tag, prompt_template_tag
from aiapp.workspaces.access import Access

STATUSES = ("published", "preview", "draft", "archived")
_MAX_NUMBER = 2**31 - 1  # what the column of a version's number holds


@dataclass(frozen=True, slots=True)
class Filter:
    """What a list of prompt templates is narrowed to. `tags` must all be there; `q` is looked for in name, slug and text."""

    q: str = ""
    tags: tuple[str, ...] = ()
    status: str | None = None
    output_format: str | None = None
    task: str | None = None

    @property
    def given(self) -> bool:
        """Whether anything is filtered."""
        return self != Filter()


@dataclass(frozen=True, slots=True)
class Listed:
    """A prompt template in a list.

    `status` is the template's: archived where it is switched off, published where a version is, else its newest version's.
    `number` and `output_format` are the published version's, else the newest's. `open_number` and `open_status` are those
    of a draft or preview that is newer than the published version.
    """

    template: PromptTemplate
    status: str
    number: int
    output_format: str
    open_number: int | None
    open_status: str | None


@dataclass(frozen=True, slots=True)
class Page:
    """One page of a list; `next_cursor` is None on the last one."""

    rows: list[Listed] = field(default_factory=list)
    next_cursor: str | None = None


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


def current(access: Access, template: PromptTemplate) -> PromptVersion:
    """Return what the template's page opens: an editor's newest open version, else the published one, else the newest."""
    opened = PromptVersion.status.in_(("draft", "preview"))
    newest_open = sa.case((opened, 1), else_=0) if access.allows("editor") else sa.literal(0)
    is_published = sa.case((PromptVersion.status == "published", 1), else_=0)
    query = _versions(access, template).order_by(newest_open.desc(), is_published.desc(), PromptVersion.number.desc())
    found = db.session.scalars(query.limit(1)).first()
    if found is None:
        raise NotFound
    return found


def list_templates(access: Access, wanted: Filter, *, cursor: str | None = None, limit: int = 50) -> Page:
    """Return prompt templates, last changed first. Raises InvalidInput for a cursor that no list has given.

    Arguments:
        cursor: `next_cursor` of the page before.
        limit: 1 to 200.
    """
    query, status, shown, newest = _listed(access, wanted)
    if cursor:
        at, last_id = _read_cursor(cursor)
        older = sa.and_(PromptTemplate.updated_at == at, PromptTemplate.id < last_id)
        query = query.where(sa.or_(PromptTemplate.updated_at < at, older))
    query = query.order_by(PromptTemplate.updated_at.desc(), PromptTemplate.id.desc()).limit(limit + 1)
    columns = (status, shown.number, shown.output_format, newest.number, newest.status)
    found = db.session.execute(query.with_only_columns(PromptTemplate, *columns)).all()
    rows = [
        Listed(template, state, number, fmt, *((last, last_status) if last > number else (None, None)))
        for template, state, number, fmt, last, last_status in found[:limit]
    ]
    return Page(rows, _cursor(rows[-1].template) if len(found) > limit else None)


def count_templates(access: Access, wanted: Filter) -> int:
    """Return how many prompt templates a list has in all."""
    query, *_ = _listed(access, wanted)
    return db.session.scalar(query.with_only_columns(sa.func.count(PromptTemplate.id))) or 0


def tasks_in_use(access: Access, limit: int = 100) -> list[str]:
    """Return the tasks that the workspace's prompt templates are for."""
    task = PromptTemplate.task
    query = sa.select(task).where(PromptTemplate.workspace_id == access.workspace.id, task.is_not(None))
    return [name for name in db.session.scalars(query.distinct().order_by(task).limit(limit)) if name]


def _versions(access: Access, template: PromptTemplate) -> sa.Select[PromptVersion]:
    return access.select(PromptVersion).where(PromptVersion.prompt_template_id == template.id)


def _listed(access: Access, wanted: Filter) -> tuple[sa.Select[Any], sa.ColumnElement[str], Any, Any]:
    """Return the query of a list, the expression of a template's status, the version it shows and its newest one."""
    shown, newest, any_version = aliased(PromptVersion), aliased(PromptVersion), aliased(PromptVersion)
    of_template = any_version.prompt_template_id == PromptTemplate.id
    newest_number = sa.select(sa.func.max(any_version.number)).where(of_template).scalar_subquery()
    published_number = (
        sa.select(sa.func.max(any_version.number))
        .where(of_template, any_version.status == "published")
        .correlate(PromptTemplate)
        .scalar_subquery()
    )
    status = sa.case(
        (PromptTemplate.active.is_(False), "archived"),
        (shown.status == "published", "published"),
        else_=newest.status,
    )
    query = (
        access.select(PromptTemplate)
        .join(newest, sa.and_(newest.prompt_template_id == PromptTemplate.id, newest.number == newest_number))
        .join(
            shown,
            sa.and_(
                shown.prompt_template_id == PromptTemplate.id,
                shown.number == sa.func.coalesce(published_number, newest_number),
            ),
        )
    )
    return _narrowed(query, wanted, status, shown), status, shown, newest


def _narrowed(query: sa.Select[Any], wanted: Filter, status: sa.ColumnElement[str], shown: Any) -> sa.Select[Any]:
    if wanted.q:
        q = storable(wanted.q)
        places = (PromptTemplate.name, PromptTemplate.slug, PromptTemplate.description, shown.system, shown.body)
        query = query.where(sa.or_(*(place.icontains(q, autoescape=True) for place in places)))
    for tag in wanted.tags:
        tagged = (
            sa.select(prompt_template_tag.c.prompt_template_id)
            .join(Tag, Tag.id == prompt_template_tag.c.tag_id)
            .where(Tag.workspace_id == PromptTemplate.workspace_id, Tag.name == storable(tag).lower())
        )
        query = query.where(PromptTemplate.id.in_(tagged))
    if wanted.status:
        query = query.where(status == storable(wanted.status))
    if wanted.output_format:
        query = query.where(shown.output_format == storable(wanted.output_format))
    if wanted.task:
        query = query.where(PromptTemplate.task == storable(wanted.task))
    return query


def storable(words: str) -> str:
    """Return words that somebody looks for without what no row can hold, so that they are just not found."""
    return words.replace("\x00", "").encode("utf-8", "replace").decode()[:200]


def filter_of(values: Any) -> Filter:
    """Return the filter in a query string (`q tag status output_format task`; tag may be repeated)."""
    return Filter(
        q=values.get("q", "").strip(),
        tags=tuple(sorted({tag for tag in values.getlist("tag") if tag}))[:20],
        status=values.get("status") or None,
        output_format=values.get("output_format") or None,
        task=values.get("task") or None,
    )


def query_of(wanted: Filter) -> dict[str, str | Sequence[str]]:
    """Return the query string of a filter, for links that keep it."""
    pairs: dict[str, str | Sequence[str] | None] = {
        "q": wanted.q,
        "tag": wanted.tags,
        "status": wanted.status,
        "output_format": wanted.output_format,
        "task": wanted.task,
    }
    return {name: value for name, value in pairs.items() if value}


def _cursor(template: PromptTemplate) -> str:
    return base64.urlsafe_b64encode(f"{template.updated_at.isoformat()} {template.id}".encode()).decode().rstrip("=")


def _read_cursor(cursor: str) -> tuple[datetime, str]:
    try:
        at, _, row_id = base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)).decode().partition(" ")
        when = datetime.fromisoformat(at).astimezone(UTC)
        if not row_id.isalnum():
            raise ValueError(cursor)
    except (ValueError, OverflowError, binascii.Error) as error:
        raise InvalidInput(errors=[{"field": "cursor", "message": "No list has given this cursor."}]) from error
    return when, row_id
