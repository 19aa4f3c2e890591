"""What workers look at: the credentials whose test somebody asked for, and, free of charge, those nobody looked at lately."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

import sqlalchemy as sa

from aiapp import queue
from aiapp.columns import now
from aiapp.credentials import jobs
from aiapp.credentials.models import Credential
from aiapp.errors import Unavailable
from aiapp.extensions import db, reading, settings
from aiapp.installation.offers import offers
from aiapp.observability.logs import log

# How often the scheduler looks for credentials that are due.
EVERY_SECONDS = 20.0
MOST_AT_ONCE = 500
# Longer than a test takes.
LOST_AFTER = timedelta(seconds=90)


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


def ask_tests(ids: Sequence[str]) -> None:
    """Have workers test these credentials, and remember each until its test has ended. Commits.

    Where the queue cannot be reached, or a worker stops in the middle of a test, `ask_lost_tests` brings it back.
    """
    _deliver_tests(ids, Credential.id.in_(ids))


def ask_lost_tests() -> int:
    """Have those tests begun again that were asked for, have not ended and are on no queue; return how many. Commits."""
    lost = Credential.test_asked_at <= now() - LOST_AFTER
    with reading():
        found = db.session.scalars(sa.select(Credential.id).where(lost).limit(MOST_AT_ONCE)).all()
        db.session.remove()
    if not found:
        return 0
    try:
        missing = sorted(set(found) - queue.waiting())
    except Unavailable:
        return 0
    return _deliver_tests(missing, sa.and_(Credential.id.in_(missing), lost))


def _deliver_tests(ids: Sequence[str], which: sa.ColumnElement[bool]) -> int:
    if not ids:
        return 0
    asked = sa.update(Credential).where(which).values(test_asked_at=now(), updated_at=Credential.updated_at)
    asked = asked.returning(Credential.id, Credential.workspace_id).execution_options(synchronize_session=False)
    claimed = {row.id: row.workspace_id for row in db.session.execute(asked)}
    db.session.commit()
    try:
        queue.enqueue_many(jobs.TEST, [(one, claimed[one]) for one in ids if one in claimed])
    except Unavailable:
        log(__name__).warning("credentials.tests_not_queued", number=len(claimed))
    return len(claimed)
