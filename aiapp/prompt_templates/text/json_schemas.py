"""Whether a value is a JSON schema, in bounded work: members write schemas, and a page asks about one each time it is shown."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from functools import cache, lru_cache
from typing import Any

import attrs
from jsonschema import Draft202012Validator, FormatChecker, SchemaError, ValidationError
from jsonschema.validators import extend, validator_for
from pydantic_core import SchemaError as PatternError
from pydantic_core import SchemaValidator, core_schema

MAX_VALUES = 5_000
MAX_CHOICES = 500
# More patterns, and longer ones, are not looked at: an answer is not compared with them either.
MAX_PATTERNS = 20
MAX_PATTERN = 500

_NOT_ONE = "This is not a JSON schema."
# Python tries each letter of a range on its own where case is ignored.
_IGNORES_CASE = re.compile(r"\(\?[a-zA-Z]*i")


def check(schema: dict[str, Any]) -> None:
    """Raise ValueError, with a sentence for people, unless `schema`, which is JSON, is a JSON schema of bearable size.

    It is read as the draft that it names, else as 2020-12.
    """
    _demand_small(schema)
    problem = _problem(json.dumps(schema))
    if problem is not None:
        raise ValueError(problem)


def _demand_small(schema: dict[str, Any]) -> None:
    count = 0
    rest: list[Any] = [schema]
    while rest:
        item = rest.pop()
        count += 1
        if isinstance(item, dict):
            choices = item.get("enum")
            if isinstance(choices, list) and len(choices) > MAX_CHOICES:
                raise ValueError(f"An enum of a JSON schema has at most {MAX_CHOICES:,} values.")
            rest += item.values()
        elif isinstance(item, list):
            rest += item
        if count + len(rest) > MAX_VALUES:
            raise ValueError(f"A JSON schema has at most {MAX_VALUES:,} values.")


@lru_cache(maxsize=64)
def _problem(text: str) -> str | None:
    schema = json.loads(text)
    try:
        draft = validator_for(schema, default=Draft202012Validator)
        found = next(_bounded(draft)(draft.META_SCHEMA, format_checker=_patterns()).iter_errors(schema), None)
    except RecursionError:
        return "This JSON schema is nested too deeply."
    except (ArithmeticError, AttributeError, LookupError, SchemaError, TypeError, ValueError):
        return _NOT_ONE
    if found is None:
        return None
    place = " → ".join(str(step) for step in found.absolute_path)[-200:]
    return f"{_NOT_ONE[:-1]}: {place + ': ' if place else ''}{found.message[:200]}"


@cache
def _bounded(draft: Any) -> Any:
    """Return the validator of a draft's own schema with a `uniqueItems` that does not compare each item with each."""
    validator: Any = extend(validator_for(draft.META_SCHEMA, default=draft), {"uniqueItems": _unique_items})  # type: ignore[no-untyped-call]
    # its own evolve() takes another validator for any part of a schema that names a draft
    validator.evolve = attrs.evolve
    return validator


def _unique_items(validator: Any, wanted: bool, instance: Any, schema: Any) -> Iterator[ValidationError]:
    if wanted and isinstance(instance, list) and len({_spelt(item) for item in instance}) < len(instance):
        yield ValidationError("has items that are equal")


def _spelt(item: Any) -> str:
    """Return a text that two JSON values share where they are equal: 1 is 1.0, but true is not 1."""
    if isinstance(item, dict):
        return "{" + ",".join(f"{json.dumps(name)}:{_spelt(item[name])}" for name in sorted(item)) + "}"
    if isinstance(item, list):
        return "[" + ",".join(map(_spelt, item)) + "]"
    if isinstance(item, float) and item.is_integer():
        return str(int(item))
    return json.dumps(item)


def _patterns() -> FormatChecker:
    """Return a checker of the patterns of one schema. No other format of a draft's own schema is looked at."""
    checker = FormatChecker(formats=())
    seen: set[str] = set()

    @checker.checks("regex")
    def readable(pattern: object) -> bool:
        if not isinstance(pattern, str) or len(pattern) > MAX_PATTERN or len(seen | {pattern}) > MAX_PATTERNS:
            return True
        seen.add(pattern)
        return _readable(pattern)

    return checker


def _readable(pattern: str) -> bool:
    """Whether somebody can read a pattern: the engine that compares answers, or Python, which also looks ahead and back."""
    try:
        SchemaValidator(core_schema.str_schema(pattern=pattern, regex_engine="rust-regex"))
    except PatternError:
        try:
            return bool(_IGNORES_CASE.search(pattern) or re.compile(pattern))
        except (re.error, OverflowError, RecursionError):
            return False
    return True
