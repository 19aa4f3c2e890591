"""A chart of good and bad votes, and of the share of good ones, by day or week: numbers in, places of an SVG out."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from math import ceil

from aiapp.filters import MONTHS

WIDTH, HEIGHT = 1080, 220
LEFT, RIGHT, TOP, BOTTOM = 44, 44, 8, 22
LABELS = 7
MOST_DAYS = 92  # bars of more days would be too thin: weeks then
STEPS = (1, 2, 5)


@dataclass(frozen=True, slots=True)
class Bar:
    """One day or week: its share of the width, the good votes upon the bad ones, and their share, in the SVG's units."""

    day: date
    up: int
    down: int
    x: float
    width: float
    down_y: float
    down_height: float
    up_y: float
    up_height: float
    rate_y: float | None  # None without a vote
    label: str  # "" where there is no room for one

    @property
    def middle(self) -> float:
        """Where its label stands."""
        return round(self.x + self.width / 2, 1)


@dataclass(frozen=True, slots=True)
class Chart:
    """Bars from the first day on, and lines of the axis: (number, y)."""

    bars: list[Bar]
    lines: list[tuple[int, float]]
    step: int  # days of a bar


def draw(votes: Mapping[date, tuple[int, int]], first: date, last: date) -> Chart:
    """Return the chart of (good, bad) by day, from the first to the last day; by week where they are many."""
    step = 1 if (last - first).days < MOST_DAYS else 7
    if step == 7:
        first -= timedelta(days=first.weekday())
    days = [first + timedelta(days=number) for number in range(0, (last - first).days + 1, step)]
    counts = {day: [0, 0] for day in days}
    for day, (up, down) in votes.items():
        if first <= day <= last:
            at = counts[first + timedelta(days=(day - first).days // step * step)]
            at[0] += up
            at[1] += down
    top = _round_up(max((up + down for up, down in counts.values()), default=0))
    floor_y, room = HEIGHT - BOTTOM, HEIGHT - BOTTOM - TOP
    slot = (WIDTH - LEFT - RIGHT) / len(days)
    every = ceil(len(days) / LABELS)
    bars = []
    for number, (day, (up, down)) in enumerate(counts.items()):
        down_height, up_height = room * down / top, room * up / top
        bars.append(
            Bar(
                day=day,
                up=up,
                down=down,
                x=round(LEFT + number * slot + slot * 0.17, 1),
                width=round(slot * 0.66, 1),
                down_y=round(floor_y - down_height, 1),
                down_height=round(down_height, 1),
                up_y=round(floor_y - down_height - up_height, 1),
                up_height=round(up_height, 1),
                rate_y=round(floor_y - room * up / (up + down), 1) if up + down else None,
                label=f"{day.day} {MONTHS[day.month - 1]}" if number % every == 0 else "",
            )
        )
    lines = [(top * part // 2, round(floor_y - room * part / 2, 1)) for part in range(3)]
    return Chart(bars, lines, step)


def _round_up(most: int) -> int:
    """Return the first even round number that is not less than `most`."""
    scale = 2
    while True:
        for step in STEPS:
            if scale * step >= most:
                return scale * step
        scale *= 10
