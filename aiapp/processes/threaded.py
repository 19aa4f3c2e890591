"""ThreadedWorker: many jobs in flight in one process, each in a thread of its own, over RQ's own records in Redis.

How it differs from RQ's SimpleWorker, and why:

- Jobs wait for providers nearly all of their time, so a process holds as many as it has threads.
- Ids are taken by a Lua script that moves them to RQ's intermediate lists over all priorities at once (RQ's own way for several
  queues, BLPOP, loses an id when the worker dies in the gap). Lua cannot block, so an idle worker blocks on the wake-up lists.
- Workspaces take turns, and none of them takes all slots (sharing.py).
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
from aiapp.processes.sharing import Slots, Turns
from aiapp.queue import FAILURE_SECONDS, queues, row_and_workspace, wake_key

BEAT_SECONDS = 5.0
WORKER_SECONDS = 30  # without a heartbeat for so long a worker is dead
JOB_SECONDS = 120  # and its jobs are abandoned
BLOCK_SECONDS = 0.5  # how soon a stop is noticed
CANCEL_SECONDS = 5.0  # how long cancelled jobs may take to hand their rows back
REDIS_SECONDS = 5.0
BOOKS_AGAIN_SECONDS = 1.0
HELD_SECONDS = 0.02  # how soon it is looked again where somebody waits who has had their share
LOOK_SECONDS = 1.0  # how soon a pause is noticed

Perform = Callable[[str, Sequence[Any]], None]
Closed = Callable[[str], frozenset[str]]


@dataclass(slots=True)
class Flight:
    """A job from the moment it was taken until its end is written."""

    job: Job
    execution: Execution
    workspace_id: str
    error: Exception | None = None


class ThreadedWorker(SimpleWorker):
    """Takes jobs from queues and runs them in threads until it is stopped.

    Arguments:
        names: the priorities to serve, most urgent first.
        perform: runs a job, given its function's dotted path and its arguments; what it raises fails the job.
        cancel: asks the running jobs to hand back their rows; called once, when they have used up the shutdown time.
        closed: says of which priorities a worker of this name shall take nothing now; asked once a second.
        lease_owner: what this process is called in the rows that it holds, for those who look at its registration.
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
        closed: Closed = lambda name: frozenset(),
        lease_owner: str = "",
    ) -> None:
        super().__init__(queues(connection, names), connection=connection, serializer=JSONSerializer)
        self._perform = perform
        self._cancel = cancel
        self._shutdown_seconds = shutdown_seconds
        self._ask_closed = closed
        self._closed: frozenset[str] = frozenset()
        self._facts = {"slots": concurrency, "lease_owner": lease_owner}
        self._slots = Slots(concurrency)
        self._pool = ThreadPoolExecutor(concurrency, thread_name_prefix="job")
        self._ended: queue.SimpleQueue[Flight | None] = queue.SimpleQueue()
        self._flights: dict[str, Flight] = {}
        self._stops = 0
        self._turns = Turns(connection, concurrency)
        self._stopping = threading.Event()

    def serve(self) -> bool:
        """Work until stop(); return whether every job came to an end or handed its row back in time."""
        self.birth_date = now()
        books = threading.Thread(target=self._keep_books, name="books", daemon=True)
        books.start()
        self._look()
        threading.Thread(target=self._keep_looking, name="pauses", daemon=True).start()
        pause = 0.0
        while not self._stops:
            try:
                if self._slots.wait(BLOCK_SECONDS):
                    self._start_or_wait()
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

    def _look(self) -> None:
        try:
            self._closed = self._ask_closed(self.name)
        except Exception as error:  # the database is away: what was said last holds
            log(__name__).warning("worker.pauses_unknown", error=type(error).__name__)

    def _keep_looking(self) -> None:
        while not self._stopping.wait(LOOK_SECONDS):
            self._look()

    def _start_or_wait(self) -> None:
        open_queues = [q for q in self.queues if q.name not in self._closed]
        if not open_queues:
            time.sleep(BLOCK_SECONDS)
            return
        standing = self._slots.standing()
        ids, held = self._turns.take(open_queues, standing)
        if ids:
            self._start(ids)
        elif held:
            # The wake-up tokens are left to workers that have room; here the next slot that is given back may be the one.
            self._slots.wait_for_release(standing, HELD_SECONDS)
        else:
            self.connection.blpop([wake_key(q.name) for q in open_queues], timeout=BLOCK_SECONDS)

    def _start(self, ids: Sequence[str]) -> None:
        jobs = self._fetch(ids)
        started = []
        with self.connection.pipeline() as pipeline:
            for job_id, job in zip(ids, jobs, strict=True):
                if job is not None:
                    execution = Execution.create(job, JOB_SECONDS, pipeline=pipeline, worker_name=self.name)
                    job.prepare_for_execution(self.name, pipeline=pipeline)
                    started.append(Flight(job, execution, row_and_workspace(job_id)[1]))
                for q in self.queues:
                    if job is None or job.origin == q.name:
                        pipeline.lrem(q.intermediate_queue_key, 1, job_id)
            pipeline.execute()
        for flight in started:
            self._slots.take(flight.workspace_id)
            self._flights[flight.execution.id] = flight
            self._pool.submit(self._run, flight)

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
            self._slots.release(flight.workspace_id)
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
                # One that refuses at once (it is full, or gone) is not asked again at once.
                time.sleep(BOOKS_AGAIN_SECONDS)
            except Exception as error:  # one job that RQ cannot write down must not end the heartbeats of the others
                log(__name__).error("worker.books_unreadable", error=type(error).__name__, jobs=len(unwritten))
                unwritten = []

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
            "running": len(flights),
            **self._facts,
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
        self._stopping.set()
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
