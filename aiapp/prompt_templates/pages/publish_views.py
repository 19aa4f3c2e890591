"""Publishing a version, and going back to an older one."""

from __future__ import annotations

from typing import Any

from flask import Response, render_template, request, url_for
from werkzeug.wrappers import Response as BaseResponse

from aiapp import htmx
from aiapp.errors import AppError, Conflict, InvalidInput
from aiapp.prompt_templates import (
    actions,
    approvals,
    checks,
    dependents,
    fitting,
    library,
    preview_links,
    publishing_rules,
    releases,
    versioning,
)
from aiapp.prompt_templates.comparing.changes import Changes, changes_between
from aiapp.prompt_templates.models import PromptVersion
from aiapp.prompt_templates.pages import editor_views, forms
from aiapp.prompt_templates.pages.routes import address, answer, blueprint, history, shell, with_way_back
from aiapp.workspaces.access import Access, require
from aiapp.workspaces.routes import absolute

LINK_LIFETIME = "1d"


@blueprint.get("/<slug>/versions/<int:version>/publish")
@require("editor")
def publish_dialog(access: Access, slug: str, version: int) -> Response:
    """What would change, what was checked, and a message."""
    return _publish_page(access, _find(access, slug, version))


@blueprint.post("/<slug>/versions/<int:version>/publish")
@require("editor")
def publish(access: Access, slug: str, version: int) -> BaseResponse:
    """Publish a version as the dialog showed it, or ask for the approval that it needs."""
    found = _find(access, slug, version)
    message, semver = request.form.get("message", ""), request.form.get("semver", "").strip()
    seen = forms.typed_number("lock_version")
    done = f"v{found.number} is published. Everybody gets it from now on."
    try:
        if publishing_rules.approval_needed(access):
            approvals.ask(access, found, message, seen, wanted=semver)
            done = f"You asked to publish v{found.number}. Everybody gets it once somebody approves it."
        else:
            actions.publish(access, found, message, seen, tried=forms.typed_values(), semver=semver)
            done = with_way_back(access, found, done)
    except (InvalidInput, Conflict) as error:
        return _publish_page(access, found, error, typed=True)
    return htmx.go(address(found, workspace=access.workspace.slug), done)


@blueprint.post("/<slug>/versions/<int:version>/publish/link")
@require("editor")
def publish_link(access: Access, slug: str, version: int) -> Response:
    """The dialog with a new preview link in it; what was typed there stays."""
    found = _find(access, slug, version)
    try:
        _, secret = preview_links.create(access, found, LINK_LIFETIME)
    except InvalidInput as error:
        return _publish_page(access, found, error, typed=True)
    return _publish_page(access, found, typed=True, link=absolute(url_for("preview.show", secret=secret)))


@blueprint.get("/<slug>/versions/<int:version>/rollback")
@require("editor")
def rollback_dialog(access: Access, slug: str, version: int) -> str:
    """Ask before an older version is published again."""
    return _rollback_page(access, _find(access, slug, version), None)


@blueprint.post("/<slug>/versions/<int:version>/rollback")
@require("editor")
def rollback(access: Access, slug: str, version: int) -> BaseResponse:
    """Publish the text of an older version again, as a new version, or ask for the approval that this needs."""
    source = _find(access, slug, version)
    message = request.form.get("message", "")
    try:
        if publishing_rules.approval_needed(access):
            draft = approvals.ask_rollback(access, source, message).prompt_version
            asked = f"You asked to publish the text of v{source.number} again, as v{draft.number}."
            return htmx.go(address(draft, workspace=access.workspace.slug), asked)
        restored = actions.rollback(access, source, message, expected=forms.typed_number("expected"))
    except (InvalidInput, Conflict) as error:
        return Response(_rollback_page(access, source, error), error.status)
    done = f"v{restored.number} is published: it says what v{source.number} said."
    return htmx.go(address(restored, workspace=access.workspace.slug), with_way_back(access, restored, done))


def _find(access: Access, slug: str, number: int) -> PromptVersion:
    return library.version(access, library.find(access, slug), number)


def _publish_page(
    access: Access, version: PromptVersion, error: AppError | None = None, *, typed: bool = False, link: str = ""
) -> Response:
    published = library.published(access, version.prompt_template)
    findings = [*checks.checks(version), *dependents.checks(access, version), *fitting.fits(version, access.user.id)]
    proposal = releases.proposed(access, version)
    dialog: dict[str, Any] = {
        "changes": _changes(published, version),
        "checks": findings,
        "ready": version.status in versioning.OPEN and all(check.level != "bad" for check in findings),
        "message": request.form.get("message", "") if typed else version.message,
        "semver": request.form.get("semver", "") if typed else proposal.semver,
        "proposal": proposal,
        "asks": publishing_rules.approval_needed(access),
        "rule": publishing_rules.rule_of(access),
        "error": error,
        "errors": forms.errors_of(error) if error else {},
        "link": link,
    }
    status = error.status if error else 200
    if htmx.wanted() and typed:
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
        checks=[*checks.checks(source), *dependents.checks(access, source)],
        asks=publishing_rules.approval_needed(access),
        error=error,
        errors=forms.errors_of(error) if error else {},
    )


def _changes(old: PromptVersion | None, new: PromptVersion) -> Changes | None:
    return changes_between(old, new, split=False) if old is not None and old.id != new.id else None
