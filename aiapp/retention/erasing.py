"""Erases texts and deletes executions once their workspace's rules say so; hashes, lengths and numbers of erased texts stay.

A workspace that keeps no texts has them, encrypted, until AFTER_THE_END: whoever asked can read the answer until then.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from random import SystemRandom
from typing import Any

import sqlalchemy as sa

from aiapp import sealing
from aiapp.columns import now
from aiapp.credentials import breakers, vault
from aiapp.executions.models import FINISHED, Execution
from aiapp.extensions import db, reading, settings
from aiapp.observability.logs import log
from aiapp.retention import pages
from aiapp.retention.actions import id_at, kept_days, shortest
from aiapp.retention.erasing_batches import erase_batches
from aiapp.retention.remains import remains_of
from aiapp.retention.rows import erase_of, first_ids, has_text, nothing, rules_now
from aiapp.workspaces.models import AFTER_THE_END, Workspace

SWEEP_SECONDS = 60.0
# In one transaction: others want to write, too.
BATCH = 100
# The scheduler has other duties; what is left then is done the next time.
SWEEP_FOR_SECONDS = 10.0
# An id may be kept for a form or a request that is sent again, and become a row's later (see executions/pages/once.py).
OLDEST_NEW_ID = timedelta(hours=25)

_log_is_full = True  # whoever was here before may have left it so
_rng = SystemRandom()
_columns = Execution.metadata.tables[Execution.__tablename__].c
_ERASE = sa.update(_columns.id.table).where(_columns.id == sa.bindparam("b_id"), _columns.texts_erased_at.is_(None))
_SIZE = sa.func.length(Execution.body) + sa.func.coalesce(sa.func.length(Execution.output), 0)


def sweep(at: datetime | None = None) -> int:
    """Erase and delete what is due and return how many rows that were. The scheduler calls it. Commits, some at a time.

    Arguments:
        at: the time; default: now.
    """
    global _log_is_full
    at, done, end = at or now(), 0, time.monotonic() + SWEEP_FOR_SECONDS
    workspaces = list(_ruled())
    _rng.shuffle(workspaces)
    each = (_delete_old, _erase_due, erase_batches, _erase_ended, _erase_words)
    duties = deque(duty(workspace_id, at) for workspace_id in workspaces for duty in each)
    # In turns: much of one kind, or of one workspace, does not keep the rest waiting.
    while duties and time.monotonic() < end:
        some = next(duties[0], None)
        if some is None:
            duties.popleft()
        else:
            done += some
            duties.rotate(-1)
    db.session.remove()
    if done or _log_is_full:
        _log_is_full = not pages.empty_log()
    return done


def _ruled() -> Sequence[str]:
    """Return the workspaces that have a rule."""
    rules = (sa.not_(Workspace.keeps_texts), Workspace.texts_days.is_not(None), Workspace.executions_days.is_not(None))
    query = sa.select(Workspace.id)
    with reading():
        try:
            return db.session.scalars(query if settings().retention_days else query.where(sa.or_(*rules))).all()
        finally:
            db.session.remove()


def _delete_old(workspace_id: str, at: datetime) -> Iterator[int]:
    while True:
        with rules_now(workspace_id) as workspace:
            ids = _old(workspace, at) if workspace is not None else []
        if not ids:
            return
        erase_of(ids)  # also what outlives them
        gone = sa.delete(Execution).where(Execution.id.in_(ids)).execution_options(synchronize_session=False)
        db.session.execute(gone)
        db.session.commit()
        log(__name__).info("executions.deleted", workspace_id=workspace_id, number=len(ids))
        yield len(ids)


def _old(workspace: Workspace, at: datetime) -> list[str]:
    days = kept_days(workspace)
    if days is None:
        return []
    bound = id_at(at - timedelta(days=days))
    return _some(Execution.workspace_id == workspace.id, Execution.id < bound, Execution.status.in_(FINISHED))


def _some(*conditions: sa.ColumnElement[bool]) -> list[str]:
    return first_ids(sa.select(Execution.id, _SIZE).where(*conditions).order_by(Execution.id).limit(BATCH))


def _erase_due(workspace_id: str, at: datetime) -> Iterator[int]:
    after = ""
    while ids := _due(workspace_id, at, after):
        left = _remains(workspace_id, ids)
        changes = [{"b_id": one, "texts_erased_at": at, **values} for one, values in left.items()]
        if changes:  # else they were deleted meanwhile
            db.session.connection().execute(_ERASE, changes)
            erase_of(list(left))
            db.session.commit()
            log(__name__).info("texts.erased", workspace_id=workspace_id, number=len(left))
        after = ids[-1]
        yield len(left)
    if after:
        _note_place(workspace_id, at)


def _due(workspace_id: str, at: datetime, after: str) -> list[str]:
    with rules_now(workspace_id) as workspace:
        if workspace is None or (workspace.keeps_texts and workspace.texts_days is None):
            return []
        ended = [] if workspace.keeps_texts else [Execution.completed_at < at - AFTER_THE_END]
        has_texts = (*_with_texts(workspace, at), Execution.id > after, Execution.status.in_(FINISHED))
        return _some(*has_texts, *ended)


def _with_texts(workspace: Workspace, at: datetime) -> tuple[sa.ColumnElement[bool], ...]:
    mine = (Execution.workspace_id == workspace.id, Execution.texts_erased_at.is_(None))
    return (*mine, Execution.id < _bound(workspace, at), Execution.id >= workspace.texts_erased_to)


def _bound(workspace: Workspace, at: datetime) -> str:
    return id_at(at - timedelta(days=workspace.texts_days or 0) if workspace.keeps_texts else at)


def _remains(workspace_id: str, ids: Sequence[str]) -> dict[str, dict[str, Any]]:
    """Return what is left of each of these executions, made before anything is locked but for the workspace's first key."""
    workspace = db.session.get(Workspace, workspace_id)
    if workspace is not None and workspace.data_key is None:
        vault.make_data_key(workspace)
    with rules_now(workspace_id) as workspace:
        if workspace is None:
            return {}
        rows = db.session.scalars(sa.select(Execution).where(Execution.id.in_(ids)))
        left = {row.id: remains_of(workspace, row) for row in rows}
        db.session.expunge_all()
        return left


def _note_place(workspace_id: str, at: datetime) -> None:
    """Note how far everything is erased: the next sweep need not walk over that again."""
    with rules_now(workspace_id) as workspace:
        if workspace is None:
            return
        sure = min(_bound(workspace, at), id_at(at - OLDEST_NEW_ID))
        first = sa.select(sa.func.min(Execution.id)).where(*_with_texts(workspace, at))
        place = min(db.session.scalar(first) or sure, sure)
    db.session.execute(
        sa.update(Workspace)
        .where(Workspace.id == workspace_id, Workspace.texts_erased_to < place)
        .values(texts_erased_to=place)
        .execution_options(synchronize_session=False)
    )
    db.session.commit()


def _erase_ended(workspace_id: str, at: datetime) -> Iterator[int]:
    """Erase what a workspace without texts needs no more, whether or not its execution has ended (see Kind.ended)."""
    for kind in sealing.KINDS.values():
        while kind.ended is not None:
            table = kind.model.__table__
            with rules_now(workspace_id) as workspace:
                if workspace is None or workspace.keeps_texts:
                    return
                due = (table.c.workspace_id == workspace_id, table.c[kind.ended] < at - AFTER_THE_END, has_text(kind))
                ids = db.session.connection().execute(sa.select(table.c.id).where(*due).limit(BATCH)).scalars().all()
            if not ids:
                break
            db.session.connection().execute(sa.update(table).where(table.c.id.in_(ids)).values(nothing(kind)))
            db.session.commit()
            yield len(ids)


def _erase_words(workspace_id: str, at: datetime) -> Iterator[int]:
    """Erase what providers said when a circuit was opened: it may quote a prompt."""
    with rules_now(workspace_id) as workspace:
        days = shortest(workspace) if workspace is not None else None
    if days is None:
        return
    forgotten = breakers.forget_words(workspace_id, at - timedelta(days=days))
    db.session.commit()
    if forgotten:
        yield forgotten
