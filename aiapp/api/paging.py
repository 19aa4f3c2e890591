"""Lists of the API: `{"data": […], "next_cursor": …}`, newest first where rows have a time."""

from __future__ import annotations

import base64
import binascii
import json
import re
from collections.abc import Callable, Iterable
from typing import Annotated, Any, Generic, TypeVar

import sqlalchemy as sa
from pydantic import BaseModel, Field
from typing_extensions import TypedDict

from aiapp.api.shapes import Text
from aiapp.errors import InvalidInput
from aiapp.extensions import db

Row = TypeVar("Row")
Shown = TypeVar("Shown")
Place = tuple[int | str, ...]


class PageQuery(BaseModel):
    """Which part of a list."""

    limit: int = Field(50, ge=1, le=200, description="how many, 1 to 200")
    cursor: Annotated[Text, Field(max_length=1000)] | None = Field(None, description="`next_cursor` of the page before")


class Listed(TypedDict, Generic[Shown]):
    """A page of a list."""

    data: list[Shown]
    next_cursor: Annotated[str | None, Field(description="for `cursor`; null at the end")]


def page(rows: list[Shown], cursor: str | None) -> Listed[Shown]:
    """Return a page as the API shows it."""
    return {"data": rows, "next_cursor": cursor}


def newest_first(
    query: sa.Select[Row], table: type[Row], asked: PageQuery, show: Callable[[Row], Shown]
) -> Listed[Shown]:
    """Return one page of `query` by falling id, which is falling time; the cursor is the last id shown."""
    column = table.id  # type: ignore[attr-defined]
    if asked.cursor:
        if not re.fullmatch("[0-9a-f]{32}", asked.cursor):
            raise _unknown_cursor()
        query = query.where(column < asked.cursor)
    rows = list(db.session.scalars(query.order_by(column.desc()).limit(asked.limit + 1)).unique())
    shown = rows[: asked.limit]
    more = len(rows) > asked.limit
    return page([show(row) for row in shown], shown[-1].id if more else None)  # type: ignore[attr-defined]


def in_order(
    rows: Iterable[Row], place: Callable[[Row], Place], asked: PageQuery, show: Callable[[Row], Shown]
) -> Listed[Shown]:
    """Return one page of a list that is short enough to be read whole, by rising `place`; the cursor is the last place shown.

    So a page begins after the last one even where rows have gone meanwhile.
    """
    left = sorted(rows, key=place)
    if asked.cursor:
        after = _read(asked.cursor)
        try:
            left = [row for row in left if place(row) > after]
        except TypeError as error:  # a place of another kind: the cursor of another list
            raise _unknown_cursor() from error
    shown = left[: asked.limit]
    more = len(left) > asked.limit
    return page([show(row) for row in shown], _write(place(shown[-1])) if more else None)


def _write(place: Place) -> str:
    return base64.urlsafe_b64encode(json.dumps(place, ensure_ascii=False).encode()).decode().rstrip("=")


def _read(cursor: str) -> Place:
    try:
        read: Any = json.loads(base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)))
    except (ValueError, binascii.Error, RecursionError) as error:
        raise _unknown_cursor() from error
    if not isinstance(read, list):
        raise _unknown_cursor()
    return tuple(read)


def _unknown_cursor() -> InvalidInput:
    return InvalidInput(errors=[{"field": "cursor", "message": "No list has given this cursor."}])
