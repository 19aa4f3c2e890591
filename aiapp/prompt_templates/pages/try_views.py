"""Trying several versions, or several models, with the same values. What is run, and how that goes, is the executions' own."""

from __future__ import annotations

from dataclasses import dataclass, replace

from flask import Response, request

from aiapp.columns import new_id
from aiapp.extensions import reading
from aiapp.prompt_templates import contexts, facts, library, workbench
from aiapp.prompt_templates.models import PromptTemplate, PromptVersion
from aiapp.prompt_templates.pages import forms
from aiapp.prompt_templates.pages.routes import HISTORY, answer, blueprint, shell
from aiapp.prompt_templates.text import sampling
from aiapp.prompt_templates.uses import past_context
from aiapp.providers.registry import PROVIDERS
from aiapp.workspaces.access import Access, require

MOST = 6  # as many as executions put beside each other


@dataclass(frozen=True, slots=True)
class Asked:
    """What one column asks for: the number of a version, a provider, a model; empty ones are left to the version."""

    version: str = ""
    provider: str = ""
    model: str = ""


@blueprint.get("/<slug>/try")
@require()
def compare_runs(access: Access, slug: str) -> Response:
    """The form that runs versions or models beside each other (`?version=3&version=4`)."""
    template = library.find(access, slug)
    columns = [Asked(number) for number in request.args.getlist("version")[:MOST]]
    return _page(access, template, [*columns, Asked(), Asked()][: max(2, len(columns))], {})


@blueprint.post("/<slug>/try")
@reading()
@require()
def choose_runs(access: Access, slug: str) -> Response:
    """The same form for what was chosen, with samples or the values of a past execution where a button asks for them.

    `sides` is more for another column, `without-2` to take one away.
    """
    template = library.find(access, slug)
    typed = forms.typed_values()
    if request.form.get("execution"):
        typed |= contexts.typed(past_context(access, template, request.form["execution"]))
    return _page(access, template, _columns(), typed)


def _columns() -> list[Asked]:
    form, change = request.form, request.form.get("sides", "")
    names = ("version", "provider", "model")
    sides = [side for side in map(str, range(1, MOST + 1)) if f"{side}-version" in form]
    kept = [side for side in sides if change != f"without-{side}"] if len(sides) > 2 else sides
    columns = [Asked(*(form.get(f"{side}-{name}", "") for name in names)) for side in kept]
    columns += [Asked()] * (2 - len(columns))
    return [*columns, columns[-1]][:MOST] if change == "more" else columns


def _page(access: Access, template: PromptTemplate, columns: list[Asked], typed: dict[str, str]) -> Response:
    offered = _offered(access, template)
    asked = {str(place): one for place, one in enumerate(columns, 1)}
    chosen = {side: _chosen(access, template, offered, one.version) for side, one in asked.items()} if offered else {}
    if chosen and not any(one.version for one in columns) and len(offered) > 1:
        newest = next(one for one in offered if one.id != chosen["1"].id)
        chosen["2"] = library.version(access, template, newest.number)
    shown = chosen.get("2") or library.current(access, template)
    return answer(
        "prompt_templates/try.html",
        **shell(access, template, shown, ""),
        ready=bool(chosen) and template.active,
        bench=_bench(access, list(chosen.values()), typed) if chosen else None,
        chosen=chosen,
        asked=asked,
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


def _bench(access: Access, versions: list[PromptVersion], typed: dict[str, str]) -> workbench.Workbench:
    """Return the inputs of all versions, each once; a variable is what the first one says."""
    known = facts.of(access)
    benches = [workbench.build(one, typed or None, keep_typed=bool(typed), touched=(), facts=known) for one in versions]
    if request.form.get("fill") == "samples":
        samples = sampling.samples([spec for bench in benches for spec in bench.specs], typed)
        benches = [workbench.build(one, samples, keep_typed=True, touched=(), facts=known) for one in versions]
    inputs = {one.name: one for bench in reversed(benches) for one in bench.inputs}
    names = dict.fromkeys(one.name for bench in benches for one in bench.inputs)
    unresolved = {field: text for bench in benches for field, text in bench.unresolved.items()}
    return replace(benches[0], inputs=[inputs[name] for name in names], unresolved=unresolved)
