"""Asking again: the same once more, with changes, with another version of the prompt template."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from flask import make_response, render_template, request
from werkzeug.wrappers import Response

from aiapp import htmx
from aiapp.errors import AppError, Conflict, InvalidInput, NotFound
from aiapp.executions import actions, choices, provenance, repeating, showing
from aiapp.executions.models import Execution
from aiapp.executions.pages import forms, once
from aiapp.executions.pages.routes import address, blueprint, shown
from aiapp.extensions import db
from aiapp.prompt_templates.text import fetchers
from aiapp.workspaces.access import Access, require


@blueprint.post("/w/<workspace>/executions/<id:execution_id>/rerun")
@require()
def rerun(access: Access, execution_id: str) -> Response:
    """Ask the same once more."""
    parent = access.get(Execution, execution_id)
    return _led_on(access, actions.rerun(access, parent, execution_id=once.execution_id(access)))


@blueprint.get("/w/<workspace>/executions/<id:execution_id>/changes")
@require()
def changes(access: Access, execution_id: str) -> str:
    """The dialog that asks again with changes; `?version=3` has that version chosen, with inputs for what it takes besides."""
    parent = access.get(Execution, execution_id)
    own = parent.prompt_version.number if parent.prompt_version else None
    values = {
        "context": json.dumps(fetchers.without(parent.context, parent.fetched), indent=2, ensure_ascii=False),
        "provider": parent.requested_provider,
        "credential_id": parent.requested_credential_id,
        "model": parent.requested_model,
        "temperature": parent.temperature,
        "version": request.args.get("version", type=int) or own,
    }
    return _dialog(access, parent, values)


@blueprint.post("/w/<workspace>/executions/<id:execution_id>/changes")
@require()
def regenerate(access: Access, execution_id: str) -> Response:
    """Ask again with changes."""
    parent = access.get(Execution, execution_id)
    try:
        made = actions.regenerate(access, parent, forms.changes(parent), execution_id=once.execution_id(access))
    except (InvalidInput, Conflict, NotFound) as error:
        db.session.rollback()
        page = _dialog(access, access.get(Execution, execution_id), request.form, error)
        return make_response(page, error.status)
    return _led_on(access, made)


def _led_on(access: Access, made: Execution) -> Response:
    return htmx.go(address(access, made), showing.UNPINNED if made.unpinned else None, "warn")


def _dialog(access: Access, parent: Execution, values: Mapping[str, Any], error: AppError | None = None) -> str:
    number = str(values.get("version") or "")
    chosen = int(number) if number.isascii() and number.isdigit() and len(number) < 10 else None
    try:
        lacking = choices.lacking(access, parent, chosen)
    except AppError:
        if error is None:
            raise
        lacking = []
    return render_template(
        "executions/changes.html",
        **{**shown(access, parent), **provenance.of(access, parent), **choices.offered(access, parent)},
        credential_options=choices.credentials(access, parent),
        values=values,
        errors=forms.by_field(error) if error is not None else {},
        problem=error.detail if error is not None else "",
        lacking=lacking,
        lets_go=showing.UNPINS if repeating.unpins(access, parent) else "",
    )
