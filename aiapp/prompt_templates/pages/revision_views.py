"""What a draft said before: the list of its saved versions, one of them beside what it says now, bringing one back."""

from __future__ import annotations

from flask import Response
from werkzeug.wrappers import Response as BaseResponse

from aiapp import htmx
from aiapp.errors import Conflict, InvalidInput
from aiapp.prompt_templates import actions, library, revisions, versioning
from aiapp.prompt_templates.comparing.changes import changes_in
from aiapp.prompt_templates.models import PromptVersion
from aiapp.prompt_templates.pages import forms
from aiapp.prompt_templates.pages.routes import address, answer, blueprint, shell
from aiapp.workspaces.access import Access, require


@blueprint.get("/<slug>/versions/<int:version>/saved")
@require()
def saved(access: Access, slug: str, version: int) -> Response:
    """All that a version said before, newest first."""
    found = _find(access, slug, version)
    return answer(
        "prompt_templates/saved.html",
        **shell(access, found.prompt_template, found, ""),
        revisions=revisions.listed(access, found),
        most=revisions.KEPT,
    )


@blueprint.get("/<slug>/versions/<int:version>/saved/<id:revision_id>")
@require()
def saved_one(access: Access, slug: str, version: int, revision_id: str) -> Response:
    """What changed from then to now."""
    return _one(access, _find(access, slug, version), revision_id)


@blueprint.post("/<slug>/versions/<int:version>/saved/<id:revision_id>")
@require("editor")
def restore_saved(access: Access, slug: str, version: int, revision_id: str) -> BaseResponse:
    """Write into the draft what it said then."""
    found = _find(access, slug, version)
    kept = revisions.find(access, found, revision_id)
    try:
        actions.restore_saved(access, found, kept, forms.typed_number("lock_version") or 0)
    except (InvalidInput, Conflict) as error:
        return _one(access, found, revision_id, error)
    done = "The draft says again what it said then. What it said until now is among its saved versions."
    return htmx.go(address(found, workspace=access.workspace.slug), done)


def _find(access: Access, slug: str, number: int) -> PromptVersion:
    return library.version(access, library.find(access, slug), number)


def _one(
    access: Access, version: PromptVersion, revision_id: str, error: InvalidInput | Conflict | None = None
) -> Response:
    kept = revisions.find(access, version, revision_id)
    then = {**versioning.empty(), **kept.content}
    return answer(
        "prompt_templates/saved_one.html",
        error.status if error else 200,
        **shell(access, version.prompt_template, version, ""),
        kept=kept,
        changes=changes_in(then, versioning.content(version), split=False),
        error=error,
    )
