"""How times and money are written where programs read them: in JSON, CSV and events. PURE."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal


def iso(when: datetime | None) -> str | None:
    """Return a time as ISO 8601 in UTC with milliseconds."""
    return None if when is None else moment(when)


def moment(when: datetime) -> str:
    """Return a time that is known as iso does."""
    return when.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def dollars(amount: Decimal | None) -> str | None:
    """Return US dollars as a plain decimal number; None is an unknown sum."""
    return None if amount is None else f"{amount.normalize():f}"
