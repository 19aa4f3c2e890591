"""Idle connections, kept for the next call to the same origin."""

from __future__ import annotations

import os
import threading
from collections import OrderedDict, deque
from time import monotonic

from aiapp.providers.bounds import Call
from aiapp.providers.connection import Connection, Origin
from aiapp.providers.types import ProviderError


class Pool:
    """Idle connections, the last used first, by origin.

    Nothing of a workspace is in a connection: keys travel in requests. The lock is never held while the network is used.

    Arguments:
        most: how many are kept in all; one more drops the one that was idle the longest of the origin used the longest ago.
        seconds: how long one is kept.
    """

    def __init__(self, most: int, seconds: float) -> None:
        self._most = most
        self._seconds = seconds
        self._pid = os.getpid()
        self._closed = False
        self._forget()

    def _forget(self) -> None:
        self._lock = threading.Lock()
        self._idle: OrderedDict[Origin, deque[Connection]] = OrderedDict()
        self._count = 0
        self._sweep_at = 0.0

    def take(self, origin: Origin, call: Call) -> Connection | None:
        """Return an idle connection to `origin` that is still of use and now the call's, or None.

        Raises ProviderError `cancelled`.
        """
        self._after_fork()
        while True:
            with self._lock:
                waiting = self._idle.get(origin)
                if not waiting:
                    return None
                connection = waiting.pop()
                self._count -= 1
                if not waiting:
                    del self._idle[origin]
            if monotonic() - connection.idle_since < self._seconds and connection.quiet():
                try:
                    connection.begin(call)
                except ProviderError:
                    connection.close()
                    raise
                return connection
            connection.close()

    def put(self, connection: Connection) -> None:
        """Keep `connection`, whose last answer was read to its end, for the next call."""
        self._after_fork()
        connection.end()
        connection.idle_since = now = monotonic()
        surplus: list[Connection] = []
        with self._lock:
            self._idle.setdefault(connection.origin, deque()).append(connection)
            self._idle.move_to_end(connection.origin)
            self._count += 1
            if self._closed:
                surplus.extend(self._outdated(float("inf")))
            elif self._count > self._most:
                surplus.append(self._oldest())
            if now >= self._sweep_at:
                self._sweep_at = now + self._seconds
                surplus.extend(self._outdated(now))
        for old in surplus:
            old.close()

    def close(self) -> None:
        """Close what is idle, and from now on what would become so: a call may still be on its way."""
        self._after_fork()
        with self._lock:
            self._closed = True
            idle = [connection for waiting in self._idle.values() for connection in waiting]
            self._idle.clear()
            self._count = 0
        for connection in idle:
            connection.close()

    def __len__(self) -> int:
        """How many connections are idle."""
        return self._count

    def _oldest(self) -> Connection:
        origin, waiting = next(iter(self._idle.items()))
        self._count -= 1
        connection = waiting.popleft()
        if not waiting:
            del self._idle[origin]
        return connection

    def _outdated(self, now: float) -> list[Connection]:
        old: list[Connection] = []
        for origin, waiting in list(self._idle.items()):
            while waiting and now - waiting[0].idle_since >= self._seconds:
                old.append(waiting.popleft())
            if not waiting:
                del self._idle[origin]
        self._count -= len(old)
        return old

    def _after_fork(self) -> None:
        """Start anew in a child: two processes on one connection would read each other's answers, and its lock may be held."""
        if self._pid == os.getpid():
            return
        inherited = [connection for waiting in self._idle.values() for connection in waiting]
        self._forget()
        self._pid = os.getpid()  # last: whoever sees it relies on the new lock
        for connection in inherited:
            connection.close()
