"""Jobs for the tests and the benchmark of the worker: as small as a job can be."""

from __future__ import annotations

import threading
import time

runs: list[str] = []
started = threading.Semaphore(0)
go_on = threading.Event()


def forget() -> None:
    """Begin anew."""
    global started
    runs.clear()
    started = threading.Semaphore(0)
    go_on.clear()


def instant(row_id: str) -> None:
    runs.append(row_id)


def one_second(row_id: str) -> None:
    time.sleep(1)
    runs.append(row_id)


def held(row_id: str) -> None:
    """Run until the test lets it go."""
    started.release()
    go_on.wait(60)
    runs.append(row_id)


def failing(row_id: str) -> None:
    runs.append(row_id)
    raise LookupError("the message stays here")


def unspeakable(row_id: str) -> None:
    """Fail with an error that RQ cannot write down: the name of its type is no text that could be sent."""
    raise type("\ud800", (Exception,), {})
