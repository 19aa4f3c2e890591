"""Jobs for the tests of the worker: as small as a job can be."""

from __future__ import annotations

import threading
import time
from collections import Counter

runs: Counter[str] = Counter()
started = threading.Semaphore(0)
go_on = threading.Event()


def instant(row_id: str) -> None:
    runs[row_id] += 1


def second(row_id: str) -> None:
    time.sleep(1)
    runs[row_id] += 1


def held(row_id: str) -> None:
    """Run until the test lets it go."""
    started.release()
    go_on.wait(60)
    runs[row_id] += 1


def failing(row_id: str) -> None:
    runs[row_id] += 1
    raise LookupError("the message stays here")
