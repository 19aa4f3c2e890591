"""How sure a share of votes is: values of the papers, and what holds for any votes."""

from __future__ import annotations

import pytest

from aiapp.feedback import wilson


@pytest.mark.parametrize(
    ("good", "of", "low", "high"),
    [(81, 263, 0.2553, 0.3662), (15, 148, 0.0624, 0.1605), (0, 20, 0.0, 0.1611), (1, 29, 0.0061, 0.1718)],
)
def test_the_interval_is_that_of_newcombes_table(good, of, low, high):
    """R. G. Newcombe, Statistics in Medicine 17 (1998), 857-872, table I, method 3."""
    assert wilson.interval(good, of) == pytest.approx((low, high), abs=0.0001)


def test_one_of_one_is_no_proof():
    low, high = wilson.interval(1, 1)
    assert low < 0.21
    assert high == 1.0
    assert wilson.interval(0, 0) == (0.0, 1.0)


@pytest.mark.parametrize(
    ("votes", "low", "high"),
    [((56, 70, 48, 80), 0.0524, 0.3339), ((9, 10, 3, 10), 0.1705, 0.8090), ((0, 10, 0, 10), -0.2775, 0.2775)],
)
def test_the_difference_is_that_of_newcombes_table(votes, low, high):
    """R. G. Newcombe, Statistics in Medicine 17 (1998), 873-890, table II, method 10."""
    assert wilson.difference(*votes) == pytest.approx((low, high), abs=0.0001)


def test_nothing_is_known_of_the_difference_to_no_votes():
    assert wilson.difference(3, 4, 0, 0) == (-1.0, 1.0)
