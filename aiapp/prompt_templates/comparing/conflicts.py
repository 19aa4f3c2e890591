"""Conflicts of a merge, laid out for a page: both sides beside each other, and how each can be decided."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from aiapp.prompt_templates import merges
from aiapp.prompt_templates.comparing.changes import MAX_ROWS, TITLES, in_words, setting_title
from aiapp.prompt_templates.comparing.contents import turns
from aiapp.prompt_templates.comparing.diffing import Fold, Line, SplitRow, diff_lines, split_rows, unified_rows
from aiapp.prompt_templates.comparing.merging import ABSENT, Conflict


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


def shown(conflict: Conflict, decisions: Mapping[str, merges.Decision]) -> ShownConflict:
    """Return a conflict as the page of a merge shows it."""
    decided = decisions.get(conflict.key)
    in_lines = conflict.kind != "value"
    base, ours, theirs = (_words(conflict, side) for side in (conflict.base, conflict.ours, conflict.theirs))
    diff = diff_lines(ours, theirs) if in_lines else diff_lines("", "")
    gap = "" if not ours or ours.endswith("\n") else "\n"
    return ShownConflict(
        key=conflict.key,
        title=_title(conflict.field),
        split=split_rows(diff)[:MAX_ROWS],
        unified=unified_rows(diff)[:MAX_ROWS],
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
