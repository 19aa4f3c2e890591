"""What people do with executions: submit, stop, repeat."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from flask import make_response, render_template, request, url_for
from werkzeug.wrappers import Response

from aiapp import htmx
from aiapp.errors import AppError, Conflict, Denied, InvalidInput, NotFound
from aiapp.executions import actions, choices
from aiapp.executions.models import Execution
from aiapp.executions.pages import (
    choose_views,
    compare_views,
    diff_views,
    forms,
    list_views,
    once,
    part_views,
    repeat_views,
    saved_list_views,
    selection_views,
    version_views,
    watch_views,
)
from aiapp.executions.pages.routes import address, blueprint, shown
from aiapp.extensions import db
from aiapp.providers.output_formats import CHOICES
from aiapp.workspaces.access import Access, require

__all__ = [
    "blueprint",
    "choose_views",
    "compare_views",
    "diff_views",
    "list_views",
    "part_views",
    "repeat_views",
    "saved_list_views",
    "selection_views",
    "version_views",
    "watch_views",
]


@blueprint.get("/w/<workspace>/executions/new")
@require("editor")
def new(access: Access) -> str:
    """The form that runs a text without a prompt template."""
    return _form(access, {"format": "markdown", "priority": "default"}, {})


@blueprint.post("/w/<workspace>/executions")
@require()
def create(access: Access) -> Response:
    """Submit: a prompt template with its variables, or a text."""
    try:
        execution = actions.submit(access, forms.submission(), execution_id=once.execution_id(access))
    except (InvalidInput, Conflict, NotFound, Denied) as error:
        db.session.rollback()
        return _refused(access, error)
    if htmx.wanted():
        return htmx.fragment("executions/_execution.html", **shown(access, execution))
    return htmx.go(address(access, execution))


@blueprint.post("/w/<workspace>/executions/<id:execution_id>/cancel")
@require()
def cancel(access: Access, execution_id: str) -> Response:
    """Stop it."""
    execution = actions.cancel(access, access.get(Execution, execution_id))
    if htmx.wanted():
        return htmx.fragment("executions/_execution.html", **shown(access, access.get(Execution, execution.id)))
    return htmx.go(address(access, execution))


def _refused(access: Access, error: AppError) -> Response:
    """Answer a submission that cannot be: beside the prompt for htmx, else the form or a page that lists why."""
    if htmx.wanted():
        return htmx.fragment("executions/_problems.html", error.status, error=error)
    if request.form.get("prompt_template"):
        back = url_for("prompt_templates.show", workspace=access.workspace.slug, slug=request.form["prompt_template"])
        return make_response(render_template("executions/refused.html", error=error, back=back), error.status)
    if isinstance(error, InvalidInput):
        return make_response(_form(access, request.form, forms.by_field(error), problem=error.detail), 422)
    raise error


def _form(access: Access, values: Mapping[str, Any], errors: Mapping[str, str], **more: Any) -> str:
    providers = [("", "Any"), *choices.providers(access, values.get("provider"))]
    return render_template(
        "executions/form.html",
        action=url_for("executions.create", workspace=access.workspace.slug),
        values=values,
        errors=errors,
        provider_options=providers,
        formats=CHOICES,
        **more,
    )
