"""The settings page Publishing: who has to agree, and which labels the workspace has."""

from __future__ import annotations

from flask import Response, request, url_for
from werkzeug.wrappers import Response as BaseResponse

from aiapp import htmx
from aiapp.errors import AppError, Conflict, InvalidInput
from aiapp.prompt_templates import labels, publishing_rules
from aiapp.prompt_templates.pages import forms
from aiapp.prompt_templates.pages.approval_views import blueprint
from aiapp.prompt_templates.pages.routes import answer
from aiapp.prompt_templates.release_models import APPROVALS, Label
from aiapp.workspaces.access import Access, require

__all__ = ["blueprint"]


@blueprint.get("/settings/publishing")
@require("admin")
def settings(access: Access) -> Response:
    """The rule and the labels."""
    return _page(access)


@blueprint.post("/settings/publishing")
@require("admin")
def set_rule(access: Access) -> BaseResponse:
    """Say who has to agree before a version is published."""
    try:
        publishing_rules.set_rule(access, request.form.get("approval", ""))
    except InvalidInput as error:
        return _page(access, error=error)
    return _done(access, "Saved.")


@blueprint.post("/settings/publishing/labels")
@require("admin")
def create_label(access: Access) -> BaseResponse:
    """Make a label."""
    try:
        label = labels.create(access, request.form.get("name", ""), "protected" in request.form)
    except (InvalidInput, Conflict) as error:
        return _page(access, error=error, failed="new")
    return _done(access, f"The label {label.name} can be put on versions now.")


@blueprint.post("/settings/publishing/labels/<id:label_id>")
@require("admin")
def change_label(access: Access, label_id: str) -> BaseResponse:
    """Rename a label, or change whether it is protected."""
    label = access.get(Label, label_id)
    try:
        labels.change(access, label, name=request.form.get("name", ""), protected="protected" in request.form)
    except (InvalidInput, Conflict) as error:
        return _page(access, error=error, failed=label_id)
    return _done(access, "Saved.")


@blueprint.get("/settings/publishing/labels/<id:label_id>/delete")
@require("admin")
def delete_label_dialog(access: Access, label_id: str) -> Response:
    """Ask before a label is deleted."""
    return _page(access, deleting=access.get(Label, label_id))


@blueprint.post("/settings/publishing/labels/<id:label_id>/delete")
@require("admin")
def delete_label(access: Access, label_id: str) -> BaseResponse:
    """Delete a label; the versions stay."""
    label = access.get(Label, label_id)
    labels.delete(access, label)
    return _done(access, f"The label {label.name} is deleted.")


def _done(access: Access, message: str) -> BaseResponse:
    return htmx.go(url_for("publishing.settings", workspace=access.workspace.slug), message)


def _page(
    access: Access, *, error: AppError | None = None, failed: str = "", deleting: Label | None = None
) -> Response:
    return answer(
        "prompt_templates/delete_label.html" if deleting else "prompt_templates/publishing.html",
        422 if error else 200,
        rule=request.form.get("approval") or publishing_rules.rule_of(access),
        rules=[(rule, publishing_rules.WORDS[rule]) for rule in APPROVALS],
        labels=labels.of_workspace(access),
        values=request.form if error else {},
        errors=forms.errors_of(error) if error else {},
        failed=failed,
        deleting=deleting,
    )
