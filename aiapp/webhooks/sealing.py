"""A webhook's secrets, in and out of the vault."""

from __future__ import annotations

from datetime import timedelta

from aiapp.columns import now
from aiapp.credentials import vault
from aiapp.errors import Conflict
from aiapp.webhooks.models import Webhook
from aiapp.webhooks.signing import new_secret
from aiapp.workspaces.models import Workspace

# How long the secret before signs too, so that a receiver has time to learn the new one.
OVERLAP = timedelta(hours=24)


def seal_new(workspace: Workspace, webhook: Webhook) -> str:
    """Give the webhook a new secret and return it: nobody can read it again. The one it had signs on for OVERLAP.

    Raises Conflict where the vault cannot be opened.
    """
    secret, until = new_secret(), now() + OVERLAP
    try:
        if webhook.secret is not None:
            old = vault.decrypt(workspace, webhook.id, "secret", webhook.secret)
            webhook.old_secret = vault.encrypt(workspace, webhook.id, "old_secret", old)
            webhook.old_secret_until = until
    except vault.Unreadable:
        webhook.old_secret = webhook.old_secret_until = None  # it has not signed anything since it became unreadable
    try:
        webhook.secret = vault.encrypt(workspace, webhook.id, "secret", secret)
    except vault.Unreadable as error:
        raise Conflict(
            "No secret can be stored: the server's master keys do not open this workspace. Ask whoever runs the server."
        ) from error
    return secret


def signing_secrets(workspace: Workspace, webhook: Webhook) -> tuple[str, ...]:
    """Return the secrets that sign now, newest first. Raises vault.Unreadable."""
    found = [vault.decrypt(workspace, webhook.id, "secret", webhook.secret)]
    if webhook.old_secret is not None and webhook.old_secret_until is not None and webhook.old_secret_until > now():
        found.append(vault.decrypt(workspace, webhook.id, "old_secret", webhook.old_secret))
    return tuple(found)
