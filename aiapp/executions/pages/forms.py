"""What the forms that run something hold: a prompt template's variables, a text, or changes to an execution."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any

from flask import request

from aiapp.errors import AppError, InvalidInput
from aiapp.executions.models import Execution
from aiapp.executions.submission import Submission
from aiapp.prompt_templates.text import fetchers
from aiapp.providers.json_text import in_words


def submission(side: str = "") -> Submission:
    """Return what the form asks for. Raises InvalidInput for what cannot even be read.

    Arguments:
        side: the place, of a form that asks for several: what differs has it before its name (`2-model`).
    """
    form = request.form.to_dict()
    if side:
        form |= {name.removeprefix(f"{side}-"): form[name] for name in form if name.startswith(f"{side}-")}
    template = form.get("prompt_template") or None
    return Submission(
        prompt_template=template,
        version=_number(form.get("version"), "version"),
        template=None if template else form.get("template", ""),
        system=None if template else form.get("system") or None,
        context=_context(form),
        format=form.get("format") or None,
        provider=form.get("provider") or None,
        credential_id=form.get("credential_id") or None,
        model=form.get("model") or None,
        temperature=form.get("temperature") or None,  # type: ignore[arg-type]  # the check reads a form's text too
        max_tokens=form.get("max_tokens") or None,  # type: ignore[arg-type]
        priority=form.get("priority") or "default",
        source="preview" if form.get("source") == "preview" else "page",
    )


def _context(form: Mapping[str, str]) -> dict[str, Any]:
    """Return the context: the pasted JSON, and over it the variables that were typed one by one."""
    return {**_pasted(form), **_typed(form)}


def _pasted(form: Mapping[str, str]) -> dict[str, Any]:
    pasted = form.get("context", "").strip()
    context: Any = {}
    if pasted:
        try:
            context = json.loads(pasted)
        except (ValueError, RecursionError) as error:
            message = "This is nested too deep, or has a number that is too long."
            if isinstance(error, json.JSONDecodeError):
                message = in_words(error)
            raise InvalidInput(errors=[{"field": "context", "message": message}]) from error
        if not isinstance(context, dict):
            raise InvalidInput(errors=[{"field": "context", "message": "Write an object: {…}."}])
    return dict(context)


def _typed(form: Mapping[str, str]) -> dict[str, Any]:
    return {name.removeprefix("var-"): form[name] for name in form if name.startswith("var-") and form[name] != ""}


def changes(parent: Execution) -> dict[str, Any]:
    """Return what the form asks to be different from `parent`, None where a choice was let go of. Raises InvalidInput."""
    form = request.form
    found: dict[str, Any] = {}
    kept = fetchers.without(parent.context, parent.fetched)
    context, typed = _pasted(form) if "context" in form else kept, _typed(form)
    if context != kept:
        found["context"] = {**context, **typed}
    elif typed:
        found["more"] = typed
    version = _other_version(form.get("version"), parent)
    if version is not None:
        found["version"] = version
    before = {
        "provider": parent.requested_provider,
        "credential_id": parent.requested_credential_id,
        "model": parent.requested_model,
        "temperature": parent.temperature,
    }
    for name, value in before.items():
        # what the form began with is no change: another version has a choice of its own
        if name in form and form[name].strip() != ("" if value is None else str(value)):
            found[name] = form[name].strip() or None
    return found


def variants(sides: Sequence[str]) -> dict[str, dict[str, Any]]:
    """Return the changes of each row of a form that names something (`2-version`, `2-provider`, `2-model`), by its side.

    Values that were typed for variables are for all of them. Raises InvalidInput.
    """
    form = request.form
    found: dict[str, dict[str, Any]] = {}
    for side in sides:
        given = {
            "version": _number(form.get(f"{side}-version"), "version"),
            "provider": form.get(f"{side}-provider"),
            "model": form.get(f"{side}-model", "").strip(),
        }
        named = {name: value for name, value in given.items() if value}
        if named:
            found[side] = {**named, "more": _typed(form)}
    return found


def missing_of(error: AppError) -> list[str]:
    """Return the variables that an error of several submissions says have no value, each once."""
    names = (item["field"].partition(".context.")[2] for item in error.errors)
    return [name for name in dict.fromkeys(names) if name]


def _other_version(text: str | None, parent: Execution) -> int | None:
    number = _number(text, "version")
    own = parent.prompt_version.number if parent.prompt_version else None
    return None if number == own else number


def _number(text: str | None, field: str) -> int | None:
    if not text:
        return None
    if not re.fullmatch("[0-9]{1,9}", text):
        raise InvalidInput(errors=[{"field": field, "message": "Use a whole number."}])
    return int(text)


def by_field(error: AppError) -> dict[str, str]:
    """Return the mistakes by form field; those of single variables stand together under the context."""
    fields: dict[str, str] = {}
    for item in error.errors:
        field, _, variable = item["field"].partition(".")
        message = f"{variable}: {item['message']}" if variable else item["message"]
        fields[field] = f"{fields[field]} {message}" if field in fields else message
    return fields
