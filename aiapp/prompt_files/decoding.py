"""Bytes of a file as text, JSON or YAML: data and nothing else, within bounds."""

from __future__ import annotations

import json
from typing import Any

from aiapp.prompt_files.found import Refused
from aiapp.prompt_templates.text import front_matter, wording

MOST_OF_ONE = 2 * 1024 * 1024
MOST_AS_JSON = 3 * MOST_OF_ONE  # two bytes of UTF-8 are six there: \u00e9
MOST_BRACKETS = 100_000


def text(data: bytes) -> str:
    """Return the text of a file. Raises Refused."""
    if len(data) > MOST_OF_ONE:
        raise Refused(f"This file is larger than {MOST_OF_ONE // 1024**2} MB.")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise Refused("This is not text in UTF-8.") from error


def from_yaml(source: str) -> Any:
    """Return what a YAML text says. Raises Refused."""
    try:
        return _storable(front_matter.read(source))
    except front_matter.FrontMatterError as error:
        raise Refused(str(error)) from error


def from_json(source: str) -> Any:
    """Return what a JSON text says. Raises Refused."""
    if source.count("[") + source.count("{") > MOST_BRACKETS:
        raise Refused("There is too much in this file.")
    try:
        value = json.loads(source)
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
