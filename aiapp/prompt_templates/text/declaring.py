"""What is declared of the variables of a version: their types, defaults and samples."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any

from aiapp.errors import InvalidInput
from aiapp.prompt_templates.text import fetchers, rendering, values
from aiapp.prompt_templates.text.wording import NestedError, Reader, check_json, flag, line, objects, one_of, text

MAX_VALUE = 20 * 1024
MAX_VARIABLES = 200
MAX_NAME = 100

_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*(?:\.[A-Za-z_][A-Za-z0-9_]*)*")


def used(version: Mapping[str, Any]) -> tuple[str, ...]:
    """Return the variables that the parts of a version use, in order, but for fetchers.

    Raises InvalidInput where they are too many.
    """
    texts = [version["system"], version["body"], *(message["content"] for message in version["messages"])]
    names = tuple(name for name in rendering.variables(*texts) if not fetchers.is_one(name))
    message = ""
    if len(names) > MAX_VARIABLES:
        message = f"This uses {len(names):,} variables; use at most {MAX_VARIABLES}."
    elif any(len(name) > MAX_NAME for name in names):
        message = f"The name of a variable has at most {MAX_NAME} characters."
    if message:
        raise InvalidInput(errors=[{"field": "body", "message": message}])
    return names


def declared(names: Iterable[str], specs: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Return one spec for each used variable: the declared one, else required text without a default."""
    known = {spec["name"]: spec for spec in specs}
    return [dict(known.get(name) or values.blank(name)) for name in names]


def first_value(spec: Mapping[str, Any]) -> str:
    """Return what the input of a variable starts with: its sample, else its default, else nothing."""
    for value in (spec.get("sample"), spec.get("default")):
        if value is not None:
            return values.as_text(value)
    return ""


def sampled(specs: Iterable[Mapping[str, Any]], typed: Mapping[str, str]) -> list[dict[str, Any]]:
    """Return `specs` with what was typed into their inputs as samples, where it is new and fits the variable's type."""
    return [_sampled(dict(spec), typed.get(spec["name"])) for spec in specs]


def own(
    given: Iterable[Mapping[str, Any]], inherited: Mapping[str, Mapping[str, Any]], kept: Collection[str] = ()
) -> list[dict[str, Any]]:
    """Return declarations as a form gives them, without what only repeats what an included prompt template says.

    Arguments:
        kept: the variables whose declarations are not only the included one's: they stay when the include goes.
    """
    return [
        {**values.blank(spec["name"]), "sample": _other(spec, inherited[spec["name"]], "sample")}
        if spec["name"] in inherited and spec["name"] not in kept and _repeats(spec, inherited[spec["name"]])
        else dict(spec)
        for spec in given
    ]


def read(value: Any) -> list[dict[str, Any]]:
    """Return declarations as they are stored. Raises ValueError, for mistakes in them NestedError with all of these."""
    specs: dict[str, dict[str, Any]] = {}
    mistakes: list[tuple[str, str]] = []
    for number, item in enumerate(objects(value, MAX_VARIABLES, "variables"), 1):
        name = item.get("name")
        if not isinstance(name, str) or len(name) > MAX_NAME or not _VARIABLE.fullmatch(name):
            mistakes.append((str(number), "A name has letters, digits and _, and begins with a letter or _."))
        elif name in specs:
            mistakes.append((name, "This variable is declared twice."))
        else:
            specs[name], wrong = _variable(name, item)
            mistakes += [(f"{name}.{key}", message) for key, message in wrong.items()]
    if mistakes:
        raise NestedError(*mistakes)
    return list(specs.values())


def _variable(name: str, item: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, str]]:
    """Return a declaration, and what is wrong with it, by key."""
    spec = values.blank(name)
    wrong: dict[str, str] = {}
    readers: dict[str, Reader] = {
        "type": one_of(values.VARIABLE_TYPES),
        "required": flag,
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
            wrong[key] = str(error)
    if spec["type"] == "choice" and not spec.get("choices"):
        wrong.setdefault("choices", "Give at least one choice.")
    return spec, wrong


def _repeats(spec: Mapping[str, Any], said: Mapping[str, Any]) -> bool:
    keys = ["type", "required", "default", "description", *(["choices"] if said.get("choices") else [])]
    return all(_other(spec, said, key) is None for key in keys)


def _other(spec: Mapping[str, Any], said: Mapping[str, Any], key: str) -> Any:
    """Return what a form gives for `key`, None where it is what is `said` already; a form gives "" for nothing."""
    value, known = spec.get(key), said.get(key)
    if value == known or values.as_text(value or "") == values.as_text(known or "" if known is not False else known):
        return None
    return value


def _sampled(spec: dict[str, Any], typed: str | None) -> dict[str, Any]:
    if typed is None:
        return spec
    try:
        sample = _fitting(typed, spec)
    except ValueError:
        return spec
    return spec if (sample or "") == first_value(spec) else {**spec, "sample": sample}


def _choices(value: Any) -> list[str]:
    if isinstance(value, str) or not isinstance(value, Sequence) or len(value) > 100:
        raise ValueError("Give a list of at most 100 choices.")
    return list(dict.fromkeys(choice for choice in (line(item, 200) for item in value) if choice))


def _fitting(value: Any, spec: Mapping[str, Any]) -> Any:
    """Return a default or sample that is a value of its variable's type; "" is none."""
    if value == "":
        return None
    check_json(value, MAX_VALUE)
    values.write(value, spec)
    return text(value, MAX_VALUE) if isinstance(value, str) else value
