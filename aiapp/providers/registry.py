"""Every provider that a credential can be for. A new OpenAI-compatible one is an entry; a new dialect is a file and an entry."""

from __future__ import annotations

from aiapp.providers.hosts import HOSTS
from aiapp.providers.makers import MAKERS
from aiapp.providers.own_servers import OWN_SERVERS
from aiapp.providers.provider import Provider

__all__ = ["PROVIDERS", "Provider", "UnknownProvider", "provider"]

PROVIDERS: dict[str, Provider] = {entry.kind: entry for entry in (*MAKERS, *HOSTS, *OWN_SERVERS)}


class UnknownProvider(LookupError):
    """There is no provider of that kind."""

    def __init__(self, kind: str) -> None:
        super().__init__(f"There is no provider {kind!r}.")
        self.kind = kind


def provider(kind: str) -> Provider:
    """Return the provider of that kind. Raises UnknownProvider."""
    try:
        return PROVIDERS[kind]
    except KeyError:
        raise UnknownProvider(kind) from None
