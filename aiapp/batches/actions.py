"""What people do with batches that were started; each verb commits once (before the start: drafts.py)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import sqlalchemy as sa

from aiapp.batches import announcements, feeding, halting, jobs
from aiapp.batches.models import Batch, BatchRow
from aiapp.columns import now
from aiapp.credentials import keeping
from aiapp.errors import Conflict
from aiapp.executions import cancelling, submission
from aiapp.executions.models import Execution
from aiapp.executions.streaming.publishing import Publisher
from aiapp.executions.submission import Submission
from aiapp.extensions import db, redis
from aiapp.observability.logs import log
from aiapp.webhooks import announcing
from aiapp.workspaces.access import Access, missing

ASKED = ("provider", "credential_id", "model")
RETRIED = {"failed": ("failed",), "cancelled": ("cancelled",), "all": ("failed", "cancelled")}


def delete(access: Access, batch: Batch) -> None:
    """Delete a draft, or one that has ended, with its rows; its executions stay. Raises Conflict `running`."""
    found = _locked(access, batch)
    if found.status in ("running", "paused"):
        raise Conflict("It has not ended yet: cancel it first.", code="running")
    note(access, found, "delete", status=found.status)
    access.delete(found)
    _commit()


def pause(access: Access, batch: Batch) -> Batch:
    """Begin no more rows; what is under way goes on to its end. Pausing twice is no error. Raises Conflict `finished`."""
    found = _locked(access, batch)
    if found.status not in ("running", "paused"):
        raise _finished(found)
    if found.status == "running":
        found.status, found.note = "paused", ""
        note(access, found, "pause")
    db.session.commit()
    return found


def resume(access: Access, batch: Batch) -> Batch:
    """Go on. Whoever resumes what somebody left behind who may run batches no more, takes it over. Raises Conflict `finished`."""
    found = _locked(access, batch)
    if found.status not in ("running", "paused"):
        raise _finished(found)
    _take_over(access, found)
    if found.status == "paused":
        _go_on(found)
        note(access, found, "resume")
    db.session.commit()
    jobs.wake(found.id, found.workspace_id, found.priority)
    return found


def cancel(access: Access, batch: Batch) -> Batch:
    """End it: rows that wait get no execution, executions under way are cancelled. Cancelling twice is no error.

    Raises Conflict `finished` for one that has ended.
    """
    found = _locked(access, batch)
    if found.status == "cancelled":
        return found
    if found.status not in ("running", "paused"):
        raise _finished(found)
    waiting = sa.and_(BatchRow.batch_id == found.id, BatchRow.state == "waiting")
    write(sa.update(BatchRow).where(waiting).values(state="cancelled").returning(BatchRow.id))
    running = sa.select(BatchRow.execution_id).where(BatchRow.batch_id == found.id, BatchRow.state == "running")
    under_way = [one for one in db.session.scalars(running) if one is not None]
    for execution_id in under_way:
        cancelling.cancel(execution_id, "with its batch")
    feeding.settle(found.id)
    found.status, found.note, found.ended_at = "cancelled", "", now()
    note(access, found, "cancel")
    announcements.ended(found)
    ended = sa.select(Execution.id).where(Execution.id.in_(under_way), Execution.status == "cancelled")
    stopped = list(db.session.scalars(ended))
    _commit()
    for execution_id in stopped:
        Publisher(redis(), execution_id).done("cancelled", error_class="cancelled")
    return found


def retry(access: Access, batch: Batch, which: str = "failed", asked: Mapping[str, str | None] | None = None) -> Batch:
    """Have rows that failed (`which` is a key of RETRIED) run again, each with its last execution as the parent of the next.

    A batch that has ended runs again, taken over as by resume, and so does one that paused by itself; one that somebody paused
    stays paused.

    Arguments:
        asked: provider, credential_id or model that rows which are not begun yet ask from now on; None is a free choice.
    Raises Conflict `nothing_to_retry`, and for a draft; as submitting does for what is asked.
    """
    found = _locked(access, batch)
    if found.status == "draft":
        raise _finished(found)
    if not found.prompt:
        raise Conflict(halting.UNKNOWN_PROMPT, code="texts_erased")
    if asked:
        _ask(access, found, asked)
    again = sa.update(BatchRow).where(BatchRow.batch_id == found.id, BatchRow.state.in_(RETRIED[which]))
    spent = sa.func.coalesce(BatchRow.earlier_cost, 0) + sa.func.coalesce(BatchRow.cost, 0)
    again = again.values(
        state="waiting",
        parent_id=sa.func.coalesce(BatchRow.execution_id, BatchRow.parent_id),
        execution_id=None,
        earlier_cost=sa.case((BatchRow.cost.is_not(None), spent), else_=BatchRow.earlier_cost),
        cost=None,
        valid=None,
        error=None,
    )
    rows = len(write(again.returning(BatchRow.id)))
    if not rows:
        raise Conflict("No row of it can be tried again.", code="nothing_to_retry")
    if found.status in ("ended", "cancelled") or found.note:
        _go_on(found)
        _take_over(access, found)
    note(access, found, "retry", rows=rows, which=which, **(asked or {}))
    _commit()
    jobs.wake(found.id, found.workspace_id, found.priority)
    return found


def _locked(access: Access, batch: Batch) -> Batch:
    """Return the batch as it is, and keep others from moving it until the commit. Raises NotFound."""
    query = access.select(Batch).where(Batch.id == batch.id).with_for_update()
    found = db.session.scalars(query.execution_options(populate_existing=True)).first()
    if found is None:
        raise missing(Batch)
    feeding.note_end(found)
    return found


def _go_on(batch: Batch) -> None:
    batch.status, batch.note, batch.ended_at, batch.counted_from = "running", "", None, now()


def _ask(access: Access, batch: Batch, asked: Mapping[str, str | None]) -> None:
    """Change whom the next rows ask; all else stays as it was at the start."""
    batch.asked = {name: value for name, value in {**batch.asked, **asked}.items() if value}
    chosen: dict[str, Any] = {name: batch.asked.get(name) for name in ASKED}
    settings = submission.asked(access, Submission(**chosen, source="batch"), batch.prompt_version)
    requested = {f"requested_{name}": settings[f"requested_{name}"] for name in ASKED}
    prompt = batch.prompt or {}
    batch.prompt = {**prompt, "settings": {**prompt["settings"], **requested}}
    credential_id = chosen["credential_id"]
    if credential_id and keeping.find(access, credential_id).owner_id not in (None, batch.user_id):
        batch.user_id, batch.token_name = access.user.id, access.token_name


def _take_over(access: Access, batch: Batch) -> None:
    if not halting.may_go_on(batch):
        batch.user_id, batch.token_name = access.user.id, access.token_name


def _commit() -> None:
    """Commit, and tell of an end that was announced."""
    db.session.commit()
    announcing.wake()


def write(change: Any) -> list[Any]:
    """Execute a change past the unit of work, and return what it returns."""
    return list(db.session.execute(change.execution_options(synchronize_session=False)).all())


def _finished(batch: Batch) -> Conflict:
    if batch.status == "draft":
        return Conflict("It was not started yet.", code="not_started")
    return Conflict("It has ended already.", code="finished")


def note(access: Access, batch: Batch, verb: str, **more: Any) -> None:
    """Add what was done to the audit trail and the log."""
    access.audit(f"batch.{verb}", batch.name, after={"rows": batch.size, **more})
    log(__name__).info(f"batch.{verb}", batch_id=batch.id, workspace_id=batch.workspace_id, user_id=access.user.id)
