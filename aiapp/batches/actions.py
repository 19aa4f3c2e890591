"""What people do with batches; each verb commits once. Workers feed the rows (feeding.py)."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import PurePath
from typing import Any

import sqlalchemy as sa

from aiapp import sealing
from aiapp.batches import announcements, checking, feeding, frozen, jobs, listing, wishes
from aiapp.batches.checking import Checked, Sources
from aiapp.batches.models import Batch, BatchRow
from aiapp.batches.tables import Table
from aiapp.batches.wishes import Wish
from aiapp.columns import new_id, now
from aiapp.errors import Conflict
from aiapp.executions import cancelling
from aiapp.executions.models import Execution
from aiapp.executions.streaming.publishing import Publisher
from aiapp.executions.submission import Prepared, prepare
from aiapp.extensions import db, reading, redis
from aiapp.observability.logs import log
from aiapp.webhooks import announcing
from aiapp.workspaces.access import Access, missing

ROWS_AT_ONCE = 1000
RETRIED = {"failed": ("failed",), "cancelled": ("cancelled",), "all": ("failed", "cancelled")}


def create(
    access: Access,
    table: Table,
    wish: Wish,
    *,
    mapping: Sources | None = None,
    file_name: str = "",
    start: bool = False,
) -> Batch:
    """Store a table as a batch; `start` it at once, or leave it a draft that can be looked at and changed.

    Arguments:
        mapping: what variables take (see Batch.mapping); those that it leaves out go by the names of the columns.
    Raises InvalidInput with every mistake by row and column: then nothing is stored. NotFound, Conflict as submitting does.
    """
    wishes.demand_readable(table)
    wish.check()
    prepared, mapping, checked = _looked_at(
        access, wish, table.columns, mapping or {}, enumerate(table.rows, 1), by_name=True
    )
    if start:
        wishes.demand_ready(checked)
    batch = Batch(
        id=new_id(),
        workspace_id=access.workspace.id,
        user_id=access.user.id,
        token_name=access.token_name,
        name=wish.name or PurePath(file_name).stem[: wishes.LONGEST_NAME] or wish.prompt_template,
        file_name=file_name[:200],
        size=len(table.rows),
        columns=table.columns,
        **_settings(wish, prepared, mapping, checked),
    )
    db.session.add(batch)
    db.session.flush()
    _insert_rows(batch, table)
    if start:
        batch.status, batch.started_at, batch.prompt = "running", now(), frozen.freeze(prepared)
        _note(access, batch, "start")
    db.session.commit()
    log(__name__).info("batch.created", batch_id=batch.id, workspace_id=batch.workspace_id, rows=batch.size)
    if start:
        jobs.wake(batch.id, batch.workspace_id, batch.priority)
    return batch


def change(access: Access, batch: Batch, wish: Wish, mapping: Sources, *, by_name: bool = False) -> Batch:
    """Change a draft's settings and mapping, and look at all its rows again.

    Arguments:
        by_name: variables that `mapping` leaves out go by the names of the columns, as in create; else they have no value.
    Raises as create does, Conflict where it is no draft.
    """
    wish.check()
    rows = listing.contexts(batch.id)
    prepared, mapping, checked = _looked_at(access, wish, batch.columns, mapping, rows, by_name=by_name)
    values = _settings(wish, prepared, mapping, checked) | {"name": wish.name or batch.name}
    _move_draft(batch, values)
    db.session.commit()
    return listing.again(access, batch.id)


def start(access: Access, batch: Batch) -> Batch:
    """Start a draft whose rows can all be run: its prompt never changes from then on.

    Raises InvalidInput with the rows that cannot be run; Conflict where it is no draft (any more), and as create does.
    """
    wish = wishes.of(batch)
    prepared, _, checked = _looked_at(access, wish, batch.columns, batch.mapping, listing.contexts(batch.id))
    wishes.demand_ready(checked)
    values = {"status": "running", "started_at": now(), "prompt": frozen.freeze(prepared)}
    values |= {"prompt_version_id": prepared.prompt_version_id, "checked": checked.as_json()}
    values |= {"user_id": access.user.id, "token_name": access.token_name}
    _move_draft(batch, values)
    _note(access, batch, "start")
    db.session.commit()
    jobs.wake(batch.id, batch.workspace_id, batch.priority)
    return listing.again(access, batch.id)


def delete(access: Access, batch: Batch) -> None:
    """Delete a draft, or one that has ended, with its rows; its executions stay. Raises Conflict `running`."""
    found = _locked(access, batch)
    if found.status in ("running", "paused"):
        raise Conflict("It has not ended yet: cancel it first.", code="running")
    _note(access, found, "delete", status=found.status)
    access.delete(found)
    _commit()


def pause(access: Access, batch: Batch) -> Batch:
    """Begin no more rows; what is under way goes on to its end. Pausing twice is no error. Raises Conflict `finished`."""
    found = _locked(access, batch)
    if found.status not in ("running", "paused"):
        raise _finished(found)
    if found.status == "running":
        found.status, found.note = "paused", ""
        _note(access, found, "pause")
    db.session.commit()
    return found


def resume(access: Access, batch: Batch) -> Batch:
    """Go on. Whoever resumes what somebody left behind who may run batches no more, takes it over. Raises Conflict `finished`."""
    found = _locked(access, batch)
    if found.status not in ("running", "paused"):
        raise _finished(found)
    _take_over(access, found)
    if found.status == "paused":
        found.status, found.note = "running", ""
        _note(access, found, "resume")
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
    _write(sa.update(BatchRow).where(waiting).values(state="cancelled").returning(BatchRow.id))
    running = sa.select(BatchRow.execution_id).where(BatchRow.batch_id == found.id, BatchRow.state == "running")
    under_way = [one for one in db.session.scalars(running) if one is not None]
    for execution_id in under_way:
        cancelling.cancel(execution_id)
    feeding.settle(found.id)
    found.status, found.note, found.ended_at = "cancelled", "", now()
    _note(access, found, "cancel")
    announcements.ended(found)
    ended = sa.select(Execution.id).where(Execution.id.in_(under_way), Execution.status == "cancelled")
    stopped = list(db.session.scalars(ended))
    _commit()
    for execution_id in stopped:
        Publisher(redis(), execution_id).done("cancelled", error_class="cancelled")
    return found


def retry(access: Access, batch: Batch, which: str = "failed") -> Batch:
    """Have rows that failed (`which` is a key of RETRIED) run again, each with its last execution as the parent of the next.

    A batch that has ended runs again, taken over as by resume; a paused one stays paused. Raises Conflict `nothing_to_retry`,
    and for a draft.
    """
    found = _locked(access, batch)
    if found.status == "draft":
        raise _finished(found)
    if not found.prompt:
        raise Conflict(feeding.UNKNOWN_PROMPT, code="texts_erased")
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
    rows = len(_write(again.returning(BatchRow.id)))
    if not rows:
        raise Conflict("No row of it can be tried again.", code="nothing_to_retry")
    if found.status in ("ended", "cancelled"):
        found.status, found.ended_at = "running", None
        _take_over(access, found)
    _note(access, found, "retry", rows=rows, which=which)
    _commit()
    jobs.wake(found.id, found.workspace_id, found.priority)
    return found


def _insert_rows(batch: Batch, table: Table) -> None:
    """Past the unit of work, which takes longer for a row than the database."""
    shared = {"workspace_id": batch.workspace_id, "batch_id": batch.id}
    # An empty one would be one whose texts were erased (see feeding).
    empty = dict.fromkeys(table.columns)
    for start in range(0, len(table.rows), ROWS_AT_ONCE):
        rows = []
        for number, context in enumerate(table.rows[start : start + ROWS_AT_ONCE], start + 1):
            row_id = new_id()
            kept = sealing.sealed(BatchRow, batch.workspace_id, row_id, {"context": context or empty})
            rows.append({"id": row_id, "number": number, **shared, **kept})
        db.session.execute(sa.insert(BatchRow), rows)


def _looked_at(
    access: Access, wish: Wish, columns: list[str], mapping: Sources, rows: checking.Rows, *, by_name: bool = False
) -> tuple[Prepared, Sources, Checked]:
    """Fill every row's prompt, as a reader: on SQLite nobody else could write for as long as that takes."""
    db.session.commit()
    with reading():
        prepared = prepare(access, wish.submission())
        if by_name:
            mapping = {**checking.mapped_by_name(checking.variables(prepared), columns), **mapping}
        checked = checking.check(prepared, mapping, columns, rows)
        db.session.commit()
    return prepared, mapping, checked


def _settings(wish: Wish, prepared: Prepared, mapping: Sources, checked: Checked) -> dict[str, Any]:
    return {
        "prompt_template_id": prepared.prompt_template_id,
        "prompt_version_id": prepared.prompt_version_id,
        "mapping": {name: dict(source) for name, source in mapping.items()},
        "asked": wish.asked,
        "checked": checked.as_json(),
        "priority": wish.priority,
        "at_once": wish.at_once,
        "per_minute": wish.per_minute,
    }


def _move_draft(batch: Batch, values: Mapping[str, Any]) -> None:
    """Change a draft that is as it was read. Raises Conflict."""
    same = sa.and_(Batch.id == batch.id, Batch.status == "draft", Batch.revision == batch.revision)
    kept = sealing.sealed(Batch, batch.workspace_id, batch.id, {**values, "revision": batch.revision + 1})
    if not _write(sa.update(Batch).where(same).values(**kept).returning(Batch.id)):
        raise _started()


def _locked(access: Access, batch: Batch) -> Batch:
    """Return the batch as it is, and keep others from moving it until the commit. Raises NotFound."""
    query = access.select(Batch).where(Batch.id == batch.id).with_for_update()
    found = db.session.scalars(query.execution_options(populate_existing=True)).first()
    if found is None:
        raise missing(Batch)
    feeding.note_end(found)
    return found


def _take_over(access: Access, batch: Batch) -> None:
    if not feeding.may_go_on(batch):
        batch.user_id, batch.token_name = access.user.id, access.token_name


def _commit() -> None:
    """Commit, and tell of an end that was announced."""
    db.session.commit()
    announcing.wake()


def _write(change: Any) -> list[Any]:
    return list(db.session.execute(change.execution_options(synchronize_session=False)).all())


def _started() -> Conflict:
    return Conflict("It was changed or started meanwhile: look at it again.", code="stale")


def _finished(batch: Batch) -> Conflict:
    if batch.status == "draft":
        return Conflict("It was not started yet.", code="not_started")
    return Conflict("It has ended already.", code="finished")


def _note(access: Access, batch: Batch, verb: str, **more: Any) -> None:
    access.audit(f"batch.{verb}", batch.name, after={"rows": batch.size, **more})
    log(__name__).info(f"batch.{verb}", batch_id=batch.id, workspace_id=batch.workspace_id, user_id=access.user.id)
