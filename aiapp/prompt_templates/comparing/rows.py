"""The rows that a page shows of a diff: in one column or two, unchanged lines far from a change folded."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import zip_longest
from typing import ClassVar, Literal, NamedTuple, TypeVar

from aiapp.prompt_templates.comparing.diffing import Line, Room, Run, TextDiff
from aiapp.prompt_templates.comparing.marking import Span

CONTEXT_LINES = 3
MAX_FOLDED = 200  # folded lines that a page brings along; a longer fold is fetched when it is opened

Row = TypeVar("Row", "Line", "SplitRow")


class Cell(NamedTuple):
    """One side of a row: a line (see Line), or the gap (`op` blank) where this side has none."""

    op: Literal["equal", "removed", "added", "blank"]
    number: int | None = None
    spans: tuple[Span, ...] = ()
    unended: bool = False


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
    """Unchanged lines that a page leaves out until asked; `beside` where they are rows of two columns.

    Where they are not `brought` along, a page that can fetches them.
    """

    run: Run
    beside: bool = False
    brought: bool = True

    op: ClassVar[str] = "fold"

    @property
    def hidden(self) -> int:
        """How many lines are folded away; 0 is the answer of every other row."""
        return len(self.run.texts)

    @property
    def first(self) -> int:
        """The number of the first of them in the old text."""
        return self.run.old + 1

    @property
    def rows(self) -> tuple[Line | SplitRow, ...]:
        """The lines (or rows) themselves, where they are brought along."""
        if not self.brought:
            return ()
        return tuple(map(_level, self.run.lines())) if self.beside else tuple(self.run.lines())


def unified_rows(diff: TextDiff, context: int | None = CONTEXT_LINES) -> list[Line | Fold]:
    """Return the lines for one column, unchanged ones further than `context` lines from a change folded (None: no folds)."""
    return list(_rows(diff, context, lambda lines: lines, Fold))


def split_rows(diff: TextDiff, context: int | None = CONTEXT_LINES) -> list[SplitRow | Fold]:
    """Return the rows for two columns, folded as `unified_rows` folds; lines that became each other share a row."""
    return list(_rows(diff, context, _beside, lambda run: Fold(run, beside=True)))


def brought(rows: Sequence[Row | Fold], most: int, room: Room) -> list[Row | Fold]:
    """Return the first `most` rows; long folds, and those for which the page has no `room` any more, come without their lines."""
    return [
        replace(row, brought=False)
        if isinstance(row, Fold) and (row.hidden > MAX_FOLDED or not room.folded.spend(row.hidden))
        else row
        for row in rows[:most]
    ]


def _rows(
    diff: TextDiff,
    context: int | None,
    lay_out: Callable[[Sequence[Line]], Iterable[Row]],
    fold: Callable[[Run], Fold],
) -> Iterator[Row | Fold]:
    """Yield the rows, with runs of unchanged ones folded but for `context` rows beside each change."""
    for at, place in enumerate(diff.places):
        if not isinstance(place, Run):
            yield from lay_out(place)
            continue
        head = 0 if at == 0 else context or 0
        tail = 0 if at == len(diff.places) - 1 else context or 0
        end = max(head, len(place.texts) - tail)
        # a fold takes a line itself: one that hides a single line saves nothing
        if context is None or end - head < 2:
            yield from lay_out(tuple(place.lines()))
        else:
            yield from lay_out(tuple(place.part(0, head).lines()))
            yield fold(place.part(head, end))
            yield from lay_out(tuple(place.part(end).lines()))


def _level(line: Line) -> SplitRow:
    return SplitRow(Cell("equal", line.old_no, line.spans), Cell("equal", line.new_no, line.spans))


def _cell(line: Line | None) -> Cell:
    return Cell("blank") if line is None else Cell(line.op, line.number, line.spans, line.unended)


def _beside(lines: Sequence[Line]) -> Iterator[SplitRow]:
    """Yield the rows of one place: partners share a row, the lines between them fill up rows side by side."""
    if lines and lines[0].op == "equal":
        yield from map(_level, lines)
        return
    removed = [line for line in lines if line.op == "removed"]
    added = [line for line in lines if line.op == "added"]
    where = {line.new_no: at for at, line in enumerate(added)}
    stops = [(at, where[line.partner]) for at, line in enumerate(removed) if line.partner is not None]
    x = y = 0
    for stop_x, stop_y in (*stops, (len(removed), len(added))):
        for old, new in zip_longest(removed[x:stop_x], added[y:stop_y]):
            yield SplitRow(_cell(old), _cell(new))
        x, y = stop_x, stop_y
        if x < len(removed) and y < len(added):
            yield SplitRow(_cell(removed[x]), _cell(added[y]))
            x, y = x + 1, y + 1
