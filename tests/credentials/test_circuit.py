"""When a circuit opens is decided purely: a table for the rules, and generated histories for what must always hold."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aiapp.credentials.circuit import CLOSED, COUNTED, KEY_SECONDS, Breaker, Rules, opening
from aiapp.providers.types import ERROR_CLASSES

AT = datetime(2026, 1, 1, tzinfo=UTC)
RULES = Rules(base=30.0, maximum=300.0)
OPEN = Breaker("1", "c", "m", "failures", "server", "no", 1, AT, AT + timedelta(seconds=30), None)


def opened(recent, *, error_class="server", retry_after=None, before=None, at=AT):
    return opening("m", error_class, retry_after, recent, before, at, RULES)


def test_five_failures_in_a_row_open_a_circuit_and_four_do_not():
    assert opened(["server"] * 4) is None
    found = opened(["timeout", "server", "network", "overloaded", "server", None, None])
    assert (found.model, found.cause, found.seconds, found.trips) == ("m", "failures", 30.0, 1)


def test_half_of_the_last_calls_open_a_circuit_once_they_are_ten():
    assert opened(["server", None] * 4 + ["server"]) is None
    assert opened(["server", None] * 5).cause == "failures"
    assert opened(["server", None, None] * 6) is None


def test_calls_that_say_nothing_about_the_provider_are_not_counted():
    assert opened(["server", "cancelled", "server", "worker_lost", "server", "server", "server"]).cause == "failures"
    assert opened(["server", "bad_request", "server", "content_filter", "server", "server"]) is None


@pytest.mark.parametrize("error_class", ["auth", "quota"])
def test_a_refused_key_counts_for_every_model_at_once(error_class):
    found = opened([error_class], error_class=error_class)
    assert (found.model, found.cause, found.seconds) == ("", error_class, KEY_SECONDS)


def test_a_limit_with_a_moment_keeps_everybody_out_until_then():
    found = opened(["rate_limit"], error_class="rate_limit", retry_after=12.5)
    assert (found.cause, found.seconds) == ("rate_limit", 12.5)
    ends = replace(OPEN, cause="rate_limit", until=AT + timedelta(seconds=12.5))
    assert [ends.state(AT), ends.state(AT + timedelta(seconds=13))] == ["open", "closed"]


def test_a_failed_try_opens_for_twice_as_long_up_to_the_most():
    seconds, before, at = [], OPEN, AT
    for _ in range(6):
        at = before.until
        assert before.state(at) == "half_open"
        found = opened(["server"], before=before, at=at)
        seconds.append(found.seconds)
        before = replace(before, trips=found.trips, opened_at=at, until=at + timedelta(seconds=found.seconds))
    assert seconds == [60.0, 120.0, 240.0, 300.0, 300.0, 300.0]


def test_while_one_tries_the_others_wait():
    tried = replace(OPEN, probe_until=OPEN.until + timedelta(seconds=30))
    assert tried.state(OPEN.until) == "open"
    assert tried.free_at == tried.probe_until


def test_trouble_soon_after_closing_counts_as_the_same_trouble_and_long_after_as_new():
    closed = replace(OPEN, cause=CLOSED, trips=3)
    assert opened(["server"] * 5, before=closed, at=AT + timedelta(minutes=2)).trips == 4
    assert opened(["server"] * 5, before=closed, at=AT + timedelta(minutes=20)).trips == 1


@given(
    st.lists(st.sampled_from([None, *sorted(ERROR_CLASSES)]), max_size=40),
    st.sampled_from(sorted(ERROR_CLASSES)),
    st.one_of(st.none(), st.floats(0.1, 1e7)),
)
def test_a_circuit_opens_only_for_failures_and_always_for_a_bounded_time(recent, error_class, retry_after):
    found = opened([error_class, *recent], error_class=error_class, retry_after=retry_after)
    if found is None:
        return
    assert error_class in COUNTED or error_class in {"auth", "quota"}
    assert 0 < found.seconds <= 86_400
