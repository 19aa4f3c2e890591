"""The web process: granian, which serves the application from one process a core with a pool of threads each."""

from __future__ import annotations

import gc
import os
import signal
import threading
from collections.abc import Iterable
from typing import TYPE_CHECKING

from flask import Flask
from granian.constants import HTTPModes, Interfaces
from granian.log import LogLevels
from granian.server import Server

from aiapp import create_app
from aiapp.executions.streaming import stream
from aiapp.processes import memory
from aiapp.processes.children import die_with_parent
from aiapp.processes.listening import STOP_SECONDS, free_address

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIEnvironment

BACKLOG = 1024
# Beyond so many requests at once a process answers slower, not more.
REQUESTS_AT_ONCE = 1000
STREAMS = ("/_stream", "/events")  # how the paths of event streams end
BEGINNING_AT_ONCE = 16

_prepared: Flask | None = None


def main(host: str, port: int, *, processes: int, threads: int) -> int:
    """Serve until SIGTERM or SIGINT; return the exit code. Raises ProcessError.

    Arguments:
        processes: how many serve in parallel.
        threads: how many requests each of them works on at once, open event streams among them.
    """
    global _prepared
    host, port = free_address(host, port)
    # Before the fork, so that the processes share its memory; it opens no connection until it is asked something.
    _prepared = create_app()
    stream.share(threads)
    gc.collect()
    gc.freeze()
    Server(
        "aiapp",
        address=host,
        port=port,
        interface=Interfaces.WSGI,
        http=HTTPModes.http1,
        websockets=False,
        workers=processes,
        blocking_threads=threads,
        backlog=BACKLOG,
        backpressure=REQUESTS_AT_ONCE,
        workers_kill_timeout=STOP_SECONDS,  # without it an open stream would hold the process for ever
        respawn_failed_workers=True,
        log_level=LogLevels.error,
    ).serve(target_loader=load, wrap_loader=False)
    return 0


class Door:
    """The application, whose event streams begin some at a time.

    After a restart all readers come back within a second. Each one that is let in holds a connection to the database and what a
    request needs, and glibc and Python keep of that what the most at once have needed: 500 readers took 290 MB, so 190.
    """

    def __init__(self, app: Flask) -> None:
        self._app = app
        self._beginning = threading.BoundedSemaphore(BEGINNING_AT_ONCE)

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        """Answer a request; a stream is let go on once it has begun."""
        if not environ["PATH_INFO"].endswith(STREAMS):
            return self._app(environ, start_response)
        with self._beginning:
            return self._app(environ, start_response)


def load() -> Door:
    """Return the application, in a process that granian has just started."""
    die_with_parent()
    memory.give_back_large_blocks()
    _set_when_stopping(stream.closing)
    return Door(_prepared or create_app())  # where processes are not forked, nothing was handed on


def _set_when_stopping(closing: threading.Event) -> None:
    """Set `closing` when this process gets SIGTERM or SIGINT, whoever installs the handlers for them."""
    reading, writing = os.pipe()
    os.set_blocking(writing, False)
    signal.set_wakeup_fd(writing, warn_on_full_buffer=False)

    def watch() -> None:
        while (number := os.read(reading, 1)) and number[0] not in {signal.SIGTERM, signal.SIGINT}:
            pass
        closing.set()

    threading.Thread(target=watch, name="closing", daemon=True).start()
