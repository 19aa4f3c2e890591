"""Celery's thread pool on the jobs of ../worker.py. It runs in an environment that has Celery and nothing of ours (see there)."""

from __future__ import annotations

import os
import sys
import time
from statistics import quantiles

from celery import Celery
from redis import Redis

STARTED, DONE = "bench:started", "bench:done"

app = Celery("bench", broker=os.environ["BENCH_BROKER"])
app.conf.update(task_acks_late=True, task_ignore_result=True, broker_connection_retry_on_startup=True)
client = Redis.from_url(os.environ["BENCH_REDIS"], max_connections=1000)


@app.task(name="instant")
def instant(row_id: str) -> None:
    """A job that is done at once."""
    client.incr(DONE)


@app.task(name="one_second")
def one_second(row_id: str) -> None:
    """A job that waits, as for a provider."""
    time.sleep(1)
    client.incr(DONE)


@app.task(name="note")
def note(row_id: str) -> None:
    """A job that says when it was started."""
    client.rpush(STARTED, time.time())


def latency(count: int) -> float:
    """The 95th percentile of milliseconds from enqueuing one job to its start."""
    waits = []
    for _ in range(count):
        begun = time.time()
        note.delay("x")
        (_, started) = client.blpop([STARTED])
        waits.append((float(started) - begun) * 1000)
        time.sleep(0.005)
    return quantiles(waits, n=20)[-1]


if __name__ == "__main__":
    verb, *arguments = sys.argv[1:]
    if verb == "send":
        with app.producer_or_acquire() as producer:
            for _ in range(int(arguments[1])):
                app.send_task(arguments[0], ["x"], producer=producer)
    elif verb == "latency":
        print(latency(int(arguments[0])))
    else:
        os.sched_setaffinity(0, {1})
        app.worker_main(["worker", "--pool=threads", f"--concurrency={arguments[0]}", "--loglevel=ERROR"])
