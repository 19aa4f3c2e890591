"""The job of a worker: take an execution's lease, have its prompt answered, write down what came of it.

Short transactions with no session in between: take (lease, targets, first attempt), one for each further attempt, settle.
Whoever delivers an execution twice delivers it to someone who finds nothing to do.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from flask import current_app
from sqlalchemy.exc import SQLAlchemyError

from aiapp import sealing
from aiapp.columns import now
from aiapp.credentials import vault
from aiapp.executions import deliveries
from aiapp.executions.running import attempts, endings, leases, rounds, states
from aiapp.executions.running.endings import Ending
from aiapp.executions.running.leases import cancel_all, shutdown
from aiapp.executions.running.recording import Recorder
from aiapp.executions.running.rounds import Round
from aiapp.executions.running.states import Work
from aiapp.executions.streaming.publishing import Publisher
from aiapp.extensions import redis
from aiapp.gateway.complete import Outcome, complete
from aiapp.gateway.holding import hold
from aiapp.observability.logs import log
from aiapp.providers.types import ProviderError

__all__ = ["cancel_all", "run", "shutdown"]

# How long an answer that was paid for waits for a database that is away; then the lease ends and the call is made again.
_PAUSES = (0.5, 1.0, 2.0, 4.0, 8.0)


def run(execution_id: str) -> None:
    """Run one round of an execution. Needs an app context. Nothing happens unless the row is due or abandoned.

    Where the database fails, the row is left to its lease and the sweeper.
    """
    if shutdown.is_set() or leases.is_held(execution_id):
        return
    try:
        with current_app.app_context():  # a session of its own, whatever the caller's is doing
            publisher = Publisher(redis(), execution_id)
            asked = _take(execution_id, publisher)
            if asked is not None:
                _ask(asked, publisher)
    except SQLAlchemyError as error:
        log(__name__).error("execution.left_to_sweeper", execution_id=execution_id, error=type(error).__name__)


def _take(execution_id: str, publisher: Publisher) -> Round | None:
    """Take the lease and begin a round; None where there is nothing (more) to ask."""
    with states.transaction():
        work = states.claim(execution_id, leases.owner())
        if work is None:
            return None
        rows = attempts.of(execution_id)
        if any(row.status == "processing" for row in rows):
            attempts.lose(execution_id, attempts.LOST, "Another worker took over.")
            rows = attempts.of(execution_id)
        planned = _planned(work, rows)
        if isinstance(planned, Round):
            attempts.begin(execution_id, planned.number, planned.targets[0], planned.clock(), planned.passed_over[0])
            publisher.seal_with(sealing.passing_sealer(work.workspace_id), work.workspace_id)
        else:
            _leave(work, planned, rounds.clock_of(work)())
    if not isinstance(planned, Round):
        _tell(work, planned, publisher)
        return None
    publisher.status("processing", round=work.round)
    log(__name__).info("execution.started", **work.names, targets=len(planned.targets))
    return planned


def _planned(work: Work, rows: attempts.Rows) -> Round | Ending:
    try:
        opened = states.opened(work)
        # A prompt of before the encryption can be read; what comes of it could not be stored.
        sealing.sealer(work.workspace_id)
    except (vault.Unreadable, sealing.Unsealable):
        return endings.unreadable()
    return rounds.plan(opened, rows)


def _ask(asked: Round, publisher: Publisher) -> None:
    """Have the prompt answered and settle the row, whatever happens meanwhile."""
    with leases.holding(asked.work.id) as lease, hold(lease.cancel) as held:
        answer: dict[str, Any] = {}
        try:
            outcome = complete(
                asked.request,
                asked.targets,
                watch=Recorder(asked, lease, publisher),
                cancel=lease.cancel,
                first_number=asked.number,
                clock=asked.clock,
                held=held,
            )
            if outcome.completion is not None:
                answer = endings.answer(asked.work, outcome.completion, outcome.attempts[-1].target)
        except SQLAlchemyError:
            raise
        except Exception as exc:
            # A mistake of ours shall cost this execution a round, not keep it waiting for its lease to end.
            log(__name__).error("execution.crashed", **asked.work.names, exc_info=exc)
            outcome = Outcome(None, ProviderError("worker_lost", "The worker failed; its log says why."), ())
        _settle_patiently(asked, outcome, answer, publisher)


def _settle_patiently(asked: Round, outcome: Outcome, answer: dict[str, Any], publisher: Publisher) -> None:
    for pause in _PAUSES:
        try:
            _settle(asked, outcome, answer, publisher)
        except SQLAlchemyError as error:
            log(__name__).warning("execution.not_settled", **asked.work.names, error=type(error).__name__)
            if shutdown.wait(pause):
                break
        else:
            return
    _settle(asked, outcome, answer, publisher)


def _settle(asked: Round, outcome: Outcome, answer: dict[str, Any], publisher: Publisher) -> None:
    """Write the round's end in one commit, if this process still has the lease."""
    work = asked.work
    with states.transaction():
        standing = states.standing(work.id, leases.owner())
        if standing == "lost":
            log(__name__).warning("execution.superseded", **work.names)
            return
        ending = endings.cancelled(answer) if standing == "cancelled" else rounds.conclude(asked, outcome, answer)
        if outcome.attempts:
            last = outcome.attempts[-1]
            if ending.status != "pending":
                ending.values.update(endings.served_by(last.target))
            attempts.finish(work.id, endings.as_lost(last) if ending.handed_back else last, ending.reason)
        elif outcome.error is not None:
            attempts.lose(work.id, outcome.error.message, ending.reason)
        _leave(work, ending, asked.clock())
    _tell(work, ending, publisher)


def _leave(work: Work, ending: Ending, at: datetime) -> None:
    """Move the row, with the sums of its attempts. `at` is the database's time."""
    rows = attempts.of(work.id)
    ending.values.update(endings.sums(ending, rows))
    if ending.values.get("partial"):
        attempts.hand_over(work.id, ending.values["output"], rows)
    ending.values["status"] = ending.status
    if ending.status != "pending":
        ending.values["completed_at"] = at
    elif ending.wait > 0:
        ending.values["next_attempt_at"] = at + timedelta(seconds=ending.wait)
    states.leave(work, leases.owner(), ending.values, plain=ending.plain)


def _tell(work: Work, ending: Ending, publisher: Publisher) -> None:
    """Tell readers, workers and the log what was committed."""
    facts = work.names
    if ending.status != "pending":
        error_class = ending.values.get("error_class")
        publisher.done(ending.status, error_class=error_class)
        told = ("provider", "model", "credential_id", "valid", "input_tokens", "output_tokens", "cost")
        taken = ending.values["completed_at"] - work.started_at
        log(__name__).info(
            f"execution.{ending.status}",
            **facts,
            **{name: ending.values.get(name) for name in told},
            error_class=error_class,
            ms=taken // timedelta(milliseconds=1),
        )
        deliveries.ended(work.id, work.workspace_id, work.priority, work.source)
        return
    publisher.status("pending", retry_in=round(ending.wait, 1))
    log(__name__).info("execution.waiting", **facts, seconds=round(ending.wait, 1), reason=ending.reason)
    if ending.wait > 0:
        deliveries.wake_at(work.id, work.workspace_id, work.priority, now() + timedelta(seconds=ending.wait))
    else:
        deliveries.wake(work.id, work.workspace_id, work.priority)
