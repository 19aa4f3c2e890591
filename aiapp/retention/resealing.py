"""Encrypts the rows from before a workspace turned that on, or opens them after it turned it off.

The scheduler does it, some rows at a time and a table after the other; how far it is stands in the workspace's row and moves
with the rows, so that whoever goes on does nothing twice. Meanwhile both kinds of rows are read alike.
"""

from __future__ import annotations

import functools
import operator
import time
from collections.abc import Mapping
from typing import Any

import sqlalchemy as sa

from aiapp import sealing
from aiapp.columns import now
from aiapp.credentials import breakers, vault
from aiapp.extensions import db, reading, settings
from aiapp.observability.logs import log
from aiapp.retention import pages
from aiapp.retention.rows import first_ids
from aiapp.sealing import Kind, Sealer
from aiapp.workspaces.models import Workspace

# Others want to write meanwhile (see rows.MOST_CHARACTERS).
BATCH = 50
STEP_SECONDS = 1.0
CLEANING = "cleaning"
# What others do in this database now, by the names of their transactions; those of maintenance, which nobody has begun, are not.
_OTHERS = """
SELECT held.virtualtransaction FROM pg_locks held JOIN pg_stat_activity whose ON whose.pid = held.pid
WHERE held.locktype = 'virtualxid' AND held.granted AND held.pid <> pg_backend_pid() AND whose.usesysid IS NOT NULL
  AND whose.datid = (SELECT oid FROM pg_database WHERE datname = current_database())
"""


def begin(workspace: Workspace) -> None:
    """Have every row of the workspace brought to the rule that it has now, uncommitted."""
    total = sum(
        db.session.scalar(sa.select(sa.func.count()).select_from(kind.model).where(_mine(kind, workspace.id))) or 0
        for kind in sealing.KINDS.values()
    )
    first = _order()[0]
    workspace.resealing = {"table": first, "after": "", "done": 0, "total": total}


def step() -> int:
    """Go on for about a second and return how many rows were looked at. The scheduler calls it. Commits, some rows at a time."""
    with reading():
        due = db.session.scalars(sa.select(Workspace.id).where(Workspace.resealing.is_not(None))).all()
        db.session.remove()
    end, looked_at = time.monotonic() + STEP_SECONDS, 0
    for workspace_id in due:
        while time.monotonic() < end:
            try:
                found = reseal_some(workspace_id)
            except sealing.Unsealable:  # its keys are not here: it waits, and those behind it do not
                db.session.rollback()
                break
            if found is None:
                break
            looked_at += found
    return looked_at


def reseal_some(workspace_id: str) -> int | None:
    """Bring the next rows of a workspace to its rule and commit; return how many, None where there is nothing (more) to do."""
    locked = sa.select(Workspace).where(Workspace.id == workspace_id).with_for_update(key_share=True)
    workspace = db.session.scalar(locked.execution_options(populate_existing=True))
    if workspace is None or workspace.resealing is None:
        db.session.rollback()
        return None
    progress = dict(workspace.resealing)
    if not _settled(progress):
        workspace.resealing = progress
        db.session.commit()
        return None
    if progress["table"] == CLEANING:
        db.session.rollback()
        if pages.overwrite_free():
            _finish(workspace_id)
        return None
    kind = next(kind for kind in sealing.KINDS.values() if kind.model.__tablename__ == progress["table"])
    rows = _rows(kind, workspace_id, progress["after"])
    writes = sealing.sealer(workspace_id)
    for row in rows:
        _reseal(kind, row, writes)
    order = [*_order(), CLEANING]
    if rows:
        progress["after"] = rows[-1]["id"]
    else:
        progress |= {"table": order[order.index(progress["table"]) + 1], "after": ""}
    if progress["table"] == CLEANING and workspace.encrypts_texts:
        # nobody is shown them any more, and new ones are not written down
        breakers.forget_words(workspace_id, now())
    progress["done"] += len(rows)
    workspace.resealing = progress
    db.session.commit()
    return len(rows)


def _settled(progress: dict[str, Any]) -> bool:
    """Whether everything has ended that began before the change: it may have asked for the rule of then, and write by it.

    SQLite lets one writer in at a time. PostgreSQL's transactions of that moment are noted, and waited for.
    """
    if settings().sqlite or progress.get("before") == []:
        return True
    others = set(db.session.scalars(sa.text(_OTHERS)))
    progress["before"] = sorted(others.intersection(progress.get("before", others)))
    return not progress["before"]


def _finish(workspace_id: str) -> None:
    workspace = db.session.get(Workspace, workspace_id, populate_existing=True)
    if workspace is not None and workspace.resealing is not None and workspace.resealing["table"] == CLEANING:
        log(__name__).info("texts.resealed", workspace_id=workspace_id, rows=workspace.resealing["done"])
        workspace.resealing = None
    db.session.commit()


def _order() -> list[str]:
    return sorted(kind.model.__tablename__ for kind in sealing.KINDS.values())


def _mine(kind: Kind, workspace_id: str) -> sa.ColumnElement[bool]:
    condition: sa.ColumnElement[bool] = kind.model.workspace_id == workspace_id
    return condition


def _rows(kind: Kind, workspace_id: str, after: str) -> list[Mapping[str, Any]]:
    table = kind.model.__table__
    ids = first_ids(_next(kind, workspace_id, after))
    names = dict.fromkeys(("id", "workspace_id", *kind.row, *kind.fields))
    query = sa.select(*(table.c[name] for name in names)).where(table.c.id.in_(ids)).order_by(table.c.id)
    if not settings().sqlite:
        query = query.with_for_update()
    return [row._asdict() for row in db.session.connection().execute(query)]


def _next(kind: Kind, workspace_id: str, after: str) -> sa.Select[str, int]:
    """Return the query of the next ids, and how many characters each row has."""
    table = kind.model.__table__
    sizes = [sa.func.coalesce(sa.func.length(sa.cast(table.c[name], sa.Text)), 0) for name in kind.fields]
    whose = table.c.workspace_id
    if settings().sqlite and not any(index.columns.keys()[:2] == ["workspace_id", "id"] for index in table.indexes):
        # else SQLite would take all rows of the workspace each time and sort them, where it can walk along the ids
        whose = whose.concat("")
    query = sa.select(table.c.id, functools.reduce(operator.add, sizes)).where(whose == workspace_id)
    return query.where(table.c.id > after).order_by(table.c.id).limit(BATCH)


def _reseal(kind: Kind, row: Mapping[str, Any], writes: Sealer) -> None:
    wrong = [name for name in kind.fields if not kind.fits(name, row[name], writes)]
    if not wrong:
        return
    row_id, values = kind.row_id(row), {}
    try:
        for name in wrong:
            plain = sealing.opened(kind.model, row["workspace_id"], row_id, {name: row[name]}, strict=True)
            values[name] = kind.seal(writes, row_id, name, plain[name])
    except vault.Unreadable:
        log(__name__).warning("texts.unreadable", table=kind.model.__tablename__, id=row["id"])
        return
    table = kind.model.__table__
    same = {column.name: column for column in table.columns if column.onupdate is not None}
    db.session.connection().execute(sa.update(table).where(table.c.id == row["id"]).values({**same, **values}))
