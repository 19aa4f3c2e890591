"""Lists of the API: `{"data": […], "next_cursor": …}`, newest first where rows have a time."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import sqlalchemy as sa
from pydantic import BaseModel, Field

from aiapp.errors import InvalidInput
from aiapp.extensions import db

Row = TypeVar("Row")


class PageQuery(BaseModel):
    """Which part of a list."""

    limit: int = Field(50, ge=1, le=200, description="how many, 1 to 200")
    cursor: str | None = Field(None, max_length=200, description="`next_cursor` of the page before")


def page(rows: list[Any], cursor: str | None) -> dict[str, Any]:
    """Return a page as the API shows it."""
    return {"data": rows, "next_cursor": cursor}


def newest_first(
    query: sa.Select[Row], table: type[Row], asked: PageQuery, show: Callable[[Row], dict[str, Any]]
) -> dict[str, Any]:
    """Return one page of `query` by falling id, which is falling time; the cursor is the last id shown."""
    column = table.id  # type: ignore[attr-defined]
    if asked.cursor:
        if not (len(asked.cursor) == 32 and asked.cursor.isalnum()):
            raise InvalidInput(errors=[{"field": "cursor", "message": "No list has given this cursor."}])
        query = query.where(column < asked.cursor)
    rows = list(db.session.scalars(query.order_by(column.desc()).limit(asked.limit + 1)).unique())
    shown = rows[: asked.limit]
    more = len(rows) > asked.limit
    return page([show(row) for row in shown], shown[-1].id if more else None)  # type: ignore[attr-defined]
