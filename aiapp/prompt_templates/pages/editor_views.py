"""The editor: a version's page, its live preview, saving as one types, trying the prompt out."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from flask import Response, redirect, request, url_for
from werkzeug.wrappers import Response as BaseResponse

from aiapp import htmx
from aiapp.columns import new_id
from aiapp.errors import AppError, Conflict, InvalidInput
from aiapp.extensions import db, reading
from aiapp.prompt_templates import actions, branches, estimating, facts, library, revisions, versioning, workbench
from aiapp.prompt_templates.comparing.changes import texts_between
from aiapp.prompt_templates.models import PromptVersion
from aiapp.prompt_templates.pages import forms
from aiapp.prompt_templates.pages.routes import address, answer, blueprint, shell
from aiapp.prompt_templates.text import fetchers
from aiapp.workspaces.access import Access, require


@blueprint.get("/<slug>")
@blueprint.get("/<slug>/versions/<int:version>")
@require()
def show(access: Access, slug: str, version: int | None = None) -> Response:
    """A version: the editor for a draft, its text for any other."""
    return page(access, _find(access, slug, version))


@blueprint.post("/<slug>/versions/<int:version>")
@require("editor")
def save(access: Access, slug: str, version: int) -> BaseResponse:
    """Save what is typed, and go on to where the pressed button leads: `then` is empty, look, publish, merge or past."""
    found = _find(access, slug, version)
    try:
        _save_typed(access, found, tried=forms.typed_values())
    except (InvalidInput, Conflict) as error:
        return _not_saved(access, found, error)
    then = request.form.get("then")
    if then in ("look", "publish"):
        return htmx.go(address(found, then, workspace=access.workspace.slug))
    if then == "merge":
        return htmx.go(
            url_for("prompt_templates.merge_page", workspace=access.workspace.slug, slug=slug, branch=found.branch)
        )
    if then == "past":
        past: dict[str, Any] = {"workspace": access.workspace.slug, "template": slug, "version": version}
        return htmx.go(url_for("executions.all_contexts", **past))
    if htmx.wanted():
        return _saved(found)
    anchor = "examples" if request.form.get("part") else None
    return htmx.go(address(found, workspace=access.workspace.slug, _anchor=anchor), "Saved.")


@blueprint.post("/<slug>/versions/<int:version>/_autosave")
@require("editor")
def autosave(access: Access, slug: str, version: int) -> BaseResponse:
    """Save what is typed while it is being typed. The page asks again for what was typed meanwhile (static/app.js)."""
    found = _find(access, slug, version)
    try:
        _save_typed(access, found, tidy=False, tried=forms.typed_values())
    except (InvalidInput, Conflict) as error:
        return _not_saved(access, found, error)
    return _saved(found)


@blueprint.post("/<slug>/versions/<int:version>/_preview")
@reading()
@require()
def preview_fragment(access: Access, slug: str, version: int) -> Response:
    """The prompt filled with what is typed, and what the inputs of its variables have to say. No provider is called."""
    found = _find(access, slug, version)
    typed = forms.typed_text() if access.allows("editor") else {}
    keep = request.form.get("inputs") == "typed"
    touched = None if keep else forms.touched()
    pasted = forms.pasted(())
    whole = pasted is not None and not pasted.error
    bench = workbench.build(
        found, forms.typed_values(), **typed, keep_typed=keep, whole=whole, touched=touched, facts=facts.of(access)
    )
    return htmx.fragment("prompt_templates/_preview.html", **beside(access, found, bench), version=found, fragment=True)


@blueprint.post("/<slug>/versions/<int:version>/run")
@require()
def run(access: Access, slug: str, version: int) -> BaseResponse:
    """Save what is typed, then hand the run on to the executions: 307 repeats the form there."""
    found = _find(access, slug, version)
    saves = _editable(access, found) and bool(forms.typed_text())
    if saves:
        try:
            _save_typed(access, found, tried=forms.typed_values())
        except (InvalidInput, Conflict) as error:
            return _not_saved(access, found, error)
    target = url_for("executions.create", workspace=access.workspace.slug)
    if not htmx.wanted():
        return redirect(target, 307)
    typed = forms.typed_values()
    return htmx.fragment(
        "prompt_templates/_run.html",
        **beside(access, found, workbench.build(found, typed, facts=facts.of(access))),
        version=found,
        target=target,
        values=[(f"var-{name}", value) for name, value in typed.items()],
        state="saved" if saves else None,
    )


@blueprint.post("/<slug>/versions/<int:version>/drafts")
@require("editor")
def new_draft(access: Access, slug: str, version: int) -> BaseResponse:
    """Make a draft of any version; with the typed text, where the form has one."""
    source = _find(access, slug, version)
    message = "" if source.status == "published" else f"From v{source.number}"
    draft = actions.new_draft(access, source, message, forms.typed_text(), tried=forms.typed_values())
    return htmx.go(
        address(draft, workspace=access.workspace.slug), f"Draft v{draft.number} begins as v{source.number}."
    )


@blueprint.get("/<slug>/versions/<int:version>/preview")
@require()
def look(access: Access, slug: str, version: int) -> Response:
    """A version as a model would read it, filled with its samples."""
    return page(access, _find(access, slug, version), view="prompt_templates/look.html")


@blueprint.post("/<slug>/versions/<int:version>/preview")
@require("editor")
def preview(access: Access, slug: str, version: int) -> BaseResponse:
    """Save what is typed and mark the draft as ready for review."""
    found = _find(access, slug, version)
    try:
        _save_typed(access, found, tried=forms.typed_values())
        actions.preview(access, found)
    except (InvalidInput, Conflict) as error:
        return _not_saved(access, found, error)
    return htmx.go(
        address(found, workspace=access.workspace.slug),
        f"v{found.number} is a preview now: ready for review. Edit makes it a draft again.",
    )


@blueprint.post("/<slug>/versions/<int:version>/edit")
@require("editor")
def edit(access: Access, slug: str, version: int) -> BaseResponse:
    """Turn a preview into a draft again."""
    found = actions.reopen(access, _find(access, slug, version))
    actions.save_draft(access, found, {}, found.lock_version, tried=forms.typed_values())
    return htmx.go(address(found, workspace=access.workspace.slug))


def page(
    access: Access, version: PromptVersion, status: int = 200, view: str = "prompt_templates/show.html", **more: Any
) -> Response:
    """Return the page of a version; with what was typed, where it could not be saved."""
    template = version.prompt_template
    again = status != 200
    typed = forms.typed_text() if again else {}
    typed_values = forms.typed_values() if again else None
    touched = None if again else ()
    bench = workbench.build(version, typed_values, **typed, keep_typed=again, touched=touched, facts=facts.of(access))
    context = {
        **shell(access, template, version, "prompt"),
        **beside(access, version, bench),
        "runs": template.active and (version.status == "published" or access.allows("editor")),
        "text": {"system": version.system, "messages": version.messages, "body": version.body, **typed},
        "parts": workbench.written(version),
        "again": again,
        "once": new_id(),
        "errors": {},
        "problem": None,
        "fetchers": fetchers.FETCHERS.values(),
        "outputs": [fetchers.name_of(slug) for slug in library.other_slugs(access, template)],
        **more,
    }
    return answer(view, status, **context)


def beside(access: Access, version: PromptVersion, bench: workbench.Workbench) -> dict[str, Any]:
    """Return what stands beside the prompt: inputs, the filled prompt, what it would cost."""
    return {
        "bench": bench,
        "estimate": estimating.estimate(version, bench.tokens, access.user.id),
        "editable": _editable(access, version),
        "variables_url": address(version, "settings", workspace=access.workspace.slug, _anchor="variables"),
        "pasted": forms.pasted(bench.takes),
    }


def _find(access: Access, slug: str, number: int | None) -> PromptVersion:
    template = library.find(access, slug)
    return library.current(access, template) if number is None else library.version(access, template, number)


def _editable(access: Access, version: PromptVersion) -> bool:
    """Whether the page of this version is an editor: a preview is looked at until somebody asks to edit it."""
    return version.status == "draft" and access.allows("editor")


def _save_typed(
    access: Access, version: PromptVersion, *, tidy: bool = True, tried: Mapping[str, str] | None = None
) -> None:
    """Save the text of the form, if it has one. `overwrite` is the other's lock version, where the writer has seen it."""
    typed = forms.typed_text()
    if typed:
        seen = forms.typed_number("overwrite") or forms.typed_number("lock_version") or 0
        actions.save_draft(access, version, typed, seen, tidy=tidy, tried=tried)


def _saved(version: PromptVersion) -> Response:
    return htmx.fragment("prompt_templates/_saved.html", version=version, state="saved")


def _not_saved(access: Access, version: PromptVersion, error: AppError) -> Response:
    """Return the editor with what was typed and the reason why it is not saved; for htmx, the reason alone."""
    overtaken = error.status == 409 and version.status in versioning.OPEN
    db.session.commit()  # nothing is open while Redis is asked
    problem = {
        "error": error,
        "frozen": version.status not in versioning.OPEN,
        "diffs": _diffs(error),
        "branch": branches.free_name(access, version.prompt_template) if overtaken else "",
        "own": overtaken and revisions.last_writer(version) == access.user.id,
    }
    if not htmx.wanted():
        return page(access, version, error.status, problem=problem, errors=forms.errors_of(error))
    response = htmx.fragment(
        "prompt_templates/_saved.html", error.status, version=version, state="failed", problem=problem
    )
    response.headers["HX-Retarget"] = "#autosave"
    response.headers["HX-Reswap"] = "outerHTML"
    return response


def _diffs(error: AppError) -> list[tuple[str, list[Any]]]:
    """Return what differs between the other's text and the writer's own, part by part."""
    changed = texts_between(error.extra.get("theirs", {}), error.extra.get("yours", {}))
    return [(part.title, part.unified) for part in changed]
