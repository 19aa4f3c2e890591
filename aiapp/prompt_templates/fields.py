"""What may be written into a prompt template and its versions: bounds, types, spellings; every mistake at once, by field."""

from __future__ import annotations

import json
import math
import re
import unicodedata
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from jsonschema.exceptions import SchemaError
from jsonschema.validators import Draft202012Validator, validator_for

from aiapp.errors import InvalidInput
from aiapp.prompt_templates import rendering, values
from aiapp.prompt_templates.models import OUTPUT_FORMATS
from aiapp.providers.registry import PROVIDERS

MAX_TEXT = 200 * 1024  # bytes of UTF-8
MAX_SCHEMA = 100 * 1024
MAX_VALUE = 20 * 1024
MAX_VARIABLES = 200
MAX_NAME = 100
MAX_MESSAGES = 50
MAX_TAGS = 20

SLUG = re.compile(r"[a-z0-9]+(?:-[a-z0-9]+)*")
RESERVED = frozenset({"new"})  # a page of the library has this address
_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*(?:\.[A-Za-z_][A-Za-z0-9_]*)*")
# PostgreSQL stores no NUL, UTF-8 no half of a surrogate pair.
_UNSTORABLE = re.compile("[\x00\ud800-\udfff]")
# On one line: control characters, and the marks that make text read backwards, can make one name look like another.
_UNSHOWABLE = re.compile("[\x00-\x1f\x7f-\x9f\ud800-\udfff\u2028\u2029\u202a-\u202e\u2066-\u2069]")
_WHOLE = re.compile(r"[+-]?[0-9]{1,12}")

Reader = Callable[[Any], Any]


def details(given: Mapping[str, Any]) -> dict[str, Any]:
    """Return the details among `given` (name, slug, description, tags, task, active), cleaned. Raises InvalidInput."""
    return _read(given, _DETAILS)


def content(given: Mapping[str, Any]) -> dict[str, Any]:
    """Return what belongs to a version among `given`, cleaned; numbers and the schema may be the text of a form.

    Raises InvalidInput.
    """
    return _read(given, _CONTENT)


def declared(names: Iterable[str], specs: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Return one spec for each used variable: the declared one, else required text without a default."""
    known = {spec["name"]: spec for spec in specs}
    return [dict(known.get(name) or blank(name)) for name in names]


def blank(name: str) -> dict[str, Any]:
    """Return the spec of a variable that nobody has declared yet."""
    return {"name": name, "type": "text", "required": True, "default": None, "description": "", "sample": None}


def slug_of(name: str) -> str:
    """Return a slug made of `name`: its letters without accents, digits and single hyphens; `prompt` where nothing is left."""
    plain = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode().lower()
    return re.sub(r"[^a-z0-9]+", "-", plain).strip("-")[:60].strip("-") or "prompt"


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


def _read(given: Mapping[str, Any], readers: Mapping[str, Reader]) -> dict[str, Any]:
    clean, errors = {}, []
    for field, reader in readers.items():
        if field in given:
            try:
                clean[field] = reader(given[field])
            except _NestedError as error:
                errors.append({"field": f"{field}.{error.path}", "message": str(error)})
            except ValueError as error:
                errors.append({"field": field, "message": str(error)})
    if errors:
        raise InvalidInput(errors=errors)
    return clean


class _NestedError(ValueError):
    """A mistake inside of a list; `path` names the place."""

    def __init__(self, path: str, message: str) -> None:
        super().__init__(message)
        self.path = path


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


def _flag(value: Any) -> bool:
    if not isinstance(value, bool):
        raise ValueError("This is neither true nor false.")
    return value


def _messages(value: Any) -> list[dict[str, str]]:
    items = _objects(value, MAX_MESSAGES, "example messages")
    clean = []
    for number, item in enumerate(items, 1):
        if item.get("role") not in ("user", "assistant"):
            raise _NestedError(str(number), "The role is user or assistant.")
        try:
            clean.append({"role": item["role"], "content": text(item.get("content"))})
        except ValueError as error:
            raise _NestedError(str(number), str(error)) from error
    return clean


def _variables(value: Any) -> list[dict[str, Any]]:
    specs: dict[str, dict[str, Any]] = {}
    for number, item in enumerate(_objects(value, MAX_VARIABLES, "variables"), 1):
        name = item.get("name")
        if not isinstance(name, str) or len(name) > MAX_NAME or not _VARIABLE.fullmatch(name):
            raise _NestedError(str(number), "A name has letters, digits and _, and begins with a letter or _.")
        if name in specs:
            raise _NestedError(name, "This variable is declared twice.")
        specs[name] = _variable(name, item)
    return list(specs.values())


def _variable(name: str, item: Mapping[str, Any]) -> dict[str, Any]:
    spec = blank(name)
    readers: dict[str, Reader] = {
        "type": _one_of(values.VARIABLE_TYPES),
        "required": _flag,
        "description": lambda value: line(value, 500),
        "choices": _choices,
        "default": lambda value: _fitting(value, spec),
        "sample": lambda value: _fitting(value, spec),
    }
    for key, reader in readers.items():  # in this order: default and sample are read by the type and the choices
        if item.get(key) is None or (key == "choices" and spec["type"] != "choice"):
            continue
        try:
            spec[key] = reader(item[key])
        except ValueError as error:
            raise _NestedError(f"{name}.{key}", str(error)) from error
    if spec["type"] == "choice" and not spec.get("choices"):
        raise _NestedError(f"{name}.choices", "Give at least one choice.")
    return spec


def _choices(value: Any) -> list[str]:
    if isinstance(value, str) or not isinstance(value, Sequence) or len(value) > 100:
        raise ValueError("Give a list of at most 100 choices.")
    return list(dict.fromkeys(choice for choice in (line(item, 200) for item in value) if choice))


def _fitting(value: Any, spec: Mapping[str, Any]) -> Any:
    """Return a default or sample that is a value of its variable's type; "" is none."""
    if value == "":
        return None
    _check_json(value, MAX_VALUE)
    values.write(value, spec)
    return text(value, MAX_VALUE) if isinstance(value, str) else value


def _json_schema(value: Any) -> dict[str, Any] | None:
    if isinstance(value, str):
        value = _parsed(value)
    if value is None:
        return None
    if not isinstance(value, dict):
        raise ValueError("A JSON schema is an object.")
    _check_json(value, MAX_SCHEMA)
    try:
        validator_for(value, default=Draft202012Validator).check_schema(value)
    except SchemaError as error:
        raise ValueError(f"This is not a JSON schema: {error.message[:200]}") from error
    except (RecursionError, TypeError, AttributeError) as error:
        raise ValueError("This is not a JSON schema.") from error
    return value


def _parsed(value: str) -> Any:
    if not value.strip():
        return None
    try:
        return json.loads(text(value, MAX_SCHEMA))
    except json.JSONDecodeError as error:
        raise ValueError(f"This is not JSON: {error.msg} (line {error.lineno}, column {error.colno}).") from error
    except RecursionError as error:
        raise ValueError("This JSON is nested too deeply.") from error


def _check_json(value: Any, limit: int) -> None:
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


def _objects(value: Any, limit: int, what: str) -> list[Mapping[str, Any]]:
    if not isinstance(value, list) or not all(isinstance(item, Mapping) for item in value):
        raise ValueError(f"This is not a list of {what}.")
    if len(value) > limit:
        raise ValueError(f"Use at most {limit} {what}.")
    return value


def _one_of(allowed: Iterable[str]) -> Reader:
    def read(value: Any) -> str:
        if value not in (words := tuple(allowed)):
            raise ValueError("Choose one of: " + ", ".join(words) + ".")
        return str(value)

    return read


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
    "active": _flag,
}
_CONTENT: dict[str, Reader] = {
    "system": text,
    "body": text,
    "messages": _messages,
    "variables": _variables,
    "output_format": _one_of(OUTPUT_FORMATS),
    "json_schema": _json_schema,
    "provider": _optional(_one_of(PROVIDERS)),
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


def used(version: Mapping[str, Any]) -> tuple[str, ...]:
    """Return the variables that the parts of a version use, in order. Raises InvalidInput where they are too many."""
    texts = [version["system"], version["body"], *(message["content"] for message in version["messages"])]
    names = rendering.variables(*texts)
    message = ""
    if len(names) > MAX_VARIABLES:
        message = f"This uses {len(names):,} variables; use at most {MAX_VARIABLES}."
    elif any(len(name) > MAX_NAME for name in names):
        message = f"The name of a variable has at most {MAX_NAME} characters."
    if message:
        raise InvalidInput(errors=[{"field": "body", "message": message}])
    return names
