"""Which elements of two sequences belong together: the longest anchors first, then the shortest edit, within bounded work."""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from itertools import pairwise

Region = tuple[int, int, int, int]


@dataclass(slots=True)
class Budget:
    """How many steps may still be taken; several alignments may share one, or each have a part `within` one of them all."""

    steps: int
    within: Budget | None = None

    def spend(self, steps: int) -> bool:
        """Take `steps`; False, and nothing is taken, where fewer are left."""
        if steps > self.steps or (self.within and not self.within.spend(steps)):
            return False
        self.steps -= steps
        return True


@dataclass(frozen=True, slots=True)
class Alignment:
    """`blocks` are the equal runs `(start in old, start in new, length)`, in order. `complete` is False where the budget ran
    out before all was compared: what was left counts as different."""

    blocks: tuple[tuple[int, int, int], ...]
    complete: bool


def align(old: Sequence[Hashable], new: Sequence[Hashable], budget: Budget) -> Alignment:
    """Align two sequences.

    Elements that occur once on both sides are anchors as far as they stand in the same order (Bram Cohen's patience diff);
    between anchors the shortest edit script is searched (E. Myers, "An O(ND) Difference Algorithm", Algorithmica 1, 1986).
    """
    ids: dict[Hashable, int] = {}
    a = [ids.setdefault(one, len(ids)) for one in old]
    b = [ids.setdefault(one, len(ids)) for one in new]
    pairs: list[tuple[int, int]] = []
    complete = True
    regions: list[Region] = [(0, len(a), 0, len(b))]
    while regions:
        a_from, a_to, b_from, b_to = region = _trim(a, b, regions.pop(), pairs)
        if a_from == a_to or b_from == b_to:
            continue
        if not budget.spend(a_to - a_from + b_to - b_from):
            complete = False
            continue
        anchors = _anchors(a, b, region)
        if anchors:
            pairs += anchors
            edges = [(a_from - 1, b_from - 1), *anchors, (a_to, b_to)]
            regions += [(i + 1, k, j + 1, m) for (i, j), (k, m) in pairwise(edges)]
            continue
        found = _shortest_edit(a, b, region, budget)
        if found is None:
            complete = False
        else:
            pairs += found
    return Alignment(_blocks(sorted(pairs)), complete)


def _trim(a: list[int], b: list[int], region: Region, pairs: list[tuple[int, int]]) -> Region:
    """Pair what both sides begin and end with, and return what is left between."""
    a_from, a_to, b_from, b_to = region
    while a_from < a_to and b_from < b_to and a[a_from] == b[b_from]:
        pairs.append((a_from, b_from))
        a_from, b_from = a_from + 1, b_from + 1
    while a_from < a_to and b_from < b_to and a[a_to - 1] == b[b_to - 1]:
        a_to, b_to = a_to - 1, b_to - 1
        pairs.append((a_to, b_to))
    return a_from, a_to, b_from, b_to


def _anchors(a: list[int], b: list[int], region: Region) -> list[tuple[int, int]]:
    """Return the longest run of elements, unique on both sides, that stand in the same order."""
    a_from, a_to, b_from, b_to = region
    a_counts, b_counts = Counter(a[a_from:a_to]), Counter(b[b_from:b_to])
    where = {b[j]: j for j in range(b_from, b_to) if b_counts[b[j]] == 1}
    candidates = [(i, where[a[i]]) for i in range(a_from, a_to) if a[i] in where and a_counts[a[i]] == 1]
    tops: list[int] = []  # position in b of the last candidate of the best run of each length
    last: list[int] = []  # and which candidate that is
    before: list[int | None] = []
    for index, (_, j) in enumerate(candidates):
        length = bisect_left(tops, j)
        before.append(last[length - 1] if length else None)
        tops[length : length + 1] = [j]
        last[length : length + 1] = [index]
    run: list[tuple[int, int]] = []
    at = last[-1] if last else None
    while at is not None:
        run.append(candidates[at])
        at = before[at]
    return run[::-1]


def _shortest_edit(a: list[int], b: list[int], region: Region, budget: Budget) -> list[tuple[int, int]] | None:
    """Return the pairs of the shortest edit of a region, None where the budget does not reach that far."""
    a_from, a_to, b_from, b_to = region
    # an element that the other side lacks is never paired: leaving it out changes nothing but the work
    in_a, in_b = set(a[a_from:a_to]), set(b[b_from:b_to])
    a_at = [i for i in range(a_from, a_to) if a[i] in in_b]
    b_at = [j for j in range(b_from, b_to) if b[j] in in_a]
    path = _myers([a[i] for i in a_at], [b[j] for j in b_at], budget)
    return None if path is None else [(a_at[x], b_at[y]) for x, y in path]


def _myers(a: list[int], b: list[int], budget: Budget) -> list[tuple[int, int]] | None:
    rows = [_Row(1, [0])]
    edits = 0
    while True:
        # diagonals are numbered x - y; beyond these two, one side has ended
        row = _Row(-min(edits, 2 * len(b) - edits), [])
        walked = 0
        for k in range(row.lowest, min(edits, 2 * len(a) - edits) + 1, 2):
            _, x = rows[-1].step_to(k)
            start = x
            while x < len(a) and x - k < len(b) and a[x] == b[x - k]:
                x += 1
            row.furthest.append(x)
            walked += x - start + 1
        rows.append(row)
        if row.reaches(len(a), len(b)):
            return _walk_back(rows, len(a) - len(b))
        if not budget.spend(walked):
            return None
        edits += 1


@dataclass(slots=True)
class _Row:
    """How far along a each second diagonal, from `lowest` on, is reached with one number of edits."""

    lowest: int
    furthest: list[int]

    def at(self, k: int) -> int:
        """Return the x reached on diagonal `k`, -1 where none is."""
        index = (k - self.lowest) // 2
        return self.furthest[index] if 0 <= index < len(self.furthest) else -1

    def step_to(self, k: int) -> tuple[int, int]:
        """Return from which diagonal one more edit gets furthest on diagonal `k`, and to which x."""
        right, down = self.at(k - 1), self.at(k + 1)
        return (k + 1, down) if right < down else (k - 1, right + 1)

    def reaches(self, x: int, y: int) -> bool:
        """Whether the end of both sides is reached."""
        return (x - y - self.lowest) % 2 == 0 and self.at(x - y) >= x


def _walk_back(rows: list[_Row], k: int) -> list[tuple[int, int]]:
    """Return the pairs on the path that ends on diagonal `k` in the last row."""
    pairs: list[tuple[int, int]] = []
    for edits in range(len(rows) - 1, 0, -1):
        before, start = rows[edits - 1].step_to(k)
        pairs += [(x, x - k) for x in range(start, rows[edits].at(k))]
        k = before
    return pairs


def _blocks(pairs: list[tuple[int, int]]) -> tuple[tuple[int, int, int], ...]:
    blocks: list[tuple[int, int, int]] = []
    for i, j in pairs:
        if blocks and (i, j) == (blocks[-1][0] + blocks[-1][2], blocks[-1][1] + blocks[-1][2]):
            blocks[-1] = (blocks[-1][0], blocks[-1][1], blocks[-1][2] + 1)
        else:
            blocks.append((i, j, 1))
    return tuple(blocks)
