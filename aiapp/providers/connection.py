"""One connection to a checked address: TCP, TLS, bytes both ways within a call's bounds, and the idle ones kept for the next call."""

from __future__ import annotations

import os
import select
import socket
import ssl
import threading
from collections import OrderedDict, deque
from collections.abc import Sequence
from time import monotonic

from aiapp.providers.addresses import UNREACHABLE, Address
from aiapp.providers.bounds import Call, shut_down
from aiapp.providers.types import ProviderError

Origin = tuple[str, str, int]

# Of the addresses of one name; each gets its share of the time to connect.
_DIALLED = 4
_RECEIVE_BYTES = 32 * 2**10
_SEND_BYTES = 64 * 2**10


def connect(addresses: Sequence[Address], call: Call, until: float) -> socket.socket:
    """Return a TCP connection to the first of `addresses` that accepts one, held by the call.

    Raises ProviderError: `network`, `timeout` (after `until`, on the monotonic clock), `cancelled`.
    """
    failure = ProviderError("network", UNREACHABLE)
    tried = addresses[:_DIALLED]
    for position, address in enumerate(tried):
        sock = socket.socket(address.family, socket.SOCK_STREAM)
        try:
            call.hold(sock)
            share = max(0.001, (until - monotonic()) / (len(tried) - position))
            sock.settimeout(call.left(share))
            sock.connect(address.sockaddr)
            # Without it Nagle holds the end of a request back; keep-alive notices a peer that vanished during a long answer.
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
            return sock
        except OSError as exc:
            failure = call.failed(exc, slow=UNREACHABLE, lost=UNREACHABLE)
            _drop(sock, call)
        except BaseException:
            _drop(sock, call)
            raise
    raise failure


def secure(sock: socket.socket, host: str, context: ssl.SSLContext, call: Call, until: float) -> ssl.SSLSocket:
    """Return `sock` with TLS whose certificate is that of `host`; `sock` itself is used up, also by a failure.

    Raises ProviderError: `network` with the reason, `timeout` (after `until`), `cancelled`.
    """
    held = sock
    try:
        # The handshake comes later: now a Cancel could only reach the number that wrap_socket takes away.
        held = tls = context.wrap_socket(sock, server_hostname=host, do_handshake_on_connect=False)
        call.release(sock)
        call.hold(tls)
        tls.settimeout(call.left(max(0.001, until - monotonic())))
        tls.do_handshake()
        return tls
    except ssl.SSLCertVerificationError as exc:
        _drop(held, call)
        raise ProviderError("network", f"The server's certificate was refused: {exc.verify_message}.") from exc
    except OSError as exc:
        _drop(held, call)
        raise call.failed(exc, slow="TLS took too long.", lost="The server and we could not agree on TLS.") from exc
    except BaseException:
        _drop(held, call)
        raise


def _drop(sock: socket.socket, call: Call) -> None:
    call.release(sock)
    sock.close()


class Connection:
    """An open connection to one origin, used by one call at a time."""

    __slots__ = ("_call", "_pid", "_sock", "idle_since", "origin", "reused")

    def __init__(self, sock: socket.socket, origin: Origin, call: Call) -> None:
        self._sock = sock
        self._call: Call | None = call  # it holds the socket already
        self._pid = os.getpid()
        self.origin = origin
        self.reused = False
        self.idle_since = 0.0

    def begin(self, call: Call) -> None:
        """Serve another call. Raises ProviderError `cancelled`."""
        self.reused = True
        call.hold(self._sock)
        self._call = call

    def end(self) -> None:
        """Let go of the call."""
        if self._call is not None:
            self._call.release(self._sock)
            self._call = None

    def send(self, data: bytes, call: Call) -> None:
        """Send all of `data`. Raises ProviderError `timeout`, `network`, `cancelled`."""
        view = memoryview(data)
        try:
            while view:
                self._sock.settimeout(call.left(call.limits.idle))
                view = view[self._sock.send(view[:_SEND_BYTES]) :]
        except OSError as exc:
            slow = f"The provider took no more of the request for {call.limits.idle:g} s."
            raise call.failed(exc, slow=slow, lost="The connection broke while the request was sent.") from exc

    def receive(self, call: Call) -> bytes:
        """Wait for bytes and return them, b"" at the end. Raises ProviderError `timeout`, `network`, `cancelled`."""
        try:
            self._sock.settimeout(call.left(call.limits.idle))
            data = self._sock.recv(_RECEIVE_BYTES)
        except OSError as exc:
            slow = f"Nothing came from the provider for {call.limits.idle:g} s."
            raise call.failed(exc, slow=slow, lost="The connection broke before the answer was complete.") from exc
        if not data:
            call.check()  # a cancelled call's socket ends like one that the other side closed
        return data

    def quiet(self) -> bool:
        """Whether nothing waits to be read: an idle connection that has something to say was closed, or is out of step."""
        if isinstance(self._sock, ssl.SSLSocket) and self._sock.pending():
            return False
        poll = select.poll()  # select.select knows no socket above number 1023
        poll.register(self._sock, select.POLLIN)
        return not poll.poll(0)

    def close(self) -> None:
        """Close it. A connection that a fork inherited stays open for the process that made it."""
        self.end()
        if self._pid == os.getpid():
            shut_down(self._sock)  # a child may hold the same socket, and closing alone would then end nothing
        self._sock.close()


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
        self._forget()

    def _forget(self) -> None:
        self._lock = threading.Lock()
        self._idle: OrderedDict[Origin, deque[Connection]] = OrderedDict()
        self._count = 0
        self._sweep_at = 0.0

    def take(self, origin: Origin) -> Connection | None:
        """Return an idle connection to `origin` that is still of use, or None."""
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
            if self._count > self._most:
                surplus.append(self._oldest())
            if now >= self._sweep_at:
                self._sweep_at = now + self._seconds
                surplus.extend(self._outdated(now))
        for old in surplus:
            old.close()

    def close(self) -> None:
        """Close what is idle."""
        self._after_fork()
        with self._lock:
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
        self._pid = os.getpid()
        inherited = [connection for waiting in self._idle.values() for connection in waiting]
        self._forget()
        for connection in inherited:
            connection.close()
