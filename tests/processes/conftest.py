"""Fixtures with real Redis servers, workers and supervisors."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import job_functions
import pytest
from redis import Redis
from stage import Running, Up, perform

import aiapp.models  # noqa: F401 - the empty database is made of every table
from aiapp.processes.threaded import Closed, ThreadedWorker


@pytest.fixture
def connection(redis_url: str) -> Iterator[Redis]:
    client = Redis.from_url(redis_url)
    client.flushall()
    yield client
    client.close()


@pytest.fixture
def start_worker(redis_url: str) -> Iterator[Callable[..., Running]]:
    """Start a worker over tests' own jobs; it is stopped at the end."""
    job_functions.forget()
    running: list[Running] = []

    def start(
        names: tuple[str, ...] = ("high", "default", "low"),
        *,
        url: str = redis_url,
        concurrency: int = 4,
        shutdown_seconds: float = 10,
        cancel: Callable[[], None] = lambda: None,
        closed: Closed = lambda name: frozenset(),
        lease_owner: str = "",
    ) -> Running:
        worker = ThreadedWorker(
            names,
            perform,
            connection=Redis.from_url(url, socket_timeout=5),
            concurrency=concurrency,
            shutdown_seconds=shutdown_seconds,
            cancel=cancel,
            closed=closed,
            lease_owner=lease_owner,
        )
        running.append(Running(worker))
        return running[-1]

    yield start
    job_functions.go_on.set()
    for each in running:
        each.stop()
        each.worker.connection.close()


@pytest.fixture
def up(tmp_path: Path, free_port: int) -> Iterator[Callable[..., Up]]:
    """Start `aiapp up`; whatever is left of it at the end is killed."""
    started: list[Up] = []

    def start(*arguments: str, **environ: str) -> Up:
        started.append(Up(tmp_path / "home", free_port, *arguments, **environ))
        return started[-1]

    yield start
    for each in started:
        each.end()


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Up]:
    """One `aiapp up` with two workers for all tests of a module: each finds it whole and leaves it whole."""
    each = Up(tmp_path_factory.mktemp("up") / "home", 0, "--workers", "2")
    each.wait_ready()
    yield each
    each.end()
