"""How sure a share of votes is. PURE.

Wilson's score interval (E. B. Wilson, 1927) and, for the difference of two shares, Newcombe's interval made of both
(R. G. Newcombe, 1998, method 10), at 95 %. They hold for few votes and for shares near 0 and 1, where plus-minus intervals lie.
"""

from __future__ import annotations

from math import sqrt

Z = 1.959964


def interval(good: int, of: int) -> tuple[float, float]:
    """Return the bounds, 0 to 1, between which the share probably is; everything is possible of no votes."""
    if of == 0:
        return 0.0, 1.0
    share, square = good / of, Z * Z
    middle = (share + square / (2 * of)) / (1 + square / of)
    half = Z * sqrt(share * (1 - share) / of + square / (4 * of * of)) / (1 + square / of)
    return max(0.0, middle - half), min(1.0, middle + half)


def difference(good: int, of: int, other_good: int, other_of: int) -> tuple[float, float]:
    """Return the bounds, -1 to 1, of how much greater the first share is than the other."""
    if of == 0 or other_of == 0:
        return -1.0, 1.0
    (low, high), (other_low, other_high) = interval(good, of), interval(other_good, other_of)
    share, other = good / of, other_good / other_of
    down = sqrt((share - low) ** 2 + (other_high - other) ** 2)
    up = sqrt((high - share) ** 2 + (other - other_low) ** 2)
    return share - other - down, share - other + up
