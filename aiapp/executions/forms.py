"""What the forms that run something hold: a prompt template's variables, a text, or changes to an execution."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

from flask import request

from aiapp.errors import AppError, InvalidInput
from aiapp.executions.models import Execution
from aiapp.executions.submission import Submission


def submission(side: str = "") -> Submission:
    """Return what the form asks for. Raises InvalidInput for what cannot even be read.

    Arguments:
        side: left or right, of a form that asks for two: what differs has it before its name (`left-model`).
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
    pasted = form.get("context", "").strip()
    context: Any = {}
    if pasted:
        try:
            context = json.loads(pasted)
        except (ValueError, RecursionError) as error:
            message = f"This is not JSON: {error}" if isinstance(error, ValueError) else "This is nested too deep."
            raise InvalidInput(errors=[{"field": "context", "message": message}]) from error
        if not isinstance(context, dict):
            raise InvalidInput(errors=[{"field": "context", "message": "Write an object: {…}."}])
    typed = {name.removeprefix("var-"): form[name] for name in form if name.startswith("var-") and form[name] != ""}
    return {**context, **typed}


def changes(parent: Execution) -> dict[str, Any]:
    """Return what the form asks to be different from `parent`. Raises InvalidInput."""
    form = request.form
    context = _context(form)
    given = {
        "context": context if context != parent.context else None,
        "provider": form.get("provider") if form.get("provider") != (parent.requested_provider or "") else None,
        "model": form.get("model") or None,
        "temperature": form.get("temperature") or None,
        "version": _number(form.get("version"), "version"),
    }
    return {name: value for name, value in given.items() if value}


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
