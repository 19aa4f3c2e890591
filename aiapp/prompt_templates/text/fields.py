"""What may be written into a prompt template and its versions: bounds, types, spellings; every mistake at once, by field."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from typing import Any

from aiapp.errors import InvalidInput
from aiapp.prompt_templates.text import declaring, json_schemas
from aiapp.prompt_templates.text.wording import NestedError, Reader, check_json, flag, objects, one_of, parsed
from aiapp.prompt_templates.text.wording import line as line
from aiapp.prompt_templates.text.wording import text as text
from aiapp.providers.registry import PROVIDERS
from aiapp.providers.types import OUTPUT_FORMATS

MAX_SCHEMA = 100 * 1024
MAX_MESSAGES = 50
MAX_TAGS = 20

SLUG = re.compile(r"[a-z0-9]+(?:-[a-z0-9]+)*")
RESERVED = frozenset({"new", "import", "export", "gallery"})  # pages of the library have these addresses
_WHOLE = re.compile(r"[+-]?[0-9]{1,12}")


def details(given: Mapping[str, Any]) -> dict[str, Any]:
    """Return the details among `given` (name, slug, description, tags, task, active), cleaned. Raises InvalidInput."""
    return _read(given, _DETAILS)


def content(given: Mapping[str, Any]) -> dict[str, Any]:
    """Return what belongs to a version among `given`, cleaned; numbers and the schema may be the text of a form.

    Raises InvalidInput.
    """
    return _read(given, _CONTENT)


def _read(given: Mapping[str, Any], readers: Mapping[str, Reader]) -> dict[str, Any]:
    clean, errors = {}, []
    for field, reader in readers.items():
        if field in given:
            try:
                clean[field] = reader(given[field])
            except NestedError as error:
                errors += [{"field": f"{field}.{path}", "message": message} for path, message in error.mistakes]
            except ValueError as error:
                errors.append({"field": field, "message": str(error)})
    if errors:
        raise InvalidInput(errors=errors)
    return clean


def _slug(value: Any) -> str:
    slug = line(value, 60, required=True)
    if not SLUG.fullmatch(slug):
        raise ValueError("Use lower-case letters, digits and single hyphens.")
    if slug in RESERVED:
        raise ValueError("This word is an address of the library itself. Choose another.")
    return slug


def _tags(value: Any) -> list[str]:
    if isinstance(value, str) or not isinstance(value, Sequence):
        raise ValueError("This is not a list of tags.")
    tags = sorted({tag for tag in (line(item, 50).lower() for item in value) if tag})
    if any("," in tag for tag in tags):
        raise ValueError("A tag has no comma.")
    if len(tags) > MAX_TAGS:
        raise ValueError(f"Use at most {MAX_TAGS} tags.")
    return tags


def _messages(value: Any) -> list[dict[str, str]]:
    items = objects(value, MAX_MESSAGES, "example messages")
    clean, mistakes = [], []
    for number, item in enumerate(items, 1):
        if item.get("role") not in ("user", "assistant"):
            mistakes.append((str(number), "The role is user or assistant."))
            continue
        try:
            clean.append({"role": item["role"], "content": text(item.get("content"))})
        except ValueError as error:
            mistakes.append((str(number), str(error)))
    if mistakes:
        raise NestedError(*mistakes)
    return clean


def _json_schema(value: Any) -> dict[str, Any] | None:
    if isinstance(value, str):
        value = parsed(value, MAX_SCHEMA)
    if value is None:
        return None
    if not isinstance(value, dict):
        raise ValueError("A JSON schema is an object.")
    check_json(value, MAX_SCHEMA)
    json_schemas.check(value)
    return value


def _optional(reader: Reader) -> Reader:
    return lambda value: None if value is None or (isinstance(value, str) and not value.strip()) else reader(value)


def _temperature(value: Any) -> float:
    try:
        number = math.nan if isinstance(value, bool) else float(value)
    except (TypeError, ValueError, OverflowError):
        number = math.nan
    if not 0 <= number <= 2:
        raise ValueError("Use a number from 0 to 2.")
    return number


def _max_tokens(value: Any) -> int:
    if isinstance(value, str) and _WHOLE.fullmatch(value.strip()):
        value = int(value)
    if not isinstance(value, int) or isinstance(value, bool) or not 1 <= value <= 1_000_000:
        raise ValueError("Use a whole number from 1 to 1,000,000.")
    return value


_DETAILS: dict[str, Reader] = {
    "name": lambda value: line(value, 100, required=True),
    "slug": _slug,
    "description": lambda value: _characters(text(value), 2000),
    "tags": _tags,
    "task": _optional(lambda value: line(value, 60)),
    "active": flag,
}
_CONTENT: dict[str, Reader] = {
    "system": text,
    "body": text,
    "messages": _messages,
    "variables": declaring.read,
    "output_format": one_of(OUTPUT_FORMATS),
    "json_schema": _json_schema,
    "provider": _optional(one_of(PROVIDERS)),
    "model": _optional(lambda value: line(value, 200)),
    "temperature": _optional(_temperature),
    "max_tokens": _optional(_max_tokens),
}
DETAILS = tuple(_DETAILS)
CONTENT = tuple(_CONTENT)


def _characters(value: str, limit: int) -> str:
    if len(value) > limit:
        raise ValueError(f"Use at most {limit:,} characters.")
    return value.strip()
