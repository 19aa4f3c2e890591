"""Ends an execution that somebody wants cancelled and that no worker is working on."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa

from aiapp.executions import attempts, endings, states
from aiapp.executions.models import Execution
from aiapp.extensions import db


def end_unworked(execution_id: str) -> bool:
    """Cancel a row that waits, or whose worker was lost, in the caller's transaction; return whether it did."""
    unworked = sa.or_(Execution.status == "pending", states.abandoned())
    now = states.database_time()
    if not _write(execution_id, unworked, status="cancelled", completed_at=now, cancel_requested_at=now):
        return False
    attempts.lose(execution_id, "Cancelled.", "Cancelled.", error_class="cancelled")
    ending = endings.cancelled()
    values = {**ending.values, **endings.sums(ending, attempts.of(execution_id))}
    _write(execution_id, sa.true(), next_attempt_at=None, lease_owner=None, lease_until=None, **values)
    return True


def ask_worker(execution_id: str) -> None:
    """Have the worker of a row stop, in the caller's transaction: it looks twice a second (leases.py)."""
    running = sa.and_(Execution.status == "processing", Execution.cancel_requested_at.is_(None))
    _write(execution_id, running, cancel_requested_at=states.database_time())


def _write(execution_id: str, condition: sa.ColumnElement[bool], **values: Any) -> bool:
    """Write `values` if `condition` holds for the row as it is now; return whether it did."""
    return bool(
        db.session.execute(
            sa.update(Execution)
            .where(Execution.id == execution_id, condition)
            .values(**values)
            .returning(Execution.id)
            .execution_options(synchronize_session=False)
        ).all()
    )
