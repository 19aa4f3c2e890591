"""What changed between two versions, laid out for a page: rows of each part, settings and variables in words."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from aiapp.prompt_templates import versioning
from aiapp.prompt_templates.comparing.contents import SETTINGS, Comparison, Part, compare, compare_texts
from aiapp.prompt_templates.comparing.diffing import Line, Room, Run
from aiapp.prompt_templates.comparing.rows import Fold, SplitRow, brought, split_rows, unified_rows
from aiapp.prompt_templates.models import PromptVersion
from aiapp.prompt_templates.text import values

TITLES = {"system": "System", "messages": "Examples", "body": "User"}
WORDS = {
    "output_format": "Output format",
    "json_schema": "JSON schema",
    "provider": "Provider",
    "model": "Model",
    "temperature": "Temperature",
    "max_tokens": "Max tokens",
}
MAX_ROWS = 2_000  # rows of a part on one page; what is beyond them is named, and stands in the versions themselves


@dataclass(frozen=True, slots=True)
class ShownPart:
    """A changed part. `left_out` counts the rows that a page does not show."""

    field: str
    title: str
    unified: list[Line | Fold]
    split: list[SplitRow | Fold]
    added: int
    removed: int
    too_different: bool
    left_out: int


@dataclass(frozen=True, slots=True)
class VariableChange:
    """One changed variable: `change` is added, removed or changed; `what` says in words how it is now."""

    name: str
    change: str
    what: str


@dataclass(frozen=True, slots=True)
class Changes:
    """Everything that changed. `same` are the titles of parts that did not; `settings` are (name, old, new)."""

    parts: list[ShownPart]
    same: list[str]
    settings: list[tuple[str, str, str]]
    settings_same: int
    variables: list[VariableChange]
    variables_same: int

    @property
    def any(self) -> bool:
        """Whether the two differ."""
        return bool(self.parts or self.settings or self.variables)

    @property
    def added(self) -> int:
        """Lines added in all parts."""
        return sum(part.added for part in self.parts)

    @property
    def removed(self) -> int:
        """Lines removed in all parts."""
        return sum(part.removed for part in self.parts)

    @property
    def summary(self) -> str:
        """What changed, counted: `1 part, 1 setting and 1 variable changed`."""
        counts = [(len(self.parts), "part"), (len(self.settings), "setting"), (len(self.variables), "variable")]
        words = [f"{count} {noun}{'s' if count > 1 else ''}" for count, noun in counts if count]
        return " and ".join([", ".join(words[:-1]), words[-1]] if len(words) > 1 else words) + " changed"


def changes_between(old: PromptVersion, new: PromptVersion, *, split: bool) -> Changes:
    """Return what changed from `old` to `new`.

    Arguments:
        split: lay the parts out in two columns too.
    """
    return changes_in(versioning.content(old), versioning.content(new), split=split)


def changes_in(old: Mapping[str, Any], new: Mapping[str, Any], *, split: bool, room: Room | None = None) -> Changes:
    """Return what changed from one content of a version to another (see changes_between; room: see compare)."""
    room = room or Room.of_page()
    found = compare(old, new, room)
    names = {spec["name"] for spec in new["variables"]} & {spec["name"] for spec in old["variables"]}
    return Changes(
        parts=[_part(part, room, split=split) for part in found.parts if part.diff.changed],
        same=[TITLES[part.field] for part in found.parts if not part.diff.changed],
        settings=[(setting_title(item.field), in_words(item.old), in_words(item.new)) for item in found.settings],
        settings_same=len(SETTINGS) - len({item.field.partition(".")[0] for item in found.settings}),
        variables=list(_variables(found)),
        variables_same=len(names) - len(found.variables.changed),
    )


def texts_between(old: Mapping[str, Any], new: Mapping[str, Any]) -> list[ShownPart]:
    """Return what changed in the texts that `new` has (see compare_texts)."""
    room = Room.of_page()
    return [_part(part, room, split=False) for part in compare_texts(old, new, room) if part.diff.changed]


def hunk(old: PromptVersion, new: PromptVersion, field: str, first: int, count: int) -> list[Line]:
    """Return the unchanged lines of a part whose numbers in the old text are `first` to `first + count - 1`."""
    found = compare(versioning.content(old), versioning.content(new), Room.of_page())
    runs = (run for part in found.parts if part.field == field for run in part.diff.places if isinstance(run, Run))
    return [
        line
        for run in runs
        for line in run.part(max(0, first - 1 - run.old), max(0, first - 1 + count - run.old)).lines()
    ]


def _part(part: Part, room: Room, *, split: bool) -> ShownPart:
    beside, unified = split_rows(part.diff) if split else [], unified_rows(part.diff)
    return ShownPart(
        field=part.field,
        title=TITLES[part.field],
        unified=brought(unified, MAX_ROWS, room),
        split=brought(beside, MAX_ROWS, room),
        added=part.diff.added,
        removed=part.diff.removed,
        too_different=part.diff.too_different,
        left_out=max(0, len(beside or unified) - MAX_ROWS),
    )


def _variables(found: Comparison) -> Iterator[VariableChange]:
    for spec in found.variables.added:
        yield VariableChange(spec["name"], "added", _kind(spec))
    for spec in found.variables.removed:
        yield VariableChange(spec["name"], "removed", _kind(spec))
    for change in found.variables.changed:
        what = (f"{item['field']}: {in_words(item['old'])} → {in_words(item['new'])}" for item in change["changes"])
        yield VariableChange(change["name"], "changed", "; ".join(what))


def _kind(spec: Mapping[str, Any]) -> str:
    words = [str(spec["type"]).replace("_", " ")]
    if spec["default"] is not None:
        words.append(f"default {in_words(spec['default'])}")
    elif not spec["required"]:
        words.append("optional")
    return ", ".join(words)


def setting_title(field: str) -> str:
    """Return what a setting is called, with the path within it."""
    head, dot, path = field.partition(".")
    return WORDS[head] + (f": {path}" if dot else "")


def in_words(value: Any) -> str:
    """Return a value for a table; a long one is cut."""
    if value is None or value == "":
        return "none"
    words = values.as_text(value)
    return words if len(words) <= 300 else f"{words[:300]}…"
