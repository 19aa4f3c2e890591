"""What is known of the web process before any of it is loaded: where it listens, how wide it is, how long it may take to end."""

from __future__ import annotations

import os
import socket

from aiapp.processes.children import ProcessError

# A stream that does not end, or a request that hangs, is given so long at the end.
STOP_SECONDS = 5


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
