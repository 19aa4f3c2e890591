"""What one call may take: seconds, bytes, and the way to stop it from another thread."""

from __future__ import annotations

import contextlib
import socket
import threading
from dataclasses import dataclass
from time import monotonic

from aiapp.providers.types import ProviderError


@dataclass(frozen=True, slots=True)
class Limits:
    """The bounds of one call: seconds and bytes.

    Arguments:
        connect: for name, TCP and TLS together.
        idle: between two arrivals, the first included.
        total: for the whole call, the reading of a stream included.
        response_bytes: of the body, as it arrives and once more as it is decoded.
        header_bytes, line_bytes, header_count: of the answer's head; the trailers of a chunked body count anew.
    """

    connect: float = 5.0
    idle: float = 60.0
    total: float = 600.0
    response_bytes: int = 10 * 2**20
    header_bytes: int = 64 * 2**10
    line_bytes: int = 16 * 2**10
    header_count: int = 128


class Cancel:
    """Stops the calls that were given it: from any thread, at once, and for good."""

    def __init__(self) -> None:
        self._event = threading.Event()
        # Re-entrant: a signal handler may cancel while this very thread is inside of `hold`.
        self._lock = threading.RLock()
        self._sockets: set[socket.socket] = set()

    def cancel(self) -> None:
        """Stop the calls: whoever waits for the network gets ProviderError `cancelled` now. May be repeated."""
        with self._lock:
            self._event.set()
            for sock in self._sockets:
                shut_down(sock)

    def is_set(self) -> bool:
        """Whether `cancel` was called."""
        return self._event.is_set()

    def wait(self, seconds: float | None = None) -> bool:
        """Wait until `cancel` is called, at most `seconds`; return whether it was."""
        return self._event.wait(seconds)

    def check(self) -> None:
        """Raise ProviderError `cancelled` once `cancel` was called."""
        if self._event.is_set():
            raise ProviderError("cancelled", "The call was cancelled.")

    def hold(self, sock: socket.socket) -> None:
        """Shut `sock` down when cancelled. Raises ProviderError `cancelled` where that is already so."""
        with self._lock:
            self.check()
            self._sockets.add(sock)

    def release(self, sock: socket.socket) -> None:
        """Forget `sock`. Before it is closed: its number may soon be another call's socket."""
        with self._lock:
            self._sockets.discard(sock)


def shut_down(sock: socket.socket) -> None:
    """End both directions, so that a thread that waits for `sock` wakes. Never raises; does not close."""
    with contextlib.suppress(OSError):
        # Of the plain socket: SSLSocket.shutdown forgets its session, and a read in another thread would go on in clear text.
        socket.socket.shutdown(sock, socket.SHUT_RDWR)


class Call:
    """One call under way: its limits, the moment when it must be over, and what may stop it before."""

    __slots__ = ("_cancel", "_ends", "limits")

    def __init__(self, limits: Limits, cancel: Cancel | None = None) -> None:
        self.limits = limits
        self._cancel = cancel
        self._ends = monotonic() + limits.total

    def check(self) -> None:
        """Raise ProviderError `cancelled` or `timeout` where the call may not go on."""
        self.left(self.limits.total)

    def left(self, seconds: float) -> float:
        """Return how long to wait now: `seconds`, or less where the call ends before. Raises like `check`."""
        if self._cancel is not None:
            self._cancel.check()
        left = self._ends - monotonic()
        if left <= 0:
            raise self._over()
        return min(seconds, left)

    def failed(self, exc: OSError, slow: str, lost: str) -> ProviderError:
        """Say what `exc` means: cancelled; out of time (`slow`, or the total); else `network` with the text `lost`."""
        if self._cancel is not None and self._cancel.is_set():
            return ProviderError("cancelled", "The call was cancelled.")
        if isinstance(exc, TimeoutError):
            return self._over() if monotonic() >= self._ends else ProviderError("timeout", slow)
        return ProviderError("network", lost)

    def hold(self, sock: socket.socket) -> None:
        """Let the call's Cancel shut `sock` down."""
        if self._cancel is not None:
            self._cancel.hold(sock)

    def release(self, sock: socket.socket) -> None:
        """Take `sock` out of the Cancel's reach."""
        if self._cancel is not None:
            self._cancel.release(sock)

    def _over(self) -> ProviderError:
        return ProviderError("timeout", f"The whole answer took longer than {self.limits.total:g} s.")
