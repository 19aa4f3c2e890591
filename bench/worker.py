"""Our worker beside RQ's own ones and Celery's thread pool: the same jobs, the same Redis, one process each, in one run.

    .venv/bin/python bench/worker.py

Celery is measured where an environment has it, which is not ours:

    python3 -m venv /tmp/celery && /tmp/celery/bin/pip install -r bench/peers/requirements.txt
    BENCH_CELERY=/tmp/celery/bin/python .venv/bin/python bench/worker.py

A job adds one to a number in Redis, and one of a second waits before that, as for a provider. The worker has core 1, Redis and
the load have core 0. It is stopped while its queue is filled, so that only its own work counts. Ours gets the jobs of WORKSPACES
in turn; what one workspace alone comes to is printed too, which may have 7/8 of the slots. Celery acknowledges late and keeps no
results, which is the least that loses no job; RQ's forking worker is given few jobs, for it takes one at a time.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from statistics import quantiles
from typing import Any

from redis import Redis
from rq import Queue, SimpleWorker, Worker

from aiapp import queue
from aiapp.columns import new_id
from aiapp.processes.embedded import EmbeddedRedis
from aiapp.processes.threaded import ThreadedWorker

HERE = Path(__file__).parent
KINDS = {"ours": "ours", "celery": "celery threads", "rq-simple": "rq SimpleWorker", "rq": "rq Worker"}
INSTANT = {"ours": 6000, "celery": 6000, "rq-simple": 600, "rq": 100}
SECOND = {"ours": 2000, "celery": 2000, "rq-simple": 3, "rq": 3}
LATENCIES = {"ours": 200, "celery": 200, "rq-simple": 200, "rq": 50}
MEMORY = (1_000, 10_000)
CONCURRENCY = 400
WORKSPACES = [new_id() for _ in range(20)]
STARTED, DONE = "bench:started", "bench:done"
TICKS = os.sysconf("SC_CLK_TCK")


@cache
def client() -> Redis:
    """One client a process."""
    return Redis.from_url(os.environ["BENCH_REDIS"])


def instant(row_id: str) -> None:
    """A job that is done at once."""
    client().incr(DONE)


def one_second(row_id: str) -> None:
    """A job that waits, as for a provider."""
    time.sleep(1)
    client().incr(DONE)


def note(row_id: str) -> None:
    """A job that says when it was started."""
    client().rpush(STARTED, time.time())


def perform(function: str, arguments: Any) -> None:
    """Run a job of this file."""
    globals()[function.rpartition(".")[2]](*arguments)


def work(kind: str) -> None:
    """Be the worker, until killed."""
    os.sched_setaffinity(0, {1})
    connection = Redis.from_url(os.environ["BENCH_REDIS"])
    if kind != "ours":
        queues = [Queue("default", connection=connection, serializer=queue.JSONSerializer)]
        worker = SimpleWorker if kind == "rq-simple" else Worker
        worker(queues, connection=connection, serializer=queue.JSONSerializer).work(logging_level="ERROR")
        return
    ThreadedWorker(
        queue.PRIORITIES,
        perform,
        connection=connection,
        concurrency=CONCURRENCY,
        shutdown_seconds=0,
        cancel=lambda: None,
    ).serve()


@dataclass(frozen=True, slots=True)
class Figures:
    """What was measured of a worker: jobs a second, jobs a second of its CPU time, milliseconds, megabytes."""

    instant: float
    instant_cpu: float
    second: float
    alone: float | None
    p95: float
    memory: tuple[float, ...]


class Peer:
    """A worker that runs in a process of its own, and how it is given jobs."""

    def __init__(self, kind: str, url: str) -> None:
        self.kind, self.connection = kind, Redis.from_url(url)
        self.connection.flushall()
        python = os.environ["BENCH_CELERY"] if kind == "celery" else sys.executable
        broker = url.replace("unix://", "redis+socket://") if kind == "celery" else url
        self._celery = [python, str(HERE / "peers" / "celery_worker.py")]
        self._environment = {**os.environ, "BENCH_REDIS": url, "BENCH_BROKER": broker, "PYTHONPATH": str(HERE)}
        worker = [*self._celery, "work", str(CONCURRENCY)] if kind == "celery" else [python, __file__, kind]
        told = subprocess.DEVNULL if kind == "celery" else None  # its banner
        self.process = subprocess.Popen(worker, env=self._environment, stdout=told, stderr=told)
        self.enqueue("instant", 1)
        self.wait(1)

    def enqueue(self, function: str, count: int, workspaces: list[str] = WORKSPACES) -> None:
        """Have it do so many jobs."""
        if self.kind == "celery":
            subprocess.run([*self._celery, "send", function, str(count)], env=self._environment, check=True)
        elif self.kind == "ours":
            rows = [(new_id(), workspaces[number % len(workspaces)]) for number in range(count)]
            with self.connection.pipeline() as pipeline:
                queue.push(pipeline, self.connection, f"worker.{function}", rows, "default")
                pipeline.execute()
        else:
            given = Queue("default", connection=self.connection, serializer=queue.JSONSerializer)
            jobs = [Queue.prepare_data(f"worker.{function}", args=[new_id()], result_ttl=0) for _ in range(count)]
            given.enqueue_many(jobs)

    def wait(self, count: int) -> None:
        """Wait until so many jobs are done."""
        while int(self.connection.get(DONE) or 0) < count:  # type: ignore[arg-type]
            if self.process.poll() is not None:
                raise SystemExit(f"{KINDS[self.kind]} ended by itself")
            time.sleep(0.002)

    def rate(self, function: str, count: int, **more: Any) -> tuple[float, float]:
        """Jobs a second, and jobs a second of the worker's CPU time."""
        self.connection.delete(DONE)
        self.process.send_signal(signal.SIGSTOP)
        self.enqueue(function, count, **more)
        used, begun = self._cpu(), time.perf_counter()
        self.process.send_signal(signal.SIGCONT)
        self.wait(count)
        seconds = time.perf_counter() - begun
        return count / seconds, count / max(self._cpu() - used, 1 / TICKS)

    def latency(self, count: int) -> float:
        """The 95th percentile of milliseconds from enqueuing one job to its start."""
        if self.kind == "celery":
            told = subprocess.run(
                [*self._celery, "latency", str(count)],
                env=self._environment,
                check=True,
                capture_output=True,
                text=True,
            )
            return float(told.stdout)
        waits = []
        for _ in range(count):
            begun = time.time()
            self.enqueue("note", 1)
            (_, started) = self.connection.blpop([STARTED])  # type: ignore[misc]
            waits.append((float(started) - begun) * 1000)
            time.sleep(0.005)
        return quantiles(waits, n=20)[-1]

    def memory(self) -> float:
        """Resident megabytes."""
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        return int(next(line for line in status.splitlines() if line.startswith("VmRSS")).split()[1]) / 1024

    def close(self) -> None:
        """End it."""
        self.process.kill()
        self.process.wait()

    def _cpu(self) -> float:
        """Seconds that it and the children it has waited for have used."""
        fields = Path(f"/proc/{self.process.pid}/stat").read_text().rpartition(")")[2].split()
        return sum(int(each) for each in fields[11:15]) / TICKS


def measure(kind: str, url: str) -> Figures:
    """Start a worker of this kind and measure it."""
    peer = Peer(kind, url)
    try:
        grown, done = [], 0
        for jobs in MEMORY if kind in ("ours", "celery") else ():
            peer.rate("instant", jobs - done)
            done = jobs
            grown.append(peer.memory())
        whole, cpu = peer.rate("instant", INSTANT[kind])
        second = peer.rate("one_second", SECOND[kind])[0]
        alone = peer.rate("one_second", SECOND[kind], workspaces=WORKSPACES[:1])[0] if kind == "ours" else None
        return Figures(whole, cpu, second, alone, peer.latency(LATENCIES[kind]), tuple(grown))
    finally:
        peer.close()


def main() -> None:
    """Print all, and ours as a multiple of each."""
    kinds = [kind for kind in KINDS if kind != "celery" or "BENCH_CELERY" in os.environ]
    os.sched_setaffinity(0, {0})
    with tempfile.TemporaryDirectory() as home:
        redis = EmbeddedRedis(Path(home))
        redis.start()
        try:
            found = {kind: measure(kind, f"unix://{redis.socket}") for kind in kinds}
        finally:
            redis.close()
    ours = found["ours"]
    print(f"{'':18}{'instant/s':>11}{'per CPU-s':>11}{'ratio':>7}{'1 s jobs/s':>12}{'start p95 ms':>14}")
    for kind, its in found.items():
        ratio = ours.instant_cpu / its.instant_cpu
        print(
            f"{KINDS[kind]:18}{its.instant:11.0f}{its.instant_cpu:11.0f}{ratio:7.2f}{its.second:12.1f}{its.p95:14.1f}"
        )
    print(f"one workspace alone: {ours.alone:.1f} jobs of a second each second, with {CONCURRENCY} slots")
    for kind, its in found.items():
        told = ", ".join(f"{each:.0f} MB after {jobs:,}" for jobs, each in zip(MEMORY, its.memory, strict=False))
        if told:
            print(f"memory of {KINDS[kind]}: {told} jobs")
    if "celery" not in found:
        print("Celery was not measured: the docstring of this file says how it is.")


if __name__ == "__main__":
    if len(sys.argv) == 2:
        work(sys.argv[1])
    else:
        main()
