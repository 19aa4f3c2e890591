"""Ids sort by time; money and times come back as they went in."""

from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal

import pytest
import sqlalchemy as sa

from aiapp.columns import Money, UtcDateTime, new_id


def test_ids_are_version_7_uuids_that_sort_by_time():
    ids = [new_id() for _ in range(1000)]
    assert len(set(ids)) == 1000
    assert all(len(row_id) == 32 and row_id[12] == "7" and row_id[16] in "89ab" for row_id in ids)
    assert [row_id[:16] for row_id in ids] == sorted(row_id[:16] for row_id in ids)


@pytest.mark.parametrize("amount", ["0", "0.000000000001", "0.0078", "123456.000000123456"])
def test_money_is_exact(amount):
    dialect = sa.create_engine("sqlite://").dialect
    stored = Money().process_bind_param(Decimal(amount), dialect)
    assert isinstance(stored, int)
    assert Money().process_result_value(stored, dialect) == Decimal(amount)


def test_times_are_utc_and_naive_ones_are_refused():
    dialect = sa.create_engine("sqlite://").dialect
    east = datetime(2026, 3, 1, 12, tzinfo=timezone(timedelta(hours=5)))
    assert UtcDateTime().process_bind_param(east, dialect) == datetime(2026, 3, 1, 7, tzinfo=UTC)
    assert UtcDateTime().process_result_value(datetime(2026, 3, 1, 7), dialect) == east  # noqa: DTZ001 - as SQLite gives it
    with pytest.raises(ValueError, match="naive"):
        UtcDateTime().process_bind_param(datetime(2026, 3, 1), dialect)  # noqa: DTZ001
