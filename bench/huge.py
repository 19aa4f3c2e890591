"""What answers without an end leave in memory: worker, web and Redis before, at their highest and after, and the database's size.

    .venv/bin/python bench/huge.py [which …]

The provider streams events of 4 KB of text until it is hung up on. Each line is an installation of its own: 12 and 30 of such
calls at once, 100 one after another.
"""

from __future__ import annotations

import contextlib
import os
import socket
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from _product import Product, Upstream

from aiapp.executions.models import FINISHED, Execution
from aiapp.extensions import db, reading, redis

CASES: dict[str, tuple[int, int]] = {"12": (12, 12), "30": (30, 30), "100": (100, 1)}  # how many, and at once
TEXT = "All work and no play makes a dull answer. " * 100
CALM_SECONDS, GIVE_UP_SECONDS = 15.0, 300.0


class Endless(Upstream):
    """Streams for as long as somebody reads."""

    def _stream(self, sock: socket.socket, prompt: str) -> None:
        sock.sendall(b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n")
        while True:
            self._event(sock, {"choices": [{"index": 0, "delta": {"content": TEXT}}]})


class Memory:
    """The resident memory of the parts, in MB, and the highest that was seen."""

    def __init__(self, product: Product) -> None:
        self._pids = {"worker": product.family("worker"), "web": product.family("web"), "redis": [redis_of(product)]}
        self.highest = dict.fromkeys(self._pids, 0.0)
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self._thread.start()

    def now(self) -> dict[str, float]:
        """Read it."""
        return {name: sum(map(resident, pids)) for name, pids in self._pids.items()}

    def _watch(self) -> None:
        while not self._over.wait(0.02):
            with contextlib.suppress(OSError):
                self.highest = {name: max(self.highest[name], size) for name, size in self.now().items()}

    def end(self) -> None:
        """Watch no more."""
        self._over.set()
        self._thread.join()


def resident(pid: int) -> float:
    """The RSS of a process in MB."""
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 2**20


def redis_of(product: Product) -> int:
    """The process id of the installation's Redis."""
    with product.app.app_context():
        info: Any = redis().info("server")
    return int(info["process_id"])


def until(fact: Callable[[], bool]) -> bool:
    """Wait until `fact` is true; say whether it became so."""
    deadline = time.monotonic() + GIVE_UP_SECONDS
    while not fact():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.05)
    return True


def ended(product: Product) -> int:
    """How many executions have ended."""
    count = sa.select(sa.func.count()).select_from(Execution).where(Execution.status.in_(FINISHED))
    with product.app.app_context(), reading():
        found: Any = db.session.scalar(count)
        db.session.remove()
    return int(found)


def database_bytes(product: Product) -> int:
    """The bytes of a SQLite database and its log; 0 for another one."""
    with product.app.app_context():
        file = db.engine.url.database or ""
    return sum(path.stat().st_size for path in (Path(file), Path(f"{file}-wal")) if path.is_file())


def outcomes(product: Product) -> str:
    """What became of them, in words."""
    what = sa.select(Execution.status, Execution.error_class, sa.func.count()).group_by(sa.text("1, 2"))
    with product.app.app_context(), reading():
        found = [f"{number} {error or status}" for status, error, number in db.session.execute(what)]
        db.session.remove()
    return ", ".join(found)


def main(names: list[str]) -> None:
    """Measure the cases."""
    for name in names:
        many, at_once = CASES[name]
        with Product(Endless(), concurrency=32) as product:
            client = product.client()
            memory = Memory(product)
            time.sleep(2)
            before, start = memory.now(), time.perf_counter()
            for number in range(many):
                client.submit(f"{name} {number}")
                if at_once == 1:
                    until(lambda product=product, asked=number + 1: ended(product) >= asked)
            until(lambda product=product, many=many: ended(product) == many)
            took = time.perf_counter() - start
            time.sleep(CALM_SECONDS)
            memory.end()
            after = memory.now()
            parts = "; ".join(
                f"{part} {before[part]:.0f} -> {memory.highest[part]:.0f} -> {after[part]:.0f}" for part in before
            )
            size = database_bytes(product) / 2**20
            sys.stdout.write(
                f"{many} calls, {at_once} at once, {took:.0f} s ({outcomes(product)}): MB {parts}; database {size:.0f}\n"
            )
            sys.stdout.flush()


if __name__ == "__main__":
    main(sys.argv[1:] or list(CASES))
