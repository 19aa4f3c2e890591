"""The page that says who would answer now, and why."""

from __future__ import annotations

from typing import Any

from flask import render_template, request
from werkzeug.wrappers import Response

from aiapp import htmx
from aiapp.credentials import order
from aiapp.errors import AppError
from aiapp.executions.explaining import explain
from aiapp.executions.pages import forms
from aiapp.executions.pages.choose_views import published
from aiapp.executions.pages.routes import blueprint
from aiapp.executions.showing import provider_label
from aiapp.executions.submission import Submission
from aiapp.workspaces.access import Access, require


@blueprint.get("/w/<workspace>/executions/selection")
@require()
def selection(access: Access) -> str:
    """Who would answer what the form asks for, with the reasons; no provider is called."""
    usable = order.usable_by(access.workspace.id, access.user.id)
    return render_template(
        "executions/selection.html",
        chosen_templates=[(one.prompt_template.slug, one.prompt_template.name) for one in published(access)],
        providers=[(kind, provider_label(kind)) for kind in sorted({row.provider for row in usable})],
        **_answer(access),
    )


@blueprint.get("/w/<workspace>/executions/_selection")
@require()
def selection_now(access: Access) -> Response:
    """The same list as it is now."""
    return htmx.fragment("executions/_selection.html", **_answer(access))


def _answer(access: Access) -> dict[str, Any]:
    asked = Submission(
        prompt_template=request.args.get("prompt_template") or None,
        provider=request.args.get("provider") or None,
        credential_id=request.args.get("credential_id") or None,
        model=request.args.get("model") or None,
    )
    values = {name: getattr(asked, name) for name in ("prompt_template", "provider", "credential_id", "model")}
    answer: dict[str, Any] = {"values": values, "explanation": None, "errors": {}, "problem": ""}
    try:
        answer["explanation"] = explain(access, asked)
    except AppError as error:
        answer |= {"errors": forms.by_field(error), "problem": error.detail}
    return answer
