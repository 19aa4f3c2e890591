"""Beginning a branch from a version."""

from __future__ import annotations

from flask import Response, request
from werkzeug.wrappers import Response as BaseResponse

from aiapp import htmx
from aiapp.errors import AppError, Conflict, InvalidInput
from aiapp.prompt_templates import actions, branches, library
from aiapp.prompt_templates.models import PromptVersion
from aiapp.prompt_templates.pages import editor_views, forms
from aiapp.prompt_templates.pages.routes import address, answer, blueprint, shell
from aiapp.workspaces.access import Access, require


@blueprint.get("/<slug>/versions/<int:version>/branch")
@require("editor")
def branch_dialog(access: Access, slug: str, version: int) -> Response:
    """Ask for the name of a branch that begins with a version."""
    return _dialog(access, library.version(access, library.find(access, slug), version))


@blueprint.post("/<slug>/versions/<int:version>/branch")
@require("editor")
def branch(access: Access, slug: str, version: int) -> BaseResponse:
    """Make a draft of a version on a branch of its own; with the typed text, where the form has one.

    That text may have been overtaken, as `lock_version` says: then the branch begins with what its writer had seen, and a name
    that cannot be had is no reason to keep it waiting.
    """
    template = library.find(access, slug)
    source = library.version(access, template, version)
    typed, name = forms.typed_text(), request.form.get("branch", "")
    if typed:
        name = branches.any_name(access, template, name)
    seen = forms.typed_number("lock_version") if typed else None
    try:
        draft = actions.new_draft(access, source, "", typed, tried=forms.typed_values(), branch=name, lock_version=seen)
    except (InvalidInput, Conflict) as error:
        return _dialog(access, source, error)
    return htmx.go(
        address(draft, workspace=access.workspace.slug),
        f"v{draft.number} is a draft on the branch {draft.branch}. The main line stays as it is.",
    )


def _dialog(access: Access, source: PromptVersion, error: AppError | None = None) -> Response:
    dialog = {
        "name": branches.free_name(access, source.prompt_template) if error is None else request.form.get("branch", ""),
        "errors": forms.errors_of(error) if error else {},
    }
    if htmx.wanted() and error:
        frame = shell(access, source.prompt_template, source, "prompt")
        return answer("prompt_templates/_branch.html", error.status, **frame, dialog=dialog)
    response = editor_views.page(access, source, view="prompt_templates/branch.html", dialog=dialog)
    response.status_code = error.status if error else 200
    return response
