"""PURE: when a delivery that failed is tried again."""

from __future__ import annotations

from random import Random

# After the first attempt, the second, …: about 21 hours in all.
DELAYS = (5.0, 60.0, 300.0, 1800.0, 7200.0, 21_600.0, 43_200.0)
ATTEMPTS = len(DELAYS) + 1
LONGEST = DELAYS[-1]
JITTER = 0.2


def wait(attempts: int, retry_after: float | None, *, rng: Random) -> float | None:
    """Return the seconds until the next attempt after `attempts` of them, None where that was the last one.

    Up to a fifth longer than planned, so that what failed together does not come back together.

    Arguments:
        retry_after: what the receiver asked for, in seconds: never sooner, but not later than the longest delay either.
    """
    if attempts >= ATTEMPTS:
        return None
    planned = DELAYS[max(attempts, 1) - 1] * (1 + rng.uniform(0, JITTER))
    return max(planned, min(retry_after or 0.0, LONGEST))
