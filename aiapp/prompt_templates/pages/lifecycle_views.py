"""What is done to a whole prompt template: kept as a favourite, duplicated, archived, deleted."""

from __future__ import annotations

from flask import Response, render_template, request, url_for
from werkzeug.wrappers import Response as BaseResponse

from aiapp import htmx
from aiapp.prompt_templates import actions, favourites, filters, labels, library, partials
from aiapp.prompt_templates.pages.routes import blueprint, shell
from aiapp.prompt_templates.pages.routes import history as versions_table
from aiapp.prompt_templates.uses import uses
from aiapp.workspaces.access import Access, require


@blueprint.post("/<slug>/favourite")
@require()
def favourite(access: Access, slug: str) -> BaseResponse:
    """Keep a prompt template among one's favourites (`favourite` 1) or drop it; `list` is the filter to lead back to."""
    template = library.find(access, slug)
    kept = request.form.get("favourite") == "1"
    (favourites.keep if kept else favourites.drop)(access, template)
    if htmx.wanted():
        return htmx.fragment(
            "prompt_templates/_star_alone.html", one=template, kept=kept, back=request.form.get("list")
        )
    if "list" in request.form:
        return htmx.go(list_of(access, request.form["list"]))
    return htmx.go(_page(access, slug))


@blueprint.post("/<slug>/duplicate")
@require("editor")
def duplicate(access: Access, slug: str) -> BaseResponse:
    """Make a copy, and open it."""
    copy = actions.duplicate(access, library.find(access, slug))
    return htmx.go(_page(access, copy.slug), f"{copy.name} is a draft of its own.")


@blueprint.post("/<slug>/archive")
@require("editor")
def archive(access: Access, slug: str) -> BaseResponse:
    """Archive a prompt template."""
    template = library.find(access, slug)
    actions.archive(access, template)
    return htmx.go(_page(access, slug), f"{template.name} is archived. It keeps everything.")


@blueprint.post("/<slug>/unarchive")
@require("editor")
def unarchive(access: Access, slug: str) -> BaseResponse:
    """Bring an archived prompt template back."""
    template = library.find(access, slug)
    actions.unarchive(access, template)
    return htmx.go(_page(access, slug), f"{template.name} is in use again.")


@blueprint.get("/<slug>/delete")
@require("editor")
def delete_dialog(access: Access, slug: str) -> str:
    """Ask before a prompt template is deleted, and say what uses it."""
    return _delete(access, slug, {})


@blueprint.post("/<slug>/delete")
@require("editor")
def delete(access: Access, slug: str) -> BaseResponse:
    """Delete a prompt template with all its versions."""
    template = library.find(access, slug)
    if request.form.get("typed", "").strip() != template.slug:
        return Response(_delete(access, slug, {"typed": f"Type {template.slug} to confirm."}), 422)
    actions.delete(access, template)
    return htmx.go(url_for("prompt_templates.index", workspace=access.workspace.slug), f"{template.name} is deleted.")


def list_of(access: Access, text: str) -> str:
    """Return the address of the list that a form of it names."""
    return url_for("prompt_templates.index", workspace=access.workspace.slug, **filters.query_of(filters.of_text(text)))


def _page(access: Access, slug: str) -> str:
    return url_for("prompt_templates.show", workspace=access.workspace.slug, slug=slug)


def _delete(access: Access, slug: str, errors: dict[str, str]) -> str:
    template = library.find(access, slug)
    frame = shell(access, template, library.current(access, template), "settings")
    return render_template(
        "prompt_templates/delete.html",
        **frame,
        **versions_table(access, template),
        used=uses(access, template),
        pointing=sorted({label for found in labels.by_version(access, template).values() for label in found}),
        including=partials.included_by(access, template),
        errors=errors,
    )
