"""What changed between two texts: lines with word marks, as rows for one column or two, unchanged ones folded."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import groupby, zip_longest
from typing import ClassVar, Literal, NamedTuple, TypeVar

from aiapp.prompt_templates.comparing.aligning import Budget, align
from aiapp.prompt_templates.comparing.marking import Span, diff_words, pair_lines, whole

CONTEXT_LINES = 3

# Keeps the worst 100 KB against 100 KB near a second (typical ones take a tenth of it), so that the page still answers.
LINE_STEPS = 300_000
WORD_STEPS = 300_000
# What all texts of one comparison, merge or page may take together.
ALL_LINE_STEPS = 1_000_000
ALL_WORD_STEPS = 600_000
ALL_LINES = 100_000

_LINE = re.compile(r"[^\n]*\n|[^\n]+")

Op = Literal["equal", "removed", "added"]
Row = TypeVar("Row", "Line", "SplitRow")


@dataclass(slots=True)
class Room:
    """What one comparison, merge or page may still cost: steps of aligning lines and words, changed lines told apart."""

    lines: Budget = field(default_factory=lambda: Budget(ALL_LINE_STEPS))
    words: Budget = field(default_factory=lambda: Budget(ALL_WORD_STEPS))
    listed: Budget = field(default_factory=lambda: Budget(ALL_LINES))

    def for_lines(self, count: int, texts: int = 1) -> Budget:
        """Return what a text of `count` lines may take; `texts` are still to come, itself among them, with as much each."""
        return Budget(min(max(LINE_STEPS, 4 * count), self.lines.steps // texts), self.lines)

    def for_words(self, texts: int = 1) -> Budget:
        """Return what the words of one text may take (see for_lines)."""
        return Budget(min(WORD_STEPS, self.words.steps // texts), self.words)


@dataclass(frozen=True, slots=True)
class Line:
    """A line of a diff, without its line break.

    `old_no` and `new_no` count from 1 and are None on the side that lacks the line. `spans` joined are `text`. `newline` is
    False where the line is the last one and its text does not end with a line break. `partner` is the number, on the other
    side, of the line that this one became or was.
    """

    op: Op
    old_no: int | None
    new_no: int | None
    text: str
    spans: tuple[Span, ...]
    newline: bool = True
    partner: int | None = None

    hidden: ClassVar[int] = 0

    @property
    def number(self) -> int | None:
        """The number to show in a unified view: the new one, or the old one of a removed line."""
        return self.old_no if self.new_no is None else self.new_no


@dataclass(frozen=True, slots=True)
class TextDiff:
    """All lines of two texts: in each changed place the removed ones first.

    Of very many changed lines the last ones stand together, as one that has line breaks.
    `too_different` says that the work was cut short: what could not be aligned is shown as replaced.
    """

    lines: tuple[Line, ...]
    too_different: bool = False

    @property
    def added(self) -> int:
        """How many lines the new text has that the old one lacks."""
        return sum(line.op == "added" for line in self.lines)

    @property
    def removed(self) -> int:
        """How many lines of the old text are gone."""
        return sum(line.op == "removed" for line in self.lines)

    @property
    def changed(self) -> bool:
        """Whether the texts differ at all."""
        return any(line.op != "equal" for line in self.lines)


class Cell(NamedTuple):
    """One side of a row: a line, or the gap (`op` blank) where this side has none."""

    op: Literal["equal", "removed", "added", "blank"]
    number: int | None = None
    spans: tuple[Span, ...] = ()
    newline: bool = True


@dataclass(frozen=True, slots=True)
class SplitRow:
    """Two lines side by side."""

    old: Cell
    new: Cell

    hidden: ClassVar[int] = 0

    @property
    def op(self) -> str:
        """The word of the row: equal, or changed."""
        return "equal" if self.old.op == "equal" else "changed"


@dataclass(frozen=True, slots=True)
class Fold:
    """Unchanged lines that a page leaves out until asked: how many, and the lines (or rows) themselves."""

    rows: tuple[Line | SplitRow, ...]

    op: ClassVar[str] = "fold"

    @property
    def hidden(self) -> int:
        """How many lines are folded away; 0 is the answer of every other row."""
        return len(self.rows)


def diff_lines(old: str, new: str, *, room: Room | None = None, texts: int = 1) -> TextDiff:
    """Compare two texts by lines, which end at \\n and nowhere else, and changed lines by words. The work is bounded.

    Arguments:
        room: what all texts that are compared at once may take together.
        texts: how many of them are still to come, this one among them: it takes no more than its share of the room.
    """
    room = room or Room()
    old_lines, new_lines = _LINE.findall(old), _LINE.findall(new)
    aligned = align(old_lines, new_lines, room.for_lines(len(old_lines) + len(new_lines), texts))
    words = room.for_words(texts)
    joined = False
    lines: list[Line] = []
    i = j = 0
    for i_equal, j_equal, length in (*aligned.blocks, (len(old_lines), len(new_lines), 0)):
        place = old_lines[i:i_equal], new_lines[j:j_equal]
        if not room.listed.spend(len(place[0]) + len(place[1])):
            joined = True
            place = _joined(place[0]), _joined(place[1])
        lines += _changed(*place, i, j, words)
        i, j = i_equal + length, j_equal + length
        for offset, raw in enumerate(old_lines[i_equal:i]):
            text = raw.removesuffix("\n")
            spans = whole(text, marked=False)
            lines.append(Line("equal", i_equal + offset + 1, j_equal + offset + 1, text, spans, raw.endswith("\n")))
    return TextDiff(tuple(lines), too_different=joined or not aligned.complete)


def unified_rows(diff: TextDiff, context: int | None = CONTEXT_LINES) -> list[Line | Fold]:
    """Return the lines for one column, unchanged ones further than `context` lines from a change folded (None: no folds)."""
    return list(_folded(diff.lines, context))


def split_rows(diff: TextDiff, context: int | None = CONTEXT_LINES) -> list[SplitRow | Fold]:
    """Return the rows for two columns, folded as `unified_rows` folds; lines that became each other share a row."""
    rows: list[SplitRow] = []
    for equal, group in groupby(diff.lines, lambda line: line.op == "equal"):
        lines = list(group)
        if equal:
            rows += [SplitRow(_cell(line, line.old_no), _cell(line, line.new_no)) for line in lines]
        else:
            rows += _beside(lines)
    return list(_folded(rows, context))


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
        y = pairs.get(x)
        marks = whole(text, marked=True) if y is None else spans[x, y][0]
        yield Line("removed", i + x + 1, None, text, marks, raw.endswith("\n"), None if y is None else j + y + 1)
    for y, (raw, text) in enumerate(zip(new, new_texts, strict=True)):
        origin = origins.get(y)
        marks = whole(text, marked=True) if origin is None else spans[origin, y][1]
        yield Line(
            "added", None, j + y + 1, text, marks, raw.endswith("\n"), None if origin is None else i + origin + 1
        )


def _cell(line: Line, number: int | None) -> Cell:
    return Cell(line.op, number, line.spans, line.newline)


def _beside(lines: Sequence[Line]) -> Iterator[SplitRow]:
    """Yield the rows of one changed place: partners share a row, the lines between them fill up rows side by side."""
    blank = Cell("blank")
    removed = [line for line in lines if line.op == "removed"]
    added = [line for line in lines if line.op == "added"]
    where = {line.new_no: at for at, line in enumerate(added)}
    stops = [(at, where[line.partner]) for at, line in enumerate(removed) if line.partner is not None]
    x = y = 0
    for stop_x, stop_y in (*stops, (len(removed), len(added))):
        for old, new in zip_longest(removed[x:stop_x], added[y:stop_y]):
            yield SplitRow(_cell(old, old.old_no) if old else blank, _cell(new, new.new_no) if new else blank)
        x, y = stop_x, stop_y
        if x < len(removed) and y < len(added):
            old, new = removed[x], added[y]
            yield SplitRow(_cell(old, old.old_no), _cell(new, new.new_no))
            x, y = x + 1, y + 1


def _folded(rows: Sequence[Row], context: int | None) -> Iterator[Row | Fold]:
    """Yield the rows, with runs of unchanged ones folded but for `context` rows beside each change."""
    at = 0
    for equal, group in groupby(rows, lambda row: row.op == "equal"):
        run = tuple(group)
        head = 0 if at == 0 else context or 0
        at += len(run)
        tail = 0 if at == len(rows) else context or 0
        end = max(head, len(run) - tail)
        folded = run[head:end]
        # a fold takes a line itself: one that hides a single line saves nothing
        if context is None or not equal or len(folded) < 2:
            yield from run
        else:
            yield from run[:head]
            yield Fold(folded)
            yield from run[end:]
