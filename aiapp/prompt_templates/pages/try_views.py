"""Trying two versions, or two models, with the same values. What is run, and how that goes, is the executions' own."""

from __future__ import annotations

from dataclasses import replace

from flask import Response, request

from aiapp.columns import new_id
from aiapp.extensions import reading
from aiapp.prompt_templates import contexts, library
from aiapp.prompt_templates.models import PromptTemplate, PromptVersion
from aiapp.prompt_templates.pages import forms, workbench
from aiapp.prompt_templates.pages.routes import HISTORY, answer, blueprint, shell
from aiapp.prompt_templates.text import sampling
from aiapp.prompt_templates.uses import past_context
from aiapp.providers.registry import PROVIDERS
from aiapp.workspaces.access import Access, require

SIDES = ("left", "right")


@blueprint.get("/<slug>/try")
@require()
def compare_runs(access: Access, slug: str) -> Response:
    """The form that runs two versions or models beside each other (`?left=3&right=4`)."""
    template = library.find(access, slug)
    return _page(access, template, {side: request.args.get(side, "") for side in SIDES}, {})


@blueprint.post("/<slug>/try")
@reading()
@require()
def choose_runs(access: Access, slug: str) -> Response:
    """The same form for what was chosen, with samples or the values of a past execution where a button asks for them."""
    template = library.find(access, slug)
    typed = forms.typed_values()
    if request.form.get("execution"):
        typed |= contexts.typed(past_context(access, template, request.form["execution"]))
    return _page(access, template, {side: request.form.get(f"{side}-version", "") for side in SIDES}, typed)


def _page(access: Access, template: PromptTemplate, numbers: dict[str, str], typed: dict[str, str]) -> Response:
    offered = _offered(access, template)
    chosen = {side: _chosen(access, template, offered, numbers[side]) for side in SIDES} if offered else {}
    if chosen and not any(numbers.values()) and len(offered) > 1 and chosen["left"].id == chosen["right"].id:
        newest = next(one for one in offered if one.id != chosen["left"].id)
        chosen["right"] = library.version(access, template, newest.number)
    shown = chosen.get("right") or library.current(access, template)
    return answer(
        "prompt_templates/try.html",
        **shell(access, template, shown, ""),
        ready=bool(chosen) and template.active,
        bench=_bench(list(chosen.values()), typed) if chosen else None,
        chosen=chosen,
        offered=[(one.number, f"v{one.number} · {one.status}") for one in offered],
        providers=[("", "As the version says"), *((kind, one.label) for kind, one in PROVIDERS.items())],
        models=sorted({model for one in PROVIDERS.values() for model in one.models}),
        once=new_id(),
    )


def _offered(access: Access, template: PromptTemplate) -> list[PromptVersion]:
    """Return what this person may run, newest first."""
    found = library.versions(access, template, HISTORY, texts=False)
    return found if access.allows("editor") else [one for one in found if one.status == "published"]


def _chosen(access: Access, template: PromptTemplate, offered: list[PromptVersion], number: str) -> PromptVersion:
    known = {str(one.number): one for one in offered}
    default = next((one for one in offered if one.status == "published"), offered[0])
    return library.version(access, template, known.get(number, default).number)


def _bench(versions: list[PromptVersion], typed: dict[str, str]) -> workbench.Workbench:
    """Return the inputs of all versions, each once; a variable is what the first one says."""
    benches = [workbench.build(one, typed or None, keep_typed=bool(typed), touched=()) for one in versions]
    if request.form.get("fill") == "samples":
        samples = sampling.samples([spec for bench in benches for spec in bench.specs], typed)
        benches = [workbench.build(one, samples, keep_typed=True, touched=()) for one in versions]
    inputs = {one.name: one for bench in reversed(benches) for one in bench.inputs}
    names = dict.fromkeys(one.name for bench in benches for one in bench.inputs)
    unresolved = {field: text for bench in benches for field, text in bench.unresolved.items()}
    return replace(benches[0], inputs=[inputs[name] for name in names], unresolved=unresolved)
