"""Which models a credential's provider lists: asked of it, kept with the time, and offered where a model is chosen."""

from __future__ import annotations

import sqlalchemy as sa

from aiapp.columns import now
from aiapp.credentials import checks, keeping, ping, selection
from aiapp.credentials.checks import MOST_MODELS
from aiapp.credentials.models import Credential
from aiapp.errors import Conflict
from aiapp.extensions import db
from aiapp.gateway import complete as gateway
from aiapp.providers.key_redaction import untold, without_secrets
from aiapp.providers.registry import PROVIDERS
from aiapp.providers.types import ProviderError
from aiapp.workspaces.access import Access


def fetch(access: Access, credential_id: str) -> list[str]:
    """Ask the provider of a credential for its models, keep their names, and return them.

    Ends the caller's transaction before the provider is asked. Raises NotFound, Denied, and Conflict
    `not_listed` with the provider's words; Unavailable `busy`.
    """
    credential = keeping.kept(access, credential_id)
    provider = PROVIDERS.get(credential.provider)
    if provider is not None and not provider.lists_models:
        message = f"{provider.label} lists no deployments: type the name of yours as the preferred model."
        raise Conflict(message, code="not_listed")
    try:
        target = selection.target_of(access.workspace, credential, need_model=False)
        db.session.commit()  # no connection is held while a stranger's server is waited for
        with ping.place(access.workspace.id), ping.deadline(ping.FREE_SECONDS) as cancel:
            listed = gateway.list_models(target, cancel=cancel)
    except selection.Unusable as problem:
        raise Conflict(str(problem), code="not_listed") from problem
    except ProviderError as error:
        message = without_secrets(error, (target.api_key,)).message
        raise Conflict(f"No models were listed: {message}", code="not_listed") from error
    names = list(untold((model.id for model in listed), target.api_key)[:MOST_MODELS])
    change = sa.update(Credential).where(*checks.unchanged(credential))
    db.session.execute(change.values(models=names, models_at=now(), updated_at=Credential.updated_at))
    db.session.commit()
    return names
