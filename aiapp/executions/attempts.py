"""Rows of attempts: one is written before its call and finished after it, so that no call that was made is ever missing."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from aiapp.columns import now
from aiapp.credentials.actions import mark_used
from aiapp.executions.models import Attempt, Execution
from aiapp.extensions import db
from aiapp.gateway.complete import AttemptResult
from aiapp.gateway.fallback import Failure, place
from aiapp.providers.types import Target

LOST = "The worker that made this call was lost."
HANDED_BACK = "Handed back at shutdown."

_TOKENS = ("input_tokens", "output_tokens", "cached_tokens", "cache_write_tokens", "reasoning_tokens")


def of(execution_id: str) -> list[Attempt]:
    """Return the attempts of an execution, oldest first."""
    return list(
        db.session.scalars(
            sa.select(Attempt)
            .where(Attempt.execution_id == execution_id)
            .order_by(Attempt.number)
            .execution_options(populate_existing=True)
        )
    )


def begin(execution: Execution, number: int, target: Target, at: datetime) -> None:
    """Write down that `target` is about to be called."""
    db.session.execute(
        sa.insert(Attempt).values(
            workspace_id=execution.workspace_id,
            execution_id=execution.id,
            number=number,
            credential_id=target.credential_id,
            credential_name=target.credential_name,
            provider=target.provider,
            model=target.model,
            status="processing",
            reason=target.reason[:300],
            started_at=at,
        )
    )


def finish(execution: Execution, result: AttemptResult, next_reason: str | None = None) -> None:
    """Write down what became of a call, and that its credential was used.

    Arguments:
        next_reason: what follows, where that is decided after the round; default: the result's own.
    """
    db.session.execute(
        sa.update(Attempt)
        .where(Attempt.execution_id == execution.id, Attempt.number == result.number, Attempt.status == "processing")
        .values(**_ended(result), next_reason=(next_reason or result.next_reason)[:300])
        .execution_options(synchronize_session=False)
    )
    if result.target.credential_id is not None:
        mark_used(execution.workspace_id, result.target.credential_id, now())


def lose(execution_id: str, message: str, next_reason: str, *, error_class: str = "worker_lost") -> None:
    """Give up the calls of an execution that nobody waits for any more."""
    db.session.execute(
        sa.update(Attempt)
        .where(Attempt.execution_id == execution_id, Attempt.status == "processing")
        .values(status="failed", error_class=error_class, error_message=message, next_reason=next_reason[:300])
        .execution_options(synchronize_session=False)
    )


def failures(rows: Sequence[Attempt]) -> list[Failure]:
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


def totals(rows: Sequence[Attempt]) -> dict[str, Any]:
    """Return tokens and cost of all attempts together.

    What a failed call used is added where the provider said it; a number that the completed call left open stays unknown.
    """
    answered = next((row for row in rows if row.status == "completed"), None)
    sums: dict[str, Any] = {}
    for column in (*_TOKENS, "cost"):
        known = [getattr(row, column) for row in rows if getattr(row, column) is not None]
        unknown = not known or (answered is not None and getattr(answered, column) is None)
        sums[column] = None if unknown else sum(known)
    return sums


def longest_partial(rows: Sequence[Attempt]) -> str | None:
    """Return the longest text that a failed call had brought, None where there was none."""
    return max((row.output for row in rows if row.output), key=len, default=None)


def _ended(result: AttemptResult) -> dict[str, Any]:
    error = result.error
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
        "finish": (result.completion and (result.completion.finish or "")[:60]) or None,
        "input_tokens": result.usage.input,
        "output_tokens": result.usage.output,
        "cached_tokens": result.usage.cached,
        "cache_write_tokens": result.usage.cache_write,
        "reasoning_tokens": result.usage.reasoning,
        "cost": result.cost,
        "prices": result.prices,
    }
