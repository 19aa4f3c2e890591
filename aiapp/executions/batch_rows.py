"""The rows of batches that executions belong to.

Batches stand below executions in the order of imports: only their tables' names are known here.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import sqlalchemy as sa

from aiapp.executions.models import Execution
from aiapp.extensions import db
from aiapp.workspaces.access import Access

ROWS = sa.table("batch_row", *map(sa.column, ("workspace_id", "batch_id", "number", "execution_id", "parent_id")))
BATCHES = sa.table("batch", *map(sa.column, ("id", "workspace_id", "user_id", "name", "status")))

# How often a row is looked for that was tried again: it knows its last execution only.
_TRIES = 20


@dataclass(frozen=True, slots=True)
class Place:
    """A row of a batch; `number` counts from 1."""

    batch_id: str
    name: str
    number: int


def visible_batches(access: Access) -> sa.ColumnElement[bool]:
    """Return the condition for batches that the asking person may know of."""
    mine = sa.true() if Execution.visible_to(access) is None else BATCHES.c.user_id == access.user.id
    return sa.and_(BATCHES.c.workspace_id == access.workspace.id, mine)


def places(access: Access, executions: Iterable[Execution]) -> dict[str, Place]:
    """Return the row of each execution that a batch has run, by the execution's id; also of those it has tried again since."""
    found: dict[str, Place] = {}
    wanted = {one.id: one.id for one in executions if one.source == "batch"}
    for _ in range(_TRIES):
        if not wanted:
            break
        query = (
            sa.select(ROWS.c.execution_id, ROWS.c.batch_id, BATCHES.c.name, ROWS.c.number)
            .join(BATCHES, BATCHES.c.id == ROWS.c.batch_id)
            .where(ROWS.c.execution_id.in_(list(wanted)), visible_batches(access))
        )
        for last, batch_id, name, number in db.session.execute(query):
            found[wanted.pop(last)] = Place(batch_id, name, number)
        again = sa.select(Execution.id, Execution.parent_id).where(
            Execution.parent_id.in_(list(wanted)), Execution.source == "batch"
        )
        wanted = {newer: wanted[older] for newer, older in db.session.execute(again) if older is not None}
    return found


def neighbours(access: Access, place: Place) -> tuple[str | None, str | None]:
    """Return the ids of the executions of the rows before and after a row, None where there is none to be seen."""
    query = (
        access.select(Execution)
        .join(ROWS, ROWS.c.execution_id == Execution.id)
        .where(ROWS.c.batch_id == place.batch_id, ROWS.c.number.in_((place.number - 1, place.number + 1)))
        .with_only_columns(ROWS.c.number, Execution.id)
    )
    beside: dict[int, str] = {row[0]: row[1] for row in db.session.execute(query)}
    return beside.get(place.number - 1), beside.get(place.number + 1)
