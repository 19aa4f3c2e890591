"""What a worker does for credentials."""

from __future__ import annotations

import sqlalchemy as sa

from aiapp.credentials import ping
from aiapp.credentials.models import Credential
from aiapp.errors import NotFound
from aiapp.extensions import db


def test(credential_id: str) -> None:
    """Test one credential and keep the result. One that was deleted meanwhile is nothing to do; twice does no harm."""
    workspace_id = db.session.scalar(sa.select(Credential.workspace_id).where(Credential.id == credential_id))
    if workspace_id is None:
        return
    try:
        ping.check(workspace_id, credential_id)
    except NotFound:
        return
