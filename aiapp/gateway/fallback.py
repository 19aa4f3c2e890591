"""PURE: what happens after a call failed: the next credential, another round later, or the end; each with its reason in words.

A round walks down the chain of targets once. Rounds are apart by a backoff with full jitter
(https://aws.amazon.com/blogs/architecture/exponential-backoff-and-jitter/), and no target is asked again before the moment that
its provider named.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from random import Random

from aiapp.providers.types import NEXT_CREDENTIAL, RETRYABLE, ProviderError, Target

# The code of a failure that was only rehearsed.
DRILL = "failure_drill"

_WORDS = {
    DRILL: "The failure drill let it fail",
    "auth": "The key was refused",
    "permission": "The key may not do this",
    "quota": "The account is out of credit",
    "model_not_found": "The model does not exist there",
    "blocked_address": "The address may not be reached",
    "too_large": "The answer was too large",
    "rate_limit": "The provider asked to slow down",
    "overloaded": "The provider was overloaded",
    "server": "The provider had an error",
    "timeout": "No answer came in time",
    "network": "The provider could not be reached",
    "bad_response": "The answer was incomplete or could not be read",
    "worker_lost": "The worker was lost",
    "bad_request": "The provider refused the request itself",
    "context_length": "The prompt is too long for the model",
    "content_filter": "The provider's content filter stopped the answer",
    "cancelled": "Cancelled",
}

# Failures that leave open whether the model exists: nobody had looked for it yet.
_MUTE = (RETRYABLE | NEXT_CREDENTIAL) - {"model_not_found", "bad_response", "too_large"}


@dataclass(frozen=True, slots=True)
class Rules:
    """How often and when to try again: rounds after the first one, and seconds."""

    rounds: int = 5
    base: float = 5.0
    maximum: float = 300.0


@dataclass(frozen=True, slots=True)
class Failure:
    """A call of this execution that failed: to whom, why, when it ended (Unix time), and the wait that the provider asked for."""

    place: tuple[str, str]
    error_class: str
    ended_at: float
    retry_after: float | None = None


@dataclass(frozen=True, slots=True)
class Step:
    """What follows a failed call in its round: the next target (`go_on`) or none."""

    go_on: bool
    reason: str


@dataclass(frozen=True, slots=True)
class Round:
    """Who is asked in a round, in order. Empty: nobody may be asked now; `wait` is the seconds until somebody may, or None."""

    targets: tuple[Target, ...]
    wait: float | None = None


@dataclass(frozen=True, slots=True)
class Verdict:
    """What follows a failed round: another one in `wait` seconds, or the end (None)."""

    wait: float | None
    reason: str


def place(credential_id: str | None, provider: str, model: str) -> tuple[str, str]:
    """Return what tells one target from another across rounds: the credential (or, without one, the provider) and the model."""
    return credential_id or provider, model


def place_of(target: Target) -> tuple[str, str]:
    """Return the place of `target`."""
    return place(target.credential_id, target.provider, target.model)


def words(error_class: str) -> str:
    """Return what an error class, or DRILL, means, as the start of a sentence."""
    return _WORDS.get(error_class, "It failed")


def duration(seconds: float) -> str:
    """Return a time to wait, in seconds, for people."""
    return f"{seconds:.1f} s" if seconds < 10 else f"{seconds:.0f} s"


def backoff(
    round_number: int, base: float, maximum: float, retry_after: float | None = None, *, rng: Random
) -> float | None:
    """Return the seconds to wait after round `round_number` (from 0): full jitter up to base · 2^round, at most `maximum`.

    Never less than `retry_after`, the provider's own delay; None where that is longer than `maximum`: give up there.
    """
    if retry_after is not None and retry_after > maximum:
        return None
    # the exponent is bounded so that a large number of rounds cannot overflow a float
    return max(rng.uniform(0, min(maximum, base * 2.0 ** min(round_number, 64))), retry_after or 0.0)


def gave_up(failure: Failure, maximum: float) -> bool:
    """Whether a failed target is not to be asked again by this execution: trying again cannot help, or only after too long."""
    return failure.error_class in NEXT_CREDENTIAL or (failure.retry_after is not None and failure.retry_after > maximum)


def open_round(
    targets: Sequence[Target],
    failures: Sequence[Failure],
    rules: Rules,
    now: float,
    held: Mapping[tuple[str, str], float] | None = None,
) -> Round:
    """Return which of `targets` a new round asks.

    Those that were given up stay out, and those whose provider asked to wait until after `now`.

    Arguments:
        held: the seconds for which a place is not asked by anybody.
    """
    last = {failure.place: failure for failure in failures}
    given_up = {failure.place for failure in failures if gave_up(failure, rules.maximum)}
    ready: list[Target] = []
    waits: list[float] = []
    for target in targets:
        if place_of(target) in given_up:
            continue
        elsewhere = (held or {}).get(place_of(target), 0.0)
        if elsewhere > rules.maximum:
            continue
        wait = max(elsewhere, _still_to_wait(last.get(place_of(target)), now))
        if wait > 0:
            waits.append(wait)
        else:
            ready.append(target)
    return Round(tuple(ready), None if ready else min(waits, default=None))


def after_failure(error: ProviderError, *, others: int, shown: int = 0) -> Step:
    """Return what follows `error` within its round.

    Arguments:
        others: how many targets of the round have not been asked yet.
        shown: the characters of the answer that had arrived; they are kept as a partial text and the answer starts anew.
    """
    what = words(DRILL if error.code == DRILL else error.error_class)
    if error.error_class == "cancelled":
        return Step(go_on=False, reason="Cancelled.")
    if error.permanent:
        return Step(go_on=False, reason=f"{what}; no other credential could do better.")
    if not others:
        return Step(go_on=False, reason=f"{what}, and no other credential is left in this round.")
    if shown:
        return Step(go_on=True, reason=f"{what} after {shown} characters; the next credential starts the answer anew.")
    return Step(go_on=True, reason=f"{what}; the next credential is tried.")


def after_round(
    targets: Sequence[Target],
    failures: Sequence[Failure],
    rules: Rules,
    *,
    round_number: int,
    now: float,
    rng: Random,
    drilled: bool = False,
) -> Verdict:
    """Return what follows a round of which no call succeeded.

    Arguments:
        targets: the whole chain, those that this round left out included.
        failures: of this and earlier rounds, oldest first; the last one ended this round.
        round_number: from 0.
        drilled: whether a failure drill let the last call fail.
    """
    ending = failures[-1]
    what = words(DRILL if drilled else ending.error_class)
    if ProviderError(ending.error_class, "").permanent:
        return Verdict(None, after_failure(ProviderError(ending.error_class, ""), others=0).reason)
    given_up = {failure.place for failure in failures if gave_up(failure, rules.maximum)}
    hopeful = [place_of(target) for target in targets if place_of(target) not in given_up]
    if not hopeful:
        asked = ending.retry_after
        if asked is not None and asked > rules.maximum:
            return Verdict(
                None, f"{what} and asks for {duration(asked)}: too long to wait, and no other credential is left."
            )
        return Verdict(None, f"{what}, and no credential is left that could do better.")
    if round_number >= rules.rounds:
        return Verdict(None, f"{what}; given up after {round_number + 1} {'rounds' if round_number else 'round'}.")
    last = {failure.place: failure for failure in failures}
    earliest = min(_still_to_wait(last.get(one), now) for one in hopeful)
    jitter = backoff(round_number, rules.base, rules.maximum, rng=rng) or 0.0
    wait = max(jitter, earliest)
    retry = f"round {round_number + 2} of {rules.rounds + 1} in {duration(wait)}"
    if ending.place in given_up:
        return Verdict(wait, f"{what}, so it is not asked again; {retry} asks others.")
    if ending.place in hopeful and _still_to_wait(ending, now) > wait:
        return Verdict(wait, f"{what}, for {duration(ending.retry_after or 0.0)}; {retry} asks others meanwhile.")
    return Verdict(wait, f"{what}; {retry}.")


def telling_of_model(errors: Sequence[ProviderError]) -> ProviderError | None:
    """Return the last error that says that a model does not exist, where no call proved the contrary; else None.

    Arguments:
        errors: of the calls for one model, in order. A server that is away or refuses the key says nothing about the model; one
            that read the request does.
    """
    if any(error.error_class not in _MUTE and error.error_class != "model_not_found" for error in errors):
        return None
    return next((error for error in reversed(errors) if error.error_class == "model_not_found"), None)


def _still_to_wait(failure: Failure | None, now: float) -> float:
    if failure is None or failure.retry_after is None:
        return 0.0
    # never more than was asked for, even where the clock that noted the end ran ahead
    return min(failure.retry_after, max(0.0, failure.ended_at + failure.retry_after - now))
