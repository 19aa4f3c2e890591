"""When the attempts of an execution began and how long was waited before each."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from aiapp.executions.models import Execution

# Shorter ones are the work between two calls, and no waiting.
LEAST_WAIT_MS = 500


@dataclass(frozen=True, slots=True)
class Moment:
    """Of one attempt: milliseconds from the execution's first start to its own, and waited before it (0: none to speak of)."""

    after_ms: int
    waited_ms: int


def moments(execution: Execution) -> dict[int, Moment]:
    """Return the moment of each attempt by its number."""
    found: dict[int, Moment] = {}
    start = execution.started_at
    end: datetime | None = None
    for attempt in execution.attempts:
        start = start or attempt.started_at
        waited = _ms(attempt.started_at, end) if end is not None else 0
        found[attempt.number] = Moment(_ms(attempt.started_at, start), waited if waited >= LEAST_WAIT_MS else 0)
        end = attempt.started_at + timedelta(milliseconds=attempt.duration_ms or 0)
    return found


def _ms(later: datetime, earlier: datetime) -> int:
    return max(0, round((later - earlier).total_seconds() * 1000))
