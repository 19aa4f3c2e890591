"""Wakes workers: puts the id of a committed row on a queue. With processes/ the only code that knows RQ.

The row is the job. What lies in Redis is a wake-up and may be lost or doubled: the sweeper repeats it, the row's lease lets one
worker run it. A delivery names a function (`aiapp.<feature>.jobs.<verb>`) and the id of its row, and nothing else.
"""

from __future__ import annotations

import json
import secrets
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from typing import Any

from redis import Redis
from redis.client import Pipeline
from redis.exceptions import RedisError
from rq import Queue
from rq.serializers import JSONSerializer
from rq.worker_registration import get_keys

from aiapp.errors import Unavailable
from aiapp.extensions import redis
from aiapp.observability.logs import log

PRIORITIES = ("high", "default", "low")
LATER = "aiapp:later"
WAKE_TOKENS = 64
FAILURE_SECONDS = 86_400
DUE_AT_ONCE = 1000


def enqueue(function: str, row_id: str, *, priority: str = "default") -> None:
    """Have a worker call `function(row_id)` soon. Call it after the commit.

    Raises Unavailable within about two seconds where Redis does not answer.
    """
    enqueue_many(function, [row_id], priority=priority)


def try_enqueue(function: str, row_id: str, *, priority: str = "default") -> bool:
    """Enqueue and say whether it worked. Enough for a row that the sweeper finds again."""
    try:
        enqueue(function, row_id, priority=priority)
    except Unavailable:
        log(__name__).warning("queue.unavailable", function=function, id=row_id)
        return False
    return True


def enqueue_many(function: str, row_ids: Iterable[str], *, priority: str = "default") -> None:
    """Enqueue several rows in one round trip. Errors as enqueue."""
    with _answering() as connection, connection.pipeline() as pipeline:
        push(pipeline, connection, function, list(row_ids), priority)
        pipeline.execute()


def enqueue_at(function: str, row_id: str, when: datetime, *, priority: str = "default") -> None:
    """Have the leading scheduler enqueue `function(row_id)` once `when` has come; asking twice moves the time.

    Errors as enqueue.
    """
    member = json.dumps([_known(priority), function, row_id])
    with _answering() as connection:
        connection.zadd(LATER, {member: when.timestamp()})


def depth() -> dict[str, int]:
    """Return how many deliveries wait, by priority. Raises Unavailable."""
    with _answering() as connection, connection.pipeline(transaction=False) as pipeline:
        for queue in queues(connection):
            pipeline.llen(queue.key)
        return dict(zip(PRIORITIES, pipeline.execute(), strict=True))


def waiting() -> set[str]:
    """Return the ids of the rows that have a delivery on a queue: the sweeper need not repeat those. Raises Unavailable."""
    with _answering() as connection, connection.pipeline(transaction=False) as pipeline:
        for queue in queues(connection):
            pipeline.lrange(queue.key, 0, -1)
        return {job_id.decode().rpartition("_")[0] for job_ids in pipeline.execute() for job_id in job_ids}


def workers() -> int:
    """Return how many workers are alive (their last heartbeat is less than half a minute old). Raises Unavailable."""
    with _answering() as connection:
        keys = get_keys(connection=connection)
        alive: Any = connection.exists(*keys) if keys else 0
        return int(alive)


def queues(connection: Redis, names: Sequence[str] = PRIORITIES) -> list[Queue]:
    """Return RQ's queues of these priorities; everything about them is JSON, never a pickle."""
    return [Queue(_known(name), connection=connection, serializer=JSONSerializer) for name in names]


def wake_key(priority: str) -> str:
    """Return the list that an idle worker blocks on: each delivery leaves a token there, to a bounded number."""
    return f"aiapp:wake:{priority}"


def push(pipeline: Pipeline, connection: Redis, function: str, row_ids: Sequence[str], priority: str) -> None:
    """Add the deliveries and their wake-up tokens to `pipeline`."""
    if not row_ids:
        return
    (queue,) = queues(connection, [priority])
    # Every delivery has an id of its own: a row may be enqueued again while its last delivery is still being ended.
    deliveries = [
        Queue.prepare_data(
            function,
            args=[row_id],
            job_id=f"{row_id}_{secrets.token_hex(4)}",
            description=function,
            timeout=-1,
            result_ttl=0,
            failure_ttl=FAILURE_SECONDS,
        )
        for row_id in row_ids
    ]
    queue.enqueue_many(deliveries, pipeline=pipeline)
    pipeline.lpush(wake_key(priority), *["1"] * min(len(deliveries), WAKE_TOKENS))
    pipeline.ltrim(wake_key(priority), 0, WAKE_TOKENS - 1)


def move_due(connection: Redis) -> int:
    """Enqueue what enqueue_at promised for now and return how many there were. Raises RedisError."""
    due: Any = connection.zrangebyscore(LATER, 0, time.time(), start=0, num=DUE_AT_ONCE)
    if not due:
        return 0
    with connection.pipeline() as pipeline:
        for member in due:
            try:
                priority, function, row_id = json.loads(member)
                push(pipeline, connection, function, [row_id], priority)
            except ValueError:  # not ours; it must not stop the others
                log(__name__).error("queue.unreadable_delivery", member=member)
        pipeline.zrem(LATER, *due)
        pipeline.execute()
    return len(due)


def _known(priority: str) -> str:
    if priority not in PRIORITIES:
        raise ValueError(f"no such priority: {priority}")
    return priority


@contextmanager
def _answering() -> Iterator[Redis]:
    try:
        yield redis()
    except RedisError as error:
        raise Unavailable("The queue cannot be reached.", code="queue_unavailable", retry_after=5) from error
