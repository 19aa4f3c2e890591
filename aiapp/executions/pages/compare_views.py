"""Executions of one input beside each other: several versions of a prompt template, or several models."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from flask import make_response, render_template, request, url_for
from werkzeug.wrappers import Response

from aiapp import htmx
from aiapp.columns import new_id
from aiapp.errors import AppError, Conflict, Denied, InvalidInput, NotFound
from aiapp.executions import actions, choices
from aiapp.executions.models import Execution
from aiapp.executions.pages import forms, once
from aiapp.executions.pages.routes import SIDES, blueprint, shown
from aiapp.extensions import db
from aiapp.workspaces.access import Access, missing, require


@blueprint.post("/w/<workspace>/executions/compare")
@require()
def create_compared(access: Access) -> Response:
    """Submit the form's values several times, as test runs: what differs has its side before its name (`2-model`)."""
    sides = [side for side in SIDES if any(name.startswith(f"{side}-") for name in request.form)]
    try:
        made = actions.compare(
            access,
            [replace(forms.submission(side), source="preview") for side in sides],
            execution_ids=[once.execution_id(access, side) for side in sides],
        )
    except (InvalidInput, Conflict, NotFound, Denied) as error:
        db.session.rollback()
        return _refused(access, error)
    if htmx.wanted():
        return htmx.fragment("executions/_compared.html", **_beside(access, made))
    return htmx.go(_address(access, made))


@blueprint.get("/w/<workspace>/executions/compare")
@require()
def compared(access: Access) -> str:
    """Executions beside each other (`?id=…&id=…`), those that run live."""
    ids = request.args.getlist("id")
    if not 1 <= len(ids) <= actions.MOST_COMPARED or not all(re.fullmatch("[0-9a-f]{32}", one) for one in ids):
        raise missing(Execution)
    made = [access.get(Execution, one) for one in dict.fromkeys(ids)]
    return render_template("executions/compared.html", **_beside(access, made))


@blueprint.get("/w/<workspace>/executions/<id:execution_id>/compare")
@require()
def compare_form(access: Access, execution_id: str) -> str:
    """The form that asks an execution's input of other versions or models."""
    return _form(access, access.get(Execution, execution_id))


@blueprint.post("/w/<workspace>/executions/<id:execution_id>/compare")
@require()
def compare_again(access: Access, execution_id: str) -> Response:
    """Ask its input of those that the form names, and show them beside it; rows that name nothing are left out."""
    parent = access.get(Execution, execution_id)
    try:
        variants = forms.variants(SIDES[1:])
        if not variants:
            raise InvalidInput("Choose a version, a provider or a model in at least one row.")
        ids = [once.execution_id(access, side) for side in variants]
        made = actions.compare_again(access, parent, [*variants.values()], execution_ids=ids)
    except (InvalidInput, Conflict) as error:
        db.session.rollback()
        page = _form(access, access.get(Execution, execution_id), error=error)
        return make_response(page, error.status)
    return htmx.go(_address(access, [parent, *made]))


def _address(access: Access, made: Sequence[Execution]) -> str:
    return url_for("executions.compared", workspace=access.workspace.slug, id=[one.id for one in made])


def _beside(access: Access, made: Sequence[Execution]) -> dict[str, Any]:
    sides = [
        {**shown(access, execution), "side": side, "against": made[0].id if execution is not made[0] else ""}
        for side, execution in zip(SIDES, made, strict=False)
    ]
    return {"sides": sides, "page_url": _address(access, made), "first": made[0]}


def _form(access: Access, parent: Execution, error: AppError | None = None) -> str:
    asked_for = forms.missing_of(error) if error is not None else ()
    return render_template(
        "executions/compare_form.html",
        execution=parent,
        rows=SIDES[1:],
        more=any(
            value for name, value in request.form.items() if name.startswith(tuple(f"{side}-" for side in SIDES[3:]))
        ),
        once=request.form.get("once") or new_id(),
        error=error,
        asked_for=asked_for,
        **choices.offered(access, parent),
    )


def _refused(access: Access, error: AppError) -> Response:
    if htmx.wanted():
        return htmx.fragment("executions/_problems.html", error.status, error=error)
    slug = request.form.get("prompt_template", "")
    back = url_for("prompt_templates.index", workspace=access.workspace.slug)
    if slug:
        back = url_for("prompt_templates.compare_runs", workspace=access.workspace.slug, slug=slug)
    return make_response(render_template("executions/refused.html", error=error, back=back), error.status)
