"""How many deliveries are under way at once in a process: receivers that hang must not take every thread from other work."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

from aiapp.errors import Unavailable

MOST, MOST_OF_WORKSPACE, MOST_OF_WEBHOOK = 16, 4, 2
_lock = threading.Lock()
_taken: Counter[str] = Counter()


@contextmanager
def place(workspace_id: str, webhook_id: str) -> Iterator[None]:
    """Take one of the places of this process. Raises Unavailable `busy` where there is none."""
    limits = {"": MOST, workspace_id: MOST_OF_WORKSPACE, webhook_id: MOST_OF_WEBHOOK}
    with _lock:
        if any(_taken[name] >= most for name, most in limits.items()):
            raise Unavailable("Several deliveries are under way. Try again in a moment.", code="busy", retry_after=5)
        _taken.update(limits.keys())
    try:
        yield
    finally:
        with _lock:
            _taken.subtract(limits.keys())
            for name in limits:
                if not _taken[name]:
                    del _taken[name]
