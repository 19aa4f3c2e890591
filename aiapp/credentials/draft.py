"""A credential before it is stored: all that is wrong with it or missing, and the target that a test of it asks."""

from __future__ import annotations

from collections.abc import Callable, Container, Mapping, Sequence
from typing import Any

from aiapp.credentials import destination, keeping, vault
from aiapp.credentials.destination import mistake
from aiapp.credentials.fields import read
from aiapp.credentials.models import Credential
from aiapp.credentials.order import in_order
from aiapp.credentials.selection import Unusable, key_of
from aiapp.errors import FieldErrors, InvalidInput
from aiapp.installation.offers import offer
from aiapp.providers.types import Target
from aiapp.workspaces.access import Access
from aiapp.workspaces.models import Workspace


def new(access: Access, values: Mapping[str, Any]) -> tuple[dict[str, Any], str | None]:
    """Return the checked fields of a new credential, and whose it will be.

    Ends the caller's transaction before it asks the name service. Raises InvalidInput with everything that is wrong, Denied.
    """
    errors: FieldErrors = ()
    owner_id, others = None, []
    try:
        owner_id = keeping.owner_of(access, values.get("scope") or keeping.WORKSPACE)
    except InvalidInput as refusal:
        errors = refusal.errors
    else:
        keeping.demand(access, owner_id)
        others = in_order(access.workspace.id, owner_id)
    return completed(values, others, errors), owner_id


def completed(
    values: Mapping[str, Any],
    others: Sequence[Credential] = (),
    errors: FieldErrors = (),
    refusal: Callable[[destination.Destination], FieldErrors] = destination.refusal,
) -> dict[str, Any]:
    """Return the checked fields of a new credential, with the provider's base URL where none is given.

    Raises InvalidInput for all that is wrong or missing.

    Arguments:
        others: the credentials beside which it will stand.
        errors: what is known to be wrong already.
        refusal: says why calls may not go to a destination; the default one ends the caller's transaction.
    """
    cleaned, mistakes = read(values)
    found = offer(str(values.get("provider")))
    missing = {"provider": "Choose a provider.", "name": "Use 1 to 100 characters."}
    if found is not None and found.provider.needs_key:
        missing["api_key"] = f"{found.provider.label} needs a key."
    wrong = {error["field"] for error in mistakes}
    for field, message in missing.items():
        if field not in wrong and not str(values.get(field) or "").strip():
            mistakes.append({"field": field, "message": message})
    mistakes += _clashes(cleaned.get("name"), others)
    mistakes += _model_mistakes(cleaned.get("preferred_model"), cleaned.get("allowed_models"))
    if found is not None and not found.enabled:
        mistakes.append(
            {"field": "provider", "message": f"{found.provider.label} is not offered in this installation."}
        )
    elif found is not None and "base_url" not in wrong:
        mistakes += refusal((found.provider.kind, cleaned.get("base_url") or found.base_url))
    if errors or mistakes or found is None:
        raise InvalidInput(errors=[*errors, *mistakes])
    return {**cleaned, "base_url": cleaned.get("base_url") or found.base_url}


def changed(access: Access, credential: Credential, values: Mapping[str, Any]) -> dict[str, Any]:
    """Return the checked fields of a change.

    Ends the caller's transaction before it asks the name service. Raises InvalidInput with everything that is wrong.
    """
    cleaned, errors = read(values)
    if values.get("scope") not in (None, keeping.scope_of(credential.owner_id)):
        errors.append({"field": "scope", "message": "This cannot be changed: add another credential there."})
    rows = in_order(access.workspace.id, credential.owner_id)
    errors += clashes(credential, cleaned, rows, frozenset(error["field"] for error in errors))
    where = destination.after_change(credential, cleaned)
    if where != (credential.provider, credential.base_url):
        errors += destination.refusal(where)
    refuse(errors)
    return cleaned


def clashes(
    credential: Credential, cleaned: Mapping[str, Any], rows: Sequence[Credential], wrong: Container[str] = ()
) -> FieldErrors:
    """Return what is wrong with a change beside what is stored of the credential and of `rows`, those of its scope.

    Arguments:
        wrong: the fields that could not be read.
    """
    where = destination.after_change(credential, cleaned)
    models = [cleaned.get(name, getattr(credential, name)) for name in ("preferred_model", "allowed_models")]
    errors = [
        *(() if "api_key" in wrong else destination.key_needed(credential, where, cleaned)),
        *_clashes(cleaned.get("name"), [row for row in rows if row.id != credential.id]),
        *_model_mistakes(*models),
    ]
    if credential.is_default and not cleaned.get("is_default", True):
        errors.append({"field": "is_default", "message": "Make another credential the default one instead."})
    return errors


def refuse(errors: FieldErrors) -> None:
    """Raise InvalidInput where there are any; `key_required` where a stored key would go where it was not entered for."""
    if any(error["message"] == destination.KEY_REQUIRED for error in errors):
        raise InvalidInput(destination.KEY_REQUIRED, code="key_required", errors=errors)
    if errors:
        raise InvalidInput(errors=errors)


def check_name(others: Sequence[Credential], name: str) -> None:
    """Raise InvalidInput where one of `others` has this name."""
    refuse(_clashes(name, others))


def _clashes(name: str | None, others: Sequence[Credential]) -> FieldErrors:
    taken = any(row.name == name for row in others)
    return [{"field": "name", "message": "Another credential has this name already."}] if taken else ()


def _model_mistakes(preferred_model: str | None, allowed_models: Sequence[str] | None) -> FieldErrors:
    if preferred_model and allowed_models and preferred_model not in allowed_models:
        return [{"field": "preferred_model", "message": "This is not one of the allowed models."}]
    return ()


def target(access: Access, values: Mapping[str, Any], credential_id: str | None = None) -> Target:
    """Return the target that `values` would make of a new credential or of this one, by the rules of create and update.

    A stored key is only used for the place that it was entered for. Stores nothing. Ends the caller's transaction. Raises
    InvalidInput, NotFound.
    """
    if credential_id is None:
        cleaned, _ = new(access, values)
        return _asked(access, cleaned, (cleaned["provider"], cleaned["base_url"]), cleaned.get("api_key"))
    credential = keeping.kept(access, credential_id)
    cleaned = changed(access, credential, values)
    where = destination.after_change(credential, cleaned)
    if where == (credential.provider, credential.base_url):
        destination.check(where)  # its name may lead elsewhere by now
    try:
        key = cleaned["api_key"] if "api_key" in cleaned else key_of(access.workspace, credential)
    except Unusable as problem:
        advice = "Enter it again." if vault.opens(access.workspace) else vault.CLOSED
        raise mistake("api_key", f"The stored key cannot be read. {advice}") from problem
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
