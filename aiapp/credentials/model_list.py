"""Which models a credential's provider lists: asked of it, kept with the time, and offered where a model is chosen."""

from __future__ import annotations

import sqlalchemy as sa

from aiapp.columns import now
from aiapp.credentials import keeping, selection
from aiapp.credentials.checks import MOST_MODELS
from aiapp.credentials.models import Credential
from aiapp.errors import Conflict
from aiapp.extensions import db
from aiapp.gateway import complete as gateway
from aiapp.providers.key_redaction import tells_of, without_secrets
from aiapp.providers.types import ProviderError
from aiapp.workspaces.access import Access


def fetch(access: Access, credential_id: str) -> list[str]:
    """Ask the provider of a credential for its models, keep their names, and return them.

    Ends the caller's transaction before the provider is asked. Raises NotFound, Denied, and Conflict
    `not_listed` with the provider's words.
    """
    credential = keeping.kept(access, credential_id)
    try:
        target = selection.target_of(access.workspace, credential, need_model=False)
        db.session.commit()  # no connection is held while a stranger's server is waited for
        listed = gateway.list_models(target)
    except selection.Unusable as problem:
        raise Conflict(str(problem), code="not_listed") from problem
    except ProviderError as error:
        message = without_secrets(error, (target.api_key,)).message
        raise Conflict(f"No models were listed: {message}", code="not_listed") from error
    names = [model.id for model in listed if not tells_of(model.id, target.api_key)][:MOST_MODELS]
    same_key = Credential.api_key.is_not_distinct_from(credential.api_key)
    change = sa.update(Credential).where(Credential.id == credential_id, same_key)
    db.session.execute(change.values(models=names, models_at=now(), updated_at=Credential.updated_at))
    db.session.commit()
    return names
