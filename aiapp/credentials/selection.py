"""Which of a workspace's credentials answer, best first, each with its reason and the model that it is asked for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from aiapp.columns import now
from aiapp.credentials import breakers, vault
from aiapp.credentials.circuit import OF_THE_KEY, Breaker
from aiapp.credentials.models import Credential
from aiapp.credentials.order import usable_in
from aiapp.gateway.fallback import duration
from aiapp.installation.offers import Offer, offers, offers_of
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


@dataclass(frozen=True, slots=True)
class Candidate:
    """A credential that is considered for a request, in its place, with the model that it would be asked for.

    target: None where it cannot be asked at all.
    reason: why it stands there; because: why it is not asked now, or not in its place, "" where it is.
    breaker: the circuit that keeps it out, or puts it last, or that is half-open.
    held: whether nobody asks it before its circuit allows that.
    last: whether it is asked after all others, because its key was refused or its account was empty a short time ago.
    """

    credential: Credential
    model: str
    target: Target | None
    reason: str
    because: str = ""
    breaker: Breaker | None = None
    held: bool = False
    last: bool = False

    def half_open(self, at: datetime) -> bool:
        """Whether one execution may try it now and the others wait for what comes of that."""
        return self.breaker is not None and not self.held and self.breaker.state(at) == "half_open"


def candidates(
    workspace_id: str,
    *,
    user_id: str | None = None,
    provider: str | None = None,
    credential_id: str | None = None,
    model: str | None = None,
    at: datetime | None = None,
) -> list[Candidate]:
    """Return the active credentials that may answer, best first, those that cannot be asked now among them.

    The order is that of the credentials' pages: the user's own, then the workspace's; the default one, then by position. A model
    that is asked for without a provider comes from the credentials that are known to have it first; then one of another
    provider answers with its own model, and its reason says so. A model that none of them is known to have is asked of each
    under that very name, but of those that do not allow it: who mistypes a name is never answered by another model. Whose key
    was refused, or whose account was empty, a short time ago comes last.

    Arguments:
        user_id: whose personal credentials count too.
        provider: only this provider's credentials.
        credential_id: only this credential.
        model: the model that is wanted; default: each credential's preferred one, else its provider's default.
        at: the moment that circuits are looked at; default: now.

    Raises ProviderError `no_credential`, in words for the person who runs something, where none is active.
    """
    workspace, listed = usable_in(workspace_id, user_id)
    places = {row.id: place for place, row in enumerate(row for row in listed if row.owner_id is None)}
    chosen = _chosen(listed, provider, credential_id)
    limited = bool(provider or credential_id)
    having = frozenset(row.provider for row in chosen if model and not limited and _knows(row, model))
    if having:
        chosen = sorted(chosen, key=lambda row: (row.provider not in having, not _knows(row, model)))
    offered, circuits = offers_of({row.provider for row in chosen}), breakers.of(workspace_id)
    found: list[Candidate] = []
    for row in chosen:
        swapped = bool(having) and row.provider not in having
        reason = "Chosen for this execution" if credential_id else _place_words(row, places.get(row.id, 0))
        if swapped:
            reason = f"{reason}; with its own model, because {model} belongs to another provider"
        elif model and not limited and not having:
            reason = f"{reason}; no credential here is known to have {model}"
        try:
            target = target_of(workspace, row, model=None if swapped else model, reason=reason, offered=offered)
        except Unusable as problem:
            found.append(Candidate(row, model or "", None, reason, str(problem)))
        else:
            target = replace(target, failing=_drill_words(row, at or now()))
            found.append(_in_circuit(Candidate(row, target.model, target, reason), circuits, at or now()))
    others = any(not one.last and one.target is not None for one in found)
    return [_with_refusal(one, others) for one in sorted(found, key=lambda one: one.last)]


def _with_refusal(one: Candidate, others: bool) -> Candidate:
    """Return one that is asked last with why; where no `others` are asked before it, it is not later than it was."""
    if one.breaker is None or not one.last:
        return one
    told = f"{one.reason}; {'asked last, because ' if others else ''}{one.breaker.why} a short time ago"
    return replace(one, reason=told, target=one.target and replace(one.target, reason=told))


def targets_for(
    workspace_id: str,
    *,
    user_id: str | None = None,
    provider: str | None = None,
    credential_id: str | None = None,
    model: str | None = None,
) -> list[Target]:
    """Return the targets of those candidates that can be asked, now or later, best first.

    Arguments and order as for candidates. Raises ProviderError `no_credential` where there is none.
    """
    return targets_of(
        candidates(workspace_id, user_id=user_id, provider=provider, credential_id=credential_id, model=model)
    )


def targets_of(found: Sequence[Candidate]) -> list[Target]:
    """Return the targets of `found`. Raises ProviderError `no_credential` with what is wrong with each where none has one."""
    targets = [one.target for one in found if one.target is not None]
    if not targets:
        raise ProviderError("no_credential", " ".join(one.because for one in found))
    return targets


def _in_circuit(one: Candidate, circuits: Mapping[tuple[str, str], Breaker], at: datetime) -> Candidate:
    """Return a candidate with what its circuits mean for it; that of its model counts more than that of its key."""
    for breaker in (circuits.get((one.credential.id, one.model)), circuits.get((one.credential.id, ""))):
        state = "closed" if breaker is None else breaker.state(at)
        if breaker is None or state == "closed":
            continue
        if state == "half_open":
            return replace(one, breaker=breaker)
        if breaker.cause in OF_THE_KEY:
            return replace(one, breaker=breaker, last=True, because=f"It is asked last: {breaker.why} a short time ago")
        because = f"Its circuit is open for another {duration((breaker.free_at - at).total_seconds())}: {breaker.why}"
        return replace(one, breaker=breaker, held=True, because=because)
    return one


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
    wanted = model or _own_model(credential, offer)
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
        advice = f"{keeper} enters it again under Credentials." if vault.opens(workspace) else vault.CLOSED
        message = f"The key of {name_for_all(credential)} cannot be read. {advice}"
        raise Unusable(message, "unreadable") from error


def _own_model(credential: Credential, offer: Offer) -> str:
    """Return the model that it answers with unless another one is asked for; "" where it has none."""
    allowed = credential.allowed_models or ()
    default = offer.default_model
    return credential.preferred_model or (default if not allowed or default in allowed else allowed[0])


def name_for_all(credential: Credential) -> str:
    """Return what everybody in the workspace may know it by."""
    return credential.name if credential.owner_id is None else PERSONAL_NAME


def health_of(
    workspace: Workspace, credential: Credential, offered: Mapping[str, Offer] | None = None
) -> tuple[str, str | None]:
    """Return the health and its reason as they are now, whatever was stored.

    A key that the vault cannot read is down, and unknown once it can be read again. Of a provider that the installation does not
    offer nothing is known. What works without a model of its own is degraded: executions that name none pass it over.

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
    if credential.health_reason == "unreadable":
        return "unknown", None
    if credential.health == "healthy" and not _own_model(credential, offer):
        return "degraded", "no_model"
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


def _drill_words(credential: Credential, at: datetime) -> str:
    if credential.drill_until is None or credential.drill_until <= at:
        return ""
    left = duration((credential.drill_until - at).total_seconds())
    return f"Failure drill: no call was made. {name_for_all(credential)} counts as failing for another {left}."


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
