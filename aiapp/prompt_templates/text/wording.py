"""Words and JSON that everybody can read and every database stores; what is not raises ValueError with a sentence for people."""

from __future__ import annotations

import json
import re
import unicodedata
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from aiapp.errors import InvalidInput
from aiapp.providers.json_text import in_words

Reader = Callable[[Any], Any]

MAX_TEXT = 200 * 1024  # bytes of UTF-8

# PostgreSQL stores no NUL, UTF-8 no half of a surrogate pair.
_UNSTORABLE = re.compile("[\x00\ud800-\udfff]")
# On one line: control characters, and the marks that make text read backwards, can make one name look like another.
_UNSHOWABLE = re.compile("[\x00-\x1f\x7f-\x9f\ud800-\udfff\u2028\u2029\u202a-\u202e\u2066-\u2069]")


class NestedError(ValueError):
    """Mistakes inside of a list, each `(path, message)`: the path names the place."""

    def __init__(self, *mistakes: tuple[str, str]) -> None:
        super().__init__(" ".join(message for _, message in mistakes))
        self.mistakes = mistakes


def line(value: Any, limit: int, *, required: bool = False) -> str:
    """Return text of one line with single spaces. Raises ValueError."""
    if not isinstance(value, str):
        raise ValueError("This is not text.")
    clean = " ".join(value.split())
    if _UNSHOWABLE.search(clean):
        raise ValueError("This contains a character that cannot be shown on one line.")
    if len(clean) > limit or (required and not clean):
        raise ValueError(f"Use {'1 to' if required else 'at most'} {limit} characters.")
    return clean


def text(value: Any, limit: int = MAX_TEXT) -> str:
    """Return text of many lines with plain line ends; `limit` is in bytes of UTF-8. Raises ValueError."""
    if not isinstance(value, str):
        raise ValueError("This is not text.")
    if _UNSTORABLE.search(value):
        raise ValueError("This contains a character that cannot be stored: NUL, or half of a surrogate pair.")
    clean = value.replace("\r\n", "\n").replace("\r", "\n")
    if len(clean.encode()) > limit:
        raise ValueError(f"This is longer than {limit // 1024} KB.")
    return clean


def flag(value: Any) -> bool:
    """Return a boolean."""
    if not isinstance(value, bool):
        raise ValueError("This is neither true nor false.")
    return value


def slug_of(name: str) -> str:
    """Return a slug made of `name`: its letters without accents, digits and single hyphens; `prompt` where nothing is left."""
    plain = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode().lower()
    return re.sub(r"[^a-z0-9]+", "-", plain).strip("-")[:60].strip("-") or "prompt"


def check_json(value: Any, limit: int) -> None:
    """Raise ValueError unless `value` is JSON that both databases store, of at most `limit` bytes."""
    try:
        size = len(json.dumps(value, allow_nan=False))
    except (TypeError, ValueError, RecursionError) as error:
        raise ValueError("This cannot be written as JSON.") from error
    if size > limit:
        raise ValueError(f"This is longer than {limit // 1024} KB.")
    rest = [value]
    while rest:
        item = rest.pop()
        if isinstance(item, str):
            text(item, limit)
        elif isinstance(item, dict):
            rest += [*item, *item.values()]
        elif isinstance(item, list):
            rest += item


def parsed(value: str, limit: int) -> Any:
    """Return the JSON that `value` is the text of; None for a blank one."""
    clean = text(value, limit)
    if not clean.strip():
        return None
    try:
        return json.loads(clean)
    except json.JSONDecodeError as error:
        raise ValueError(in_words(error)) from error
    except RecursionError as error:
        raise ValueError("This JSON is nested too deeply.") from error
    except ValueError as error:  # Python reads no number of more than 4,300 digits
        raise ValueError("This JSON has a number that is too long.") from error


def objects(value: Any, limit: int, what: str) -> list[Mapping[str, Any]]:
    """Return a list of at most `limit` objects; `what` they are called."""
    if not isinstance(value, list) or not all(isinstance(item, Mapping) for item in value):
        raise ValueError(f"This is not a list of {what}.")
    if len(value) > limit:
        raise ValueError(f"Use at most {limit} {what}.")
    return value


def one_of(allowed: Iterable[str]) -> Reader:
    """Return a reader of one of these words."""

    def read(value: Any) -> str:
        if value not in (words := tuple(allowed)):
            raise ValueError("Choose one of: " + ", ".join(words) + ".")
        return str(value)

    return read


def message(value: str) -> str:
    """Return a message for the history. Raises InvalidInput."""
    try:
        return line(value, 500)
    except ValueError as error:
        raise InvalidInput(errors=[{"field": "message", "message": str(error)}]) from error
