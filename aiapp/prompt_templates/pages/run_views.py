"""The run form of a prompt template. What it runs, and how that goes, is the executions' own."""

from __future__ import annotations

from typing import Any

from flask import Response, request

from aiapp.columns import new_id
from aiapp.extensions import reading
from aiapp.prompt_templates import contexts, facts, library, partials, workbench
from aiapp.prompt_templates.models import PromptTemplate, PromptVersion
from aiapp.prompt_templates.pages import forms
from aiapp.prompt_templates.pages.routes import answer, blueprint, shell
from aiapp.prompt_templates.text import sampling
from aiapp.prompt_templates.uses import past_context
from aiapp.providers.registry import PROVIDERS
from aiapp.workspaces.access import Access, require


@blueprint.get("/<slug>/run")
@require()
def run_form(access: Access, slug: str) -> Response:
    """The run form of the published version; an editor may choose another one by `?version=`."""
    template = library.find(access, slug)
    return _page(access, template, _chosen(access, template, request.args.get("version", "")))


@blueprint.post("/<slug>/run")
@reading()
@require()
def fill(access: Access, slug: str) -> Response:
    """The run form with its inputs filled: from pasted JSON, with samples, from a past execution; what else was typed stays."""
    template = library.find(access, slug)
    chosen = _chosen(access, template, request.form.get("version", ""))
    typed = forms.typed_values()
    specs = partials.variables(chosen) if chosen else []
    if request.form.get("execution"):
        typed |= contexts.typed(past_context(access, template, request.form["execution"]))
        return _page(access, template, chosen, typed)
    if request.form.get("fill") == "samples":
        return _page(access, template, chosen, sampling.samples(specs, typed))
    text = request.form.get("json", "")
    try:
        context = contexts.read(text)
    except ValueError as error:
        return _page(access, template, chosen, typed, {"text": text, "error": str(error)}, 422)
    unknown = contexts.unknown(context, (spec["name"] for spec in specs))
    typed |= contexts.typed(context)
    return _page(access, template, chosen, typed, {"text": text if unknown else "", "unknown": unknown})


def _chosen(access: Access, template: PromptTemplate, number: str) -> PromptVersion | None:
    if access.allows("editor") and number.isascii() and number.isdigit() and len(number) < 10:
        return library.version(access, template, int(number))
    return library.published(access, template)


def _page(
    access: Access,
    template: PromptTemplate,
    version: PromptVersion | None,
    typed: dict[str, str] | None = None,
    filled: dict[str, Any] | None = None,
    status: int = 200,
) -> Response:
    shown = version or library.current(access, template)
    return answer(
        "prompt_templates/run.html",
        status,
        **shell(access, template, shown, ""),
        ready=version is not None and template.active,
        bench=workbench.build(
            shown,
            typed,
            keep_typed=typed is not None,
            touched=() if typed is None else None,
            facts=facts.of(access),
        ),
        context=workbench.sample_context(shown),
        parts=workbench.written(shown),
        providers=[("", "As the version says"), *((kind, one.label) for kind, one in PROVIDERS.items())],
        fill=filled or {},
        once=new_id(),
    )
