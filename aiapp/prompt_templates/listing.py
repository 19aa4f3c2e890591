"""Lists of prompt templates: narrowed, sorted, in pages that begin after the last row shown."""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import aliased

from aiapp.errors import InvalidInput
from aiapp.extensions import db
from aiapp.prompt_templates import search, uses
from aiapp.prompt_templates.filters import EVERYTHING, Filter, storable
from aiapp.prompt_templates.models import PromptFavourite, PromptTemplate, PromptVersion, Tag, prompt_template_tag
from aiapp.prompt_templates.search import Hits
from aiapp.prompt_templates.versioning import OPEN
from aiapp.workspaces.access import Access

_LARGEST = 2**53  # more than any count
_FAVOURITE = sa.case((PromptFavourite.user_id.is_(None), 0), else_=1)


@dataclass(frozen=True, slots=True)
class Listed:
    """A prompt template in a list.

    `status` is the template's: archived where it is archived, published where a version is, else its newest version's.
    `number`, `semver` and `output_format` are the published version's, else those of the newest on the main line. `open_number`,
    `open_status` and `open_branch` are those of a draft or preview that is newer than that one: the newest on the main line, else
    the newest on a branch. `favourite` is of who asks.
    """

    template: PromptTemplate
    status: str
    number: int
    semver: str | None
    output_format: str
    favourite: bool
    open_number: int | None
    open_status: str | None
    open_branch: str | None


@dataclass(frozen=True, slots=True)
class Page:
    """One page of a list; `next_cursor` is None on the last one."""

    rows: list[Listed] = field(default_factory=list)
    next_cursor: str | None = None


@dataclass(frozen=True, slots=True)
class _Key:
    """What a list is sorted by: a value of each row, and how it is read back from a cursor (raises ValueError, TypeError)."""

    value: sa.ColumnElement[Any]
    falling: bool
    read: Callable[[Any], Any]

    def after(self, last: Any) -> sa.ColumnElement[bool]:
        further: sa.ColumnElement[bool] = self.value < last if self.falling else self.value > last
        return further

    def order(self, column: sa.ColumnElement[Any]) -> sa.ColumnElement[Any]:
        return column.desc() if self.falling else column.asc()


def list_templates(access: Access, wanted: Filter, *, cursor: str | None = None, limit: int = 50) -> Page:
    """Return prompt templates. Raises InvalidInput for a cursor that no list of this order has given.

    Arguments:
        cursor: `next_cursor` of the page before.
        limit: 1 to 200.
    """
    query, hits = _matching(access, wanted)
    query, keys = _sorted(access, query, hits, wanted)
    if cursor:
        query = query.where(_after(keys, _read_cursor(cursor, _order_name(wanted), keys)))
    # Which rows first, and then what they show: nobody waits for what the rows of other pages would show.
    values = [key.value.label(f"key_{number}") for number, key in enumerate(keys)]
    query = query.with_only_columns(PromptTemplate.id, *values, maintain_column_froms=True)
    page = query.order_by(*(key.order(key.value) for key in keys)).limit(limit + 1).subquery()
    ordered = [page.c[value.name] for value in values]
    rows, shown = _with_shown(access.select(PromptTemplate).join(page, page.c.id == PromptTemplate.id))
    rows, opened = _with_opened(_with_favourites(access, rows), shown)
    columns = (
        _status(shown),
        shown.number,
        shown.semver,
        shown.output_format,
        _FAVOURITE,
        opened.number,
        opened.status,
        opened.branch,
    )
    rows = rows.with_only_columns(PromptTemplate, *columns, *ordered, maintain_column_froms=True)
    order = [key.order(column) for key, column in zip(keys, ordered, strict=True)]
    found = db.session.execute(rows.order_by(*order)).all()
    last = found[limit - 1][9:] if len(found) > limit else None
    next_cursor = None if last is None else _cursor(_order_name(wanted), last)
    return Page([_listed(*row[:9]) for row in found[:limit]], next_cursor)


def count_templates(access: Access, wanted: Filter) -> int:
    """Return how many prompt templates a list has in all."""
    query, _ = _matching(access, wanted)
    return db.session.scalar(query.with_only_columns(sa.func.count(PromptTemplate.id), maintain_column_froms=True)) or 0


def _listed(
    template: PromptTemplate,
    status: str,
    number: int,
    semver: str | None,
    output_format: str,
    favourite: int,
    *opened: Any,
) -> Listed:
    return Listed(template, status, number, semver, output_format, bool(favourite), *opened)


def _matching(access: Access, wanted: Filter) -> tuple[sa.Select[Any], Hits | None]:
    """Return the query of all prompt templates of a list, and what finds `q` in them."""
    query = access.select(PromptTemplate)
    if wanted.favourites:
        query = _with_favourites(access, query)
    if wanted.favourites == "only":
        query = query.where(PromptFavourite.user_id.is_not(None))
    if wanted.status is None:
        query = query.where(PromptTemplate.active)
    by_status = wanted.status if wanted.status != EVERYTHING else None
    if by_status or wanted.output_format:
        query, shown = _with_shown(query)
        if by_status:
            query = query.where(_status(shown) == storable(by_status))
        if wanted.output_format:
            query = query.where(shown.output_format == storable(wanted.output_format))
    return _found(access, _narrowed(query, wanted), wanted)


def _with_shown(query: sa.Select[Any]) -> tuple[sa.Select[Any], Any]:
    """Return the query with the version that each prompt template shows."""
    shown, any_version = aliased(PromptVersion), aliased(PromptVersion)
    of_template = any_version.prompt_template_id == PromptTemplate.id
    highest = sa.select(sa.func.max(any_version.number)).where(of_template).correlate(PromptTemplate)
    published = highest.where(any_version.status == "published").scalar_subquery()
    newest = highest.where(any_version.branch.is_(None)).scalar_subquery()
    number = sa.func.coalesce(published, newest)
    joined = query.join(shown, sa.and_(shown.prompt_template_id == PromptTemplate.id, shown.number == number))
    return joined, shown


def _with_opened(query: sa.Select[Any], shown: Any) -> tuple[sa.Select[Any], Any]:
    """Return the query with the version that somebody is writing after the shown one, if there is one."""
    opened, any_version = aliased(PromptVersion), aliased(PromptVersion)
    newer = (
        sa.select(any_version.id)
        .where(
            any_version.prompt_template_id == PromptTemplate.id,
            any_version.number > shown.number,
            any_version.status.in_(OPEN),
        )
        .order_by(sa.case((any_version.branch.is_(None), 0), else_=1), any_version.number.desc())
        .limit(1)
        .correlate(PromptTemplate, shown)
    )
    return query.outerjoin(opened, opened.id == newer.scalar_subquery()), opened


def _status(shown: Any) -> sa.ColumnElement[str]:
    return sa.case((PromptTemplate.active.is_(False), "archived"), else_=shown.status)


def _with_favourites(access: Access, query: sa.Select[Any]) -> sa.Select[Any]:
    of_person = sa.and_(
        PromptFavourite.prompt_template_id == PromptTemplate.id, PromptFavourite.user_id == access.user.id
    )
    return query.outerjoin(PromptFavourite, of_person)


def _narrowed(query: sa.Select[Any], wanted: Filter) -> sa.Select[Any]:
    for tag in wanted.tags:
        tagged = (
            sa.select(prompt_template_tag.c.prompt_template_id)
            .join(Tag, Tag.id == prompt_template_tag.c.tag_id)
            .where(Tag.workspace_id == PromptTemplate.workspace_id, Tag.name == storable(tag).lower())
        )
        query = query.where(PromptTemplate.id.in_(tagged))
    if wanted.task:
        query = query.where(PromptTemplate.task == storable(wanted.task))
    return query


def _found(access: Access, query: sa.Select[Any], wanted: Filter) -> tuple[sa.Select[Any], Hits | None]:
    """Return the query narrowed to where `q` is found: by the index, or where that finds nothing among parts of words."""
    phrases = search.phrases(wanted.q)
    if not phrases:
        return query, None
    hits = search.indexed(access.workspace.id, phrases, ranked=wanted.sort == "relevance")
    if hits is not None:
        narrowed = query.where(PromptTemplate.id.in_(sa.select(hits.c.prompt_template_id)))
        ids = narrowed.with_only_columns(PromptTemplate.id, maintain_column_froms=True)
        if db.session.scalar(ids.limit(1)):
            return narrowed, hits
    hits = search.contained(access.workspace.id, phrases)
    return query.where(PromptTemplate.id.in_(sa.select(hits.c.prompt_template_id))), hits


def _sorted(
    access: Access, query: sa.Select[Any], hits: Hits | None, wanted: Filter
) -> tuple[sa.Select[Any], list[_Key]]:
    """Return the query with what its order needs, and the keys of the order, the id last."""
    keys = []
    if wanted.favourites == "first":
        keys.append(_Key(_FAVOURITE, True, _number))
    if wanted.sort == "relevance" and hits is not None:
        query = query.join(hits, hits.c.prompt_template_id == PromptTemplate.id)
        keys.append(_Key(hits.c.rank, False, float))
    elif wanted.sort == "name":
        keys.append(_Key(sa.func.lower(PromptTemplate.name), False, _text))
    elif wanted.sort == "used":
        counts = uses.counts(access).subquery()
        query = query.outerjoin(counts, counts.c.prompt_template_id == PromptTemplate.id)
        keys.append(_Key(sa.func.coalesce(counts.c.executions, 0), True, _number))
    elif wanted.sort == "run":
        keys.append(_Key(sa.func.coalesce(uses.last_execution_id(access), ""), True, _text))
    else:
        keys.append(_Key(PromptTemplate.__table__.c.updated_at, True, _moment))
    return query, [*keys, _Key(PromptTemplate.__table__.c.id, True, _text)]


def _after(keys: Sequence[_Key], last: Sequence[Any]) -> sa.ColumnElement[bool]:
    """Return the condition that a row comes after the one with these values."""
    ways = [
        sa.and_(*(key.value == value for key, value in zip(keys[:at], last, strict=False)), keys[at].after(last[at]))
        for at in range(len(keys))
    ]
    return sa.or_(*ways)


def _order_name(wanted: Filter) -> str:
    return f"{wanted.sort} {'first' if wanted.favourites == 'first' else ''}"


def _cursor(order: str, last: Sequence[Any]) -> str:
    values = [value.isoformat() if isinstance(value, datetime) else value for value in last]
    return base64.urlsafe_b64encode(json.dumps([order, *values]).encode()).decode().rstrip("=")


def _read_cursor(cursor: str, order: str, keys: Sequence[_Key]) -> list[Any]:
    try:
        read = json.loads(base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)))
        if not isinstance(read, list) or len(read) != len(keys) + 1 or read[0] != order:
            raise ValueError(cursor)
        return [key.read(value) for key, value in zip(keys, read[1:], strict=True)]
    except (ValueError, TypeError, OverflowError, RecursionError, binascii.Error) as error:
        raise InvalidInput(errors=[{"field": "cursor", "message": "No list has given this cursor."}]) from error


def _moment(value: Any) -> datetime:
    return datetime.fromisoformat(value).astimezone(UTC)


def _number(value: Any) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or abs(value) > _LARGEST:
        raise ValueError(value)
    return value


def _text(value: Any) -> str:
    if not isinstance(value, str) or value != storable(value):
        raise ValueError(value)
    return value
