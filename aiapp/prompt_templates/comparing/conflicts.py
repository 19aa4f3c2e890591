"""Conflicts of a merge, laid out for a page: both sides beside each other, and how each can be decided."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from aiapp.prompt_templates import merges
from aiapp.prompt_templates.comparing.changes import MAX_ROWS, TITLES, in_words, setting_title
from aiapp.prompt_templates.comparing.contents import turns
from aiapp.prompt_templates.comparing.diffing import Line, Room, diff_lines
from aiapp.prompt_templates.comparing.merging import ABSENT, Conflict
from aiapp.prompt_templates.comparing.rows import Fold, SplitRow, brought, split_rows, unified_rows

PAGE_ROWS = 1_000  # of all conflicts of a page together
MIN_ROWS = 10


@dataclass(frozen=True, slots=True)
class ShownConflict:
    """A conflict with its place in the prompt. Texts have rows, from ours to theirs; values have words for each side.

    `taken` is what somebody has chosen already, empty for nothing; `text` what is in the field where it is written by hand.
    """

    key: str
    title: str
    split: list[SplitRow | Fold]
    unified: list[Line | Fold]
    base: str
    ours: str
    theirs: str
    takes: tuple[str, ...]
    taken: str
    text: str
    in_lines: bool


def shown(
    found: Sequence[Conflict], decisions: Mapping[str, merges.Decision], room: Room | None = None
) -> list[ShownConflict]:
    """Return conflicts as the page of a merge shows them.

    Arguments:
        room: what all that the page compares may take.
    """
    room = room or Room.of_page()
    rows = PAGE_ROWS
    conflicts = []
    for left, conflict in zip(range(len(found), 0, -1), found, strict=True):
        conflicts.append(_shown(conflict, decisions, room, left, min(MAX_ROWS, max(MIN_ROWS, rows // left))))
        rows -= min(rows, len(conflicts[-1].split))
    return conflicts


def _shown(
    conflict: Conflict, decisions: Mapping[str, merges.Decision], room: Room, texts: int, rows: int
) -> ShownConflict:
    decided = decisions.get(conflict.key)
    in_lines = conflict.kind != "value"
    base, ours, theirs = (_words(conflict, side) for side in (conflict.base, conflict.ours, conflict.theirs))
    diff = diff_lines(ours, theirs, room=room, texts=texts) if in_lines else diff_lines("", "")
    gap = "" if not ours or ours.endswith("\n") else "\n"
    return ShownConflict(
        key=conflict.key,
        title=_title(conflict.field),
        split=brought(split_rows(diff), rows, room),
        unified=brought(unified_rows(diff), rows, room),
        base=base,
        ours=ours,
        theirs=theirs,
        takes=merges.takes(conflict),
        taken=decided.take if decided else "",
        text=decided.text if decided and decided.take == "edit" else f"{ours}{gap}{theirs}",
        in_lines=in_lines,
    )


def _words(conflict: Conflict, side: object) -> str:
    if conflict.kind == "text":
        return str(side)
    if conflict.kind == "messages" and isinstance(side, list):
        return turns(side)
    return "not there" if side is ABSENT else in_words(side)


def _title(field: str) -> str:
    head, _, rest = field.partition(".")
    if head == "messages" and rest:
        return f"Example {rest}"
    if head in TITLES:
        return TITLES[head]
    return f"Variable {rest}" if head == "variables" else setting_title(field)
