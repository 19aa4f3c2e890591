"""How an execution's row moves: each move is one conditional UPDATE, so that of two who try only one succeeds.

Times of leases and retries are the database's: workers whose clocks differ by an hour agree on what is due.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa

from aiapp.columns import UtcDateTime, now
from aiapp.executions.models import Execution
from aiapp.extensions import db, settings

# SQLite lets one writer in and makes the others sleep in growing steps; a queue of our own wakes the next one at once.
_one_writer = threading.Lock()


@contextmanager
def transaction() -> Iterator[None]:
    """Commit what is done inside and let go of the connection, so that nothing is held while the network is waited for."""
    with _one_writer if settings().sqlite else nullcontext():
        try:
            yield
            db.session.commit()
        finally:
            db.session.remove()  # rolls back what was not committed


def database_time(seconds: float = 0.0) -> sa.ColumnElement[datetime]:
    """Return the database's own time, `seconds` later. SQLite's clock is that of its machine, which is this one."""
    if db.engine.dialect.name == "postgresql":
        return sa.cast(sa.func.clock_timestamp(), UtcDateTime) + sa.literal(timedelta(seconds=seconds), sa.Interval())
    return sa.literal(now() + timedelta(seconds=seconds), UtcDateTime)


def due() -> sa.ColumnElement[bool]:
    """Return the condition for a row that waits and may be taken now."""
    return sa.and_(
        Execution.status == "pending",
        sa.or_(Execution.next_attempt_at.is_(None), Execution.next_attempt_at <= database_time()),
    )


def abandoned() -> sa.ColumnElement[bool]:
    """Return the condition for a row whose worker no longer says that it lives."""
    return sa.and_(Execution.status == "processing", Execution.lease_until < database_time())


def claim(execution_id: str, owner: str) -> Execution | None:
    """Take the lease of a row that is due or abandoned; None where there is nothing to do (any more).

    A row whose worker was lost enters its next round. The session holds the row as it now is.
    """
    return db.session.scalars(
        sa.update(Execution)
        .where(Execution.id == execution_id, sa.or_(due(), abandoned()))
        .values(
            status="processing",
            round=sa.case((Execution.status == "processing", Execution.round + 1), else_=Execution.round),
            lease_owner=owner,
            lease_until=database_time(settings().lease_seconds),
            next_attempt_at=None,
            started_at=sa.func.coalesce(Execution.started_at, database_time()),
        )
        .returning(Execution)
        .execution_options(synchronize_session=False, populate_existing=True)
    ).first()


def held_by(execution_id: str, owner: str) -> Execution | None:
    """Return the row, locked, while `owner` has its lease; None where the lease is lost or the row has ended."""
    return db.session.scalars(
        sa.select(Execution)
        .where(Execution.id == execution_id, Execution.status == "processing", Execution.lease_owner == owner)
        .with_for_update()
        .execution_options(populate_existing=True)
    ).first()


def extend(owner: str) -> None:
    """Extend every lease of `owner`."""
    db.session.execute(
        sa.update(Execution)
        .where(Execution.status == "processing", Execution.lease_owner == owner)
        .values(lease_until=database_time(settings().lease_seconds))
        .execution_options(synchronize_session=False)
    )


def leave(execution: Execution, owner: str, status: str, **values: Any) -> bool:
    """Move the row out of processing if `owner` still has its lease; return whether it had.

    An ended row gets `completed_at`; `values` are further columns.
    """
    if status != "pending":
        values["completed_at"] = database_time()
    moved = db.session.execute(
        sa.update(Execution)
        .where(Execution.id == execution.id, Execution.status == "processing", Execution.lease_owner == owner)
        .values(status=status, lease_owner=None, lease_until=None, **values)
        .returning(Execution.id)
        .execution_options(synchronize_session=False)
    ).all()
    return bool(moved)
