"""The words of batches: what a state is called, and with which mark it is shown."""

from __future__ import annotations

from datetime import datetime, timedelta

from flask_login import current_user

from aiapp.batches.counting import Counts
from aiapp.batches.models import Batch
from aiapp.columns import now

# The marks of ui.status: a batch with failures is never green.
MARKS = {
    "draft": "draft",
    "running": "processing",
    "paused": "pending",
    "cancelled": "cancelled",
    "completed": "completed",
    "incomplete": "degraded",
    "failed": "failed",
}
ROW_MARKS = {"waiting": "pending", "running": "processing"}
# On pages a row is called what its execution is.
ROW_WORDS = ROW_MARKS
# From here on it waits longer than its neighbours took: nobody can say when it ends.
SLOW = timedelta(seconds=10)


def word(outcome: str, counts: Counts) -> str:
    """Return what a batch has come to, in a few words."""
    if outcome == "incomplete":
        parts = [f"{counts.failed:,} failed"] if counts.failed else []
        parts += [f"{counts.cancelled:,} cancelled"] if counts.cancelled else []
        return f"Ended with {' and '.join(parts)}"
    if outcome == "failed":
        return "Every row failed" if counts.failed == counts.rows else "Failed"
    if outcome == "completed" and counts.invalid:
        return f"Completed, {counts.invalid:,} not in the format"
    if outcome in ("running", "paused") and counts.failed:
        return f"{outcome.capitalize()}, {counts.failed:,} failed"
    return outcome.capitalize()


def mark(outcome: str, counts: Counts) -> str:
    """Return the mark of ui.status."""
    return "degraded" if outcome == "completed" and counts.invalid else MARKS[outcome]


def left(counts: Counts, pace: int, oldest: datetime | None) -> float | None:
    """Return seconds until the rest may be done at `pace` rows a minute; None where nobody can say.

    Arguments:
        oldest: when the row was begun that is under way for the longest time.
    """
    rest = counts.waiting + counts.running
    if not (pace and rest and counts.ended):
        return None
    usual = timedelta(
        seconds=counts.running / pace * 60
    )  # so long each takes, where so many are under way at this pace
    slow = oldest is not None and now() - oldest > max(SLOW, 3 * usual)
    return None if slow else rest / pace * 60


def roughly(seconds: float) -> str:
    """Return a span as people say it."""
    if seconds < 15:
        return "a few seconds"
    if seconds < 45:
        return f"about {round(seconds, -1):.0f} s"
    if seconds < 90:
        return "about a minute"
    return f"about {seconds / 60:.0f} min" if seconds < 5400 else f"about {seconds / 3600:.0f} h"


def author(batch: Batch, you: str = "You") -> str:
    """Return who started it; whoever is signed in is called `you`."""
    if batch.token_name:
        return f"token: {batch.token_name}"
    if batch.user is None:
        return "somebody who left"
    return you if batch.user_id == current_user.id else batch.user.name


def segments(counts: Counts) -> list[tuple[str, str, str]]:
    """Return the parts of the bar as (state, where it begins, how wide it is), in per cent; what waits is no part."""
    found, begin = [], 0.0
    for name in ("completed", "failed", "cancelled", "running"):
        width = 100 * getattr(counts, name) / max(1, counts.rows)
        if width:
            found.append((name, f"{begin:.2f}", f"{width:.2f}"))
        begin += width
    return found
