"""The rounds of an execution, as its page tells them: which attempts were one round, and whom the next one asks."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from aiapp.columns import now
from aiapp.executions.models import Attempt, Execution
from aiapp.executions.running import attempts
from aiapp.executions.showing import error_title
from aiapp.filters import relative
from aiapp.gateway import fallback
from aiapp.gateway.fallback import Rules
from aiapp.providers.types import Target

# An attempt keeps its round only in its reason, which is cut at 300 characters: the round comes last and must fit.
_REASON = 260
# Older ones count retries, whose first one is the second round.
_ROUND = re.compile(r"; (?:round ([0-9]+)|retry ([0-9]+)) of [0-9]+\Z")


@dataclass(frozen=True, slots=True)
class RoundOfAttempts:
    """The attempts of one round, oldest first; `number` counts from 1."""

    number: int
    attempts: list[Attempt]

    @property
    def troubles(self) -> list[str]:
        """What went wrong in it, each once, in a few words."""
        return [error_title(name) for name in dict.fromkeys(one.error_class for one in self.attempts) if name]


@dataclass(frozen=True, slots=True)
class NextRound:
    """Whom the next round asks again, and whom it leaves out, each with the reason as the middle of a sentence."""

    number: int
    asked: list[str]
    left_out: list[tuple[str, str]]


def with_round(reason: str, retry: int, retries: int) -> str:
    """Return a target's reason with the round that it is asked in; nothing is said of the first one, which is retry 0."""
    return f"{reason[:_REASON]}; round {retry + 1} of {retries + 1}" if retry else reason


def rounds_of(execution: Execution) -> list[RoundOfAttempts]:
    """Return the attempts round by round, oldest first."""
    found: list[RoundOfAttempts] = []
    for attempt in execution.attempts:
        told = _ROUND.search(attempt.reason)
        number = int(told[1] or 1 + int(told[2])) if told else 1
        if not found or found[-1].number != number:
            found.append(RoundOfAttempts(number, []))
        found[-1].attempts.append(attempt)
    return found


def next_round(execution: Execution, rules: Rules) -> NextRound | None:
    """Return what the round asks that an execution waits for, of those who were asked before; None where it waits for none."""
    if execution.finished or execution.next_attempt_at is None:
        return None
    failures = attempts.failures(execution.attempts)
    last = {failure.place: failure for failure in failures}
    known = {fallback.place_of(target): target for target in map(_target, execution.attempts)}
    opened = fallback.open_round(list(known.values()), failures, rules, execution.next_attempt_at.timestamp())
    return NextRound(
        execution.round + 1,
        asked=[_name(target) for target in opened.targets],
        left_out=[
            (_name(target), _why(last[place], rules)) for place, target in known.items() if target not in opened.targets
        ],
    )


def starts(when: datetime) -> str:
    """Return when something begins that a page waits for: "in 4 s", and "now" from the last second on."""
    return relative(when) if (when - now()).total_seconds() >= 1 else "now"


def name_all(names: Sequence[str]) -> str:
    """Return names as a sentence lists them."""
    return " and ".join(filter(None, (", ".join(names[:-1]), *names[-1:])))


def _target(attempt: Attempt) -> Target:
    return Target(
        attempt.provider,
        "",
        attempt.model,
        credential_id=attempt.credential_id,
        credential_name=attempt.credential_name,
    )


def _name(target: Target) -> str:
    return f"{target.credential_name} · {target.model}" if target.credential_name else target.model


def _why(failure: fallback.Failure, rules: Rules) -> str:
    what = fallback.words(failure.error_class)
    what = what[0].lower() + what[1:]
    return what if fallback.gave_up(failure, rules.maximum) else f"{what} for {failure.retry_after or 0:.0f} s"
