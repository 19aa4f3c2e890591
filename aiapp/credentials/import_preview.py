"""What would become of the credentials of a file, before their keys are asked for; asks no name service."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from aiapp.credentials import keeping, order, transfer
from aiapp.extensions import settings
from aiapp.installation.offers import Offer, offers
from aiapp.providers.addresses import check_url
from aiapp.providers.types import ProviderError
from aiapp.workspaces.access import Access


@dataclass(frozen=True, slots=True)
class Preview:
    """One credential of a file.

    label: its provider's name; name: what it would be called here.
    key: whether one is "required", "optional", "had" (optional, but it had one), or not asked for ("").
    trouble: why it cannot be imported as it is; empty where nothing is known against it.
    """

    label: str
    name: str
    key: str
    trouble: str = ""


def previews(access: Access, found: Sequence[Mapping[str, Any]], scope: str) -> list[Preview]:
    """Return what each of `found` (see transfer.read) would become if all of them were imported into the scope."""
    taken = {row.name for row in order.in_order(access.workspace.id, keeping.owner_of(access, scope))}
    offered = offers()
    made = []
    for one in found:
        own = one.get("name")
        name = transfer.free_name(" ".join(own.split()), taken) if isinstance(own, str) and own.strip() else ""
        taken.add(name)
        offer = offered.get(str(one.get("provider")))
        if offer is None:
            made.append(Preview(str(one.get("provider")), name, "", "This installation does not know its provider."))
        else:
            made.append(Preview(offer.provider.label, name, _key(one, offer), _trouble(one, offer)))
    return made


def _key(one: Mapping[str, Any], offer: Offer) -> str:
    if offer.provider.place == "demo":
        return ""
    return "required" if offer.provider.needs_key else "had" if one.get("has_key") is True else "optional"


def _trouble(one: Mapping[str, Any], offer: Offer) -> str:
    if not offer.enabled:
        return f"{offer.provider.label} is not offered in this installation."
    url = one.get("base_url")
    if not isinstance(url, str) or not url.strip() or offer.provider.place == "demo":
        return ""
    try:
        check_url(url.strip().rstrip("/"), settings().outbound_allow)
    except ProviderError as error:
        return error.message
    return ""
