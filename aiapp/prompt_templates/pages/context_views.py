"""Filling the inputs beside a prompt: with samples, from a past execution, or as one JSON text."""

from __future__ import annotations

from typing import Any

from flask import Response, request

from aiapp import htmx
from aiapp.extensions import reading
from aiapp.prompt_templates import contexts, facts, library, workbench
from aiapp.prompt_templates.models import PromptVersion
from aiapp.prompt_templates.pages import editor_views, forms
from aiapp.prompt_templates.pages.routes import blueprint
from aiapp.prompt_templates.text import sampling
from aiapp.prompt_templates.uses import past_context
from aiapp.workspaces.access import Access, require


@blueprint.post("/<slug>/versions/<int:version>/context")
@reading()
@require()
def context(access: Access, slug: str, version: int) -> Response:
    """The inputs filled and shown as the pressed button says; what else was typed stays.

    `fill` is samples, `execution` the id of a past one, `show` json or inputs.
    """
    template = library.find(access, slug)
    found = library.version(access, template, version)
    texts: dict[str, Any] = forms.typed_text() if access.allows("editor") else {}
    specs = workbench.build(found, {}, **texts).specs
    typed, text = _filled(access, found, specs)
    shows = request.form.get("show", "json" if "context" in request.form else "inputs")
    bench = workbench.build(found, typed, keep_typed=True, touched=forms.touched(), facts=facts.of(access), **texts)
    shown = None
    if shows == "json" or text is not None:  # what cannot be read stays to be corrected
        shown = contexts.pasted(contexts.written(specs, typed) if text is None else text, bench.takes)
    beside = {**editor_views.beside(access, found, bench), "pasted": shown}
    if not htmx.wanted():
        return editor_views.page(access, found, 200, again=beside["editable"], text=_text(found, texts), **beside)
    response = htmx.fragment("prompt_templates/_filled.html", **beside, version=found)
    response.headers["HX-Trigger"] = "input"  # as good as typed: it is saved, too
    return response


def _filled(
    access: Access, version: PromptVersion, specs: list[dict[str, object]]
) -> tuple[dict[str, str], str | None]:
    """Return the values to show, and the JSON text where it has to stay as it was typed."""
    if request.form.get("execution"):
        return contexts.typed(past_context(access, version.prompt_template, request.form["execution"])), None
    typed = forms.typed_values()
    if request.form.get("fill") == "samples":
        return sampling.samples(specs, typed), None
    broken = forms.pasted(()) if "context" in request.form else None
    return typed, broken.text if broken and broken.error else None


def _text(version: PromptVersion, texts: dict[str, Any]) -> dict[str, Any]:
    return {"system": version.system, "messages": version.messages, "body": version.body, **texts}
