"""The web process: granian, which serves the application from one process a core with a pool of threads each."""

from __future__ import annotations

import gc
import importlib.util
import os
import pkgutil
import signal
import socket
import threading
from typing import Any

import aiapp
from aiapp.processes.children import ProcessError, die_with_parent

# A stream that does not end, or a request that hangs, is given so long at the end.
STOP_SECONDS = 5
BACKLOG = 1024
# Beyond so many requests at once a process answers slower, not more.
REQUESTS_AT_ONCE = 1000


def default_processes() -> int:
    """Return how many processes serve where nobody says: one a core, two at most (each costs memory)."""
    return min(2, len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1)


def free_port(host: str, port: int) -> int:
    """Return the port to listen on (one that is free for port 0). Raises ProcessError where nobody can listen there."""
    try:
        family, kind, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)[
            0
        ]
        with socket.socket(family, kind) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(address)
            found: int = probe.getsockname()[1]
            return found
    except OSError as error:
        reason = error.strerror or str(error)
        raise ProcessError(
            f"cannot listen on {host}:{port} ({reason}); choose others with --host and --port"
        ) from error


def main(host: str, port: int, *, processes: int, threads: int) -> int:
    """Serve until SIGTERM or SIGINT; return the exit code. Raises ProcessError.

    Arguments:
        processes: how many serve in parallel.
        threads: how many requests each of them works on at once.
    """
    from granian.constants import HTTPModes, Interfaces
    from granian.log import LogLevels
    from granian.server import Server

    port = free_port(host, port)
    for feature in (
        "aiapp",
        "aiapp.models",
        "aiapp.api.views",
        "aiapp.executions.views",
        "aiapp.prompt_templates.views",
    ):
        importlib.import_module(feature)  # before the fork: the processes share this memory
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


def load() -> Any:
    """Return the application, in a process that granian has just started."""
    die_with_parent()
    from aiapp import create_app
    from aiapp.executions import stream

    _set_when_stopping(stream.closing)
    return create_app()


def _import_views() -> None:
    """Load the code before the processes fork: they share its memory, and only one of them has to wait for it."""
    for module in pkgutil.iter_modules(aiapp.__path__):
        if module.ispkg and importlib.util.find_spec(f"aiapp.{module.name}.views"):
            importlib.import_module(f"aiapp.{module.name}.views")
    gc.collect()
    gc.freeze()


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
