"""What the forms of batches hold: a table, settings, and where each variable takes its values from."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from flask import request

from aiapp.batches import tables, wishes
from aiapp.batches.tables import Table
from aiapp.batches.wishes import Wish
from aiapp.errors import AppError, InvalidInput

# Before the name of a label, where a form chooses a version.
LABEL = "label:"


def table() -> tuple[Table, str]:
    """Return the table that was uploaded or pasted, and its file's name. Raises InvalidInput where there is none."""
    upload = request.files.get("file")
    if upload is not None and upload.filename:
        with upload.stream:
            data = upload.stream.read(tables.MOST_BYTES + 1)
        name = "".join(sign for sign in upload.filename if sign.isprintable())[:200]
        return tables.read(data, tables.kind_of(data[:100].decode("utf-8", "replace"), name)), name
    pasted = request.form.get("pasted", "")
    if not pasted.strip():
        raise InvalidInput(errors=[{"field": "file", "message": "Choose a file, or paste rows."}])
    return tables.read_text(pasted), ""


def wish(slug: str = "") -> Wish:
    """Return the settings that the form asks for. Raises InvalidInput for what is no number."""
    form = request.form
    version = form.get("version", "")
    label = version.removeprefix(LABEL) if version.startswith(LABEL) else None
    errors: list[dict[str, str]] = []
    typed = {name: form.get(name, "") for name in ("at_once", "per_minute", "max_tokens")}
    numbers = {name: _number(text, name, errors) for name, text in typed.items()}
    number = None if label is not None else _number(version, "version", errors)
    temperature = _decimal(form.get("temperature", ""), "temperature", errors)
    if errors:
        raise InvalidInput(errors=errors)
    return Wish(
        prompt_template=slug or form.get("prompt_template", ""),
        version=number,
        label=label,
        provider=form.get("provider") or None,
        credential_id=form.get("credential_id") or None,
        model=form.get("model") or None,
        temperature=temperature,
        max_tokens=numbers["max_tokens"],
        name=form.get("name", "").strip(),
        priority=form.get("priority") or "low",
        at_once=numbers["at_once"] or wishes.AT_ONCE,
        per_minute=numbers["per_minute"],
    )


def mapping() -> dict[str, dict[str, str]]:
    """Return where each variable takes its values from: a column, else one value for all rows."""
    found: dict[str, dict[str, str]] = {}
    for name in (field.removeprefix("column-") for field in request.form if field.startswith("column-")):
        column, value = request.form.get(f"column-{name}", ""), request.form.get(f"value-{name}", "")
        value = value.replace("\r\n", "\n")  # which browsers send for every line break
        if column:
            found[name] = {"column": column}
        elif value:
            found[name] = {"value": value}
    return found


def by_field(error: AppError) -> dict[str, str]:
    """Return the mistakes by form field; those of rows are told in the list of problems."""
    found: dict[str, str] = {}
    for item in error.errors:
        field = item["field"].partition(".")[0]
        found.setdefault(field, item["message"])
    return found


def typed(values: Mapping[str, Any]) -> dict[str, Any]:
    """Return what stands in the inputs of settings: what was typed last, else what the batch has."""
    return {**values, **{name: value for name, value in request.form.items() if name != "csrf_token"}}


def version_of(asked: Mapping[str, Any]) -> str:
    """Return what the select of versions chooses for how a batch was asked for."""
    return f"{LABEL}{asked['label']}" if "label" in asked else str(asked.get("version", ""))


def _decimal(text: str, field: str, errors: list[dict[str, str]]) -> float | None:
    if not text.strip():
        return None
    try:
        return float(text)
    except ValueError:
        errors.append({"field": field, "message": "Use a number, such as 0.7."})
        return None


def _number(text: str, field: str, errors: list[dict[str, str]]) -> int | None:
    if not text.strip():
        return None
    if not re.fullmatch("[0-9]{1,9}", text.strip()):
        errors.append({"field": field, "message": "Use a whole number."})
        return None
    return int(text)
