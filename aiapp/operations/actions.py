"""Pausing and resuming: the whole queue, one of its priorities, a worker, or a workspace's executions. Each commits once."""

from __future__ import annotations

import sqlalchemy as sa

from aiapp import audit, queue_figures
from aiapp.accounts.models import User
from aiapp.columns import now
from aiapp.errors import InvalidInput, NotFound, Unavailable
from aiapp.executions import pauses, sweeper
from aiapp.executions.models import PRIORITIES, QueuePause
from aiapp.extensions import db, insert
from aiapp.installation.actions import demand_administrator
from aiapp.workspaces.access import Access

LONGEST_REASON = 200


def pause(user: User, what: str, reason: str) -> None:
    """Have workers take nothing of it until resume(); what runs goes on. Pausing twice is no error, the first one stands.

    Arguments:
        what: pauses.ALL, a priority, or pauses.of_worker() of a worker that is alive, which is then drained.
        reason: shown to those who wait; may be empty.

    Raises Denied, NotFound, InvalidInput; Unavailable where it is a worker and Redis is away.
    """
    demand_administrator(user)
    subject = name_of(what)
    if _add(what, None, user.name, _checked(reason)):
        verb = "worker.drain" if what.startswith(pauses.of_worker("")) else "queue.pause"
        audit.record(verb, subject, actor=user.name, actor_id=user.id, after={"reason": reason})
    db.session.commit()


def resume(user: User, what: str) -> None:
    """Let workers take of it again. Resuming what is not paused is no error. Raises Denied, NotFound."""
    demand_administrator(user)
    if what.startswith(pauses.of_workspace("")):
        raise NotFound("That is resumed by the workspace's own admins.")
    if _remove(what):
        subject = what if what.startswith(pauses.of_worker("")) else name_of(what)
        verb = "worker.resume" if subject == what else "queue.resume"
        audit.record(verb, subject, actor=user.name, actor_id=user.id)
    _forget_workers_that_are_gone()
    db.session.commit()


def pause_workspace(access: Access, reason: str) -> None:
    """Start none of the workspace's executions until resume_workspace(); what runs goes on. Raises InvalidInput."""
    workspace_id = access.workspace.id
    if _add(pauses.of_workspace(workspace_id), workspace_id, access.actor, _checked(reason)):
        access.audit("queue.pause", "Executions of the workspace", after={"reason": reason})
    db.session.commit()


def resume_workspace(access: Access) -> None:
    """Start the workspace's executions again."""
    removed = _remove(pauses.of_workspace(access.workspace.id))
    if removed:
        access.audit("queue.resume", "Executions of the workspace")
    db.session.commit()
    if removed:
        sweeper.wake_workspace(access.workspace.id)


def name_of(what: str) -> str:
    """Return what a system administrator may pause in words. Raises NotFound, Unavailable."""
    if what == pauses.ALL:
        return "The whole queue"
    if what in PRIORITIES:
        return f"The queue {what}"
    for worker in queue_figures.living() if what.startswith(pauses.of_worker("")) else ():
        if what == pauses.of_worker(worker.name):
            return f"The worker {worker.host}:{worker.pid}"
    raise NotFound("There is no such queue or worker.")


def _checked(reason: str) -> str:
    message = ""
    if len(reason) > LONGEST_REASON:
        message = f"Use at most {LONGEST_REASON} characters."
    elif not reason.isprintable():
        message = "This contains a character that cannot be shown on one line."
    if message:
        raise InvalidInput(errors=[{"field": "reason", "message": message}])
    return reason


def _add(what: str, workspace_id: str | None, by: str, reason: str) -> bool:
    values = {"what": what, "workspace_id": workspace_id, "by": by, "reason": reason, "at": now()}
    added = insert(QueuePause).values(**values).on_conflict_do_nothing().returning(QueuePause.what)
    return db.session.scalar(added) is not None


def _remove(what: str) -> bool:
    gone = sa.delete(QueuePause).where(QueuePause.what == what).returning(QueuePause.what)
    return db.session.scalar(gone.execution_options(synchronize_session=False)) is not None


def _forget_workers_that_are_gone() -> None:
    try:
        alive = [pauses.of_worker(worker.name) for worker in queue_figures.living()]
    except Unavailable:
        return
    drained = QueuePause.what.startswith(pauses.of_worker(""))
    gone = sa.delete(QueuePause).where(drained, QueuePause.what.not_in(alive))
    db.session.execute(gone.execution_options(synchronize_session=False))
