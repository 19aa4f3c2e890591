"""The other files of an upload, for a configuration that names them: what is not among them is not there."""

from __future__ import annotations

import json
import posixpath
import re
from collections.abc import Iterable
from fnmatch import fnmatchcase
from pathlib import PurePosixPath
from typing import Any

from aiapp.prompt_files import decoding
from aiapp.prompt_files.found import Refused
from aiapp.prompt_templates.text import wording

MOST_READ = 10 * 1024 * 1024  # bytes, those that are read again counted again
LONGEST_NAME = 300
MOST_STARS = 2

_TEXTS = frozenset({".txt", ".md", ".j2"})
_DATA = frozenset({".json", ".yaml", ".yml"})
# promptfoo/promptfoo `site/docs/configuration/prompts.md`: several prompts of a text file stand between lines of three hyphens.
_BETWEEN = re.compile(r"^---[ \t]*$", re.MULTILINE)


class Beside:
    """Files by name. `taken` are the names of those that somebody has read.

    Names are looked up here and nowhere else: one that leads out of the upload finds nothing.
    """

    def __init__(self, files: Iterable[tuple[str, bytes]] = ()) -> None:
        self.taken: set[str] = set()
        self._left = MOST_READ
        self._files: dict[str, tuple[str, bytes]] = {}
        for name, data in files:
            self._files.setdefault(posixpath.normpath(name), (name, data))

    def prompts(self, source: str, reference: str) -> list[tuple[str, str]]:
        """Return the prompts of the files that `source` calls `reference` (a `*` stands for any name), each with its file's name.

        A text file has one or several, a JSON or YAML file one, as JSON where it is no text, a file of JSON lines one a line.
        """
        return [(name, prompt) for name in self._named(source, reference) for prompt in self._prompts(name)]

    def value(self, source: str, reference: str) -> Any:
        """Return what the file that `source` calls `reference` says: text, or JSON or YAML; None where that is not read."""
        names = self._named(source, reference)
        text = self._text(names[0], _TEXTS | _DATA) if len(names) == 1 else None
        if text is None:
            return None
        return self._parsed(names[0], text) if PurePosixPath(names[0]).suffix.lower() in _DATA else text.strip()

    def _named(self, source: str, reference: str) -> list[str]:
        reference = reference.strip().removeprefix("file://")
        if len(reference) > LONGEST_NAME or reference.count("*") > MOST_STARS:
            return []
        path = posixpath.normpath(posixpath.join(posixpath.dirname(source), reference))
        if "*" not in path:
            return [path] if path in self._files else []
        return sorted(name for name in self._files if _matches(name.split("/"), path.split("/")))

    def _prompts(self, name: str) -> list[str]:
        kind = PurePosixPath(name).suffix.lower()
        text = self._text(name, _TEXTS | _DATA | {".jsonl"})
        if text is None:
            return []
        if kind == ".jsonl":
            found = text.splitlines()
        elif kind in _DATA:
            value = self._parsed(name, text)
            found = [] if value is None else [value if isinstance(value, str) else json.dumps(value)]
        else:
            found = _BETWEEN.split(text) if kind == ".txt" else [text]
        return [prompt for one in found if (prompt := one.strip("\n")) and prompt.strip()]

    def _text(self, name: str, kinds: frozenset[str]) -> str | None:
        """Return the text of a file of one of these kinds; None where it is none that can be stored, or too much was read."""
        given, data = self._files[name]
        if PurePosixPath(name).suffix.lower() not in kinds or len(data) > self._left:
            return None
        self._left -= len(data)
        try:
            text = wording.text(decoding.text(data), decoding.MOST_OF_ONE)
        except ValueError:
            return None
        self.taken.add(given)
        return text

    def _parsed(self, name: str, text: str) -> Any:
        try:
            return decoding.from_json(text) if name.lower().endswith(".json") else decoding.from_yaml(text)
        except Refused:
            return None


def _matches(name: list[str], pattern: list[str]) -> bool:
    return len(name) == len(pattern) and all(map(fnmatchcase, name, pattern))
