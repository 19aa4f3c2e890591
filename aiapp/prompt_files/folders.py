"""A folder of prompt templates, as a person keeps it in git: read from, written to."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from aiapp.errors import InvalidInput
from aiapp.prompt_files import decoding, reading
from aiapp.prompt_files.found import Found, Refused
from aiapp.prompt_templates import versioning
from aiapp.prompt_templates.text import documents, fields


@dataclass(frozen=True, slots=True)
class Pulled:
    """What became of the files of a folder, by name."""

    written: tuple[str, ...]
    unchanged: tuple[str, ...]
    deleted: tuple[str, ...]


def read(folder: Path) -> list[Found]:
    """Return what the Markdown files of a folder hold; folders in it are not looked into. Raises Refused."""
    return reading.read_all((path.name, path.read_bytes()) for path in _files(folder))


def write(folder: Path, wanted: Sequence[Mapping[str, Any]], *, delete: bool = False) -> Pulled:
    """Write the files of these prompt templates, each under the name that it has there, else under its slug.

    A file that says the same already stays as it is, however it is written.

    Arguments:
        delete: remove the files of prompt templates that are not among `wanted`; whatever else lies there stays.
    Raises Refused, OSError.
    """
    folder.mkdir(parents=True, exist_ok=True)
    there = {
        found.template["slug"]: (found.source, found.template) for found in read(folder) if found.template is not None
    }
    written, unchanged = [], []
    for template in wanted:
        name, said = there.pop(template["slug"], (f"{template['slug']}.md", None))
        if said is not None and (stored := _stored(said)) is not None and stored == _stored(template):
            unchanged.append(name)
        else:
            _replace(folder / name, documents.write(template))
            written.append(name)
    deleted = [name for name, _ in there.values()] if delete else []
    for name in deleted:
        (folder / name).unlink(missing_ok=True)
    return Pulled(tuple(written), tuple(unchanged), tuple(deleted))


def _files(folder: Path) -> Iterator[Path]:
    paths = sorted(folder.glob("*.md"))
    if len(paths) > reading.MOST_FILES:
        raise Refused(f"There are more than {reading.MOST_FILES} files in {folder}.")
    for path in paths:
        if path.is_file():
            if path.stat().st_size > decoding.MOST_OF_ONE:
                raise Refused(f"{path.name} is larger than {decoding.MOST_OF_ONE // 1024**2} MB.")
            yield path


def _stored(said: Mapping[str, Any]) -> dict[str, Any] | None:
    """Return what would be stored of what a file says, in which the order of variables does not count; None for nothing."""
    try:
        content = versioning.with_variables({**versioning.empty(), **fields.content(said)})
        variables = {spec["name"]: spec for spec in content["variables"]}
        return {**fields.details(said), **content, "variables": variables}
    except InvalidInput:
        return None


def _replace(path: Path, text: str) -> None:
    """Write a file in one step: whoever is stopped in the middle has the old one."""
    beside = path.with_name(f".{path.name}.new")
    beside.write_bytes(text.encode())
    os.replace(beside, path)
