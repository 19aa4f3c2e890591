"""ThreadedWorker: many jobs in flight in one process, each in a thread of its own, over RQ's own records in Redis.

How it differs from RQ's SimpleWorker, and why:

- Jobs wait for providers nearly all of their time, so a process holds as many as it has threads.
- Ids are taken by a Lua script that moves them to RQ's intermediate lists over all priorities at once (RQ's own way for several
  queues, BLPOP, loses an id when the worker dies in the gap). Lua cannot block, so an idle worker blocks on the wake-up lists.
- A worker takes at most as many ids as it has free threads: a job that waits inside a worker is invisible to the others.
- Redis steps are batched: one pipeline starts all jobs just taken, one ends all jobs just done. Only the book-keeping thread
  writes the ends and the heartbeats, so that a heartbeat cannot bring back what has ended.
- The heartbeat is a whole registration: a Redis that was flushed or restarted knows the worker again a few seconds later.
- No time limit by signals: those reach the main thread only. Deadlines belong to the transport, cancelling to the job.
"""

from __future__ import annotations

import queue
import threading
import time
import traceback
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from types import FrameType
from typing import Any

from redis import Redis
from redis.exceptions import RedisError
from rq import SimpleWorker, worker_registration
from rq.executions import Execution
from rq.job import Job, JobStatus
from rq.results import Result
from rq.serializers import JSONSerializer
from rq.utils import now

from aiapp.observability.logs import log
from aiapp.queue import FAILURE_SECONDS, queues, wake_key

BEAT_SECONDS = 5.0
WORKER_SECONDS = 30  # without a heartbeat for so long a worker is dead
JOB_SECONDS = 120  # and its jobs are abandoned
BLOCK_SECONDS = 0.5  # how soon a stop is noticed
CANCEL_SECONDS = 5.0  # how long cancelled jobs may take to hand their rows back
REDIS_SECONDS = 5.0

TAKE = """
-- KEYS: for each queue its list, its intermediate list, its wake-up list; ARGV[1]: how many ids at most
local taken = {}
for i = 1, #KEYS, 3 do
  while #taken < tonumber(ARGV[1]) do
    local id = redis.call('LMOVE', KEYS[i], KEYS[i + 1], 'LEFT', 'RIGHT')
    if not id then
      redis.call('DEL', KEYS[i + 2])
      break
    end
    taken[#taken + 1] = id
  end
end
return taken
"""

Perform = Callable[[str, Sequence[Any]], None]


@dataclass(slots=True)
class Flight:
    """A job from the moment it was taken until its end is written."""

    job: Job
    execution: Execution
    error: Exception | None = None


class Slots:
    """How many threads are free."""

    def __init__(self, count: int) -> None:
        self._free = count
        self._change = threading.Condition()

    def wait(self, seconds: float) -> int:
        """Return how many are free, waiting up to `seconds` for the first one."""
        with self._change:
            self._change.wait_for(lambda: self._free > 0, seconds)
            return self._free

    def take(self, count: int) -> None:
        """Occupy `count` of the free ones."""
        with self._change:
            self._free -= count

    def release(self) -> None:
        """Give one back."""
        with self._change:
            self._free += 1
            self._change.notify()


class ThreadedWorker(SimpleWorker):
    """Takes jobs from queues and runs them in threads until it is stopped.

    Arguments:
        names: the priorities to serve, most urgent first.
        perform: runs a job, given its function's dotted path and its arguments; what it raises fails the job.
        cancel: asks the running jobs to hand back their rows; called once, when they have used up the shutdown time.
    """

    def __init__(
        self,
        names: Sequence[str],
        perform: Perform,
        *,
        connection: Redis,
        concurrency: int,
        shutdown_seconds: float,
        cancel: Callable[[], None],
    ) -> None:
        super().__init__(queues(connection, names), connection=connection, serializer=JSONSerializer)
        self._perform = perform
        self._cancel = cancel
        self._shutdown_seconds = shutdown_seconds
        self._slots = Slots(concurrency)
        self._pool = ThreadPoolExecutor(concurrency, thread_name_prefix="job")
        self._ended: queue.SimpleQueue[Flight | None] = queue.SimpleQueue()
        self._flights: dict[str, Flight] = {}
        self._stops = 0
        self._take = connection.register_script(TAKE)
        self._wake_keys = [wake_key(name) for name in names]
        self._take_keys = [key for q in self.queues for key in (q.key, q.intermediate_queue_key, wake_key(q.name))]

    def serve(self) -> bool:
        """Work until stop(); return whether every job came to an end or handed its row back in time."""
        self.birth_date = now()
        books = threading.Thread(target=self._keep_books, name="books", daemon=True)
        books.start()
        pause = 0.0
        while not self._stops:
            free = self._slots.wait(BLOCK_SECONDS)
            try:
                if free and not self._start_jobs(free):
                    self.connection.blpop(self._wake_keys, timeout=BLOCK_SECONDS)
            except RedisError as error:
                if not pause:
                    log(__name__).warning("worker.redis_lost", error=str(error))
                pause = min(pause * 2 or 0.1, 2.0)
                time.sleep(pause)
            else:
                if pause:
                    log(__name__).info("worker.redis_back")
                pause = 0.0
        return self._drain(books)

    def stop(self, signum: int = 0, frame: FrameType | None = None) -> None:
        """Take no more jobs; the second call cancels those that run. A signal handler: it takes no lock."""
        self._stops += 1

    def _set_connection(self, connection: Redis) -> Redis:
        return connection  # RQ would stretch the time-outs of the whole pool to seven minutes

    def _set_ip_address(self, connection: Redis) -> None:
        self.ip_address = "unknown"  # asking Redis would need one that is up

    def _start_jobs(self, free: int) -> int:
        ids = [job_id.decode() for job_id in self._take(keys=self._take_keys, args=[free])]
        if not ids:
            return 0
        jobs = self._fetch(ids)
        started = []
        with self.connection.pipeline() as pipeline:
            for job_id, job in zip(ids, jobs, strict=True):
                if job is not None:
                    execution = Execution.create(job, JOB_SECONDS, pipeline=pipeline, worker_name=self.name)
                    job.prepare_for_execution(self.name, pipeline=pipeline)
                    started.append(Flight(job, execution))
                for q in self.queues:
                    if job is None or job.origin == q.name:
                        pipeline.lrem(q.intermediate_queue_key, 1, job_id)
            pipeline.execute()
        self._slots.take(len(started))
        for flight in started:
            self._flights[flight.execution.id] = flight
            self._pool.submit(self._run, flight)
        return len(ids)

    def _fetch(self, ids: Sequence[str]) -> list[Job | None]:
        """Return the jobs; None for one that is gone, or that is no job at all: it must not stop the others."""
        try:
            return Job.fetch_many(ids, connection=self.connection, serializer=JSONSerializer)
        except RedisError:
            raise
        except Exception as error:
            log(__name__).error("worker.unreadable_job", jobs=ids, error=type(error).__name__)
            return [job for each in ids for job in self._fetch([each])] if len(ids) > 1 else [None]

    def _run(self, flight: Flight) -> None:
        try:
            self._perform(flight.job.func_name or "", flight.job.args)
        except Exception as error:
            # Where, but not the message: it may quote a prompt, a provider or the database.
            where = "".join(traceback.format_tb(error.__traceback__))
            log(__name__).error("job.failed", job=flight.job.id, error=type(error).__name__, where=where)
            flight.error = error
        finally:
            self._slots.release()
            self._ended.put(flight)

    def _keep_books(self) -> None:
        unwritten: list[Flight] = []
        beat_at = 0.0
        last = False
        while not last:
            try:
                ended = self._ended.get(timeout=max(0.0, beat_at - time.monotonic()))
                batch = [ended, *self._ended_meanwhile()]
            except queue.Empty:
                batch = []
            last = None in batch
            for flight in filter(None, batch):
                del self._flights[flight.execution.id]
                unwritten.append(flight)
            try:
                if unwritten:
                    self._write_ends(unwritten)
                    unwritten = []
                if time.monotonic() >= beat_at:
                    beat_at = time.monotonic() + BEAT_SECONDS
                    self._beat()
            except RedisError as error:
                # The rows are in the database. What is lost here expires in Redis by itself.
                log(__name__).warning("worker.books_not_kept", error=str(error), jobs=len(unwritten))
                del unwritten[:-10_000]

    def _ended_meanwhile(self) -> list[Flight | None]:
        batch: list[Flight | None] = []
        while not self._ended.empty():
            batch.append(self._ended.get())
        return batch

    def _write_ends(self, flights: Sequence[Flight]) -> None:
        with self.connection.pipeline() as pipeline:
            for flight in flights:
                job = flight.job
                flight.execution.delete(job=job, pipeline=pipeline)
                if flight.error is None:
                    pipeline.delete(job.key)
                    continue
                job.ended_at = now()
                job.set_status(JobStatus.FAILED, pipeline=pipeline)
                name = type(flight.error).__name__
                job.failed_job_registry.add(job, ttl=FAILURE_SECONDS, pipeline=pipeline)
                Result.create_failure(job, FAILURE_SECONDS, name, worker_name=self.name, pipeline=pipeline)
            pipeline.execute()
        failed = sum(flight.error is not None for flight in flights)
        self.failed_job_count += failed
        self.successful_job_count += len(flights) - failed

    def _beat(self) -> None:
        flights = list(self._flights.values())
        self.last_heartbeat = now()
        counts = {
            "state": "busy" if flights else "idle",
            "successful_job_count": self.successful_job_count,
            "failed_job_count": self.failed_job_count,
        }
        with self.connection.pipeline(transaction=False) as pipeline:
            pipeline.hset(self.key, mapping={**self.serialize(), **counts})
            pipeline.expire(self.key, WORKER_SECONDS)
            worker_registration.register(self, pipeline)
            for flight in flights:
                flight.execution.heartbeat(flight.job.started_job_registry, JOB_SECONDS, pipeline)
            pipeline.execute()

    def _drain(self, books: threading.Thread) -> bool:
        log(__name__).info("worker.stopping", jobs=len(self._flights))
        if not self._landed(self._shutdown_seconds, patient=True):
            self._cancel()
            self._landed(CANCEL_SECONDS, patient=False)
        stuck = len(self._flights)
        self._ended.put(None)
        books.join(REDIS_SECONDS)
        self._pool.shutdown(wait=not stuck)
        try:
            self.register_death()  # type: ignore[no-untyped-call]
        except RedisError:
            log(__name__).warning("worker.death_not_registered")
        log(__name__).info("worker.stopped", stuck=stuck)
        return not stuck

    def _landed(self, seconds: float, *, patient: bool) -> bool:
        deadline = time.monotonic() + seconds
        while self._flights and time.monotonic() < deadline and not (patient and self._stops > 1):
            time.sleep(0.02)
        return not self._flights
