"""The settings tab: what a version says beside its text, and what the template is called."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from flask import Response, request
from werkzeug.wrappers import Response as BaseResponse

from aiapp import htmx
from aiapp.errors import AppError, Conflict, InvalidInput
from aiapp.extensions import reading
from aiapp.prompt_templates import actions, library, partials, tasks
from aiapp.prompt_templates.checks import Check
from aiapp.prompt_templates.models import PromptTemplate, PromptVersion
from aiapp.prompt_templates.pages import forms
from aiapp.prompt_templates.pages.routes import address, answer, blueprint, shell
from aiapp.prompt_templates.text import fields, including, wording
from aiapp.prompt_templates.text.schema_sketch import sketch
from aiapp.prompt_templates.text.values import VARIABLE_TYPES, as_text
from aiapp.providers.output_formats import CHOICES
from aiapp.providers.registry import PROVIDERS
from aiapp.workspaces.access import Access, require


@blueprint.get("/<slug>/versions/<int:version>/settings")
@require()
def settings(access: Access, slug: str, version: int) -> Response:
    """Output, model and variables of a version; details of the template."""
    template = library.find(access, slug)
    return _page(access, template, library.version(access, template, version))


@blueprint.post("/<slug>/versions/<int:version>/settings")
@require("editor")
def save_settings(access: Access, slug: str, version: int) -> BaseResponse:
    """Save the settings of a draft."""
    template = library.find(access, slug)
    found = library.version(access, template, version)
    if "make" in request.form:
        return _made(access, template, found)
    try:
        seen = forms.typed_number("overwrite") or forms.typed_number("lock_version") or 0
        expansion = partials.expanded(found)
        given = forms.settings(expansion.specs(found.variables))
        given["variables"] = partials.own(found, given["variables"], expansion)
        actions.save_draft(access, found, given, seen)
    except (InvalidInput, Conflict) as error:
        return _page(access, template, found, typed=request.form, error=error)
    return htmx.go(address(found, "settings", workspace=access.workspace.slug), "Saved.")


@blueprint.post("/<slug>/versions/<int:version>/_schema")
@reading()
@require("editor")
def check_schema(access: Access, slug: str, version: int) -> Response:
    """What is wrong with the schema that is being typed; or, where that is asked for, the field with one made of the example."""
    found = library.version(access, library.find(access, slug), version)
    if "make" in request.form:
        values, errors = _sketched()
        return htmx.fragment("prompt_templates/_schema.html", version=found, values=values, errors=errors)
    return htmx.fragment("prompt_templates/_schema_said.html", said=_said(request.form.get("json_schema", "")))


def details_page(access: Access, template: PromptTemplate, error: AppError) -> Response:
    """Return the tab with details that could not be saved."""
    number = forms.typed_number("version")
    version = library.version(access, template, number) if number else library.current(access, template)
    return _page(access, template, version, details=request.form, error=error)


def _page(
    access: Access,
    template: PromptTemplate,
    version: PromptVersion,
    *,
    typed: Mapping[str, str] | None = None,
    details: Mapping[str, str] | None = None,
    error: AppError | None = None,
) -> Response:
    expansion = partials.expanded(version)
    specs = expansion.specs(version.variables)
    declared = {spec["name"]: spec for spec in version.variables}
    return answer(
        "prompt_templates/settings.html",
        200 if error is None else 422 if details is not None else error.status,
        **shell(access, template, version, "settings"),
        editable=version.status == "draft" and access.allows("editor"),
        values=typed or _values(version),
        details=details or _details(template),
        tasks=tasks.offered(access),
        specs=[_spec(spec, typed) for spec in specs],
        inherited={spec["name"] for spec in specs if not including.says_something(declared.get(spec["name"], spec))}
        & set(expansion.inherited),
        users=partials.included_by(access, template),
        formats=CHOICES,
        providers=[
            ("", "Any, in the order of the credentials"),
            *((kind, one.label) for kind, one in PROVIDERS.items()),
        ],
        models=sorted({model for one in PROVIDERS.values() for model in one.models}),
        types=[(name, name.replace("_", " ").capitalize()) for name in VARIABLE_TYPES],
        error=error,
        details_error=details is not None,
        errors=forms.errors_of(error) if error else {},
    )


def _made(access: Access, template: PromptTemplate, version: PromptVersion) -> Response:
    """Return the tab, unsaved, with a schema made of the example."""
    values, errors = _sketched()
    error = InvalidInput(errors=[{"field": name, "message": text} for name, text in errors.items()]) if errors else None
    return _page(access, template, version, typed=values, error=error)


def _sketched() -> tuple[dict[str, str], dict[str, str]]:
    """Return the form's values, with a schema made of the example in it, and what is wrong with the example."""
    values = request.form.to_dict()
    try:
        example = wording.parsed(values.get("example", ""), fields.MAX_SCHEMA)
    except ValueError as error:
        return values, {"example": str(error)}
    if example is None:
        return values, {"example": "Paste an example of an answer first."}
    return {**values, "json_schema": json.dumps(sketch(example), indent=2, ensure_ascii=False)}, {}


def _said(schema: str) -> Check | None:
    """Return what is to be said of a schema; nothing of none."""
    if not schema.strip():
        return None
    try:
        fields.content({"json_schema": schema})
    except InvalidInput as error:
        return Check("bad", error.errors[0]["message"])
    return Check("good", "This is a valid JSON schema.")


def _values(version: PromptVersion) -> dict[str, Any]:
    schema = version.json_schema
    return {
        "output_format": version.output_format,
        "json_schema": "" if schema is None else json.dumps(schema, indent=2, ensure_ascii=False),
        "provider": version.provider or "",
        "model": version.model or "",
        "temperature": "" if version.temperature is None else f"{version.temperature:g}",
        "max_tokens": "" if version.max_tokens is None else version.max_tokens,
    }


def _details(template: PromptTemplate) -> dict[str, Any]:
    return {
        "name": template.name,
        "slug": template.slug,
        "description": template.description,
        "tags": ", ".join(tag.name for tag in template.tags),
        "task": template.task or "",
    }


def _spec(spec: Mapping[str, Any], typed: Mapping[str, str] | None) -> dict[str, Any]:
    """Return one declared variable as its form shows it."""
    name = spec["name"]
    if typed is not None and f"type-{name}" in typed:
        texts = {key: typed.get(f"{key}-{name}", "") for key in ("type", "default", "sample", "description", "choices")}
        return {"name": name, "required": f"required-{name}" in typed, **texts}
    texts = {key: "" if spec.get(key) is None else as_text(spec[key]) for key in ("default", "sample")}
    return {**spec, **texts, "choices": "\n".join(spec.get("choices", ()))}
