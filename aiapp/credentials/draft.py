"""A credential before it is stored: what is still missing of it, and the target that a test of it asks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from aiapp.credentials import destination, keeping
from aiapp.credentials.destination import mistake
from aiapp.credentials.fields import checked
from aiapp.credentials.models import Credential
from aiapp.credentials.order import in_order
from aiapp.credentials.selection import Unusable, key_of
from aiapp.errors import InvalidInput
from aiapp.installation.offers import offer
from aiapp.providers.types import Target
from aiapp.workspaces.access import Access
from aiapp.workspaces.models import Workspace


def completed(values: Mapping[str, Any]) -> dict[str, Any]:
    """Return the checked fields of a new credential, with the provider's base URL where none is given.

    Raises InvalidInput for what is wrong or missing.
    """
    cleaned: dict[str, Any] = {}
    errors: list[Mapping[str, str]] = []
    try:
        cleaned = checked(values)
    except InvalidInput as refusal:
        errors.extend(refusal.errors)
    found = offer(str(values.get("provider")))
    provider = found.provider if found else None
    missing = {"provider": "Choose a provider.", "name": "Use 1 to 100 characters."}
    if provider is not None and provider.needs_key:
        missing["api_key"] = f"{provider.label} needs a key."
    wrong = {error["field"] for error in errors}
    for field, message in missing.items():
        if field not in wrong and not str(values.get(field) or "").strip():
            errors.append({"field": field, "message": message})
    if found is not None and not found.enabled:
        errors.append({"field": "provider", "message": f"{found.provider.label} is not offered in this installation."})
    if errors or found is None:
        raise InvalidInput(errors=errors)
    return {**cleaned, "base_url": cleaned.get("base_url") or found.base_url}


def check_models(preferred_model: str | None, allowed_models: Sequence[str] | None) -> None:
    """Raise InvalidInput where the preferred model is not among the allowed ones."""
    if preferred_model and allowed_models and preferred_model not in allowed_models:
        raise mistake("preferred_model", "This is not one of the allowed models.")


def check_name(others: Sequence[Credential], name: str) -> None:
    """Raise InvalidInput where one of `others` has this name."""
    if any(row.name == name for row in others):
        raise mistake("name", "Another credential has this name already.")


def target(access: Access, values: Mapping[str, Any], credential_id: str | None = None) -> Target:
    """Return the target that `values` would make of a new credential or of this one, by the rules of create and update.

    A stored key is only used for the place that it was entered for. Stores nothing. Ends the caller's transaction. Raises
    InvalidInput, NotFound.
    """
    if credential_id is None:
        owner_id = keeping.owner_of(access, values.get("scope") or keeping.WORKSPACE)
        keeping.demand(access, owner_id)
        cleaned = completed(values)
        check_name(in_order(access.workspace.id, owner_id), cleaned["name"])
        return _asked(access, cleaned, (cleaned["provider"], cleaned["base_url"]), cleaned.get("api_key"))
    credential = keeping.kept(access, credential_id)
    rows = in_order(access.workspace.id, credential.owner_id)
    cleaned = checked(values)
    check_name([row for row in rows if row.id != credential_id], cleaned.get("name", credential.name))
    where = destination.after_change(credential, cleaned)
    destination.check_key(credential, where, cleaned)
    try:
        key = cleaned["api_key"] if "api_key" in cleaned else key_of(access.workspace, credential)
    except Unusable as problem:
        raise mistake("api_key", "The stored key cannot be read: enter it again.") from problem
    stored = {field: getattr(credential, field) for field in ("name", "temperature", "preferred_model", "settings")}
    return _asked(access, {**stored, **cleaned}, where, key)


def is_stored(asked: Target, workspace: Workspace, credential: Credential) -> bool:
    """Whether a test of `asked` says something about the credential as it is stored now: it may have been changed meanwhile."""
    try:
        return same(asked, credential) and asked.api_key == key_of(workspace, credential)
    except Unusable:
        return False


def same(asked: Target, credential: Credential) -> bool:
    """As is_stored, but keys are not compared."""
    found = offer(credential.provider)
    own_model = credential.preferred_model or (found.default_model if found else "")
    return (asked.provider, asked.base_url, asked.model, asked.temperature, asked.settings) == (
        credential.provider,
        credential.base_url,
        own_model,
        credential.temperature,
        found.merged(credential.settings) if found else credential.settings,
    )


def _asked(access: Access, cleaned: Mapping[str, Any], where: destination.Destination, key: str | None) -> Target:
    provider, base_url = where
    found = offer(provider)
    destination.check(where)
    own = cleaned.get("settings") or {}
    return Target(
        provider=provider,
        base_url=base_url,
        model=cleaned.get("preferred_model") or (found.default_model if found else ""),
        api_key=key,
        workspace_id=access.workspace.id,
        credential_name=cleaned["name"],
        reason="Connection test",
        temperature=cleaned.get("temperature"),
        settings=found.merged(own) if found else own,
    )
