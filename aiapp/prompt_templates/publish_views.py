"""Publishing a version, and going back to an older one."""

from __future__ import annotations

from typing import Any

from flask import Response, render_template, request
from werkzeug.wrappers import Response as BaseResponse

from aiapp import htmx
from aiapp.errors import AppError, Conflict, InvalidInput
from aiapp.prompt_templates import actions, checks, editor_views, forms, library, versioning
from aiapp.prompt_templates.changes import Changes, changes_between
from aiapp.prompt_templates.models import PromptVersion
from aiapp.prompt_templates.routes import address, answer, blueprint, history, shell
from aiapp.workspaces.access import Access, require


@blueprint.get("/<slug>/versions/<int:version>/publish")
@require("editor")
def publish_dialog(access: Access, slug: str, version: int) -> Response:
    """What would change, what was checked, and a message."""
    return _publish_page(access, _find(access, slug, version))


@blueprint.post("/<slug>/versions/<int:version>/publish")
@require("editor")
def publish(access: Access, slug: str, version: int) -> BaseResponse:
    """Publish a version as the dialog showed it."""
    found = _find(access, slug, version)
    message = request.form.get("message", "")
    try:
        actions.publish(access, found, message, forms.typed_number("lock_version"), tried=forms.typed_values())
    except (InvalidInput, Conflict) as error:
        return _publish_page(access, found, error, message)
    return htmx.go(
        address(found, workspace=access.workspace.slug), f"v{found.number} is published. Everybody gets it from now on."
    )


@blueprint.get("/<slug>/versions/<int:version>/rollback")
@require("editor")
def rollback_dialog(access: Access, slug: str, version: int) -> str:
    """Ask before an older version is published again."""
    return _rollback_page(access, _find(access, slug, version), None)


@blueprint.post("/<slug>/versions/<int:version>/rollback")
@require("editor")
def rollback(access: Access, slug: str, version: int) -> BaseResponse:
    """Publish the text of an older version again, as a new version."""
    source = _find(access, slug, version)
    try:
        restored = actions.rollback(access, source, request.form.get("message", ""))
    except InvalidInput as error:
        return Response(_rollback_page(access, source, error), 422)
    done = f"v{restored.number} is published: it says what v{source.number} said."
    return htmx.go(address(restored, workspace=access.workspace.slug), done)


def _find(access: Access, slug: str, number: int) -> PromptVersion:
    return library.version(access, library.find(access, slug), number)


def _publish_page(
    access: Access, version: PromptVersion, error: AppError | None = None, message: str | None = None
) -> Response:
    published = library.published(access, version.prompt_template)
    findings = checks.checks(version)
    dialog: dict[str, Any] = {
        "changes": _changes(published, version),
        "checks": findings,
        "ready": version.status in versioning.OPEN and all(check.level != "bad" for check in findings),
        "message": version.message if message is None else message,
        "error": error,
        "errors": forms.errors_of(error) if error else {},
    }
    status = error.status if error else 200
    if htmx.wanted() and error:
        frame = shell(access, version.prompt_template, version, "prompt")
        return answer("prompt_templates/_publish.html", status, **frame, dialog=dialog)
    return editor_views.page(access, version, status, view="prompt_templates/publish.html", dialog=dialog)


def _rollback_page(access: Access, source: PromptVersion, error: AppError | None) -> str:
    published = library.published(access, source.prompt_template)
    return render_template(
        "prompt_templates/rollback.html",
        **shell(access, source.prompt_template, source, "prompt"),
        **history(access, source.prompt_template),
        changes=_changes(published, source),
        checks=checks.checks(source),
        error=error,
        errors=forms.errors_of(error) if error else {},
    )


def _changes(old: PromptVersion | None, new: PromptVersion) -> Changes | None:
    return changes_between(old, new, split=False) if old is not None and old.id != new.id else None
