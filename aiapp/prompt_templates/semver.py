"""Semantic versions of prompt templates (2.1.0), PURE: read, compared, and proposed from what has changed for those who call."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any, Literal, NamedTuple

Level = Literal["major", "minor", "patch"]

FIRST = "1.0.0"
_TEXTS = {"system": "the system text", "messages": "the examples", "body": "the text"}
_SETTINGS = {"provider": "the provider", "model": "the model", "temperature": "temperature", "max_tokens": "max tokens"}
# What a caller need not know of a variable.
_WORDING = frozenset({"description", "sample"})
# Nine digits at the most: the next one fits the column too.
_SPELLING = re.compile(r"(0|[1-9][0-9]{0,8})\.(0|[1-9][0-9]{0,8})\.(0|[1-9][0-9]{0,8})")


class Proposal(NamedTuple):
    """The next semantic version, which of its parts goes up, and why, in words that follow "because"."""

    semver: str
    level: Level
    reasons: tuple[str, ...]


def read(text: str) -> tuple[int, int, int]:
    """Return the three numbers of a semantic version, which compare as versions do. Raises ValueError."""
    found = _SPELLING.fullmatch(text)
    if found is None:
        raise ValueError("Write three numbers with dots, such as 2.1.0.")
    major, minor, patch = map(int, found.groups())
    return major, minor, patch


def is_one(text: str) -> bool:
    """Whether `text` is a semantic version."""
    return _SPELLING.fullmatch(text) is not None


def propose(before: Mapping[str, Any] | None, after: Mapping[str, Any], last: str | None) -> Proposal:
    """Return what to call `after`.

    A variable that has to be given and is new or gone, the output format or its schema: major. Any other text or setting:
    minor. Descriptions and samples of variables, or nothing: patch.

    Arguments:
        before: the content of the version that everybody has now; None where there is none.
        after: the content of the version that is to be published.
        last: the highest semantic version that was given; None gives 1.0.0.
    """
    level, reasons = _level(before, after)
    if last is None:
        return Proposal(
            FIRST, "major", ("it is the first one that is published",) if before is None else tuple(reasons)
        )
    major, minor, patch = read(last)
    following = {"major": (major + 1, 0, 0), "minor": (major, minor + 1, 0), "patch": (major, minor, patch + 1)}
    return Proposal(".".join(map(str, following[level])), level, tuple(reasons))


def _level(before: Mapping[str, Any] | None, after: Mapping[str, Any]) -> tuple[Level, list[str]]:
    if before is None:
        return "major", ["nothing is published now"]
    breaking = list(_breaking(before, after))
    if breaking:
        return "major", breaking
    visible = list(_visible(before, after))
    if visible:
        return "minor", visible
    if before["variables"] != after["variables"]:
        return "patch", ["only the wording of its variables changed"]
    return "patch", ["it says the same"]


def _breaking(before: Mapping[str, Any], after: Mapping[str, Any]) -> Iterator[str]:
    old, new = _specs(before), _specs(after)
    for name, spec in new.items():
        if _demanded(spec) and not (name in old and _demanded(old[name])):
            yield (
                f"the required variable {name} was added" if name not in old else f"the variable {name} became required"
            )
    for name, spec in old.items():
        if _demanded(spec) and name not in new:
            yield f"the required variable {name} was removed"
    if before["output_format"] != after["output_format"]:
        yield f"the output format changed from {before['output_format']} to {after['output_format']}"
    if before["json_schema"] != after["json_schema"]:
        yield "the JSON schema changed"


def _visible(before: Mapping[str, Any], after: Mapping[str, Any]) -> Iterator[str]:
    old, new = _specs(before), _specs(after)
    for name in dict.fromkeys([*old, *new]):
        if name not in old or name not in new:
            yield f"the optional variable {name} was {'removed' if name in old else 'added'}"
        elif _plain(old[name]) != _plain(new[name]):
            yield f"the variable {name} changed"
    for field, words in (_TEXTS | _SETTINGS).items():
        if before[field] != after[field]:
            yield f"{words} changed"


def _specs(content: Mapping[str, Any]) -> dict[str, Mapping[str, Any]]:
    return {spec["name"]: spec for spec in content["variables"]}


def _demanded(spec: Mapping[str, Any]) -> bool:
    """Whether a call without this variable is refused."""
    return bool(spec.get("required", True)) and spec.get("default") is None


def _plain(spec: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in spec.items() if key not in _WORDING and value is not None}
