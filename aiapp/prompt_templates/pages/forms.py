"""What the forms of prompt templates send, as the values that actions take."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from contextlib import suppress
from typing import Any

from flask import request

from aiapp.errors import AppError
from aiapp.prompt_templates import contexts

_LIMIT = 400  # more variables than any version has


def errors_of(error: AppError) -> dict[str, str]:
    """Return field -> message, for a form that shows itself again."""
    return {item["field"]: item["message"] for item in error.errors}


def typed_text() -> dict[str, Any]:
    """Return the parts of the prompt that this form has."""
    typed: dict[str, Any] = {field: request.form[field] for field in ("system", "body") if field in request.form}
    if "has_messages" in request.form:
        typed["messages"] = _messages()
    return typed


def typed_values() -> dict[str, str]:
    """Return the typed values of variables, by name: fields are called `var-<name>`; `context` is all of them as JSON."""
    names = [field for field in request.form if field.startswith("var-")][:_LIMIT]
    values = {field.removeprefix("var-"): request.form[field] for field in names}
    with suppress(ValueError):  # what is wrong with it is said beside it
        values = {**contexts.typed(contexts.read(request.form.get("context", ""))), **values}
    return values


def pasted(names: Iterable[str]) -> contexts.Pasted | None:
    """Return the context that was typed as JSON for these variables; None where they have inputs."""
    return contexts.pasted(request.form["context"], names) if "context" in request.form else None


def touched() -> frozenset[str] | None:
    """Return the variables whose inputs somebody has typed in; None, which is all of them, once a run was asked for."""
    names = frozenset(request.form.get("touched", "").split()[:_LIMIT])
    return None if "*" in names else names


def typed_number(field: str) -> int | None:
    """Return a small whole number; None where the form has none."""
    value = request.form.get(field, "")
    return int(value) if value.isascii() and value.isdigit() and len(value) < 10 else None


def details() -> dict[str, Any]:
    """Return what the form of a template's details says."""
    given: dict[str, Any] = {
        field: request.form[field] for field in ("name", "slug", "description", "task") if field in request.form
    }
    if "tags" in request.form:
        given["tags"] = request.form["tags"].split(",")
    if not given.get("slug"):
        given.pop("slug", None)
    return given


def settings(specs: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
    """Return what the form of a version's settings says; `specs` is what is declared of its variables before."""
    plain = ("output_format", "json_schema", "provider", "model", "temperature", "max_tokens")
    given: dict[str, Any] = {field: request.form[field] for field in plain if field in request.form}
    given["variables"] = list(_variables(specs))
    return given


def _messages() -> list[dict[str, str]]:
    """Return the example messages in the order of their fields, as the button left them that was pressed without a script.

    `part` is `add`, or `up`, `down` or `remove` with the number of a message.
    """
    pairs = zip(request.form.getlist("message-role"), request.form.getlist("message-content"), strict=False)
    found = [{"role": role, "content": content} for role, content in pairs]
    what, _, number = request.form.get("part", "").partition("-")
    at = int(number) - 1 if number.isascii() and number.isdigit() and len(number) < 5 else -1
    if what == "add":
        last = found[-1]["role"] if found else "assistant"
        found.append({"role": "assistant" if last == "user" else "user", "content": ""})
    elif 0 <= at < len(found):
        moved = found.pop(at)
        if what != "remove":
            found.insert(max(0, at + {"up": -1, "down": 1}.get(what, 0)), moved)
    return found


def _variables(specs: Iterable[Mapping[str, Any]]) -> Iterable[dict[str, Any]]:
    form = request.form
    for spec in specs:
        name = spec["name"]
        if f"type-{name}" not in form:  # declared meanwhile: not on this form
            yield dict(spec)
            continue
        typed = {key: form.get(f"{key}-{name}", "") for key in ("type", "default", "sample", "description")}
        yield {
            "name": name,
            **typed,
            "required": f"required-{name}" in form,
            "choices": form.get(f"choices-{name}", "").splitlines(),
        }
