"""Whether a JSON value is what a JSON schema asks for, in bounded work, fetching nothing.

Schemas are written by members, values by models, and one worker serves many workspaces: neither may hold it up. So keywords
are counted, patterns run in an engine that never backtracks (Rust's, which pydantic carries), and a `$ref` that leads out
of the schema leads nowhere. A schema is read as the draft that it names, else as 2020-12; `format` is an annotation, and
`unevaluatedItems` and `unevaluatedProperties` are not checked.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import lru_cache
from itertools import islice
from typing import Any

from jsonschema import (
    Draft4Validator,
    Draft6Validator,
    Draft7Validator,
    Draft201909Validator,
    Draft202012Validator,
)
from referencing import Registry
from referencing.exceptions import Unresolvable

from aiapp.executions.outputs.schema_keywords import TooMuchWork, Work, bounded, work_left
from aiapp.prompt_templates.text import json_schemas

# A prompt template keeps no larger one.
MAX_SCHEMA = 100 * 1024
MAX_PROBLEMS = 50
MAX_MESSAGE = 300
_DRAFTS: dict[str, Any] = {
    "http://json-schema.org/draft-04/schema": Draft4Validator,
    "http://json-schema.org/draft-06/schema": Draft6Validator,
    "http://json-schema.org/draft-07/schema": Draft7Validator,
    "https://json-schema.org/draft/2019-09/schema": Draft201909Validator,
}


@dataclass(frozen=True, slots=True)
class Verdict:
    """`valid` is None where it could not be decided; `problems` say why, or what is wrong and where."""

    valid: bool | None
    problems: tuple[str, ...] = ()


def check(value: Any, schema: Any) -> Verdict:
    """Compare a JSON value with a JSON schema. Every schema and value has a verdict."""
    problem = schema_problem(schema)
    if problem is not None:
        return Verdict(None, (problem,))
    text = json.dumps(schema)
    work = Work()
    token = work_left.set(work)
    try:
        work.weigh(value)
        errors = list(islice(_validator(text).iter_errors(value), MAX_PROBLEMS + 1))
    except TooMuchWork:
        return Verdict(None, ("The answer could not be compared with its JSON schema: that takes too long.",))
    except Unresolvable as error:
        return Verdict(None, (_cut(f"The JSON schema refers to {error.ref!r}, which is not in it."),))
    except RecursionError:
        return Verdict(None, ("The JSON schema refers to itself without end, or the answer is nested too deeply.",))
    except (ArithmeticError, LookupError, TypeError, ValueError) as error:
        # a schema can pass its own check and still make no sense: a broken $id, a number without bounds
        return Verdict(None, (_cut(f"The JSON schema cannot be applied: {error}"),))
    finally:
        work_left.reset(token)
    problems = [_cut(f"{error.json_path}: {error.message}") for error in errors[:MAX_PROBLEMS]]
    if len(errors) > MAX_PROBLEMS:
        problems.append("… and more.")
    notes = [f"The pattern {pattern[:100]!r} could not be checked." for pattern in sorted(work.unreadable)]
    if problems:
        return Verdict(False, (*problems, *notes))
    return Verdict(None if notes else True, tuple(notes))


def schema_problem(schema: Any) -> str | None:
    """Return why `schema` cannot be used as a JSON schema; None where it can.

    Members' schemas are looked at when they are written. This is for those that were saved before that, and for other callers'.
    """
    try:
        text = json.dumps(schema, allow_nan=False)
    except (TypeError, ValueError, RecursionError):
        return "The JSON schema is not JSON, or nested too deeply."
    if len(text) > MAX_SCHEMA:
        return f"The JSON schema is larger than {MAX_SCHEMA:,} characters."
    if isinstance(schema, bool):
        return None
    if not isinstance(schema, dict):
        return "The JSON schema is no object."
    try:
        json_schemas.check(schema)
    except ValueError as error:
        return _cut(f"The JSON schema cannot be used. {error}")
    return None


@lru_cache(maxsize=64)
def _validator(text: str) -> Any:
    schema = json.loads(text)
    return bounded(_draft(schema))(schema, registry=Registry())


def _draft(schema: Any) -> Any:
    named = schema.get("$schema") if isinstance(schema, dict) else None
    return _DRAFTS.get(named.rstrip("#") if isinstance(named, str) else "", Draft202012Validator)


def _cut(text: str) -> str:
    return text if len(text) <= MAX_MESSAGE else text[: MAX_MESSAGE - 1] + "…"
