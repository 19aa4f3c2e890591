"""Where a credential's key may go: to a public address, and only to the one that it was entered for."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from aiapp.credentials.hints import azure_base_url
from aiapp.credentials.models import Credential
from aiapp.errors import FieldErrors, InvalidInput
from aiapp.extensions import db, settings
from aiapp.installation.offers import offer
from aiapp.providers.addresses import check_url, resolve
from aiapp.providers.registry import PROVIDERS
from aiapp.providers.types import ProviderError

Destination = tuple[str, str]

KEY_REQUIRED = "Enter the key again: a stored key is never sent to another provider or address."


def after_change(credential: Credential, cleaned: Mapping[str, Any]) -> Destination:
    """Return the provider and base URL that a change leads to: an emptied base URL is the provider's own, "" if it has none."""
    provider = cleaned.get("provider", credential.provider)
    if "base_url" in cleaned or provider != credential.provider:
        return provider, cleaned.get("base_url") or offered_url(provider)
    return provider, credential.base_url


def offered_url(kind: str) -> str:
    """Return where a credential without an address of its own goes; "" where everyone has their own."""
    found = offer(kind)
    return found.base_url if found else ""


def check(destination: Destination) -> None:
    """Raise InvalidInput unless calls may go there, by how the address is written and by where its name leads now.

    A name that leads nowhere is refused as one that leads to a private address is, so that nobody learns which names exist in
    our network; a provider's own address and those of AIAPP_OUTBOUND_ALLOW need not be known at this moment. Ends the caller's
    transaction, because the name service may take seconds.
    """
    provider, base_url = destination
    if not base_url:
        raise mistake("base_url", "Enter the address of the server.")
    own = PROVIDERS[provider].base_url
    if own and not own.startswith(("http://", "https://")):  # answered in this process
        if base_url != own:
            raise mistake("base_url", f"This provider has one address: {own}")
        return
    expected = base_url in (own, offered_url(provider))
    db.session.commit()
    allow = settings().outbound_allow
    try:
        url = check_url(base_url, allow, query=PROVIDERS[provider].api_versions)
        if "?" in base_url:  # Azure's pages show the addresses of calls to copy, with the API version behind them
            raise mistake("base_url", azure_base_url(base_url))
        expected = expected or url.authority in allow
        resolve(url.host, url.port, allow, seconds=settings().connect_timeout)
    except ProviderError as error:
        if error.error_class == "blocked_address" or not expected:
            raise mistake("base_url", error.message) from error


def refusal(destination: Destination) -> FieldErrors:
    """Return why calls may not go there; nothing where they may. As `check` does, it ends the caller's transaction."""
    try:
        check(destination)
    except InvalidInput as refused:
        return refused.errors
    return ()


def key_needed(credential: Credential, destination: Destination, cleaned: Mapping[str, Any]) -> FieldErrors:
    """Return what is wrong with a change that needs a key and brings none: KEY_REQUIRED where the stored one would move."""
    provider = PROVIDERS[destination[0]]
    if "api_key" in cleaned:
        wanting = provider.needs_key and not cleaned["api_key"]
        return [{"field": "api_key", "message": f"{provider.label} needs a key."}] if wanting else ()
    moved = destination != (credential.provider, credential.base_url)
    if moved and (credential.api_key is not None or provider.needs_key):
        return [{"field": "api_key", "message": KEY_REQUIRED}]
    return ()


def mistake(field: str, message: str) -> InvalidInput:
    """Return the refusal of one field."""
    return InvalidInput(errors=[{"field": field, "message": message}])
