"""PURE: a circuit breaker: after which failed calls a credential's model is left alone, for how long, and why in words.

Closed: it is asked. Open: it is not asked until a moment. Half-open: that moment has come, and one execution tries it; an
answer closes the circuit, a failure opens it for twice as long (https://martinfowler.com/bliki/CircuitBreaker.html).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal

State = Literal["closed", "open", "half_open"]

# Failures of the provider, of the way to it or of its answers; what is refused for what it says shows that somebody is there.
COUNTED = frozenset({"server", "timeout", "network", "overloaded", "bad_response", "rate_limit"})
# These say nothing about the provider at all.
IGNORED = frozenset({"cancelled", "worker_lost"})
# These are the whole credential's, whichever model was asked.
OF_THE_KEY = frozenset({"auth", "quota"})
CLOSED = "closed"
LAST_CALLS = 20
LOOK_BACK = timedelta(minutes=30)
# After this long without trouble, the next time is a first time again.
FORGIVEN = timedelta(minutes=10)
# A call that a refused key costs again is cheap, and whoever has repaired it need not wait long.
KEY_SECONDS = 60.0
# Whatever a provider asks for: its account may have been changed meanwhile.
MOST_ASKED_SECONDS = 86_400.0


@dataclass(frozen=True, slots=True)
class Rules:
    """When a circuit opens, and for how long: `base` seconds, doubled each time in a row, at most `maximum`."""

    base: float
    maximum: float
    in_a_row: int = 5
    least: int = 10
    share: float = 0.5


@dataclass(frozen=True, slots=True)
class Breaker:
    """A circuit as it was read: names and values are the row's (see models.CircuitBreaker); `model` "" is every model."""

    id: str
    credential_id: str
    model: str
    cause: str
    error_class: str
    message: str
    trips: int
    opened_at: datetime
    until: datetime
    probe_until: datetime | None

    def state(self, at: datetime) -> State:
        """Return where it stands; of a limit that the provider named the end is the end."""
        if self.cause == CLOSED or (self.cause == "rate_limit" and self.until <= at):
            return "closed"
        return "open" if self.free_at > at else "half_open"

    @property
    def free_at(self) -> datetime:
        """When the next one may try it."""
        return max(self.until, self.probe_until or self.until)

    @property
    def why(self) -> str:
        """Why it is open, as the middle of a sentence."""
        return {
            "rate_limit": "the provider asked to slow down",
            "auth": "its key was refused",
            "quota": "its account was out of credit",
        }.get(self.cause, "its last calls failed")


@dataclass(frozen=True, slots=True)
class Opening:
    """A circuit that a call opens: of one model, or of all (""); for `seconds`."""

    model: str
    cause: str
    seconds: float
    trips: int


def opening(
    model: str,
    error_class: str,
    retry_after: float | None,
    recent: Sequence[str | None],
    before: Breaker | None,
    at: datetime,
    rules: Rules,
) -> Opening | None:
    """Return the circuit that a failed call opens, None where it opens none.

    Arguments:
        error_class, retry_after: of the call.
        recent: the error classes of the last calls of this model, the newest first and this one among them, None for an answered
            one; only calls since the circuit was closed.
        before: the circuit of the same place as it stands.
        at: now.
    """
    if error_class in OF_THE_KEY:
        return Opening("", error_class, KEY_SECONDS, 0)
    if error_class not in COUNTED:
        return None
    if retry_after:
        return Opening(model, "rate_limit", min(retry_after, MOST_ASKED_SECONDS), 0)
    probed = before is not None and before.cause == "failures"
    if not probed and not _too_many(recent, rules):
        return None
    lately = before is not None and before.cause in ("failures", CLOSED) and at - before.opened_at < FORGIVEN
    trips = before.trips + 1 if before is not None and (probed or lately) else 1
    return Opening(model, "failures", min(rules.maximum, rules.base * 2.0 ** min(trips - 1, 32)), trips)


def _too_many(recent: Sequence[str | None], rules: Rules) -> bool:
    """Whether the last calls failed in a row, or a great share of enough of them."""
    telling = [each in COUNTED for each in recent if each not in IGNORED][:LAST_CALLS]
    first = telling[: rules.in_a_row]
    if len(first) == rules.in_a_row and all(first):
        return True
    return len(telling) >= rules.least and sum(telling) >= rules.share * len(telling)
