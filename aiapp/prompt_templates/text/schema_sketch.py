"""A JSON schema made of an example: a beginning to be narrowed by hand."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

_DEPTH = 20


def sketch(example: Any, depth: int = 0) -> dict[str, Any]:
    """Return a schema that `example` fits: its types, and every key of its objects required.

    Items of a list are of the kinds that the example's are; below 20 levels anything fits.
    """
    if depth >= _DEPTH:
        return {}
    if isinstance(example, Mapping):
        properties = {key: sketch(value, depth + 1) for key, value in example.items()}
        return {
            "type": "object",
            "properties": properties,
            "required": list(properties),
            "additionalProperties": False,
        }
    if isinstance(example, list):
        kinds = {json.dumps(kind, sort_keys=True): kind for kind in (sketch(item, depth + 1) for item in example)}
        items = list(kinds.values())
        return {"type": "array", "items": items[0] if len(items) == 1 else {"anyOf": items} if items else {}}
    return {"type": _name(example)}


def _name(value: Any) -> str:
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "boolean"
    return "integer" if isinstance(value, int) else "number" if isinstance(value, float) else "string"
