"""What changed between two versions of a prompt template: texts, settings, variables."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from aiapp.prompt_templates.comparing.diffing import Room, TextDiff, diff_lines

SETTINGS = ("output_format", "json_schema", "provider", "model", "temperature", "max_tokens")
VARIABLE_FIELDS = {
    "type": "text",
    "required": True,
    "default": None,
    "description": "",
    "sample": None,
    "choices": None,
}
_NO_TEXTS: dict[str, Any] = {"system": "", "messages": (), "body": ""}
# A larger JSON schema is compared as one value: deepdiff takes milliseconds for each of its kilobytes.
COMPARED_SCHEMA = 100_000


@dataclass(frozen=True, slots=True)
class Part:
    """One text of a version: `field` is system, body or messages."""

    field: str
    diff: TextDiff


@dataclass(frozen=True, slots=True)
class Setting:
    """One changed setting; `field` is its path with dots (`json_schema.properties.name.type`)."""

    field: str
    old: Any
    new: Any


@dataclass(frozen=True, slots=True)
class VariableChanges:
    """Declared variables that only the new version has, only the old one, or both in different ways.

    `added` and `removed` hold whole variables `{name, type, …}`, `changed` `{name, changes: [{field, old, new}]}`.
    """

    added: tuple[dict[str, Any], ...]
    removed: tuple[dict[str, Any], ...]
    changed: tuple[dict[str, Any], ...]


@dataclass(frozen=True, slots=True)
class Comparison:
    """Everything that differs between two versions. `parts` always has system and body, and messages where there are some."""

    parts: tuple[Part, ...]
    settings: tuple[Setting, ...]
    variables: VariableChanges

    @property
    def changed(self) -> bool:
        """Whether the versions differ in anything that is compared."""
        variables = self.variables
        texts = any(part.diff.changed for part in self.parts)
        return bool(texts or self.settings or variables.added or variables.removed or variables.changed)

    def as_json(self) -> dict[str, Any]:
        """Return the body of the API's `…/diff` (CONTRACT)."""
        return {
            "parts": [
                {
                    "field": part.field,
                    "too_different": part.diff.too_different,
                    "lines": [
                        {
                            "op": line.op,
                            "old_no": line.old_no,
                            "new_no": line.new_no,
                            "text": line.text,
                            "spans": [span._asdict() for span in line.spans],
                        }
                        for line in part.diff.lines
                    ],
                }
                for part in self.parts
            ],
            "settings": [asdict(setting) for setting in self.settings],
            "variables": asdict(self.variables),
        }


def compare(old: Mapping[str, Any], new: Mapping[str, Any], room: Room | None = None) -> Comparison:
    """Compare two versions of a prompt template. The work is bounded.

    Arguments:
        old, new: `system`, `body`, `messages`, `variables` and SETTINGS of a version, as the API shows them; what is absent
            counts as empty.
        room: what all that is compared at once may take.
    """
    room = room or Room()
    old, new = {**_NO_TEXTS, **old}, {**_NO_TEXTS, **new}
    return Comparison(
        tuple(compare_texts(old, new, room)),
        tuple(_settings(old, new)),
        _variables(old.get("variables") or (), new.get("variables") or ()),
    )


def compare_texts(old: Mapping[str, Any], new: Mapping[str, Any], room: Room) -> list[Part]:
    """Compare those of system, body and messages that `new` has, the smallest first: what a large one takes is not lacking then.

    Without messages on either side they are no part.
    """
    texts = [
        (
            field,
            *(turns(side.get(field) or ()) if field == "messages" else side.get(field) or "" for side in (old, new)),
        )
        for field in ("system", "messages", "body")
        if field in new
    ]
    texts = [text for text in texts if text[0] != "messages" or any(text[1:])]
    small_first = sorted(texts, key=lambda text: len(text[1]) + len(text[2]))
    left = range(len(texts), 0, -1)
    found = {
        name: diff_lines(before, after, room=room, texts=more)
        for more, (name, before, after) in zip(left, small_first, strict=True)
    }
    return [Part(name, found[name]) for name, _, _ in texts]


def values_between(old: Any, new: Any) -> list[Setting] | None:
    """Return which values differ inside two JSON values, by path; None where they are too large to be compared so."""
    if not (_small(old) and _small(new)):
        return None
    return _inside("", old, new)


def turns(messages: Sequence[Mapping[str, str]]) -> str:
    """Return example messages as one text to be compared."""
    return "\n\n".join(f"{message['role']}:\n{message['content']}" for message in messages)


def _settings(old: Mapping[str, Any], new: Mapping[str, Any]) -> Iterator[Setting]:
    for field in SETTINGS:
        before, after = old.get(field), new.get(field)
        if isinstance(before, Mapping) and isinstance(after, Mapping) and _small(before) and _small(after):
            yield from _inside(field, before, after)
        elif _differ(before, after):
            yield Setting(field, before, after)


def _small(value: Any) -> bool:
    try:
        return len(json.dumps(value)) <= COMPARED_SCHEMA
    except RecursionError:
        return False


def _differ(old: Any, new: Any) -> bool:
    try:
        return bool(old != new)
    except RecursionError:
        return True


def _inside(field: str, old: Any, new: Any) -> list[Setting]:
    """Return what differs inside two JSON values, by path."""
    from deepdiff import DeepDiff  # noqa: PLC0415  # heavy, see CONTRIBUTING
    from deepdiff.helper import notpresent  # noqa: PLC0415

    try:
        found = DeepDiff(old, new, view="tree", zip_ordered_iterables=True, ignore_private_variables=False)
    except RecursionError:
        return [Setting(field, old, new)]
    settings = []
    for level in (level for levels in found.values() for level in levels):
        before, after = (None if value is notpresent else value for value in (level.t1, level.t2))
        if type(before) in {int, float} and before == after:
            continue  # 1 and 1.0 are one number in JSON
        path = ".".join(map(str, (*filter(None, [field]), *level.path(output_format="list"))))
        settings.append(Setting(path, before, after))
    return sorted(settings, key=lambda setting: setting.field)


def _variables(old: Sequence[Mapping[str, Any]], new: Sequence[Mapping[str, Any]]) -> VariableChanges:
    before, after = _by_name(old), _by_name(new)
    changed = []
    for name in before.keys() & after.keys():
        changes = [
            {"field": field, "old": before[name][field], "new": after[name][field]}
            for field in VARIABLE_FIELDS
            if before[name][field] != after[name][field]
        ]
        if changes:
            changed.append({"name": name, "changes": changes})
    return VariableChanges(
        added=tuple(one for name, one in after.items() if name not in before),
        removed=tuple(one for name, one in before.items() if name not in after),
        changed=tuple(sorted(changed, key=lambda one: one["name"])),
    )


def _by_name(variables: Sequence[Mapping[str, Any]]) -> dict[str, dict[str, Any]]:
    return {
        str(one["name"]): {"name": str(one["name"])}
        | {field: one.get(field, VARIABLE_FIELDS[field]) for field in VARIABLE_FIELDS}
        for one in variables
    }
