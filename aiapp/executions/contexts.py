"""The context that somebody gives: what it may hold."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from aiapp.errors import InvalidInput
from aiapp.prompt_templates.text import fields

MAX_CONTEXT_BYTES = 2**20
MAX_CONTEXT_DEPTH = 32


def checked(context: Mapping[str, Any]) -> dict[str, Any]:
    """Return the context as both databases store it. Raises InvalidInput."""
    if not isinstance(context, Mapping):
        raise _mistake("context", "This is not an object of variables.")
    try:
        size = len(json.dumps(context, allow_nan=False))
    except (TypeError, ValueError, RecursionError):
        raise _mistake("context", "This cannot be written as JSON.") from None
    if size > MAX_CONTEXT_BYTES:
        raise _mistake("context", f"This is longer than {MAX_CONTEXT_BYTES // 1024} KB.")
    for name, value in context.items():
        _check_value(name, name, 0)
        _check_value(name, value, 1)
    return dict(context)


def _check_value(name: str, value: Any, depth: int) -> None:
    if depth > MAX_CONTEXT_DEPTH:
        raise _mistake(f"context.{name}", f"This is nested more than {MAX_CONTEXT_DEPTH} levels deep.")
    if isinstance(value, str):
        try:
            fields.text(value, MAX_CONTEXT_BYTES)
        except ValueError as error:
            raise _mistake(f"context.{name}", str(error)) from None
    elif isinstance(value, Mapping):
        for key, item in value.items():
            _check_value(name, key, depth + 1)
            _check_value(name, item, depth + 1)
    elif isinstance(value, list | tuple):
        for item in value:
            _check_value(name, item, depth + 1)


def _mistake(name: str, message: str) -> InvalidInput:
    return InvalidInput(errors=[{"field": name, "message": message}])
