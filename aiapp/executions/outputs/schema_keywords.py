"""The keywords of JSON schemas in bounded work: counted, and the costly ones by other means than jsonschema's own."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from contextvars import ContextVar
from dataclasses import dataclass, field
from functools import cache
from typing import Any

import attrs
from jsonschema import ValidationError
from jsonschema.validators import extend
from pydantic_core import SchemaError as PatternError
from pydantic_core import SchemaValidator, core_schema

# A step is one keyword at one place, and more where either is large; all of them take about two seconds.
MAX_STEPS = 200_000
# An anchor is searched in the whole schema each time it is followed.
ANCHOR_STEPS = 1_000
MAX_PATTERNS = 20
MAX_PATTERN = 500


class TooMuchWork(Exception):
    """The steps are used up."""


@dataclass(slots=True)
class Work:
    """What one comparison may still do, and what it has found out."""

    steps: int = MAX_STEPS
    weights: dict[int, int] = field(default_factory=dict)
    patterns: dict[str, SchemaValidator | None] = field(default_factory=dict)
    unreadable: set[str] = field(default_factory=set)

    def spend(self, steps: int) -> None:
        self.steps -= steps
        if self.steps < 0:
            raise TooMuchWork

    def weigh(self, value: Any) -> int:
        """Note how large each container of a value is, and return it in steps: a message about it repeats it all."""
        if isinstance(value, dict):
            weight = sum(1 + len(key) // 500 + self.weigh(inner) for key, inner in value.items())
        elif isinstance(value, list):
            weight = sum(1 + self.weigh(inner) for inner in value)
        else:
            return len(value) // 500 if isinstance(value, str) else 0
        self.weights[id(value)] = weight // 20
        return weight

    def weight(self, value: Any) -> int:
        return len(value) // 500 if isinstance(value, str) else self.weights.get(id(value), 0)

    def matches(self, pattern: str, text: str) -> bool:
        """Whether a pattern is found in a text; a pattern that cannot be checked is noted, and found."""
        self.spend(len(text) // 500)
        if pattern not in self.patterns:
            self.patterns[pattern] = _compiled(pattern) if len(self.patterns) < MAX_PATTERNS else None
        engine = self.patterns[pattern]
        if engine is None:
            self.unreadable.add(pattern)
        return engine is None or engine.isinstance_python(text)


work_left: ContextVar[Work] = ContextVar("work_left")


def _compiled(pattern: str) -> SchemaValidator | None:
    if len(pattern) > MAX_PATTERN:
        return None
    try:
        return SchemaValidator(core_schema.str_schema(pattern=pattern, regex_engine="rust-regex", strict=True))
    except PatternError:
        return None


Keyword = Callable[[Any, Any, Any, Any], Iterator[ValidationError] | None]


def _counted(name: str, keyword: Keyword) -> Keyword:
    def counted(validator: Any, value: Any, instance: Any, schema: Any) -> Iterator[ValidationError] | None:
        work = work_left.get()
        breadth = len(value) // 8 if isinstance(value, list | dict) else 0
        work.spend(1 + breadth + work.weight(instance) + _reference_steps(name, value))
        return keyword(validator, value, instance, schema)

    return counted


def _reference_steps(name: str, value: Any) -> int:
    """Return what following a reference costs: an anchor is searched in the whole schema each time."""
    if name not in _REFERENCES:
        return 0
    return 10 if str(value).startswith("#/") else ANCHOR_STEPS


def _pattern(validator: Any, pattern: str, instance: Any, schema: Any) -> Iterator[ValidationError]:
    if isinstance(instance, str) and not work_left.get().matches(pattern, instance):
        yield ValidationError(f"{instance!r} does not match {pattern!r}")


def _pattern_properties(
    validator: Any, patterns: Mapping[str, Any], instance: Any, schema: Any
) -> Iterator[ValidationError]:
    if isinstance(instance, dict):
        for pattern, subschema in patterns.items():
            for name, inner in instance.items():
                work_left.get().spend(1)
                if work_left.get().matches(pattern, name):
                    yield from validator.descend(inner, subschema, path=name, schema_path=pattern)


def _additional_properties(
    validator: Any, subschema: Any, instance: Any, schema: Mapping[str, Any]
) -> Iterator[ValidationError]:
    if not isinstance(instance, dict):
        return
    known, patterns = schema.get("properties", {}), schema.get("patternProperties", {})
    for name, inner in instance.items():
        work_left.get().spend(1 + len(patterns))
        if name in known or any(work_left.get().matches(pattern, name) for pattern in patterns):
            continue
        if subschema is False:
            yield ValidationError(f"{name!r} is not allowed here")
        else:
            yield from validator.descend(inner, subschema, path=name)


def _unique_items(validator: Any, wanted: bool, instance: Any, schema: Any) -> Iterator[ValidationError]:
    if wanted and isinstance(instance, list) and len(set(map(_frozen, instance))) < len(instance):
        yield ValidationError("has items that are equal")


def _enum(validator: Any, choices: list[Any], instance: Any, schema: Any) -> Iterator[ValidationError]:
    work_left.get().spend(sum(_breadth(choice) for choice in choices))
    if _frozen(instance) not in map(_frozen, choices):
        yield ValidationError(f"{instance!r} is not one of {choices!r}")


def _const(validator: Any, wanted: Any, instance: Any, schema: Any) -> Iterator[ValidationError]:
    work_left.get().spend(_breadth(wanted))
    if _frozen(instance) != _frozen(wanted):
        yield ValidationError(f"{wanted!r} was expected")


def _breadth(value: Any) -> int:
    return len(json.dumps(value)) // 20 if isinstance(value, list | dict) else 0


def _frozen(value: Any) -> Any:
    """Return a value that is hashable, and equal to another's where JSON values are: 1 is 1.0, but true is not 1.

    Numbers become text: anyone can write numbers whose hashes collide.
    """
    if isinstance(value, dict):
        return frozenset((key, _frozen(inner)) for key, inner in value.items())
    if isinstance(value, list):
        return ("list", *map(_frozen, value))
    if isinstance(value, int | float) and not isinstance(value, bool):
        return ("number", str(int(value) if value == int(value) else value))
    return ("constant", str(value)) if value is None or isinstance(value, bool) else value


def _unchecked(validator: Any, value: Any, instance: Any, schema: Any) -> None:
    return None


_REFERENCES = {"$ref", "$dynamicRef", "$recursiveRef"}
_OURS: dict[str, Keyword] = {
    "pattern": _pattern,
    "patternProperties": _pattern_properties,
    "additionalProperties": _additional_properties,
    "uniqueItems": _unique_items,
    "enum": _enum,
    "const": _const,
    "unevaluatedItems": _unchecked,
    "unevaluatedProperties": _unchecked,
}


@cache
def bounded(draft: Any) -> Any:
    """Return a draft's validator with every keyword counted and the costly ones replaced by ours."""
    keywords = {name: _counted(name, _OURS.get(name, keyword)) for name, keyword in draft.VALIDATORS.items()}
    validator: Any = extend(draft, keywords)  # type: ignore[no-untyped-call]
    # its own evolve() takes an unbounded validator for any part of a schema that names a draft
    validator.evolve = attrs.evolve
    return validator
