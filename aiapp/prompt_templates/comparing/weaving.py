"""Three-way merge of sequences and texts: what one side alone changed is taken, what both changed is kept apart."""

from __future__ import annotations

import re
from collections.abc import Hashable, Iterator, Sequence
from typing import Generic, NamedTuple, TypeVar

from aiapp.prompt_templates.comparing.aligning import Budget, align
from aiapp.prompt_templates.comparing.diffing import Room
from aiapp.prompt_templates.comparing.marking import ALIKE, split_words

Item = TypeVar("Item", bound=Hashable)

# What looking at a place costs before its first word is compared.
STEPS_PER_HUNK = 60
# Nobody decides about more places of a text one by one.
MAX_HUNKS = 200

_LINE = re.compile(r"[^\n]*\n|[^\n]+")


class Clash(NamedTuple, Generic[Item]):
    """A place that both sides changed, each in its own way: what stood there, and what each made of it."""

    base: tuple[Item, ...]
    ours: tuple[Item, ...]
    theirs: tuple[Item, ...]


class Hunk(NamedTuple):
    """A place of a text that both sides changed, each in its own way."""

    base: str
    ours: str
    theirs: str


def weave(
    base: Sequence[Item], ours: Sequence[Item], theirs: Sequence[Item], steps: int | Budget
) -> list[tuple[Item, ...] | Clash[Item]] | None:
    """Merge two sequences that came from `base`; None where `steps` do not reach to align each with it.

    The places between elements that all three have in common are decided one by one (S. Khanna, K. Kunal, B. Pierce,
    "A Formal Investigation of Diff3", FSTTCS 2007).
    """
    budget = Budget(steps) if isinstance(steps, int) else steps
    to_ours = align(base, ours, budget)
    to_theirs = align(base, theirs, budget) if to_ours.complete else to_ours
    if not to_theirs.complete:
        return None
    return list(_decided(base, ours, theirs, to_ours.blocks, to_theirs.blocks))


def weave_text(base: str, ours: str, theirs: str, *, room: Room | None = None, texts: int = 1) -> list[str | Hunk]:
    """Merge two texts that came from `base`, by lines, and within lines that both changed by words. The work is bounded.

    Words are merged where each side kept enough of what stood there, and changed other words than the other side. Texts that
    cannot be aligned in reasonable time, or have very many such places, are one hunk.

    Arguments:
        room: what all texts that are merged at once may take together.
        texts: how many of them are still to come, this one among them: it takes no more than its share of the room.
    """
    room = room or Room()
    if ours == theirs or base == theirs:
        return [ours]
    if base == ours:
        return [theirs]
    lines: list[list[str]] = [_LINE.findall(text) for text in (base, ours, theirs)]
    found = weave(lines[0], lines[1], lines[2], room.for_lines(2 * sum(map(len, lines)), texts))
    if found is None:
        return [Hunk(base, ours, theirs)]
    pieces: list[str | Hunk] = []
    words = room.for_words(texts)
    for piece in found:
        if not isinstance(piece, Clash):
            pieces.append("".join(piece))
            continue
        hunk = Hunk(*("".join(side) for side in piece))
        woven = _by_words(hunk, words) if words.spend(STEPS_PER_HUNK + sum(map(len, hunk)) // 4) else None
        pieces.append(hunk if woven is None else woven)
    return pieces if sum(isinstance(piece, Hunk) for piece in pieces) <= MAX_HUNKS else [Hunk(base, ours, theirs)]


def _decided(
    base: Sequence[Item],
    ours: Sequence[Item],
    theirs: Sequence[Item],
    to_ours: Sequence[tuple[int, int, int]],
    to_theirs: Sequence[tuple[int, int, int]],
) -> Iterator[tuple[Item, ...] | Clash[Item]]:
    at = (0, 0, 0)
    for stop, length in (*_common(to_ours, to_theirs), ((len(base), len(ours), len(theirs)), 0)):
        place = Clash(tuple(base[at[0] : stop[0]]), tuple(ours[at[1] : stop[1]]), tuple(theirs[at[2] : stop[2]]))
        if any(place):
            yield _taken(place)
        if length:
            yield tuple(base[stop[0] : stop[0] + length])
        at = (stop[0] + length, stop[1] + length, stop[2] + length)


def _common(
    to_ours: Sequence[tuple[int, int, int]], to_theirs: Sequence[tuple[int, int, int]]
) -> Iterator[tuple[tuple[int, int, int], int]]:
    """Yield the runs that all three have: where they begin in each, and their length."""
    x = y = 0
    while x < len(to_ours) and y < len(to_theirs):
        (i, j, length), (k, m, other) = to_ours[x], to_theirs[y]
        start, end = max(i, k), min(i + length, k + other)
        if start < end:
            yield (start, j + start - i, m + start - k), end - start
        if i + length == end:
            x += 1
        else:
            y += 1


def _taken(place: Clash[Item]) -> tuple[Item, ...] | Clash[Item]:
    if place.ours in (place.theirs, place.base):
        return place.theirs
    return place.ours if place.theirs == place.base else place


def _by_words(hunk: Hunk, budget: Budget) -> str | None:
    """Return the lines with the words of both sides, None where these touch each other or too little is kept."""
    base, ours, theirs = (_words(text) for text in hunk)
    blocks = []
    for side in (ours, theirs):
        alignment = align(base, side, budget)
        kept = sum(_weight(base[start : start + length]) for start, _, length in alignment.blocks)
        if not alignment.complete or not kept or kept < ALIKE * max(_weight(base), _weight(side)):
            return None
        blocks.append([block for block in alignment.blocks if _holds(block, base, side)])
    words: list[str] = []
    for piece in _decided(base, ours, theirs, *blocks):
        if isinstance(piece, Clash):
            return None
        words += piece
    return "".join(words)


def _holds(block: tuple[int, int, int], base: Sequence[str], side: Sequence[str]) -> bool:
    """Whether a run of equal words ties two texts: spaces between two changed words do not, for a phrase is one change."""
    start, other, length = block
    edge = 0 in (start, other) or start + length == len(base) or other + length == len(side)
    words = base[start : start + length]
    return edge or "\n" in words or not all(word.isspace() for word in words)


def _words(text: str) -> list[str]:
    """Return the words of lines, each line break a word of its own."""
    return [
        word
        for line in _LINE.findall(text)
        for word in (*split_words(line.removesuffix("\n")), *(["\n"] if line.endswith("\n") else []))
    ]


def _weight(words: Sequence[str]) -> int:
    return sum(len(word) for word in words if not word.isspace())
