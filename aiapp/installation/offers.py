"""What this installation offers of each provider: the registry, and over it what a system administrator has set."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from aiapp.extensions import db
from aiapp.installation.models import ProviderSetting
from aiapp.providers.registry import PROVIDERS, Provider

_ALL = sa.select(ProviderSetting)


@dataclass(frozen=True, slots=True)
class Offer:
    """One provider here. `setting` is what was set for it, None where nothing was."""

    provider: Provider
    setting: ProviderSetting | None = None

    @property
    def enabled(self) -> bool:
        """Whether credentials for it can be made and used."""
        return self.setting is None or self.setting.enabled

    @property
    def base_url(self) -> str:
        """Where a credential without an address of its own is asked; empty where everyone has their own."""
        return (self.setting and self.setting.base_url) or self.provider.base_url

    @property
    def default_model(self) -> str:
        """The model of a credential that prefers none."""
        return (self.setting and self.setting.default_model) or self.provider.default_model

    @property
    def models(self) -> tuple[str, ...]:
        """The models that are suggested before the provider has listed its own."""
        return tuple((self.setting and self.setting.models) or self.provider.models)

    @property
    def changed(self) -> list[str]:
        """What was set of it, its place aside, in words."""
        row = self.setting
        if row is None:
            return []
        words = {
            "not offered": not row.enabled,
            "base URL": row.base_url,
            "default model": row.default_model,
            "suggested models": row.models,
            "settings": row.settings,
        }
        return [word for word, value in words.items() if value]

    def merged(self, own: Mapping[str, Any]) -> dict[str, Any]:
        """Return a credential's settings over the installation's; of the extra request fields each counts by itself."""
        under = self.setting.settings if self.setting else {}
        extra = {**under.get("extra", {}), **own.get("extra", {})}
        return {**under, **own, **({"extra": extra} if extra else {})}


def offers() -> dict[str, Offer]:
    """Return every provider by its kind, in this installation's order."""
    kinds = list(PROVIDERS)
    found = {row.kind: row for row in db.session.scalars(_ALL)}
    made = {kind: Offer(PROVIDERS[kind], found.get(kind)) for kind in kinds}

    def place(offer: Offer) -> tuple[int, int]:
        own = offer.setting.position if offer.setting else None
        return (len(kinds) if own is None else own, kinds.index(offer.provider.kind))

    return {offer.provider.kind: offer for offer in sorted(made.values(), key=place)}


def offers_of(kinds: Collection[str]) -> dict[str, Offer]:
    """Return these providers by their kinds, without those that this release does not know. Every execution asks this."""
    found = {row.kind: row for row in db.session.scalars(_ALL)}
    return {kind: Offer(PROVIDERS[kind], found.get(kind)) for kind in kinds if kind in PROVIDERS}


def offer(kind: str) -> Offer | None:
    """Return what is offered of one provider; None where this release does not know it."""
    if kind not in PROVIDERS:
        return None
    return Offer(PROVIDERS[kind], db.session.get(ProviderSetting, kind))
