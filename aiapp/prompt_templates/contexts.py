"""A context as JSON beside its inputs: one text for all values, read into the texts of the inputs and written from them."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from aiapp.prompt_templates.text import wording
from aiapp.prompt_templates.text.values import as_text

_DEPTH = 5  # of names like user.address.city
_MOST = 400  # more variables than any version has
_SHOWN = 10
_LONGEST = 100


@dataclass(frozen=True, slots=True)
class Pasted:
    """A context that is edited as JSON: its text, why it cannot be read, and its keys that no variable takes."""

    text: str
    error: str = ""
    unknown: tuple[str, ...] = ()


def read(text: str) -> dict[str, Any]:
    """Return the object that `text` is the JSON of. Raises ValueError with a sentence for people."""
    values = wording.parsed(text, wording.MAX_TEXT)
    if not isinstance(values, dict):
        raise ValueError("Write an object: {…}.")
    wording.check_json(values, 2 * wording.MAX_TEXT)  # NaN is none; its text may be a little longer than what was typed
    return values


def typed(context: Mapping[str, Any]) -> dict[str, str]:
    """Return a context as inputs show it, by variable; what stands in an object has a dotted name too. None is no value."""
    found: dict[str, str] = {}
    for name, value in _walk(context, "", 0):
        if len(found) == _MOST:
            break
        try:
            found.setdefault(name, as_text(value))
        except ValueError:
            continue  # a number that JSON has no word for
    return found


def pasted(text: str, names: Iterable[str]) -> Pasted:
    """Return what a page says of a context that was typed as JSON for variables with these names."""
    try:
        return Pasted(text, unknown=unknown(read(text), names) if text.strip() else ())
    except ValueError as error:
        return Pasted(text, str(error))


def unknown(context: Mapping[str, Any], names: Iterable[str]) -> tuple[str, ...]:
    """Return the first keys of a context that none of the variables takes."""
    known = {key for name in names for key in (name, name.partition(".")[0])}
    return tuple(key[:_LONGEST] for key in context if key not in known)[:_SHOWN]


def written(specs: Iterable[Mapping[str, Any]], texts: Mapping[str, str]) -> str:
    """Return the JSON of what the inputs hold: each value of its variable's type, where it is one; empty ones are left out."""
    context = {spec["name"]: of_type(texts[spec["name"]], spec) for spec in specs if texts.get(spec["name"])}
    return json.dumps(context, indent=2, ensure_ascii=False)


def _walk(context: Mapping[str, Any], before: str, depth: int) -> Iterator[tuple[str, Any]]:
    """Yield full names before those in objects, which only count where nothing else has the name."""
    for key, value in context.items():
        if value is not None:
            yield before + key, value
    if depth < _DEPTH:
        for key, value in context.items():
            if isinstance(value, Mapping):
                yield from _walk(value, f"{before}{key}.", depth + 1)


def of_type(text: str, spec: Mapping[str, Any]) -> Any:
    """Return what a text says where its variable's type has values of its own (number, boolean, json), else the text."""
    if spec["type"] not in ("number", "boolean", "json"):
        return text
    try:
        value = json.loads(text.strip().lower() if spec["type"] == "boolean" else text)
        # what would be written in other words (1e3, a large number) stays as it was typed; null would be no value at all
        same = value is not None and (spec["type"] == "json" or as_text(value) == text.strip())
        return value if same else text
    except (ValueError, RecursionError):
        return text
