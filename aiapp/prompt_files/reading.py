"""Files that somebody brings, whatever wrote them: told apart by what they say, read within bounds."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import PurePosixPath
from typing import Any

from aiapp.prompt_files import langfuse, promptfoo
from aiapp.prompt_files.found import Found, Refused
from aiapp.prompt_templates.text import documents, fields, front_matter, wording

MOST_FILES = 500
MOST_BYTES = 10 * 1024 * 1024
MOST_OF_ONE = 2 * 1024 * 1024
MOST_AS_JSON = 3 * MOST_OF_ONE  # two bytes of UTF-8 are six there: \u00e9
MOST_BRACKETS = 100_000
MOST_TEMPLATES = 500

_NOT_ONE = "No prompt template: it does not begin with front matter (---)."


def read_all(files: Iterable[tuple[str, bytes]]) -> list[Found]:
    """Return what the files hold, in their order. Raises Refused where there is too much in them together."""
    found: list[Found] = []
    size = 0
    for number, (name, data) in enumerate(files, 1):
        size += len(data)
        if number > MOST_FILES or size > MOST_BYTES:
            raise Refused(f"This is more than {MOST_FILES} files or {MOST_BYTES // 1024**2} MB.")
        found += read(name, data)
        if len(found) > MOST_TEMPLATES:
            raise Refused(f"There are more than {MOST_TEMPLATES} prompt templates in this.")
    return found


def read(name: str, data: bytes) -> list[Found]:
    """Return what one file holds."""
    try:
        if len(data) > MOST_OF_ONE:
            raise Refused(f"This file is larger than {MOST_OF_ONE // 1024**2} MB.")
        return _read(name, _text(data))
    except (Refused, documents.DocumentError) as refusal:
        return [Found(name, problems=(str(refusal),))]


def _read(name: str, text: str) -> list[Found]:
    kind = PurePosixPath(name).suffix.lower()
    if kind in (".yaml", ".yml"):
        return _translated(name, _yaml(text))
    if documents.is_document(text):
        return [Found(name, named(documents.parse(text), name))]
    if kind == ".json" or text.lstrip()[:1] in ("{", "["):
        return _translated(name, _json(text))
    if kind in (".md", ".markdown", ".txt"):
        return [Found(name, notes=(_NOT_ONE,))]
    raise Refused("This kind of file is not read: use .md, .json, .yaml, or a .zip of these.")


def named(template: dict[str, Any], name: str) -> dict[str, Any]:
    """Return a template whose slug, where it has none, is that of its file's name, else one made of its own name."""
    if template["slug"]:
        return template
    stem = PurePosixPath(name).stem
    slug = stem if fields.SLUG.fullmatch(stem) else wording.slug_of(str(template["name"]))
    return {**template, "slug": slug}


def _translated(name: str, value: Any) -> list[Found]:
    if promptfoo.is_config(value):
        return promptfoo.translate(name, value)
    if langfuse.is_export(value):
        return langfuse.translate(name, value)
    raise Refused("This is neither an export of Langfuse prompts nor a promptfoo configuration.")


def _text(data: bytes) -> str:
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise Refused("This is not text in UTF-8.") from error


def _yaml(text: str) -> Any:
    try:
        return _storable(front_matter.read(text))
    except front_matter.FrontMatterError as error:
        raise Refused(str(error)) from error


def _json(text: str) -> Any:
    if text.count("[") + text.count("{") > MOST_BRACKETS:
        raise Refused("There is too much in this file.")
    try:
        value = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise Refused("This is not JSON.") from error
    return _storable(value)


def _storable(value: Any) -> Any:
    """Return a value whose words, the ones that are only told too, can be shown and stored. Raises Refused."""
    try:
        wording.check_json(value, MOST_AS_JSON)
    except ValueError as error:
        raise Refused(str(error)) from error
    return value
