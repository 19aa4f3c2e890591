"""What a worker does for credentials. One that was deleted meanwhile is nothing to do; twice does no harm."""

from __future__ import annotations

from datetime import datetime, timedelta

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
    """Test one credential, as somebody asked for, and keep the result. Nothing happens where a test has ended since."""
    started = now()
    if db.session.scalar(sa.select(Credential.test_asked_at).where(Credential.id == credential_id)) is None:
        return
    try:
        if not _climb(TEST, credential_id, ping.FULL, "test"):
            return
    except Exception:
        db.session.rollback()  # a mistake of ours would only be made again
        _has_ended(credential_id, started)
        raise
    _has_ended(credential_id, started)


def check(credential_id: str) -> None:
    """Look at one credential as far as that costs nothing, and keep the result."""
    _climb(CHECK, credential_id, ping.FREE, "schedule")


def _climb(function: str, credential_id: str, level: str, source: str) -> bool:
    """Return whether it has ended."""
    workspace_id = db.session.scalar(sa.select(Credential.workspace_id).where(Credential.id == credential_id))
    if workspace_id is None:
        return True
    try:
        ping.check(workspace_id, credential_id, level, source=source)
    except NotFound:
        return True
    except Unavailable:
        # Too many are running here: this one comes back, and leaves its thread to other work.
        queue.enqueue_at(function, credential_id, workspace_id, now() + AGAIN, priority="low")
        return False
    return True


def _has_ended(credential_id: str, started: datetime) -> None:
    """Note that a test that began then has ended; who asked after it began is still owed one."""
    asked = sa.update(Credential).where(Credential.id == credential_id, Credential.test_asked_at <= started)
    ended = asked.values(test_asked_at=None, updated_at=Credential.updated_at)
    db.session.execute(ended.execution_options(synchronize_session=False))
    db.session.commit()
