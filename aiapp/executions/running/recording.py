"""Watches the calls of a round: writes their attempts down, tells the readers, logs."""

from __future__ import annotations

from aiapp.executions.running import attempts, leases, states
from aiapp.executions.running.leases import Lease
from aiapp.executions.running.rounds import Round
from aiapp.executions.streaming.publishing import Publisher
from aiapp.gateway.complete import AttemptResult
from aiapp.observability.logs import log
from aiapp.providers.types import Delta, Target


class Recorder:
    """The gateway's Watch of one round.

    A call that ended is written together with the beginning of the next one; the last is written with the round's end.
    """

    def __init__(self, asked: Round, lease: Lease, publisher: Publisher) -> None:
        self._asked = asked
        self._lease = lease
        self._publisher = publisher
        self._ended: AttemptResult | None = None

    def began(self, number: int, target: Target) -> None:
        """Write the attempt down, unless it is the round's first, which was written with the lease."""
        if self._ended is not None:
            self._write(self._ended, number, target)
        self._publisher.attempt(
            number,
            provider=target.provider,
            model=target.model,
            credential=target.credential_name,
            reason=target.reason,
        )

    def delta(self, delta: Delta) -> None:
        """Tell the readers."""
        self._publisher.delta(delta.text)

    def ended(self, result: AttemptResult) -> None:
        """Keep the result for the next write."""
        self._ended = result
        work, error = self._asked.work, result.error
        log(__name__).info(
            "execution.attempt",
            **work.names,
            number=result.number,
            credential_id=result.target.credential_id,
            provider=result.target.provider,
            model=result.target.model,
            status="completed" if error is None else "failed",
            error_class=error and error.error_class,
            http_status=error.http_status if error is not None else 200,
            ms=result.duration_ms,
            first_ms=result.first_token_ms,
            input_tokens=result.usage.input,
            output_tokens=result.usage.output,
            cost=result.cost,
        )

    def _write(self, ended: AttemptResult, number: int, target: Target) -> None:
        with states.transaction():
            if states.standing(self._asked.work.id, leases.owner()) == "lost":
                self._lease.cancel.cancel()  # the row is somebody else's: this call must not be made
                return
            attempts.finish(self._asked.work.id, ended)
            passed_over = self._asked.passed_over[number - self._asked.number]
            attempts.begin(self._asked.work.id, number, target, self._asked.clock(), passed_over)
