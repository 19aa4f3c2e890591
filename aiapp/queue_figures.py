"""What workers said of themselves and which deliveries crashed, read off RQ's own records: for those who look after the queue."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from redis import Redis
from rq.job import Job
from rq.serializers import JSONSerializer
from rq.utils import utcparse
from rq.worker_registration import get_keys

from aiapp.queue import answering, queues, row_and_workspace

WORKER_FACTS = ["hostname", "pid", "queues", "birth", "last_heartbeat", "successful_job_count", "failed_job_count"]
WORKER_FACTS += ["slots", "running", "lease_owner"]
AT_ONCE = 100  # a worker that is lost leaves as many as it had slots before those that are looked for
LOOKED_AT = 1000


@dataclass(frozen=True, slots=True)
class WorkerFacts:
    """What a worker said of itself a few seconds ago. `running` counts jobs, of which it has at most `slots`; `done` those that
    crashed too; `lease_owner` is its name in the rows that it holds."""

    name: str
    host: str
    pid: int
    queues: tuple[str, ...]
    started: datetime
    heartbeat: datetime
    done: int
    slots: int
    running: int
    lease_owner: str


@dataclass(frozen=True, slots=True)
class Crash:
    """A delivery whose function raised: the type of the error, never its message."""

    function: str
    row_id: str
    workspace_id: str
    at: datetime
    error: str


def living() -> list[WorkerFacts]:
    """Return what each worker that is alive last said of itself, the oldest first. Raises Unavailable."""
    with answering() as connection, connection.pipeline(transaction=False) as pipeline:
        keys = sorted(get_keys(connection=connection))
        for key in keys:
            pipeline.hmget(key, WORKER_FACTS)
        told = zip(keys, pipeline.execute(), strict=True)
    found = [_facts(key, [(value or b"").decode() for value in values]) for key, values in told if all(values[:5])]
    return sorted(found, key=lambda worker: worker.started)


def crashed(most: int) -> list[Crash]:
    """Return the deliveries of the last day whose functions raised, the newest first. Raises Unavailable.

    Those whose worker was lost are none of them: the sweeper delivers their rows again.
    """
    with answering() as connection:
        ended = [pair for q in queues(connection) for pair in _ended(connection, q.failed_job_registry.key, most)]
        newest = sorted(ended, key=lambda pair: pair[0], reverse=True)[:most]
        return [_crash(job, at) for at, job in newest]


def _ended(connection: Redis, registry: str, most: int) -> list[tuple[datetime, Job]]:
    """Return the newest jobs of a registry that a worker ended, with the time: RQ adds what it found abandoned without one."""
    found: list[tuple[datetime, Job]] = []
    for start in range(0, LOOKED_AT, AT_ONCE):
        ids: Any = connection.zrevrange(registry, start, start + AT_ONCE - 1)
        names = [job_id.decode() for job_id in ids]
        jobs = Job.fetch_many(names, connection=connection, serializer=JSONSerializer) if names else []
        found += [(job.ended_at, job) for job in jobs if job is not None and job.ended_at is not None]
        if len(found) >= most or len(names) < AT_ONCE:
            break
    return found[:most]


def _facts(key: str, told: Sequence[str]) -> WorkerFacts:
    host, pid, names, born, beat, done, failed, slots, running, owner = told
    return WorkerFacts(
        name=key.rpartition(":")[2],
        host=host,
        pid=int(pid),
        queues=tuple(names.split(",")),
        started=utcparse(born),
        heartbeat=utcparse(beat),
        done=int(done or 0) + int(failed or 0),
        slots=int(slots or 1),
        running=int(running or 0),
        lease_owner=owner,
    )


def _crash(job: Job, at: datetime) -> Crash:
    row_id, workspace_id = row_and_workspace(job.id)
    result = job.latest_result()
    error = (result.exc_string if result is not None else None) or job.exc_info or ""
    return Crash(job.func_name or "", row_id, workspace_id, at, error[:200])
