"""Files that somebody brings, whatever wrote them: told apart by what they say, read within bounds."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import PurePosixPath
from typing import Any

from aiapp.prompt_files import decoding, langfuse, promptfoo
from aiapp.prompt_files.beside import Beside
from aiapp.prompt_files.found import Found, Refused
from aiapp.prompt_templates.text import documents, fields, wording

MOST_FILES = 500
MOST_BYTES = 10 * 1024 * 1024
MOST_TEMPLATES = 500

_NOT_ONE = "No prompt template: it does not begin with front matter (---)."


def read_all(files: Iterable[tuple[str, bytes]]) -> list[Found]:
    """Return what the files hold, in their order; one that another one's prompts stand in is part of that one.

    Raises Refused where there is too much in them together.
    """
    brought: list[tuple[str, bytes]] = []
    size = 0
    for number, (name, data) in enumerate(files, 1):
        size += len(data)
        if number > MOST_FILES or size > MOST_BYTES:
            raise Refused(f"This is more than {MOST_FILES} files or {MOST_BYTES // 1024**2} MB.")
        brought.append((name, data))
    beside = Beside(brought)
    found: list[Found] = []
    for name, data in brought:
        found += read(name, data, beside)
        if len(found) > MOST_TEMPLATES:
            raise Refused(f"There are more than {MOST_TEMPLATES} prompt templates in this.")
    return [one for one in found if one.template is not None or one.source not in beside.taken]


def read(name: str, data: bytes, beside: Beside | None = None) -> list[Found]:
    """Return what one file holds.

    Arguments:
        beside: the files that it may name.
    """
    try:
        return _read(name, decoding.text(data), beside or Beside())
    except (Refused, documents.DocumentError) as refusal:
        return [Found(name, problems=(str(refusal),))]


def _read(name: str, text: str, beside: Beside) -> list[Found]:
    kind = PurePosixPath(name).suffix.lower()
    if kind in (".yaml", ".yml"):
        return _translated(name, decoding.from_yaml(text), beside)
    if documents.is_document(text):
        return [Found(name, named(documents.parse(text), name))]
    if kind == ".json" or text.lstrip()[:1] in ("{", "["):
        return _translated(name, decoding.from_json(text), beside)
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


def _translated(name: str, value: Any, beside: Beside) -> list[Found]:
    if promptfoo.is_config(value):
        return promptfoo.translate(name, value, beside)
    if langfuse.is_export(value):
        return langfuse.translate(name, value)
    raise Refused("This is neither an export of Langfuse prompts nor a promptfoo configuration.")
