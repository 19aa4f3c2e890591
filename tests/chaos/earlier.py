"""Deliveries as other releases wrote them: on RQ's own lists, pickled, with other functions or arguments, or half gone."""

from __future__ import annotations

import json
from collections.abc import Sequence

from redis import Redis
from rq import Queue
from rq.job import Job
from rq.serializers import JSONSerializer

from aiapp import queue
from aiapp.executions.deliveries import RUN


def deliver(connection: Redis, rows: Sequence[tuple[str, str]], priority: str = "default") -> None:
    """Deliver rows (their ids, and their workspaces') in all these ways. Raises RedisError."""
    for row_id, workspace_id in rows:
        for serializer in (JSONSerializer, None):
            Queue(priority, connection=connection, serializer=serializer).enqueue_call(RUN, args=[row_id], timeout=-1)
        connection.zadd(queue.LATER, {json.dumps([RUN, row_id]): 0.0})
        jobs = [
            Job.create(RUN, [row_id, {"attempt": 1}], connection=connection, serializer=JSONSerializer),
            Job.create("aiapp.executions.tasks.execute", [row_id], connection=connection, serializer=JSONSerializer),
            Job.create(RUN, [row_id], connection=connection),
        ]
        ids = [f"{row_id}_{workspace_id}_gone"]
        for job in jobs:
            job.origin, job.timeout = priority, -1
            job.save()
            ids.append(job.id)
        connection.rpush(queue.line_key(priority, workspace_id), *ids)
        connection.eval(queue.JOIN, 1, queue.ring_key(priority), workspace_id)
        connection.lpush(queue.wake_key(priority), "1")
