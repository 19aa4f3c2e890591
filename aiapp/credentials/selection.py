"""Which of a workspace's credentials answer, best first, each with its reason and the model that it is asked for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from aiapp.credentials import vault
from aiapp.credentials.models import Credential
from aiapp.credentials.order import usable_by
from aiapp.extensions import db
from aiapp.installation.offers import Offer, offers
from aiapp.providers.registry import PROVIDERS
from aiapp.providers.types import ProviderError, Target
from aiapp.workspaces.models import Workspace

_ORDINALS = ("First", "Second", "Third", "Fourth", "Fifth", "Sixth", "Seventh", "Eighth", "Ninth", "Tenth")
# An execution is seen by others than its author, who may not know more of a personal credential.
PERSONAL_NAME = "Personal credential"


class Unusable(Exception):
    """The credential cannot be used as it is; the text says why and what to do.

    `reason` is the word for programs where its health shows it: unreadable or not_offered.
    """

    def __init__(self, message: str, reason: str = "") -> None:
        super().__init__(message)
        self.reason = reason


def targets_for(
    workspace_id: str,
    *,
    user_id: str | None = None,
    provider: str | None = None,
    credential_id: str | None = None,
    model: str | None = None,
) -> list[Target]:
    """Return the targets that may answer, best first.

    The order is that of the credentials' pages: the user's own, then the workspace's; the default one, then by position. A model
    that is asked for without a provider comes from the credentials that are known to have it first; then one of another
    provider answers with its own model, and its reason says so. A model that none of them is known to have is asked of each
    under that very name, but of those that do not allow it: who mistypes a name is never answered by another model.

    Arguments:
        user_id: whose personal credentials count too.
        provider: only this provider's credentials.
        credential_id: only this credential.
        model: the model that is wanted; default: each credential's preferred one, else its provider's default.

    Raises ProviderError `no_credential`, in words for the person who runs something.
    """
    workspace = db.session.get(Workspace, workspace_id)
    listed = usable_by(workspace_id, user_id)
    places = {row.id: place for place, row in enumerate(row for row in listed if row.owner_id is None)}
    chosen = _chosen(listed, provider, credential_id)
    limited = bool(provider or credential_id)
    having = frozenset(row.provider for row in chosen if model and not limited and _knows(row, model))
    if having:
        chosen = sorted(chosen, key=lambda row: (row.provider not in having, not _knows(row, model)))
    offered = offers()
    targets, problems = [], []
    for row in chosen:
        swapped = bool(having) and row.provider not in having
        wanted = None if swapped else model
        try:
            reason = "Chosen for this execution" if credential_id else _place_words(row, places.get(row.id, 0))
            if swapped:
                reason = f"{reason}; with its own model, because {model} belongs to another provider"
            elif model and not limited and not having:
                reason = f"{reason}; no credential here is known to have {model}"
            targets.append(target_of(workspace, row, model=wanted, reason=reason, offered=offered))
        except Unusable as problem:
            problems.append(str(problem))
    if not targets:
        raise ProviderError("no_credential", " ".join(problems))
    return targets


def target_of(
    workspace: Workspace | None,
    credential: Credential,
    *,
    model: str | None = None,
    reason: str = "",
    need_model: bool = True,
    offered: Mapping[str, Offer] | None = None,
) -> Target:
    """Return the target that asks this credential, active or not, with its key. Raises Unusable.

    Arguments:
        offered: what the installation offers, where the caller has asked already.
    """
    offer = (offers() if offered is None else offered).get(credential.provider)
    name, keeper = name_for_all(credential), "An admin" if credential.owner_id is None else "Its owner"
    if offer is None or workspace is None:
        raise Unusable(f"{name}: this version does not know the provider {credential.provider}.", "not_offered")
    provider = offer.provider
    if not offer.enabled:
        raise Unusable(f"{name}: {provider.label} is not offered in this installation.", "not_offered")
    key = key_of(workspace, credential)
    if key is None and provider.needs_key:
        raise Unusable(f"{name} has no key. {keeper} enters it under Credentials.")
    allowed = credential.allowed_models or ()
    own = credential.preferred_model or (
        offer.default_model if not allowed or offer.default_model in allowed else allowed[0]
    )
    wanted = model or own
    if allowed and wanted not in allowed:
        raise Unusable(f"{name} does not allow {wanted}. {keeper} changes that under Credentials.")
    if not wanted and need_model:
        raise Unusable(f"{name} has no model. {keeper} chooses its preferred model under Credentials.")
    return Target(
        provider=credential.provider,
        base_url=credential.base_url,
        model=wanted,
        api_key=key,
        workspace_id=credential.workspace_id,
        credential_id=credential.id,
        credential_name=name,
        reason=reason,
        temperature=credential.temperature,
        max_tokens=credential.max_tokens,
        system_prompt=credential.system_prompt,
        settings=offer.merged(credential.settings),
    )


def key_of(workspace: Workspace, credential: Credential) -> str | None:
    """Return the credential's key, None where it has none. Raises Unusable where the vault cannot read it."""
    if credential.api_key is None:
        return None
    try:
        return vault.decrypt(workspace, credential.id, "api_key", credential.api_key)
    except vault.Unreadable as error:
        keeper = "An admin" if credential.owner_id is None else "Its owner"
        message = f"The key of {name_for_all(credential)} cannot be read. {keeper} enters it again under Credentials."
        raise Unusable(message, "unreadable") from error


def name_for_all(credential: Credential) -> str:
    """Return what everybody in the workspace may know it by."""
    return credential.name if credential.owner_id is None else PERSONAL_NAME


def health_of(
    workspace: Workspace, credential: Credential, offered: Mapping[str, Offer] | None = None
) -> tuple[str, str | None]:
    """Return the health and its reason as they are now, whatever was stored.

    A key that the vault cannot read is down; of a provider that the installation does not offer nothing is known.

    Arguments:
        offered: as for target_of.
    """
    offer = (offers() if offered is None else offered).get(credential.provider)
    if offer is None or not offer.enabled:
        return "unknown", "not_offered"
    try:
        key_of(workspace, credential)
    except Unusable:
        return "down", "unreadable"
    return credential.health, credential.health_reason


def _chosen(listed: Sequence[Credential], provider: str | None, credential_id: str | None) -> list[Credential]:
    """Return the active credentials that were asked for. Raises ProviderError where there is none."""
    found = [row for row in listed if credential_id in (None, row.id)]
    if credential_id and not found:
        raise ProviderError("no_credential", "The chosen credential does not exist in this workspace.")
    found = [row for row in found if provider in (None, row.provider)]
    active = [row for row in found if row.active]
    if active:
        return active
    if credential_id and found:
        raise ProviderError("no_credential", f"The chosen credential, {name_for_all(found[0])}, is switched off.")
    if credential_id:
        raise ProviderError("no_credential", "The chosen credential is not one of the chosen provider.")
    if provider:
        label = PROVIDERS[provider].label if provider in PROVIDERS else provider
        raise ProviderError("no_credential", f"This workspace has no active credential for {label}.")
    raise ProviderError(
        "no_credential", "This workspace has no active credential. An admin adds one under Credentials."
    )


def _knows(credential: Credential, model: str | None) -> bool:
    provider = PROVIDERS.get(credential.provider)
    if credential.allowed_models is not None:
        return model in credential.allowed_models
    known = (credential.preferred_model, *(provider.models if provider else ()), *(credential.models or ()))
    return model in known


def _place_words(credential: Credential, place: int) -> str:
    if credential.owner_id is not None:
        return "Personal credential of whoever ran it"
    if credential.is_default:
        return "Default credential"
    ordinal = _ORDINALS[place] if place < len(_ORDINALS) else f"Number {place + 1}"
    return f"{ordinal} in the fallback order"
