"""What changed between two texts: lines with word marks. Rows for a page are made of them in rows.py."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import chain
from typing import ClassVar, Literal

from aiapp.prompt_templates.comparing.aligning import Budget, align
from aiapp.prompt_templates.comparing.marking import Span, diff_words, pair_lines, whole

# Keeps the worst 100 KB against 100 KB near a second (typical ones take a tenth of it), so that the page still answers.
LINE_STEPS = 300_000
WORD_STEPS = 300_000
# What all texts of one comparison, merge or page may take together.
ALL_LINE_STEPS = 1_000_000
ALL_WORD_STEPS = 600_000
ALL_LINES = 100_000
# What a page may take.
PAGE_LINE_STEPS = 200_000
PAGE_WORD_STEPS = 100_000
PAGE_LINES = 4_000
PAGE_FOLDED = 2_000

_LINE = re.compile(r"[^\n]*\n|[^\n]+")

Op = Literal["equal", "removed", "added"]


@dataclass(slots=True)
class Room:
    """What one comparison, merge or page may still cost: steps of aligning lines and words, changed lines told apart, folded
    lines that a page brings along.
    """

    lines: Budget = field(default_factory=lambda: Budget(ALL_LINE_STEPS))
    words: Budget = field(default_factory=lambda: Budget(ALL_WORD_STEPS))
    listed: Budget = field(default_factory=lambda: Budget(ALL_LINES))
    folded: Budget = field(default_factory=lambda: Budget(PAGE_FOLDED))

    @classmethod
    def of_page(cls) -> Room:
        """Return the room of a page, which shows only so much and is waited for."""
        return cls(Budget(PAGE_LINE_STEPS), Budget(PAGE_WORD_STEPS), Budget(PAGE_LINES))

    def for_lines(self, count: int, texts: int = 1) -> Budget:
        """Return what a text of `count` lines may take; `texts` are still to come, itself among them, with as much each."""
        return Budget(min(max(LINE_STEPS, 4 * count), self.lines.steps // texts), self.lines)

    def for_words(self, texts: int = 1) -> Budget:
        """Return what the words of one text may take (see for_lines)."""
        return Budget(min(WORD_STEPS, self.words.steps // texts), self.words)

    def for_listed(self, texts: int = 1) -> Budget:
        """Return how many changed lines of one text may be told apart (see for_lines)."""
        return Budget(self.listed.steps // texts, self.listed)


@dataclass(frozen=True, slots=True)
class Line:
    """A line of a diff, without its line break.

    `old_no` and `new_no` count from 1 and are None on the side that lacks the line. `spans` joined are `text`. `old_newline`
    and `new_newline` are False where the line is the last one of that side and has no line break at its end; `unended` is
    True where that alone is what changed. `partner` is the number, on the other side, of the line that this one became or was.
    """

    op: Op
    old_no: int | None
    new_no: int | None
    text: str
    spans: tuple[Span, ...]
    old_newline: bool = True
    new_newline: bool = True
    unended: bool = False
    partner: int | None = None

    hidden: ClassVar[int] = 0

    @property
    def number(self) -> int | None:
        """The number to show in a unified view: the new one, or the old one of a removed line."""
        return self.old_no if self.new_no is None else self.new_no


@dataclass(frozen=True, slots=True)
class Run:
    """Lines that did not change, made when they are asked for: most are never shown.

    `texts` have their line breaks; before them stand `old` lines of the old text and `new` of the new one. `ends` says of each
    side whether the last one has a line break there.
    """

    texts: Sequence[str]
    old: int
    new: int
    ends: tuple[bool, bool]

    def part(self, start: int, end: int | None = None) -> Run:
        """Return the lines from position `start` up to `end`."""
        texts = self.texts[start:end]
        last = start + len(texts) == len(self.texts)
        return Run(texts, self.old + start, self.new + start, self.ends if last else (True, True))

    def lines(self) -> Iterator[Line]:
        """Yield the lines."""
        for at, raw in enumerate(self.texts, 1):
            text = raw.removesuffix("\n")
            ends = self.ends if at == len(self.texts) else (True, True)
            yield Line("equal", self.old + at, self.new + at, text, whole(text, marked=False), *ends)


@dataclass(frozen=True, slots=True)
class TextDiff:
    """All lines of two texts in `places`, which are runs of unchanged lines or changed lines, the removed ones first.

    Of very many changed lines the last ones stand together, with what is between them, as one that has line breaks.
    `too_different` says that the work was cut short: what could not be aligned is shown as replaced. `added` and `removed`
    count the lines that one text has and the other lacks.
    """

    places: tuple[Run | tuple[Line, ...], ...]
    added: int = 0
    removed: int = 0
    too_different: bool = False

    @property
    def lines(self) -> tuple[Line, ...]:
        """All lines."""
        return tuple(chain.from_iterable(one.lines() if isinstance(one, Run) else one for one in self.places))

    @property
    def changed(self) -> bool:
        """Whether the texts differ at all."""
        return bool(self.added or self.removed)


def diff_lines(old: str, new: str, *, room: Room | None = None, texts: int = 1) -> TextDiff:
    """Compare two texts by lines, which end at \\n and nowhere else, and changed lines by words. The work is bounded.

    Arguments:
        room: what all texts that are compared at once may take together.
        texts: how many of them are still to come, this one among them: it takes no more than its share of the room.
    """
    room = room or Room()
    old_lines, new_lines = _LINE.findall(old), _LINE.findall(new)
    if old == new:
        return TextDiff((Run(old_lines, 0, 0, _ends(old, new)),) if old else ())
    blocks, complete = _aligned(old_lines, new_lines, room, texts)
    equal = sum(length for _, _, length in blocks)
    added, removed = len(new_lines) - equal, len(old_lines) - equal
    listed = room.for_listed(texts)
    too_different = not complete or added + removed > listed.steps
    places = tuple(_places(old_lines, new_lines, blocks, room.for_words(texts), listed))
    return TextDiff(places, added, removed, too_different)


def _places(
    old: list[str], new: list[str], blocks: list[tuple[int, int, int]], words: Budget, listed: Budget
) -> Iterator[Run | tuple[Line, ...]]:
    i = j = 0
    for i_equal, j_equal, length in (*blocks, (len(old), len(new), 0)):
        changed = i_equal - i + j_equal - j
        most = changed if changed <= listed.steps else listed.steps // 2
        i_told, j_told = min(i + most, i_equal), min(j + most, j_equal)
        listed.spend(i_told - i + j_told - j)
        if (i, j) != (i_told, j_told):
            yield tuple(_changed(old[i:i_told], new[j:j_told], i, j, words))
        if (i_told, j_told) != (i_equal, j_equal):
            yield tuple(_changed(_joined(old[i_told:]), _joined(new[j_told:]), i_told, j_told, words))
            return
        i, j = i_equal + length, j_equal + length
        if length:
            yield Run(old[i_equal:i], i_equal, j_equal, _ends(old[i - 1], new[j - 1]))


def _aligned(old: list[str], new: list[str], room: Room, texts: int) -> tuple[list[tuple[int, int, int]], bool]:
    """Return which lines belong together. A line to which only a line break came, because more was appended, did not change."""
    budget = room.for_lines(len(old) + len(new), texts)
    before, after = ([raw.removesuffix("\n") for raw in side] for side in (old, new))
    aligned = align(before, after, budget)
    blocks = list(aligned.blocks)
    if blocks:
        i, j, length = blocks[-1]
        if (i + length, j + length) == (len(old), len(new)) and old[-1] != new[-1]:
            blocks[-1:] = [(i, j, length - 1)] if length > 1 else []
    return blocks, aligned.complete


def _ends(old: str, new: str) -> tuple[bool, bool]:
    return old.endswith("\n"), new.endswith("\n")


def _joined(lines: Sequence[str]) -> list[str]:
    return ["".join(lines)] if lines else []


def _changed(old: Sequence[str], new: Sequence[str], i: int, j: int, words: Budget) -> Iterator[Line]:
    """Yield the lines of one changed place, which begins after `i` lines of the old text and `j` of the new one."""
    old_texts = [raw.removesuffix("\n") for raw in old]
    new_texts = [raw.removesuffix("\n") for raw in new]
    pairs = dict(pair_lines(old_texts, new_texts, words))
    spans = {(x, y): diff_words(old_texts[x], new_texts[y], words) for x, y in pairs.items()}
    origins = {y: x for x, y in pairs.items()}
    for x, (raw, text) in enumerate(zip(old, old_texts, strict=True)):
        to = pairs.get(x)
        yield Line(
            "removed",
            i + x + 1,
            None,
            text,
            whole(text, marked=True) if to is None else spans[x, to][0],
            old_newline=raw.endswith("\n"),
            unended=to is not None and f"{raw}\n" == new[to],
            partner=None if to is None else j + to + 1,
        )
    for y, (raw, text) in enumerate(zip(new, new_texts, strict=True)):
        origin = origins.get(y)
        yield Line(
            "added",
            None,
            j + y + 1,
            text,
            whole(text, marked=True) if origin is None else spans[origin, y][1],
            new_newline=raw.endswith("\n"),
            unended=origin is not None and f"{raw}\n" == old[origin],
            partner=None if origin is None else i + origin + 1,
        )
