"""Rows of attempts: one is written before its call and finished after it, so that no call that was made is ever missing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any, NamedTuple

import sqlalchemy as sa

from aiapp import sealing
from aiapp.executions.models import Attempt
from aiapp.executions.running import noting
from aiapp.extensions import db
from aiapp.gateway.complete import AttemptResult
from aiapp.gateway.fallback import Failure, place
from aiapp.providers.types import Target

LOST = "The worker that made this call was lost."
HANDED_BACK = "Handed back at shutdown."

_SUMMED = ("input_tokens", "output_tokens", "cached_tokens", "cache_write_tokens", "reasoning_tokens", "cost")


class Row(NamedTuple):
    """The columns of an attempt that the engine reads."""

    workspace_id: str
    execution_id: str
    number: int
    credential_id: str | None
    credential_name: str
    provider: str
    model: str
    status: str
    error_class: str | None
    error_message: str | None
    started_at: datetime
    duration_ms: int | None
    retry_after: float | None
    output: str | None
    input_tokens: int | None
    output_tokens: int | None
    cached_tokens: int | None
    cache_write_tokens: int | None
    reasoning_tokens: int | None
    cost: Decimal | None


Rows = Sequence[Row]
_table = Attempt.metadata.tables[Attempt.__tablename__]
_row = _table.c
_under_way = sa.and_(_row.execution_id == sa.bindparam("b_execution"), _row.status == "processing")
_OF = (
    sa.select(*(_row[name] for name in Row._fields))
    .where(_row.execution_id == sa.bindparam("b_execution"))
    .order_by(_row.number)
)
_BEGIN = sa.insert(_table)
_FINISH = sa.update(_table).where(_under_way, _row.number == sa.bindparam("b_number"))
_HAND_OVER = (
    sa.update(_table)
    .where(_row.execution_id == sa.bindparam("b_execution"), _row.number == sa.bindparam("b_number"))
    .values(output=None)
)
_LOSE = sa.update(_table).where(_under_way)


def of(execution_id: str) -> Rows:
    """Return the attempts of an execution, oldest first."""
    return [_opened(row) for row in db.session.connection().execute(_OF, {"b_execution": execution_id})]


def begin(
    execution_id: str, number: int, target: Target, at: datetime, passed_over: Sequence[Mapping[str, str]] = ()
) -> None:
    """Write down that `target` is about to be called.

    Arguments:
        passed_over: those that stood before it and were not asked (see models.Attempt).
    """
    db.session.connection().execute(
        _BEGIN,
        {
            "workspace_id": target.workspace_id,
            "execution_id": execution_id,
            "number": number,
            "credential_id": target.credential_id,
            "credential_name": target.credential_name,
            "provider": target.provider,
            "model": target.model,
            "status": "processing",
            "reason": target.reason[:300],
            "started_at": at,
            "passed_over": list(passed_over),
        },
    )


def finish(execution_id: str, result: AttemptResult, next_reason: str = "") -> None:
    """Write down what became of a call, that its credential was used, and what that says of the credential's health.

    Arguments:
        next_reason: what follows, where that is decided after the round; default: the result's own.
    """
    workspace_id, row_id = result.target.workspace_id, f"{execution_id}/{result.number}"
    values = sealing.sealed(Attempt, workspace_id, row_id, _ended(result))
    values["next_reason"] = (next_reason or result.next_reason)[:300]
    db.session.connection().execute(_FINISH, {**values, "b_execution": execution_id, "b_number": result.number})
    noting.note(execution_id, result)


def lose(execution_id: str, message: str, next_reason: str, *, error_class: str = "worker_lost") -> None:
    """Give up the calls of an execution that nobody waits for any more."""
    values = {
        "status": "failed",
        "error_class": error_class,
        "error_message": message,
        "next_reason": next_reason[:300],
    }
    db.session.connection().execute(_LOSE, {**values, "b_execution": execution_id})


def failures(rows: Rows | Sequence[Attempt]) -> list[Failure]:
    """Return the failed calls as gateway.fallback wants them."""
    return [
        Failure(
            place(row.credential_id, row.provider, row.model),
            row.error_class,
            row.started_at.timestamp() + (row.duration_ms or 0) / 1000,
            row.retry_after,
        )
        for row in rows
        if row.error_class is not None
    ]


def totals(rows: Rows) -> dict[str, Any]:
    """Return tokens and cost of all attempts together.

    What a failed call used is added where the provider said it; a number that the completed call left open stays unknown.
    """
    answered = next((row for row in rows if row.status == "completed"), None)
    sums: dict[str, Any] = {}
    for column in _SUMMED:
        known = [getattr(row, column) for row in rows if getattr(row, column) is not None]
        unknown = not known or (answered is not None and getattr(answered, column) is None)
        sums[column] = None if unknown else sum(known)
    return sums


def asked_last(rows: Rows) -> dict[str, Any]:
    """Return the columns of an execution that name whom its last call asked; none where there was no call."""
    return (
        {name: getattr(rows[-1], name) for name in ("provider", "model", "credential_id", "credential_name")}
        if rows
        else {}
    )


def longest_partial(rows: Rows) -> str | None:
    """Return the longest text that a failed call had brought, None where there was none.

    One that the master keys do not open stays with its attempt, as it is stored.
    """
    texts = (row.output for row in rows if row.output and row.output is not sealing.UNREADABLE)
    return max(texts, key=len, default=None)


def hand_over(execution_id: str, partial: str, rows: Rows) -> None:
    """Let the execution alone keep a text that it has from one of its attempts."""
    number = next(row.number for row in rows if row.output == partial)
    db.session.connection().execute(_HAND_OVER, {"b_execution": execution_id, "b_number": number})


def _opened(row: sa.Row[Any]) -> Row:
    row_id = f"{row.execution_id}/{row.number}"
    return Row(**sealing.opened(Attempt, row.workspace_id, row_id, row._asdict()))


def _ended(result: AttemptResult) -> dict[str, Any]:
    error, completion = result.error, result.completion
    return {
        "status": "completed" if error is None else "failed",
        "error_class": error and error.error_class,
        "error_message": error and error.message,
        "http_status": error.http_status if error else 200,
        "retry_after": error and error.retry_after,
        "output": result.partial or None,
        "started_at": result.started_at,
        "duration_ms": result.duration_ms,
        "first_token_ms": result.first_token_ms,
        "finish": (completion and (completion.finish or "")[:60]) or None,
        "input_tokens": result.usage.input,
        "output_tokens": result.usage.output,
        "cached_tokens": result.usage.cached,
        "cache_write_tokens": result.usage.cache_write,
        "reasoning_tokens": result.usage.reasoning,
        "cost": result.cost,
        "prices": result.prices,
        "raw": result.raw,
    }
