"""Tells workers of executions. What is told may be lost: the row is the job, and the sweeper tells again."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from aiapp import queue
from aiapp.errors import Unavailable
from aiapp.observability.logs import log

RUN = "aiapp.executions.jobs.run"
# Batches stand below executions in the order of imports: only what follows is known here.
OF_BATCH = "aiapp.batches.jobs.ended"


def wake(execution_id: str, workspace_id: str, priority: str) -> None:
    """Have a worker run the execution soon. Call it after the commit; an absent Redis is no error."""
    queue.try_enqueue(RUN, execution_id, workspace_id, priority=priority)


def wake_at(execution_id: str, workspace_id: str, priority: str, when: datetime) -> None:
    """Have a worker run the execution at `when`; an absent Redis is no error."""
    try:
        queue.enqueue_at(RUN, execution_id, workspace_id, when, priority=priority)
    except Unavailable:
        log(__name__).warning("execution.wake_up_lost", execution_id=execution_id)


def ended(execution_id: str, workspace_id: str, priority: str, source: str) -> None:
    """Have what follows the end of an execution done: of a batch the next row. Call it after the commit; it may be lost."""
    if source == "batch":
        queue.try_enqueue(OF_BATCH, execution_id, workspace_id, priority=priority)


def wake_many(executions: Iterable[tuple[str, str]], priority: str) -> None:
    """Have workers run all of these soon: pairs of an execution's id and its workspace's. Raises Unavailable."""
    queue.enqueue_many(RUN, executions, priority=priority)
