"""How values look in JSON: times, money, ids; and what request models share."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from flask import request
from pydantic import Field

from aiapp.extensions import settings

Id: Any = Field(pattern="^[0-9a-f]{32}$", description="32 hex digits")


def iso(when: datetime | None) -> str | None:
    """Return a time as ISO 8601 in UTC with milliseconds."""
    if when is None:
        return None
    return when.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def aware(when: datetime | None) -> datetime | None:
    """Return a time that a client sent; one without a zone is taken as UTC."""
    return when.replace(tzinfo=UTC) if when is not None and when.tzinfo is None else when


def dollars(amount: Decimal | None) -> str | None:
    """Return US dollars as a plain decimal string; None is an unknown sum."""
    return None if amount is None else f"{amount.normalize():f}"


def outside(path: str) -> str:
    """Return the whole address of a path of this site, as people outside see it."""
    return (settings().base_url or request.host_url.rstrip("/")) + path
