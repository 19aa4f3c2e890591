"""What is paused: of which executions nothing is started, and of which queues a worker takes nothing.

The row of an execution is not claimed while a pause of all, of its queue or of its workspace stands, whoever delivers it: that
holds from the commit of the pause on. Workers also look once a second of which queues they shall take nothing, so that what waits
there keeps its place in line; a delivery of a paused workspace is taken, finds nothing to do, and is made again at the end.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import sqlalchemy as sa

from aiapp import queue_figures
from aiapp.errors import Unavailable
from aiapp.executions.models import PRIORITIES, Execution, QueuePause
from aiapp.extensions import db, reading

ALL = "all"


def of_workspace(workspace_id: str) -> str:
    """Return how a pause of a workspace's executions is named."""
    return f"workspace:{workspace_id}"


def of_worker(name: str) -> str:
    """Return how the draining of a worker is named."""
    return f"worker:{name}"


def paused() -> sa.ColumnElement[bool]:
    """Return the condition for an execution that a pause keeps from being started."""
    # On no FROM of its own but the pauses': it stands inside statements about executions.
    return (
        sa.select(sa.literal(1))
        .where(
            QueuePause.what.in_(
                (sa.literal(ALL), Execution.priority, sa.literal(of_workspace("")) + Execution.workspace_id)
            )
        )
        .correlate(Execution)
        .exists()
    )


def of_execution(execution: Execution) -> QueuePause | None:
    """Return the pause that an execution waits for, the widest one first; None where it waits for none.

    Where every worker of its queue is drained, that is what it waits for.
    """
    if execution.status != "pending":
        return None
    names = (ALL, execution.priority, of_workspace(execution.workspace_id))
    query = sa.select(QueuePause).where(sa.or_(QueuePause.what.in_(names), _drains()))
    found = {pause.what: pause for pause in db.session.scalars(query)}
    pause = next((found[name] for name in names if name in found), None)
    if pause is not None or not found:  # Redis is not asked who is alive unless a worker is drained
        return pause
    try:
        alive = [worker.name for worker in queue_figures.living() if execution.priority in worker.queues]
    except Unavailable:
        return None
    return last_drain(alive, found)


def of_executions(executions: Iterable[Execution]) -> list[QueuePause]:
    """Return the pauses that any of these executions of one workspace waits for."""
    waiting = {one.priority: one for one in executions if one.status == "pending"}
    found = [of_execution(one) for one in waiting.values()]
    return list({pause.what: pause for pause in found if pause is not None}.values())


def last_drain(workers: Iterable[str], found: Mapping[str, QueuePause]) -> QueuePause | None:
    """Return the newest of the pauses that drain `workers`; None where one of them takes work, or there is none."""
    drains = [found.get(of_worker(name)) for name in workers]
    return max((drain for drain in drains if drain), key=lambda drain: drain.at, default=None) if all(drains) else None


def standing(workspace_id: str | None = None) -> Sequence[QueuePause]:
    """Return the pauses that stand, oldest first; with `workspace_id` none of another workspace."""
    query = sa.select(QueuePause).order_by(QueuePause.at)
    if workspace_id is not None:
        query = query.where(sa.or_(QueuePause.what.in_((ALL, *PRIORITIES, of_workspace(workspace_id))), _drains()))
    return db.session.scalars(query).all()


def closed_to(worker: str) -> frozenset[str]:
    """Return the queues that the worker of this name shall take nothing of. Needs an app context; ends its session."""
    with reading():
        try:
            names = (ALL, *PRIORITIES, of_worker(worker))
            found = set(db.session.scalars(sa.select(QueuePause.what).where(QueuePause.what.in_(names))))
        finally:
            db.session.remove()
    everything = {ALL, of_worker(worker)} & found
    return frozenset(PRIORITIES if everything else found)


def told(pause: QueuePause) -> str:
    """Return what a pause means to those who wait."""
    if pause.what.startswith(of_workspace("")):
        return f"The workspace's executions are paused by {pause.by}"
    if pause.what.startswith(of_worker("")):
        return f"Every worker of the queue is drained by {pause.by}"
    queue = f"queue {pause.what}" if pause.what in PRIORITIES else "whole queue"
    return f"The {queue} is paused by {pause.by}"


def ends(pause: QueuePause) -> str:
    """Return what those who wait wait for."""
    drains = pause.what.startswith(of_worker(""))
    return "It starts once a worker takes work again." if drains else "It starts once they resume it."


def _drains() -> sa.ColumnElement[bool]:
    return QueuePause.what.startswith(of_worker(""))
