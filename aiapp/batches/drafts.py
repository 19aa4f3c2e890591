"""What people do with a batch before its start: bring a table, correct it, start it; each verb commits once."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import PurePath
from typing import Any

import sqlalchemy as sa

from aiapp import sealing
from aiapp.batches import checking, frozen, jobs, listing, wishes
from aiapp.batches.actions import note, write
from aiapp.batches.checking import Checked, Sources
from aiapp.batches.models import Batch, BatchRow
from aiapp.batches.tables import Table
from aiapp.batches.wishes import Wish
from aiapp.columns import new_id, now
from aiapp.errors import Conflict, InvalidInput
from aiapp.executions.submission import Prepared, prepare
from aiapp.extensions import db, reading
from aiapp.observability.logs import log
from aiapp.workspaces.access import Access

ROWS_AT_ONCE = 1000


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
    _insert_rows(batch.workspace_id, batch.id, table)
    if start:
        batch.status, batch.started_at, batch.prompt = "running", now(), frozen.freeze(prepared)
        batch.counted_from = batch.started_at
        note(access, batch, "start")
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
    checked.left_out = _left_out(batch)
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
    checked.left_out = _left_out(batch)
    moment = now()
    values = {"status": "running", "started_at": moment, "counted_from": moment, "prompt": frozen.freeze(prepared)}
    values |= {"prompt_version_id": prepared.prompt_version_id, "checked": checked.as_json()}
    values |= {"user_id": access.user.id, "token_name": access.token_name}
    _move_draft(batch, values)
    note(access, batch, "start")
    db.session.commit()
    jobs.wake(batch.id, batch.workspace_id, batch.priority)
    return listing.again(access, batch.id)


def replace_table(access: Access, batch: Batch, table: Table, *, file_name: str = "") -> Batch:
    """Give a draft another table. Its settings stay, and what its variables take, where the table has a column of that name.

    Raises as create does, Conflict where it is no draft.
    """
    wishes.demand_readable(table)
    gone = {column for column in batch.columns if column not in table.columns}
    kept = {name: source for name, source in batch.mapping.items() if source.get("column") not in gone}
    wish = wishes.of(batch)
    rows = enumerate(table.rows, 1)
    prepared, mapping, checked = _looked_at(access, wish, table.columns, kept, rows, by_name=True)
    brought = {"size": len(table.rows), "columns": table.columns, "file_name": file_name[:200]}
    _move_draft(batch, {**_settings(wish, prepared, mapping, checked), **brought})
    _delete_rows(BatchRow.batch_id == batch.id)
    _insert_rows(batch.workspace_id, batch.id, table)
    db.session.commit()
    return listing.again(access, batch.id)


def leave_out(access: Access, batch: Batch) -> Batch:
    """Take the rows that cannot be run out of a draft; those that stay keep their numbers.

    Raises InvalidInput where it is not about some of the rows, or where no row would be left; Conflict where it is no draft.
    """
    wish = wishes.of(batch)
    _, _, checked = _looked_at(access, wish, batch.columns, batch.mapping, listing.contexts(batch.id))
    if not checked.complete or any(one.row is None for one in checked.problems):
        wishes.demand_ready(checked)
    if len(checked.wrong) == batch.size:
        raise InvalidInput("No row of it can be run.")
    ready = Checked(tokens=checked.tokens, left_out=_left_out(batch) + len(checked.wrong))
    _move_draft(batch, {"size": batch.size - len(checked.wrong), "checked": ready.as_json()})
    for begin in range(0, len(checked.wrong), ROWS_AT_ONCE):
        some = BatchRow.number.in_(checked.wrong[begin : begin + ROWS_AT_ONCE])
        _delete_rows(BatchRow.batch_id == batch.id, some)
    note(access, batch, "leave_out", left_out=len(checked.wrong))
    db.session.commit()
    return listing.again(access, batch.id)


def _delete_rows(*which: sa.ColumnElement[bool]) -> None:
    db.session.execute(sa.delete(BatchRow).where(*which).execution_options(synchronize_session=False))


def _left_out(batch: Batch) -> int:
    return int((batch.checked or {}).get("left_out", 0))


def _insert_rows(workspace_id: str, batch_id: str, table: Table) -> None:
    """Past the unit of work, which takes longer for a row than the database."""
    shared = {"workspace_id": workspace_id, "batch_id": batch_id}
    # An empty one would be one whose texts were erased (see feeding).
    empty = dict.fromkeys(table.columns)
    for start in range(0, len(table.rows), ROWS_AT_ONCE):
        rows = []
        for number, context in enumerate(table.rows[start : start + ROWS_AT_ONCE], start + 1):
            row_id = new_id()
            kept = sealing.sealed(BatchRow, workspace_id, row_id, {"context": context or empty})
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
    if not write(sa.update(Batch).where(same).values(**kept).returning(Batch.id)):
        raise Conflict("It was changed or started meanwhile: look at it again.", code="stale")
