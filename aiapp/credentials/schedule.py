"""Scheduled checks: which credentials nobody has looked at for a while, and that a worker does so, free of charge."""

from __future__ import annotations

from datetime import timedelta

import sqlalchemy as sa

from aiapp import queue
from aiapp.columns import now
from aiapp.credentials import jobs
from aiapp.credentials.models import Credential
from aiapp.errors import Unavailable
from aiapp.extensions import db, settings
from aiapp.installation.offers import offers
from aiapp.observability.logs import log

# How often the scheduler looks for credentials that are due.
EVERY_SECONDS = 20.0
MOST_AT_ONCE = 500


def ask_due(workspace_id: str | None = None) -> int:
    """Have workers check the active credentials whose last look is AIAPP_HEALTH_CHECK_SECONDS ago; return how many.

    Each is asked for once in that time, however many schedulers and open pages ask. Commits. Where the queue cannot be reached,
    the next round comes after the same time: nothing is lost by that.

    Arguments:
        workspace_id: only this workspace's.
    """
    interval = settings().health_check_seconds
    if not interval:
        return 0
    stale = now() - timedelta(seconds=interval)
    due = sa.select(Credential.id).where(
        Credential.active,
        Credential.provider.in_([kind for kind, one in offers().items() if one.enabled]),
        sa.func.coalesce(Credential.last_tested_at, Credential.created_at) <= stale,
        sa.or_(Credential.check_asked_at.is_(None), Credential.check_asked_at <= stale),
    )
    if workspace_id is not None:
        due = due.where(Credential.workspace_id == workspace_id)
    ids = db.session.scalars(due.order_by(Credential.check_asked_at.nulls_first()).limit(MOST_AT_ONCE)).all()
    if not ids:
        return 0
    claim = sa.update(Credential).where(
        Credential.id.in_(ids), sa.or_(Credential.check_asked_at.is_(None), Credential.check_asked_at <= stale)
    )
    claim = claim.values(check_asked_at=now(), updated_at=Credential.updated_at)
    claim = claim.returning(Credential.id, Credential.workspace_id).execution_options(synchronize_session=False)
    claimed = [(row.id, row.workspace_id) for row in db.session.execute(claim)]
    db.session.commit()
    try:
        queue.enqueue_many(jobs.CHECK, claimed, priority="low")
    except Unavailable:
        log(__name__).warning("credentials.checks_not_queued", number=len(claimed))
    return len(claimed)
