"""What a form offers that asks an execution again: versions of its prompt template, providers, models."""

from __future__ import annotations

from typing import Any

from aiapp.credentials import order
from aiapp.credentials.models import Credential
from aiapp.executions.models import Execution
from aiapp.prompt_templates import contexts, library, workbench
from aiapp.prompt_templates.models import PromptVersion
from aiapp.prompt_templates.text import fetchers
from aiapp.providers.registry import PROVIDERS
from aiapp.workspaces.access import Access

MOST_VERSIONS = 200


def versions(access: Access, execution: Execution) -> list[PromptVersion]:
    """Return the versions of its prompt template that this person may run, newest first; none where it has none."""
    template = execution.prompt_template
    if template is None or not template.active:
        return []
    found = library.versions(access, template, MOST_VERSIONS, texts=False)
    return found if access.allows("editor") else [one for one in found if one.status == "published"]


def offered(access: Access, execution: Execution) -> dict[str, Any]:
    """Return the options of the selects: `version_options`, `provider_options`, and `models` for the browser to suggest."""
    usable = [one for one in order.usable_by(access.workspace.id, access.user.id) if one.active]
    known = {model for one in usable for model in (one.allowed_models or _models(one))}
    return {
        "version_options": [(one.number, f"v{one.number} · {one.status}") for one in versions(access, execution)],
        "provider_options": providers(access, execution.requested_provider),
        "models": sorted(known),
    }


def providers(access: Access, asked: str | None = None) -> list[tuple[str, str]]:
    """Return the providers that this person has active credentials for, by label, and the one that was `asked` in any case."""
    usable = {one.provider for one in order.usable_by(access.workspace.id, access.user.id) if one.active}
    return [(kind, provider.label) for kind, provider in PROVIDERS.items() if kind in usable or kind == asked]


def credentials(access: Access, execution: Execution) -> list[tuple[str, str]]:
    """Return the ids and names of those that this person may ask: active ones, and the one that it asked in any case."""
    asked = execution.requested_credential_id
    usable = order.usable_by(access.workspace.id, access.user.id)
    return [
        (one.id, f"{one.name} · {PROVIDERS[one.provider].label}{'' if one.active else ' (switched off)'}")
        for one in usable
        if one.active or one.id == asked
    ]


def _models(credential: Credential) -> set[str]:
    provider = PROVIDERS.get(credential.provider)
    named = (credential.preferred_model, *(credential.models or ()), *(provider.models if provider else ()))
    return {model for model in named if model}


def lacking(access: Access, execution: Execution, number: int | None) -> list[workbench.Input]:
    """Return the inputs that a version has and the execution's context has no value for; none for its own version.

    Raises NotFound, Denied where this person may not run that version.
    """
    template, own = execution.prompt_template, execution.prompt_version
    if template is None or number is None or (own is not None and own.number == number):
        return []
    version = library.version(access, template, number)
    if version.status != "published":
        access.demand("editor")
    given = contexts.typed(fetchers.without(execution.context, execution.fetched))
    bench = workbench.build(version, given, keep_typed=True, whole=True, touched=())
    return [one for one in bench.inputs if not one.filled]
