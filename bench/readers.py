"""Many open live views on one web process: what they weigh, how late their words are, and what pages take meanwhile.

READERS follow EXECUTIONS that write a word a second. Target: 300 MB, and pages within 200 ms at the 95th percentile. The same
pages without a reader are measured in the same run.

Where the memory goes (smaps; two cores, CPython 3.11, SQLite): the process is 124 MB before the first reader. Each open reader
adds about 130 KB, some 45 KB of it its thread's stack, the rest blocks of Python and glibc. All 500 come at once; while all were
let in at once, 336 had a connection to the database at the same time, and 100 MB of what they freed stayed with the process.
Fewer of glibc's arenas (2) or kept connections (16) changed nothing about that; letting in 16 at a time (processes/web.py) did.
"""

from __future__ import annotations

import selectors
import socket
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

from _product import Product, Upstream, percentiles

READERS, EXECUTIONS = 500, 50
SECONDS, PAGES = 20, 10  # so long, so many pages a second
CATCH_UP_SECONDS = 5.0


class Readers:
    """Connections that read event streams, all in one thread."""

    def __init__(self, product: Product, ids: list[str]) -> None:
        self.events = self.ended = self.refused = 0
        self.reading: set[int] = set()
        self._selector = selectors.DefaultSelector()
        self._over = threading.Event()
        for number in range(READERS):
            sock = socket.create_connection(("127.0.0.1", product.port))
            path = f"/api/v1/executions/{ids[number % len(ids)]}/events"
            sock.sendall(
                f"GET {path} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {product.token}\r\n\r\n".encode()
            )
            sock.setblocking(False)
            self._selector.register(sock, selectors.EVENT_READ)
        self._thread = threading.Thread(target=self._read)
        self._thread.start()

    def _read(self) -> None:
        while not self._over.is_set():
            for key, _ in self._selector.select(0.5):
                sock = key.fileobj
                assert isinstance(sock, socket.socket)
                data = sock.recv(65536)
                words = data.count(b"event: delta")
                self.events += words
                if words:
                    self.reading.add(sock.fileno())
                self.refused += data.startswith(b"HTTP/1.1 503")
                if not data:
                    self.ended += 1
                    self._selector.unregister(sock)

    @property
    def open(self) -> int:
        """How many have a stream."""
        return READERS - self.ended - self.refused

    def close(self) -> None:
        """Hang up."""
        self._over.set()
        self._thread.join()
        for key in list(self._selector.get_map().values()):
            key.fileobj.close()  # type: ignore[union-attr]
        self._selector.close()


@contextmanager
def reading(product: Product, ids: list[str]) -> Iterator[Readers]:
    """Open the readers, and wait until each of them has caught up or was refused."""
    readers = Readers(product, ids)
    try:
        while len(readers.reading) < readers.open:
            time.sleep(0.5)
        time.sleep(CATCH_UP_SECONDS)
        yield readers
    finally:
        readers.close()


def pages(product: Product, execution_id: str) -> list[float]:
    """Look at pages for SECONDS, PAGES a second; return the seconds from when each was due."""
    paths = ["/w/bench/", "/w/bench/executions", f"/w/bench/executions/{execution_id}", "/w/bench/credentials"]
    numbers, took, lock = iter(range(SECONDS * PAGES)), [], threading.Lock()
    start = time.perf_counter()

    def look() -> None:
        visitor = product.visitor()
        while True:
            with lock:
                number = next(numbers, None)
            if number is None:
                return
            due = start + 2 + number / PAGES
            time.sleep(max(0.0, due - time.perf_counter()))
            status, _ = visitor.get(paths[number % len(paths)])
            assert status == 200, (paths[number % len(paths)], status)
            took.append(time.perf_counter() - due)

    threads = [threading.Thread(target=look) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return took


def main() -> None:
    """Measure pages without readers, then with them."""
    words = 10 * SECONDS
    with Product(Upstream(first=1.0, every=1.0, words=words), concurrency=2 * EXECUTIONS) as product:
        client = product.client()
        ids = [client.submit(f"long {number}") for number in range(EXECUTIONS)]
        quiet = pages(product, ids[0])
        tell("pages without readers", quiet, product, 0.0)
        with reading(product, ids) as readers:
            cpu, events, start = product.cpu("web"), readers.events, time.perf_counter()
            busy = pages(product, ids[0])
            share = (product.cpu("web") - cpu) / (time.perf_counter() - start)
            rate = (readers.events - events) / (time.perf_counter() - start)
            tell(f"pages beside {readers.open} readers (target 200 ms)", busy, product, share)
            sys.stdout.write(f"{readers.open} of {READERS} readers, {rate:.0f} words a second shown to them\n")
    sys.stdout.write(f"pages take {percentiles(busy)[1] / percentiles(quiet)[1]:.1f} x as long at p95\n")


def tell(label: str, seconds: list[float], product: Product, share: float) -> None:
    """Print the percentiles and what the web process weighs."""
    p50, p95, p99 = percentiles(seconds)
    serving = product.memory(product.family("web")[-1:])
    together = product.memory(product.family("web"))
    sys.stdout.write(f"{label:42} p50 {p50:6.1f}   p95 {p95:6.1f}   p99 {p99:6.1f} ms\n")
    sys.stdout.write(
        f"{'':42} serving process {serving[0]:.0f} MB RSS; with its parent {together[1]:.0f} MB PSS;"
        f" {share:.2f} of a core\n"
    )


if __name__ == "__main__":
    main()
