"""Column types and ids that every table shares."""

from __future__ import annotations

import os
import time
from datetime import UTC, datetime
from decimal import ROUND_HALF_EVEN, Decimal
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.types import TypeDecorator

PICO = Decimal(10) ** 12

# JSONB where the database has it, text in SQLite; None is stored as SQL NULL in both.
Json = sa.JSON(none_as_null=True).with_variant(JSONB(none_as_null=True), "postgresql")


def new_id() -> str:
    """Return a new row id: 32 hex digits, a UUID of version 7, so ids sort by the time they were made.

    RFC 9562, 5.7, with the 12 bits after the milliseconds as a finer clock (6.2, method 3): 62 bits are random.
    """
    milliseconds, rest = divmod(time.time_ns(), 1_000_000)
    fraction = rest * 4096 // 1_000_000
    random = int.from_bytes(os.urandom(8), "big") >> 2
    return f"{(milliseconds & (2**48 - 1)) << 80 | 7 << 76 | fraction << 64 | 2 << 62 | random:032x}"


def now() -> datetime:
    """Return the time now, in UTC."""
    return datetime.now(UTC)


class UtcDateTime(TypeDecorator[datetime]):
    """An aware datetime; SQLite keeps no zone, so UTC is written and read."""

    impl = sa.DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: sa.Dialect) -> datetime | None:
        """Refuse a naive time: its zone would be a guess."""
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError("a naive datetime cannot be stored")
        return value.astimezone(UTC)

    def process_result_value(self, value: datetime | None, dialect: sa.Dialect) -> datetime | None:
        """Give the zone back."""
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


class Money(TypeDecorator[Decimal]):
    """US dollars as a whole number of 10⁻¹² dollars: exact in both databases, and SUM stays exact too."""

    impl = sa.BigInteger
    cache_ok = True

    def process_bind_param(self, value: Decimal | None, dialect: sa.Dialect) -> int | None:
        """Round to 10⁻¹² dollars; no price of a token is finer."""
        return None if value is None else int((value * PICO).to_integral_value(ROUND_HALF_EVEN))

    def process_result_value(self, value: Any, dialect: sa.Dialect) -> Decimal | None:
        """Read dollars again."""
        return None if value is None else Decimal(int(value)) / PICO


Id = sa.String(32)
