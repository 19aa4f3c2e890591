"""The words of batches: what a state is called, and with which mark it is shown."""

from __future__ import annotations

from aiapp.batches.counting import Counts

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


def left(counts: Counts, pace: int) -> float | None:
    """Return seconds until the rest may be done at `pace` rows a minute; None where nobody can say."""
    rest = counts.waiting + counts.running
    return rest / pace * 60 if pace and rest else None
