"""What is known of one provider: how people see it, where it is, which dialects it is spoken to in."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal
from urllib.parse import urlsplit

from aiapp.providers.endpoints import azure
from aiapp.providers.openai_chat import OpenAIChat
from aiapp.providers.quirks import Auth, Quirks
from aiapp.providers.types import Dialect, Embedder


@dataclass(frozen=True, slots=True, kw_only=True)
class Provider:
    """One provider.

    kind: its name in the API and in rows. label, tagline, monogram: how people see it.
    place: "cloud", "own" (a server of the user's, mostly without a key and on a private address) or "demo".
    speaks: the classes of the dialects that it understands, by the name that a credential's setting `api` chooses; the first
        is spoken where nobody chose. quirks: what all of them must know; other_quirks: instead, for some, by the same name.
    base_url: what the provider's own SDK takes (OpenAI dialects include /v1); empty where everyone has their own, and then
        base_url_example shows its form. domains: further ones of its own, under which it gives its customers hosts.
    default_model, models: what a new credential starts with and what it suggests; the account's own list is asked for.
    embeds: how it is asked for embeddings, None where it has none; embedding_models: what it suggests for them.
    guide: short steps to a working credential, plain text.
    """

    kind: str
    label: str
    tagline: str
    monogram: str
    place: Literal["cloud", "own", "demo"] = "cloud"
    speaks: Mapping[str, Callable[[Quirks], Dialect]] = field(default_factory=lambda: {"chat": OpenAIChat})
    quirks: Quirks = field(default_factory=Quirks)
    other_quirks: Mapping[str, Quirks] = field(default_factory=dict)
    base_url: str
    base_url_example: str = ""
    domains: tuple[str, ...] = ()
    needs_key: bool = True
    docs_url: str = ""
    key_url: str | None = None
    billing_url: str | None = None
    default_model: str = ""
    models: tuple[str, ...] = ()
    embeds: Callable[[Quirks], Embedder] | None = None
    embedding_models: tuple[str, ...] = ()
    guide: tuple[str, ...] = ()
    embedder: Embedder | None = field(init=False, repr=False, compare=False)
    dialects: Mapping[str, Dialect] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        made = {name: speak(self.other_quirks.get(name, self.quirks)) for name, speak in self.speaks.items()}
        object.__setattr__(self, "dialects", made)
        object.__setattr__(self, "embedder", self.embeds(self.quirks) if self.embeds else None)

    def dialect_for(self, settings: Mapping[str, Any]) -> Dialect:
        """Return the dialect that a credential's settings choose (`api`), the provider's first where they choose none it has."""
        chosen = settings.get("api")
        return self.dialects[chosen if isinstance(chosen, str) and chosen in self.dialects else self.apis[0]]

    def is_at(self, base_url: str) -> bool:
        """Whether this address is the provider's own (a region of it counts), and not that of a gateway or a look-alike."""
        host, own = urlsplit(base_url).hostname or "", urlsplit(self.base_url).hostname
        return any(f".{host}".endswith(f".{domain}") for domain in (own, *self.domains) if domain)

    @property
    def apis(self) -> tuple[str, ...]:
        """The names of its dialects; the first one is spoken where nobody chose."""
        return tuple(self.speaks)

    @property
    def api_versions(self) -> bool:
        """Whether its paths depend on an API version that a credential may choose (setting `api_version`)."""
        return self.quirks.locate is azure

    @property
    def lists_models(self) -> bool:
        """Whether it lists what it can be asked for; else its models are known to its customers alone."""
        return self.quirks.lists_what_is_asked

    @property
    def auth(self) -> Auth:
        """How the key is sent."""
        return self.quirks.auth

    @property
    def capabilities(self) -> tuple[str, ...]:
        """What can be asked of it: models, completion, stream, json, json_schema, embeddings."""
        modes = self.quirks.json_modes
        return (
            "models",
            "completion",
            "stream",
            *(("json",) if modes else ()),
            *(("json_schema",) if "json_schema" in modes else ()),
            *(("embeddings",) if self.embeds else ()),
        )
