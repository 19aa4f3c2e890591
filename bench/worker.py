"""Our worker against RQ's own SimpleWorker: the same deliveries, the same Redis, one process each, in one run."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from functools import cache
from pathlib import Path
from statistics import quantiles
from typing import Any

from redis import Redis
from rq import SimpleWorker

from aiapp import queue
from aiapp.columns import new_id
from aiapp.processes.embedded import EmbeddedRedis
from aiapp.processes.threaded import ThreadedWorker

INSTANT = {"ours": 6000, "rq": 600}
SECOND = {"ours": 2000, "rq": 5}
LATENCIES = 200
CONCURRENCY = 400
STARTED = "bench:started"


def instant(row_id: str) -> None:
    """A job that is done at once."""


def one_second(row_id: str) -> None:
    """A job that waits, as for a provider."""
    time.sleep(1)


@cache
def client(url: str) -> Redis:
    """One client a process."""
    return Redis.from_url(url)


def note(row_id: str) -> None:
    """A job that says when it was started."""
    client(os.environ["BENCH_REDIS"]).rpush(STARTED, time.time())


def perform(function: str, arguments: Any) -> None:
    """Run a job of this file."""
    globals()[function.rpartition(".")[2]](*arguments)


def work(kind: str, url: str) -> None:
    """Be the worker, until killed."""
    connection = Redis.from_url(url)
    if kind == "rq":
        SimpleWorker(queue.queues(connection), connection=connection, serializer=queue.JSONSerializer).work(
            logging_level="ERROR"
        )
        return
    ThreadedWorker(
        queue.PRIORITIES,
        perform,
        connection=connection,
        concurrency=CONCURRENCY,
        shutdown_seconds=0,
        cancel=lambda: None,
    ).serve()


def enqueue(connection: Redis, function: str, count: int) -> None:
    """Enqueue `count` jobs at once."""
    with connection.pipeline() as pipeline:
        queue.push(pipeline, connection, f"worker.{function}", [new_id() for _ in range(count)], "default")
        pipeline.execute()


def finished(connection: Redis) -> None:
    """Wait until no job waits, is being taken or runs. One look is not enough: RQ holds a job it takes nowhere for a moment."""
    quiet = 0
    while quiet < 5:
        with connection.pipeline() as pipeline:
            pipeline.llen("rq:queue:default")
            pipeline.llen("rq:queue:default:intermediate")
            pipeline.zcard("rq:wip:default")
            quiet = 0 if any(pipeline.execute()) else quiet + 1
        time.sleep(0.005)


def rate(connection: Redis, function: str, count: int) -> float:
    """Jobs per second, from enqueuing to the last one's end."""
    begun = time.perf_counter()
    enqueue(connection, function, count)
    finished(connection)
    return count / (time.perf_counter() - begun)


def latency(connection: Redis) -> float:
    """The 95th percentile of milliseconds from enqueuing one job to its start."""
    waits = []
    for _ in range(LATENCIES):
        begun = time.time()
        enqueue(connection, "note", 1)
        (_, started) = connection.blpop([STARTED])
        waits.append((float(started) - begun) * 1000)
        time.sleep(0.005)
    return quantiles(waits, n=20)[-1]


def measure(kind: str, url: str) -> tuple[float, float, float]:
    """Start a worker of this kind and return its instant jobs/s, one-second jobs/s and p95 of the start in ms."""
    connection = Redis.from_url(url)
    connection.flushall()
    process = subprocess.Popen(
        [sys.executable, __file__, kind, url],
        env={**os.environ, "BENCH_REDIS": url, "PYTHONPATH": str(Path(__file__).parent)},
    )
    try:
        while not connection.scard("rq:workers"):
            time.sleep(0.01)
        rate(connection, "instant", 50)
        return (
            rate(connection, "instant", INSTANT[kind]),
            rate(connection, "one_second", SECOND[kind]),
            latency(connection),
        )
    finally:
        process.kill()
        process.wait()


def main() -> None:
    """Print both and the ratios."""
    with tempfile.TemporaryDirectory() as home:
        redis = EmbeddedRedis(Path(home))
        redis.start()
        try:
            ours, theirs = (measure(kind, f"unix://{redis.socket}") for kind in ("ours", "rq"))
        finally:
            redis.close()
    print(f"{'':24}{'ours':>10}{'rq':>10}{'ratio':>8}")
    for label, mine, other in zip(
        ("instant jobs/s", "1 s jobs/s", "enqueue to start p95 ms"), ours, theirs, strict=True
    ):
        print(f"{label:24}{mine:10.1f}{other:10.1f}{mine / other:8.2f}")


if __name__ == "__main__":
    if len(sys.argv) == 3:
        work(*sys.argv[1:])
    else:
        main()
