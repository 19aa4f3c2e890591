"""What is done to a whole prompt template: kept as a favourite, duplicated, archived, deleted."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from flask import Response, render_template, request, url_for
from werkzeug.wrappers import Response as BaseResponse

from aiapp import htmx
from aiapp.errors import Conflict
from aiapp.prompt_templates import actions, archiving, favourites, filters, labels, library, partials, publishing_rules
from aiapp.prompt_templates.models import PromptTemplate
from aiapp.prompt_templates.pages.routes import answer, blueprint, shell
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
    """Archive a prompt template; one that others include only with `force`, after a question that names them."""
    template = library.find(access, slug)
    try:
        actions.archive(access, template, force="force" in request.form)
    except Conflict:
        return archive_question(
            access, [template], url_for(".archive", workspace=access.workspace.slug, slug=slug), _page(access, slug), {}
        )
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
    publishing_rules.demand_free(access, library.find(access, slug), "deletes it")
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


def archive_question(
    access: Access, templates: Sequence[PromptTemplate], action: str, back: str, fields: Mapping[str, str]
) -> Response:
    """Return the page that asks whether `templates` are archived though others include them.

    Arguments:
        action: where the answer is posted, with `fields`, the slugs and `force`.
        back: where somebody goes who leaves them as they are.
    """
    users = archiving.needed_by(access, templates)
    asked = {"templates": templates, "users": users, "action": action, "back": back, "fields": fields}
    return answer("prompt_templates/archive.html", 409, **asked)


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
