"""Erases texts and deletes executions once their workspace's rules say so; hashes, lengths and numbers of erased texts stay.

A workspace that keeps no texts has them, encrypted, until AFTER_THE_END: whoever asked can read the answer until then.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa

from aiapp import sealing
from aiapp.columns import now
from aiapp.credentials import vault
from aiapp.executions.models import FINISHED, Execution
from aiapp.extensions import db, reading, settings
from aiapp.observability.logs import log
from aiapp.retention import pages
from aiapp.retention.actions import id_at, kept_days
from aiapp.sealing import Kind
from aiapp.workspaces.models import Workspace

AFTER_THE_END = timedelta(hours=1)
SWEEP_SECONDS = 60.0
# So many in one transaction: others want to write, too.
BATCH = 100
# The scheduler has other duties; what is left then is done the next time.
SWEEP_FOR_SECONDS = 10.0
# An id may be kept for a form or a request that is sent again, and become a row's later (see executions/once.py).
OLDEST_NEW_ID = timedelta(hours=25)

_log_is_full = False


def sweep(at: datetime | None = None) -> int:
    """Erase and delete what is due and return how many executions that were. The scheduler calls it. Commits, some at a time.

    Arguments:
        at: the time; default: now.
    """
    global _log_is_full
    at, done, end = at or now(), 0, time.monotonic() + SWEEP_FOR_SECONDS
    for workspace_id in _ruled():
        workspace = db.session.get_one(Workspace, workspace_id)
        for duty in (_delete_old, _erase_due, _erase_ended):
            done += duty(workspace, at, end)
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


def _delete_old(workspace: Workspace, at: datetime, end: float) -> int:
    days, deleted = kept_days(workspace), 0
    if days is None:
        return 0
    old = (
        sa.select(Execution.id)
        .where(Execution.workspace_id == workspace.id, Execution.id < id_at(at - timedelta(days=days)))
        .where(Execution.status.in_(FINISHED))
        .order_by(Execution.id)
        .limit(BATCH)
    )
    for ids in _batches(old, end):
        _erase_of(ids)  # also what outlives them
        gone = sa.delete(Execution).where(Execution.id.in_(ids)).execution_options(synchronize_session=False)
        db.session.execute(gone)
        db.session.commit()
        deleted += len(ids)
    if deleted:
        log(__name__).info("executions.deleted", workspace_id=workspace.id, number=deleted)
    return deleted


def _erase_due(workspace: Workspace, at: datetime, end: float) -> int:
    if workspace.keeps_texts and workspace.texts_days is None:
        return 0
    due = [Execution.completed_at < at - AFTER_THE_END]
    bound = id_at(at)
    if workspace.keeps_texts:
        due, bound = [], id_at(at - timedelta(days=workspace.texts_days or 0))
    mine = (Execution.workspace_id == workspace.id, Execution.texts_erased_at.is_(None), Execution.id < bound)
    query = sa.select(Execution.id).where(*mine, Execution.status.in_(FINISHED), *due)
    query = query.where(Execution.id >= workspace.texts_erased_to).order_by(Execution.id).limit(BATCH)
    erased = 0
    for ids in _batches(query, end):
        _erase(workspace, ids, at)
        erased += len(ids)
    if erased:
        # the next sweep need not walk over those again
        left = sa.select(sa.func.min(Execution.id)).where(*mine, Execution.id >= workspace.texts_erased_to)
        sure = min(bound, id_at(at - OLDEST_NEW_ID))
        workspace.texts_erased_to = max(workspace.texts_erased_to, min(db.session.scalar(left) or sure, sure))
        log(__name__).info("texts.erased", workspace_id=workspace.id, number=erased)
    db.session.commit()
    return erased


def _batches(query: sa.Select[str], end: float) -> Iterator[Sequence[str]]:
    """Yield ids as long as there are any, until `end` (monotonic); whoever takes them changes the rows."""
    while time.monotonic() < end:
        with reading():
            db.session.commit()
            ids = db.session.scalars(query).all()
            db.session.commit()
        if not ids:
            return
        yield ids


def _erase(workspace: Workspace, ids: Sequence[str], at: datetime) -> None:
    """Erase the texts of these executions, and of what belongs to them, in one transaction."""
    for execution in db.session.scalars(sa.select(Execution).where(Execution.id.in_(ids))):
        left = {"texts_erased_at": at, **_left_of(workspace, execution)}
        change = sa.update(Execution).where(Execution.id == execution.id).values(left)
        db.session.execute(change.execution_options(synchronize_session=False))
    _erase_of(ids)
    db.session.commit()
    db.session.expire_all()


def _erase_of(ids: Sequence[str]) -> None:
    for kind in sealing.KINDS.values():
        table = kind.model.__table__
        db.session.connection().execute(sa.update(table).where(table.c[kind.execution].in_(ids)).values(_nothing(kind)))


def _nothing(kind: Kind) -> dict[str, Any]:
    """Return what the columns of an erased row are; the time of its last change stays."""
    columns = kind.model.__table__.columns
    return {**{one.name: one for one in columns if one.onupdate is not None}, **kind.fields, **kind.erased}


def _erase_ended(workspace: Workspace, at: datetime, end: float) -> int:
    """Erase the texts of what belongs to no execution (see Kind.ended)."""
    if workspace.keeps_texts and workspace.texts_days is None:
        return 0
    bound = at - (timedelta(days=workspace.texts_days or 0) if workspace.keeps_texts else AFTER_THE_END)
    erased = 0
    for kind in sealing.KINDS.values():
        if kind.ended is None:
            continue
        table = kind.model.__table__
        due = sa.select(table.c.id).where(
            kind.model.workspace_id == workspace.id, kind.ended() < bound, _has_text(kind)
        )
        for ids in _batches(due.limit(BATCH), end):
            # Asked again: what goes on since then (a batch that is retried) needs its texts.
            over = sa.and_(table.c.id.in_(ids), kind.ended() < bound)
            db.session.connection().execute(sa.update(table).where(over).values(_nothing(kind)))
            db.session.commit()
            erased += len(ids)
    return erased


def _has_text(kind: Kind) -> sa.ColumnElement[bool]:
    columns = kind.model.__table__.columns
    differs = [
        columns[name].is_not(None) if empty is None else sa.cast(columns[name], sa.Text) != _as_text(empty)
        for name, empty in kind.fields.items()
    ]
    return sa.or_(*differs)


def _as_text(empty: Any) -> str:
    return empty if isinstance(empty, str) else json.dumps(empty)


def _left_of(workspace: Workspace, execution: Execution) -> dict[str, Any]:
    """Return the keyed hashes and lengths of what was sent and what came back; nothing where no key opens them."""
    if not sealing.readable(execution):
        return {}
    try:
        vault.make_data_key(workspace)
        key = vault.data_key(workspace.id, workspace.data_key)
    except vault.Unreadable:
        return {}
    sent = [execution.system, *(message["content"] for message in execution.messages), execution.body]
    as_sent = json.dumps([execution.system, execution.messages, execution.body], ensure_ascii=False)
    output = execution.output
    return {
        "input_hash": key.keyed_hash("input", as_sent),
        "input_characters": sum(map(len, sent)),
        "output_hash": None if output is None else key.keyed_hash("output", output),
        "output_characters": None if output is None else len(output),
    }
