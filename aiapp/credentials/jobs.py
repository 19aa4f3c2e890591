"""What a worker does for credentials. One that was deleted meanwhile is nothing to do; twice does no harm."""

from __future__ import annotations

from datetime import timedelta

import sqlalchemy as sa

from aiapp import queue
from aiapp.columns import now
from aiapp.credentials import ping
from aiapp.credentials.models import Credential
from aiapp.errors import NotFound, Unavailable
from aiapp.extensions import db

TEST, CHECK = "aiapp.credentials.jobs.test", "aiapp.credentials.jobs.check"
AGAIN = timedelta(seconds=2)


def test(credential_id: str) -> None:
    """Test one credential, as somebody asked for, and keep the result."""
    _climb(TEST, credential_id, ping.FULL, "test")


def check(credential_id: str) -> None:
    """Look at one credential as far as that costs nothing, and keep the result."""
    _climb(CHECK, credential_id, ping.FREE, "schedule")


def _climb(function: str, credential_id: str, level: str, source: str) -> None:
    workspace_id = db.session.scalar(sa.select(Credential.workspace_id).where(Credential.id == credential_id))
    if workspace_id is None:
        return
    try:
        ping.check(workspace_id, credential_id, level, source=source)
    except NotFound:
        return
    except Unavailable:
        # Too many are running here: this one comes back, and leaves its thread to other work.
        queue.enqueue_at(function, credential_id, workspace_id, now() + AGAIN, priority="low")
