"""Which line became which, and which words of it changed."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from itertools import groupby
from typing import NamedTuple

from aiapp.prompt_templates.comparing.aligning import Budget, align

# Larger blocks are paired line by line: comparing each line with each would cost more than it shows.
PAIRED_BLOCK = 2_500
# Lines that share less than this part of their characters are two lines, not one that was edited.
ALIKE = 0.3
# What looking at two lines costs before their first word is compared.
STEPS_PER_LINE = 60

_IDEOGRAPHS = "\u2e80-\u9fff\uf900-\ufaff\U00020000-\U0003ffff"
# A variable is one word; scripts without spaces are compared by character.
_WORD = re.compile(rf"\{{\{{[^{{}}\s]{{1,100}}\}}\}}|[{_IDEOGRAPHS}]|[^\W{_IDEOGRAPHS}]+|\s+|[^\w\s]")


class Span(NamedTuple):
    """A piece of a line; `marked` where it is what changed."""

    marked: bool
    text: str


def whole(text: str, *, marked: bool) -> tuple[Span, ...]:
    """Return a line as one span, an empty line as none."""
    return (Span(marked, text),) if text else ()


def split_words(text: str) -> list[str]:
    """Return the words of a line: variables, runs of letters, signs and spaces; joined they are the line."""
    return _WORD.findall(text)


def pair_lines(old: list[str], new: list[str], budget: Budget) -> list[tuple[int, int]]:
    """Return which removed line became which added one, as positions: in order, and as alike as possible altogether."""
    if len(old) * len(new) > PAIRED_BLOCK or not budget.spend(sum(map(len, (*old, *new))) // 4):
        return list(zip(range(len(old)), range(len(new)), strict=False))
    a, b = [_bag(text) for text in old], [_bag(text) for text in new]
    if not budget.spend(sum(map(len, a)) * len(b) + sum(map(len, b)) * len(a)):
        return list(zip(range(len(old)), range(len(new)), strict=False))
    alike = [[_alike(one, other) for other in b] for one in a]
    best = [[0.0] * (len(b) + 1) for _ in range(len(a) + 1)]
    for x in range(len(a) - 1, -1, -1):
        for y in range(len(b) - 1, -1, -1):
            together = best[x + 1][y + 1] + alike[x][y] if alike[x][y] >= ALIKE else 0.0
            best[x][y] = max(best[x + 1][y], best[x][y + 1], together)
    pairs: list[tuple[int, int]] = []
    x = y = 0
    while x < len(a) and y < len(b):
        if alike[x][y] >= ALIKE and best[x][y] == best[x + 1][y + 1] + alike[x][y]:
            pairs.append((x, y))
            x, y = x + 1, y + 1
        elif best[x][y] == best[x + 1][y]:
            x += 1
        else:
            y += 1
    return pairs


def diff_words(old: str, new: str, budget: Budget) -> tuple[tuple[Span, ...], tuple[Span, ...]]:
    """Return the spans of two lines that are thought to be one line edited.

    Where little is shared, or the budget does not reach, all of both is marked.
    """
    if not budget.spend(STEPS_PER_LINE + (len(old) + len(new)) // 4):
        return whole(old, marked=True), whole(new, marked=True)
    a, b = _WORD.findall(old), _WORD.findall(new)
    blocks = align(a, b, budget).blocks
    shared = sum(len(word) for i, _, length in blocks for word in a[i : i + length] if not word.isspace())
    longer = max(_weight(a), _weight(b))
    if shared < ALIKE * longer:
        return whole(old, marked=True), whole(new, marked=True)
    return _marked(a, [(i, n) for i, _, n in blocks]), _marked(b, [(j, n) for _, j, n in blocks])


def _bag(text: str) -> Counter[str]:
    return Counter(word for word in _WORD.findall(text) if not word.isspace())


def _alike(one: Counter[str], other: Counter[str]) -> float:
    """Return which part of two lines' characters stands in words of both, 1.0 for the same words."""
    total = sum(len(word) * count for bag in (one, other) for word, count in bag.items())
    if not total:
        return 1.0
    return 2 * sum(len(word) * min(count, other[word]) for word, count in one.items() if word in other) / total


def _weight(words: Iterable[str]) -> int:
    return sum(len(word) for word in words if not word.isspace())


def _marked(words: Sequence[str], equal: Sequence[tuple[int, int]]) -> tuple[Span, ...]:
    """Mark all words but the `equal` runs; a lone space between two marks is marked too, so that a phrase is one mark."""
    marked = [True] * len(words)
    for start, length in equal:
        marked[start : start + length] = [False] * length
    for at in range(1, len(words) - 1):
        if words[at].isspace() and marked[at - 1] and marked[at + 1]:
            marked[at] = True
    return _joined(zip(marked, words, strict=True))


def _joined(pieces: Iterable[tuple[bool, str]]) -> tuple[Span, ...]:
    """Return spans without empty ones and without neighbours alike."""
    groups = groupby(((mark, text) for mark, text in pieces if text), lambda piece: piece[0])
    return tuple(Span(mark, "".join(text for _, text in group)) for mark, group in groups)
