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


def free_address(host: str, port: int) -> tuple[str, int]:
    """Return the IP address and the port to listen on, for port 0 one that is free. Raises ProcessError where nobody can."""
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
        # `localhost` may be both; who types it into a browser or a script mostly means the older one
        family, kind, _, _, address = min(found, key=lambda each: each[0] != socket.AF_INET)
        with socket.socket(family, kind) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(address)
            return str(address[0]), int(probe.getsockname()[1])
    except OSError as error:
        reason = error.strerror or str(error)
        raise ProcessError(
            f"cannot listen on {host}:{port} ({reason}); choose others with --host and --port"
        ) from error
