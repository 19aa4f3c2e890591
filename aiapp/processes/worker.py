"""The worker process: the application, and a ThreadedWorker that runs its jobs in it."""

from __future__ import annotations

import importlib
import os
import re
import signal
from collections.abc import Sequence
from typing import Any

from flask import Flask
from redis import Redis

from aiapp import config, create_app
from aiapp.extensions import db
from aiapp.processes import memory
from aiapp.processes.threaded import REDIS_SECONDS, Perform, ThreadedWorker

# Redis may name these functions and no others: whoever can write to it shall not choose what a worker calls.
JOB = re.compile(r"aiapp\.[a-z_]+\.jobs\.[a-z_]+")


def main(names: Sequence[str], concurrency: int) -> int:
    """Serve the queues `names` with `concurrency` threads until SIGTERM or SIGINT; return the exit code.

    Raises ConfigError.
    """
    from aiapp.executions import jobs, pauses
    from aiapp.executions.running import leases

    def cancel() -> None:
        jobs.shutdown.set()
        jobs.cancel_all()

    def closed(worker: str) -> frozenset[str]:
        with app.app_context():
            return pauses.closed_to(worker)

    memory.give_back_large_blocks()
    memory.share_arenas(2)
    settings = config.load()
    app = create_app(settings)
    worker = ThreadedWorker(
        names,
        in_app(app),
        connection=Redis.from_url(settings.redis_url, socket_connect_timeout=1, socket_timeout=REDIS_SECONDS),
        concurrency=concurrency,
        shutdown_seconds=settings.shutdown_seconds,
        cancel=cancel,
        closed=closed,
        lease_owner=leases.owner(),
    )
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, worker.stop)
    if not worker.serve():
        os._exit(0)  # a thread that does not come back must not hold the process; its row's lease ends by itself
    return 0


def in_app(app: Flask) -> Perform:
    """Return what runs a job inside `app`, with a database session of its own."""

    def perform(function: str, arguments: Sequence[Any]) -> None:
        if not JOB.fullmatch(function):
            raise PermissionError(f"{function} is not a job of this application")
        module, _, name = function.rpartition(".")
        job = getattr(importlib.import_module(module), name)
        with app.app_context():
            try:
                job(*arguments)
            except Exception:
                db.session.rollback()
                raise
            finally:
                db.session.remove()

    return perform
