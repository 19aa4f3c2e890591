"""PURE: whether a JSON schema is of the simple kind that a provider can hold a model to while it writes.

The kind: https://platform.claude.com/docs/en/build-with-claude/structured-outputs, "JSON Schema limitations".
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

_PLAIN = frozenset({"type", "title", "description", "enum", "const", "required", "additionalProperties", "format"})
_FORMATS = frozenset({"date-time", "time", "date", "duration", "email", "hostname", "uri", "ipv4", "ipv6", "uuid"})
_DEEPEST = 20


def plain(schema: Mapping[str, Any]) -> dict[str, Any] | None:
    """Return `schema` with every object closed (`additionalProperties: false`), or None where it is not of that kind.

    What fits the returned schema fits `schema`. None for bounds, patterns, references, objects of any fields, and anything that
    is not known to be taken.
    """
    try:
        return _plain(schema, 0)
    except _NotPlain:
        return None


class _NotPlain(Exception):
    pass


def _plain(schema: Any, level: int) -> dict[str, Any]:
    if not isinstance(schema, Mapping) or level > _DEEPEST:
        raise _NotPlain
    taken: dict[str, Any] = {}
    for keyword, value in schema.items():
        if keyword == "properties" and isinstance(value, Mapping):
            taken[keyword] = {name: _plain(one, level + 1) for name, one in value.items()}
        elif keyword == "items":
            taken[keyword] = _plain(value, level + 1)
        elif keyword == "anyOf" and isinstance(value, Sequence) and not isinstance(value, str):
            taken[keyword] = [_plain(one, level + 1) for one in value]
        elif keyword in _PLAIN:
            taken[keyword] = value
        else:
            raise _NotPlain
    _close(taken)
    return taken


def _close(schema: dict[str, Any]) -> None:
    kinds = schema.get("type")
    if schema.get("format", "date") not in _FORMATS or not any(
        keyword in schema for keyword in ("type", "enum", "const", "anyOf")
    ):
        raise _NotPlain
    if "object" not in (kinds if isinstance(kinds, list) else [kinds]):
        return
    if not schema.get("properties") or schema.get("additionalProperties", False) is not False:
        raise _NotPlain
    schema["additionalProperties"] = False
