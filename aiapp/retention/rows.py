"""How texts are taken out of rows of any table whose texts are sealed, and the rules that say when."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import sqlalchemy as sa

from aiapp import sealing
from aiapp.extensions import db, reading
from aiapp.sealing import Kind
from aiapp.workspaces.models import Workspace

# So many characters in one transaction, but at least one row: others want to write, too, and an answer may have ten megabytes.
MOST_CHARACTERS = 4 * 2**20


@contextmanager
def looking() -> Iterator[None]:
    """Make what is done inside a transaction that only reads."""
    db.session.commit()
    with reading():
        yield
        db.session.commit()


@contextmanager
def rules_now(workspace_id: str) -> Iterator[Workspace | None]:
    """As looking, and yield the workspace with its rules as they are now, None where it is gone."""
    with looking():
        yield db.session.get(Workspace, workspace_id, populate_existing=True)


def first_ids(query: sa.Select[str, int]) -> list[str]:
    """Return the first ids of a query of ids and sizes in characters, of not much more than MOST_CHARACTERS together."""
    ids: list[str] = []
    characters = 0
    for row_id, size in db.session.execute(query):
        ids.append(row_id)
        characters += size
        if characters > MOST_CHARACTERS:
            break
    return ids


def erase_of(ids: Sequence[str]) -> None:
    """Erase the texts that belong to these executions, in the caller's transaction."""
    for kind in sealing.KINDS.values():
        if kind.execution is None:
            continue
        table = kind.model.__table__
        theirs = table.c[kind.execution].in_(ids)
        for name, words in kind.counted.items():
            _erase_words(table.c[name], words, theirs)
        db.session.connection().execute(sa.update(table).where(theirs).values(nothing(kind)))


def nothing(kind: Kind) -> dict[str, Any]:
    """Return what the columns of an erased row are; the time of its last change stays, and so do words that are counted."""
    columns = kind.model.__table__.columns
    empty = {name: value for name, value in kind.fields.items() if name not in kind.counted}
    return {**{one.name: one for one in columns if one.onupdate is not None}, **empty, **kind.erased}


def has_text(kind: Kind) -> sa.ColumnElement[bool]:
    """Return the condition for a row that is not erased yet."""
    columns = kind.model.__table__.columns
    differs = [
        columns[name].is_not(None) if empty is None else sa.cast(columns[name], sa.Text) != _as_text(empty)
        for name, empty in kind.fields.items()
    ]
    return sa.or_(*differs)


def _erase_words(column: sa.Column[Any], counted: Any, theirs: sa.ColumnElement[bool]) -> None:
    """Leave of lists of words those that are counted."""
    table, connection = column.table, db.session.connection()
    given = sa.cast(column, sa.Text) != "[]"
    for row_id, words in connection.execute(sa.select(table.c.id, column).where(theirs, given)).all():
        left = [word for word in words if word in counted]
        if left != words:
            same = {one.name: one for one in table.columns if one.onupdate is not None}
            connection.execute(sa.update(table).where(table.c.id == row_id).values({**same, column.name: left}))


def _as_text(empty: Any) -> str:
    return empty if isinstance(empty, str) else json.dumps(empty)
