"""Wakes workers: puts the id of a committed row on a queue. With processes/ the only code that knows RQ.

The row is the job. What lies in Redis is a wake-up and may be lost or doubled: the sweeper repeats it, the row's lease lets one
worker run it. A delivery names a function (`aiapp.<feature>.jobs.<verb>`) and the id of its row, and nothing else; its own id is
the row's, the workspace's and a random part.

Of each priority the deliveries wait in one line per workspace, and the workspaces that have any stand in a ring: a sorted set,
scored by turns, so that whoever takes one delivery of a workspace puts it at the end. RQ's own lists stay empty.
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
from rq.job import Job
from rq.serializers import JSONSerializer
from rq.worker_registration import get_keys

from aiapp.errors import Unavailable
from aiapp.extensions import redis
from aiapp.observability.logs import log

PRIORITIES = ("high", "default", "low")
LATER = "aiapp:later"
LEAD_KEY = "aiapp:scheduler"  # who leads of the schedulers: host, process and a random part
WAKE_TOKENS = 64
FAILURE_SECONDS = 86_400
DUE_AT_ONCE = 1000
LINES_AT_ONCE = 1000

JOIN = """
-- KEYS[1]: the ring; ARGV[1]: a workspace, which takes the last turn unless it has one
if not redis.call('ZSCORE', KEYS[1], ARGV[1]) then
  local last = redis.call('ZRANGE', KEYS[1], -1, -1, 'WITHSCORES')[2] or 0
  redis.call('ZADD', KEYS[1], last + 1, ARGV[1])
end
"""

Rows = Iterable[tuple[str, str]]  # the id of a row, and that of its workspace


def enqueue(function: str, row_id: str, workspace_id: str, *, priority: str = "default") -> None:
    """Have a worker call `function(row_id)` soon. Call it after the commit.

    Raises Unavailable within about two seconds where Redis does not answer.
    """
    enqueue_many(function, [(row_id, workspace_id)], priority=priority)


def try_enqueue(function: str, row_id: str, workspace_id: str, *, priority: str = "default") -> bool:
    """Enqueue and say whether it worked. Enough for a row that the sweeper finds again."""
    try:
        enqueue(function, row_id, workspace_id, priority=priority)
    except Unavailable:
        log(__name__).warning("queue.unavailable", function=function, id=row_id)
        return False
    return True


def enqueue_many(function: str, rows: Rows, *, priority: str = "default") -> None:
    """Enqueue several rows in one round trip. Errors as enqueue."""
    with answering() as connection, connection.pipeline() as pipeline:
        push(pipeline, connection, function, rows, priority)
        pipeline.execute()


def enqueue_at(function: str, row_id: str, workspace_id: str, when: datetime, *, priority: str = "default") -> None:
    """Have the leading scheduler enqueue `function(row_id)` once `when` has come; asking twice moves the time.

    Errors as enqueue.
    """
    member = json.dumps([_known(priority), function, row_id, workspace_id])
    with answering() as connection:
        connection.zadd(LATER, {member: when.timestamp()})


def depth() -> dict[str, int]:
    """Return how many deliveries wait, by priority. Raises Unavailable."""
    with answering() as connection:
        return {priority: sum(_lines(connection, priority, "llen").values()) for priority in PRIORITIES}


def depth_of(workspace_id: str) -> dict[str, int]:
    """Return how many deliveries of one workspace wait, by priority. Raises Unavailable."""
    with answering() as connection, connection.pipeline(transaction=False) as pipeline:
        for priority in PRIORITIES:
            pipeline.llen(line_key(priority, workspace_id))
        return dict(zip(PRIORITIES, pipeline.execute(), strict=True))


def waiting(priorities: Sequence[str] = PRIORITIES) -> set[str]:
    """Return the ids of the rows that have a delivery on a queue: the sweeper need not repeat those. Raises Unavailable."""
    with answering() as connection:
        lines = [line for each in priorities for line in _lines(connection, each, "lrange", 0, -1).values()]
    return {row_and_workspace(job_id)[0] for line in lines for job_id in line}


def workers() -> int:
    """Return how many workers are alive (their last heartbeat is less than half a minute old). Raises Unavailable."""
    with answering() as connection:
        keys = get_keys(connection=connection)
        alive: Any = connection.exists(*keys) if keys else 0
        return int(alive)


def leader() -> str | None:
    """Return the host and process of the scheduler that leads, None where none does. Raises Unavailable."""
    with answering() as connection:
        token: Any = connection.get(LEAD_KEY)
    return token.decode().rpartition(":")[0] if token else None


def queues(connection: Redis, names: Sequence[str] = PRIORITIES) -> list[Queue]:
    """Return RQ's queues of these priorities; everything about them is JSON, never a pickle."""
    return [Queue(_known(name), connection=connection, serializer=JSONSerializer) for name in names]


def wake_key(priority: str) -> str:
    """Return the list that an idle worker blocks on: each delivery leaves a token there, to a bounded number."""
    return f"aiapp:wake:{priority}"


def ring_key(priority: str) -> str:
    """Return the ring of the workspaces that have deliveries waiting."""
    return f"aiapp:waiting:{priority}"


def line_key(priority: str, workspace_id: str) -> str:
    """Return the list of the deliveries of a workspace that wait, the oldest first."""
    return f"{ring_key(priority)}:{workspace_id}"


def row_and_workspace(job_id: bytes | str) -> tuple[str, str]:
    """Return whose row a delivery is for: the row's id and its workspace's; empty ones where the id is none of ours."""
    text = job_id.decode() if isinstance(job_id, bytes) else job_id
    row_id, _, rest = text.partition("_")
    return (row_id, rest.partition("_")[0]) if rest else (text, "")


def push(pipeline: Pipeline, connection: Redis, function: str, rows: Rows, priority: str) -> None:
    """Add the deliveries and their wake-up tokens to `pipeline`."""
    lines: dict[str, list[str]] = {}
    for row_id, workspace_id in rows:
        # Every delivery has an id of its own: a row may be enqueued again while its last delivery is still being ended.
        job_id = f"{row_id}_{workspace_id}_{secrets.token_hex(4)}"
        lines.setdefault(workspace_id, []).append(job_id)
    ids = [job_id for line in lines.values() for job_id in line]
    if not ids:
        return
    deliveries = [
        Queue.prepare_data(
            function,
            args=[row_and_workspace(job_id)[0]],
            job_id=job_id,
            description=function,
            timeout=-1,
            result_ttl=0,
            failure_ttl=FAILURE_SECONDS,
        )
        for job_id in ids
    ]
    _Records(_known(priority), connection=connection, serializer=JSONSerializer).enqueue_many(
        deliveries, pipeline=pipeline
    )
    for workspace_id, line in lines.items():
        pipeline.rpush(line_key(priority, workspace_id), *line)
        pipeline.eval(JOIN, 1, ring_key(priority), workspace_id)
    _wake(pipeline, priority, len(ids))


def put_back(connection: Redis, taken: Queue, job_id: bytes) -> None:
    """Put what a worker took of the queue and never started at the head of its line. Raises RedisError."""
    _, workspace_id = row_and_workspace(job_id)
    with connection.pipeline() as pipeline:
        pipeline.lrem(taken.intermediate_queue_key, 1, job_id)  # type: ignore[arg-type]
        pipeline.lpush(line_key(taken.name, workspace_id), job_id)
        pipeline.eval(JOIN, 1, ring_key(taken.name), workspace_id)
        _wake(pipeline, taken.name, 1)
        pipeline.execute()


def move_due(connection: Redis) -> int:
    """Enqueue what enqueue_at promised for now and return how many there were. Raises RedisError."""
    due: Any = connection.zrangebyscore(LATER, 0, time.time(), start=0, num=DUE_AT_ONCE)
    if not due:
        return 0
    with connection.pipeline() as pipeline:
        for member in due:
            try:
                priority, function, row_id, workspace_id = json.loads(member)
                push(pipeline, connection, function, [(row_id, workspace_id)], priority)
            except ValueError:  # not ours; it must not stop the others
                log(__name__).error("queue.unreadable_delivery", member=member)
        pipeline.zrem(LATER, *due)
        pipeline.execute()
    return len(due)


def drop_plain(plain: Queue) -> int:
    """Delete what lies on RQ's own list, where no worker looks, and return how many; other releases delivered there.

    Their rows are delivered again. Raises RedisError.
    """
    ids: Any = plain.connection.lrange(plain.key, 0, DUE_AT_ONCE - 1)
    if ids:
        with plain.connection.pipeline() as pipeline:
            pipeline.ltrim(plain.key, len(ids), -1)
            pipeline.delete(*(Job.key_for(job_id.decode()) for job_id in ids))
            pipeline.execute()
        log(__name__).warning("queue.old_deliveries_dropped", queue=plain.name, deliveries=len(ids))
    return len(ids)


class _Records(Queue):
    """RQ's records of jobs, without RQ's list of them: their ids go to the lines of their workspaces."""

    def push_job_id(self, job_id: str, pipeline: Pipeline | None = None, at_front: bool = False) -> None:
        """Leave the id to push()."""


def _wake(pipeline: Pipeline, priority: str, deliveries: int) -> None:
    pipeline.lpush(wake_key(priority), *["1"] * min(deliveries, WAKE_TOKENS))
    pipeline.ltrim(wake_key(priority), 0, WAKE_TOKENS - 1)


def _lines(connection: Redis, priority: str, command: str, *arguments: Any) -> dict[str, Any]:
    """Return the answer of `command` for the line of each workspace in the ring."""
    members: Any = connection.zrange(ring_key(_known(priority)), 0, -1)
    workspaces = [member.decode() for member in members]
    found: dict[str, Any] = {}
    for start in range(0, len(workspaces), LINES_AT_ONCE):
        some = workspaces[start : start + LINES_AT_ONCE]
        with connection.pipeline(transaction=False) as pipeline:
            for workspace_id in some:
                getattr(pipeline, command)(line_key(priority, workspace_id), *arguments)
            found |= zip(some, pipeline.execute(), strict=True)
    return found


def _known(priority: str) -> str:
    if priority not in PRIORITIES:
        raise ValueError(f"no such priority: {priority}")
    return priority


@contextmanager
def answering() -> Iterator[Redis]:
    """Yield the app's Redis. Raises Unavailable where it does not answer."""
    try:
        yield redis()
    except RedisError as error:
        raise Unavailable("The queue cannot be reached.", code="queue_unavailable", retry_after=5) from error
