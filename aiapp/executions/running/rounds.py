"""A round of an execution: whom it asks, and what follows when it is over."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from random import SystemRandom
from typing import Any

from aiapp.credentials import breakers, selection
from aiapp.credentials.selection import Candidate
from aiapp.executions.running import attempts, endings
from aiapp.executions.running.endings import Ending
from aiapp.executions.running.round_words import with_round
from aiapp.executions.running.states import Work
from aiapp.extensions import settings
from aiapp.gateway import fallback
from aiapp.gateway.complete import AttemptResult, Outcome
from aiapp.providers.types import Message, ProviderError, Request, Target

_rng = SystemRandom()
# How often, in seconds, who waits for another execution's try of a half-open circuit looks for what came of it.
_LOOK_AGAIN = 10.0


@dataclass(frozen=True, slots=True)
class Round:
    """What a round is going to do.

    `rows` are the attempts of earlier rounds. `chain` are all targets, `targets` those that this round asks; `passed_over` those
    before each of these that it leaves out, `number` is that of its first attempt. `clock` is the database's time.
    """

    work: Work
    rows: attempts.Rows
    chain: tuple[Target, ...]
    targets: tuple[Target, ...]
    failures: tuple[fallback.Failure, ...]
    passed_over: tuple[tuple[Mapping[str, str], ...], ...]
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
    clock = clock_of(work)
    at = clock()
    try:
        found = selection.candidates(
            work.workspace_id,
            user_id=work.user_id,
            provider=work.requested_provider,
            credential_id=work.requested_credential_id,
            model=work.requested_model,
            at=at,
        )
        chain = selection.targets_of(found)
    except ProviderError as error:
        return endings.failed(error)
    failures = attempts.failures(rows)
    opened, found = _open(found, failures, at)
    if opened.wait is not None:
        return _wait(work, opened.wait, found, at)
    if not opened.targets:
        return endings.failed(_model_trouble(work, rows, ()) or _error_of(rows, found))
    return Round(
        work=work,
        rows=rows,
        chain=tuple(chain),
        targets=tuple(
            replace(target, reason=with_round(target.reason, work.round, limits.rounds)) for target in opened.targets
        ),
        passed_over=_passed_over(found, opened.targets),
        failures=tuple(failures),
        number=rows[-1].number + 1 if rows else 1,
        clock=clock,
    )


def _open(
    found: list[Candidate], failures: list[fallback.Failure], at: datetime
) -> tuple[fallback.Round, list[Candidate]]:
    """Return whom the round asks, and the candidates as they then stand: of a half-open circuit one execution is first."""
    while True:
        held = {
            fallback.place_of(one.target): (one.breaker.free_at - at).total_seconds()
            for one in found
            if one.held and one.target and one.breaker
        }
        targets = [one.target for one in found if one.target is not None]
        opened = fallback.open_round(targets, failures, rules(), at.timestamp(), held)
        first = next((one for one in found if opened.targets and one.target is opened.targets[0]), None)
        if first is None or first.breaker is None or not first.half_open(at) or breakers.take_probe(first.breaker, at):
            return opened, found
        tried = replace(first.breaker, probe_until=at + breakers.PROBE)
        tried_by_another = replace(first, held=True, breaker=tried, because="Another execution is trying it")
        found = [tried_by_another if one is first else one for one in found]


def _wait(work: Work, wait: float, found: list[Candidate], at: datetime) -> Ending:
    """Return what follows where nobody may be asked yet.

    Who waits for circuits of others' failures comes back a little apart from the rest, and not for ever: at most as long as its
    own retries could take.
    """
    held = [one.breaker for one in found if one.held and one.breaker]
    if not held:
        return endings.postponed(wait)
    limits = rules()
    if (at - work.started_at).total_seconds() > limits.rounds * limits.maximum:
        return endings.failed(
            ProviderError(held[0].error_class, held[0].message), "It waited too long for its circuit."
        )
    if any(breaker.probe_until for breaker in held):
        return endings.postponed(min(wait, _LOOK_AGAIN * _rng.uniform(0.1, 1.0)))
    return endings.postponed(wait + _rng.uniform(0.0, wait / 10))


def _passed_over(found: list[Candidate], targets: Sequence[Target]) -> tuple[tuple[Mapping[str, str], ...], ...]:
    """Return for each target those that stood before it and are not asked before it."""
    asked = {id(target) for target in targets}
    lists: list[tuple[Mapping[str, str], ...]] = []
    first = next((one for one in found if id(one.target) in asked), None)
    waiting = [] if first is None or first.last else [one for one in found if one.last]
    for one in found:
        if id(one.target) in asked:
            lists.append(tuple(_described(each) for each in waiting))
            waiting = []
        elif one.because and not one.last:
            waiting.append(one)
    return tuple(lists)


def _described(one: Candidate) -> Mapping[str, str]:
    return {
        "credential_id": one.credential.id,
        "credential_name": selection.name_for_all(one.credential),
        "provider": one.credential.provider,
        "model": one.model,
        "because": one.because,
    }


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
        drilled=error.code == fallback.DRILL,
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


def _error_of(rows: attempts.Rows, found: Sequence[Candidate]) -> ProviderError:
    last = next((row for row in reversed(rows) if row.error_class is not None), None)
    if last is not None and last.error_class is not None:
        return ProviderError(last.error_class, last.error_message or "")
    for one in found:
        if one.breaker is not None:
            return ProviderError(one.breaker.error_class, one.breaker.message)
    return ProviderError("no_credential", "No credential is left that could answer.")


def rules() -> fallback.Rules:
    """Return how often and when this deployment tries again."""
    config = settings()
    return fallback.Rules(config.max_retries, config.retry_base_seconds, config.retry_max_seconds)


def clock_of(work: Work) -> Callable[[], datetime]:
    """Return the database's time, read off the lease that it has just given."""
    claimed = work.lease_until - timedelta(seconds=settings().lease_seconds)
    start = time.monotonic()
    return lambda: claimed + timedelta(seconds=time.monotonic() - start)
