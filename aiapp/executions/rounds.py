"""A round of an execution: whom it asks, and what follows when it is over."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from random import SystemRandom
from typing import Any

from aiapp.credentials import selection
from aiapp.executions import attempts, endings
from aiapp.executions.endings import Ending
from aiapp.executions.round_words import with_retry
from aiapp.executions.states import Work
from aiapp.extensions import settings
from aiapp.gateway import fallback
from aiapp.gateway.complete import AttemptResult, Outcome
from aiapp.providers.types import Message, ProviderError, Request, Target

_rng = SystemRandom()


@dataclass(frozen=True, slots=True)
class Round:
    """What a round is going to do.

    `rows` are the attempts of earlier rounds. `chain` are all targets, `targets` those that this round asks; `number` is that of
    its first attempt. `clock` is the database's time.
    """

    work: Work
    rows: attempts.Rows
    chain: tuple[Target, ...]
    targets: tuple[Target, ...]
    failures: tuple[fallback.Failure, ...]
    number: int
    clock: Callable[[], datetime]

    @property
    def request(self) -> Request:
        """What is asked of each target."""
        row = self.work
        examples = (Message("assistant" if m["role"] == "assistant" else "user", m["content"]) for m in row.messages)
        return Request(
            messages=(*examples, Message("user", row.body)),
            system=row.system or None,
            temperature=row.temperature,
            max_tokens=row.max_tokens,
            output_format=row.format,  # type: ignore[arg-type]  # one of OUTPUT_FORMATS: actions.submit checks it
            json_schema=row.json_schema,
            stream=row.stream,
        )


def plan(work: Work, rows: attempts.Rows) -> Round | Ending:
    """Decide what the round does that begins with the lease just taken; an Ending where there is nothing to ask.

    Arguments:
        rows: the execution's attempts so far, none of them under way.
    """
    limits = rules()
    if work.cancel_requested_at is not None:
        return endings.cancelled()
    if work.round > limits.rounds:
        return endings.failed(ProviderError("worker_lost", attempts.LOST))
    try:
        chain = selection.targets_for(
            work.workspace_id,
            user_id=work.user_id,
            provider=work.requested_provider,
            credential_id=work.requested_credential_id,
            model=work.requested_model,
        )
    except ProviderError as error:
        return endings.failed(error)
    failures = attempts.failures(rows)
    clock = clock_of(work)
    opened = fallback.open_round(chain, failures, limits, clock().timestamp())
    if opened.wait is not None:
        return endings.postponed(opened.wait)
    if not opened.targets:
        return endings.failed(_model_trouble(work, rows, ()) or _error_of(rows))
    return Round(
        work=work,
        rows=rows,
        chain=tuple(chain),
        targets=tuple(
            replace(target, reason=with_retry(target.reason, work.round, limits.rounds)) for target in opened.targets
        ),
        failures=tuple(failures),
        number=rows[-1].number + 1 if rows else 1,
        clock=clock,
    )


def conclude(asked: Round, outcome: Outcome, answer: dict[str, Any]) -> Ending:
    """Decide what follows the round.

    Arguments:
        answer: the columns of the outcome's completion (endings.answer), empty where there is none.
    """
    if outcome.completion is not None:
        return endings.completed(answer)
    error = outcome.error or ProviderError("worker_lost", attempts.LOST)
    if error.error_class == "cancelled":
        # nobody wanted that but this process, which is about to end
        return endings.handed_back()
    now = asked.clock().timestamp()
    verdict = fallback.after_round(
        asked.chain,
        [*asked.failures, *(_failures(outcome) or [fallback.Failure(("", ""), error.error_class, now)])],
        rules(),
        round_number=asked.work.round,
        now=now,
        rng=_rng,
    )
    if verdict.wait is None:
        return endings.failed(_model_trouble(asked.work, asked.rows, outcome.attempts) or error, verdict.reason)
    return endings.retried(asked.work.round + 1, verdict.wait, verdict.reason)


def _failures(outcome: Outcome) -> list[fallback.Failure]:
    return [
        fallback.Failure(
            fallback.place_of(result.target),
            result.error.error_class,
            result.started_at.timestamp() + result.duration_ms / 1000,
            result.error.retry_after,
        )
        for result in outcome.attempts
        if result.error is not None
    ]


def _model_trouble(work: Work, rows: attempts.Rows, results: Sequence[AttemptResult]) -> ProviderError | None:
    """Return the error that names the wanted model as the cause, where nothing but that was said of it."""
    errors = [
        ProviderError(row.error_class, row.error_message or "")
        for row in rows
        if row.error_class is not None and row.model == work.requested_model
    ]
    errors += [
        result.error for result in results if result.error is not None and result.target.model == work.requested_model
    ]
    return fallback.telling_of_model(errors)


def _error_of(rows: attempts.Rows) -> ProviderError:
    last = next((row for row in reversed(rows) if row.error_class is not None), None)
    if last is None or last.error_class is None:
        return ProviderError("no_credential", "No credential is left that could answer.")
    return ProviderError(last.error_class, last.error_message or "")


def rules() -> fallback.Rules:
    """Return how often and when this deployment tries again."""
    config = settings()
    return fallback.Rules(config.max_retries, config.retry_base_seconds, config.retry_max_seconds)


def clock_of(work: Work) -> Callable[[], datetime]:
    """Return the database's time, read off the lease that it has just given."""
    claimed = work.lease_until - timedelta(seconds=settings().lease_seconds)
    start = time.monotonic()
    return lambda: claimed + timedelta(seconds=time.monotonic() - start)
