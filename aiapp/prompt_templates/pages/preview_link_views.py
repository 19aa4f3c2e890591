"""The dialog in which preview links are made, listed and taken back."""

from __future__ import annotations

from flask import Response, request, url_for
from werkzeug.wrappers import Response as BaseResponse

from aiapp import htmx
from aiapp.errors import AppError, InvalidInput
from aiapp.prompt_templates import library, preview_links
from aiapp.prompt_templates.models import PromptVersion
from aiapp.prompt_templates.pages import forms
from aiapp.prompt_templates.pages.routes import address, answer, blueprint, history, shell
from aiapp.prompt_templates.release_models import PreviewLink
from aiapp.workspaces.access import Access, missing, require
from aiapp.workspaces.routes import absolute

CHOICES = [("1h", "An hour"), ("1d", "A day"), ("7d", "7 days")]


@blueprint.get("/<slug>/versions/<int:version>/links")
@require("editor")
def links(access: Access, slug: str, version: int) -> Response:
    """Links that work, and the form that makes one."""
    return _page(access, library.version(access, library.find(access, slug), version))


@blueprint.post("/<slug>/versions/<int:version>/links")
@require("editor")
def create_link(access: Access, slug: str, version: int) -> Response:
    """Make a link and show it, this once."""
    found = library.version(access, library.find(access, slug), version)
    try:
        _, secret = preview_links.create(access, found, request.form.get("lifetime", ""))
    except InvalidInput as error:
        return _page(access, found, error=error)
    return _page(access, found, 201, made=absolute(url_for("preview.show", secret=secret)))


@blueprint.post("/<slug>/versions/<int:version>/links/<id:link_id>/revoke")
@require("editor")
def revoke_link(access: Access, slug: str, version: int, link_id: str) -> BaseResponse:
    """Make a link stop working."""
    found = library.version(access, library.find(access, slug), version)
    link = access.get(PreviewLink, link_id)
    if link.prompt_version.prompt_template_id != found.prompt_template_id:
        raise missing(PreviewLink)
    preview_links.revoke(access, link)
    back = address(found, "links", workspace=access.workspace.slug)
    return htmx.go(back, "The link does not work any more.")


def _page(
    access: Access, version: PromptVersion, status: int = 200, *, made: str = "", error: AppError | None = None
) -> Response:
    template = version.prompt_template
    context = {
        **shell(access, template, version, "prompt"),
        "links": preview_links.listed(access, template),
        "choices": CHOICES,
        "made": made,
        "errors": forms.errors_of(error) if error else {},
    }
    status = error.status if error else status
    if htmx.wanted() and request.method == "POST":
        # htmx swaps what is no error; 201 would do, but a dialog is answered like every other fragment
        return answer("prompt_templates/_preview_links.html", 200 if made else status, **context)
    return answer("prompt_templates/preview_links.html", status, **context, **history(access, template))
