"""What came of the rows of a batch, as CSV and as JSON lines, written while they are read."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from typing import Any

from aiapp import csv_records
from aiapp.batches import checking, listing
from aiapp.batches.listing import Line
from aiapp.errors import InvalidInput
from aiapp.executions.submission import Prepared
from aiapp.extensions import db
from aiapp.wire_values import dollars

KINDS = {"csv": "text/csv", "jsonl": "application/x-ndjson"}
# After the row's number, and before the columns of the table, each of which has `input.` before its name.
COLUMNS = (
    "status",
    "output",
    "valid",
    "error",
    "provider",
    "model",
    "input_tokens",
    "output_tokens",
    "cost",
    "earlier_cost",
    "duration_ms",
    "execution_id",
)
_READ_AT_ONCE = 50


def of(line: Line) -> dict[str, Any]:
    """Return what came of a row: money as a plain decimal text, what is unknown as None."""
    row, execution = line.row, line.execution
    error = row.error
    if line.state == "failed" and execution is not None:
        error = ": ".join(part for part in (execution.error_class, execution.error_message) if part)
    cost = execution.cost if execution is not None else row.cost
    return {
        "status": line.state,
        "output": line.output,
        "valid": execution.valid if execution is not None else row.valid,
        "error": error or None,
        "provider": execution.provider if execution is not None else None,
        "model": execution.model if execution is not None else None,
        "input_tokens": execution.input_tokens if execution is not None else None,
        "output_tokens": execution.output_tokens if execution is not None else None,
        "cost": dollars(cost),
        "earlier_cost": dollars(row.earlier_cost),
        "duration_ms": execution.duration_ms if execution is not None else None,
        "execution_id": row.execution_id,
    }


def stream(batch_id: str, columns: Sequence[str], kind: str, *, state: str = "") -> Iterator[str]:
    """Yield the results a few rows at a time, so that no process holds all of them. Each reading is a transaction of its own.

    Arguments:
        columns: those of the batch's table.
        kind: one of KINDS.
        state: rows of this state only; "" is all of them.
    """
    if kind == "csv":
        yield csv_records.record(["row", *COLUMNS, *(f"input.{name}" for name in columns)])
    for line in _lines(batch_id, state):
        result = of(line)
        if kind == "csv":
            inputs = (text_of(line.row.context.get(name)) for name in columns)
            yield csv_records.record([line.row.number, *result.values(), *inputs])
        else:
            told = {"row": line.row.number, **result, "input": line.row.context}
            yield json.dumps(told, ensure_ascii=False) + "\n"


def wrong(prepared: Prepared, batch_id: str, columns: Sequence[str], mapping: checking.Sources) -> Iterator[str]:
    """Yield the rows of a draft that cannot be run as CSV: the table's own columns, the row's number, and the reason."""
    yield csv_records.record([*columns, "aiapp.row", "aiapp.problem"])
    specs = {spec["name"]: spec for spec in checking.variables(prepared)}
    for number, row in listing.contexts(batch_id):
        try:
            prepared.columns(checking.values(specs, mapping, row))
        except InvalidInput as error:
            reasons = (f"{item['field'].removeprefix('context.')}: {item['message']}" for item in error.errors)
            yield csv_records.record([*(text_of(row.get(name)) for name in columns), number, "; ".join(reasons)])


def text_of(value: Any) -> Any:
    """Return a value of a table's cell as people read it: objects, lists and truth values as JSON, None as nothing."""
    return json.dumps(value, ensure_ascii=False) if isinstance(value, bool | dict | list) else value


def _lines(batch_id: str, state: str) -> Iterator[Line]:
    after = 0
    while True:
        found = listing.lines(batch_id, state=state, after=after, limit=_READ_AT_ONCE)
        db.session.remove()
        yield from found
        if len(found) < _READ_AT_ONCE:
            return
        after = found[-1].row.number
