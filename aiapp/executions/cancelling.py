"""Ends an execution that somebody wants cancelled, or has its worker end it."""

from __future__ import annotations

from typing import Any, Literal

import sqlalchemy as sa

from aiapp import sealing
from aiapp.executions.models import FINISHED, Execution
from aiapp.executions.running import attempts, endings, states
from aiapp.extensions import db


def end_unworked(execution_id: str, how: str = "") -> bool:
    """Cancel a row that waits, or whose worker was lost, in the caller's transaction; return whether it did.

    Arguments:
        how: as for cancel; by default what was said when its worker was asked stays.
    """
    unworked = sa.or_(Execution.status == "pending", states.abandoned())
    now = states.database_time()
    if not _write(execution_id, unworked, status="cancelled", completed_at=now, cancel_requested_at=now):
        return False
    attempts.lose(execution_id, "Cancelled.", "Cancelled.", error_class="cancelled")
    ending = endings.cancelled()
    rows = attempts.of(execution_id)
    values = {**ending.values, **endings.sums(ending, rows), **_told(how)}
    if values.get("partial"):
        values |= _kept(execution_id, values["output"], rows)
    _write(execution_id, sa.true(), next_attempt_at=None, lease_owner=None, lease_until=None, **values)
    return True


def cancel(execution_id: str, how: str) -> Literal["cancelled", "cancel_requested"] | None:
    """Cancel a row in the caller's transaction: at once, or by its worker, who looks twice a second (leases.py).

    Return what was done; None where it had ended, or somebody had asked its worker before.

    Arguments:
        how: by whom or with what, as it follows "Cancelled" in a sentence.
    """
    # Again, because between the two a worker may have taken the row, or have put it back for a later round.
    for _ in range(10):
        if end_unworked(execution_id, how):
            return "cancelled"
        if _ask_worker(execution_id, how):
            return "cancel_requested"
        if _nothing_to_do(execution_id):
            return None
    return None


def _kept(execution_id: str, partial: str, rows: attempts.Rows) -> dict[str, Any]:
    """Return the columns with the text that is left; where no key opens the workspace, it stays with its attempt."""
    try:
        stored = sealing.sealed(Execution, rows[0].workspace_id, execution_id, {"output": partial})
    except sealing.Unsealable:
        return {"output": None, "partial": False}
    attempts.hand_over(execution_id, partial, rows)
    return stored


def _told(how: str) -> dict[str, str]:
    return {"error_message": f"Cancelled {how}."} if how else {}


def _ask_worker(execution_id: str, how: str) -> bool:
    unasked = sa.and_(Execution.status == "processing", Execution.cancel_requested_at.is_(None))
    return _write(execution_id, unasked, cancel_requested_at=states.database_time(), **_told(how))


def _nothing_to_do(execution_id: str) -> bool:
    query = sa.select(Execution.status, Execution.cancel_requested_at).where(Execution.id == execution_id)
    row = db.session.execute(query).first()
    return row is None or row.status in FINISHED or row.cancel_requested_at is not None


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
