"""One connection to a checked address: TCP, TLS, and bytes both ways within a call's bounds."""

from __future__ import annotations

import os
import select
import socket
import ssl
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
        sock = None
        try:
            sock = socket.socket(address.family, socket.SOCK_STREAM)
            call.hold(sock)
            share = max(0.001, (until - monotonic()) / (len(tried) - position))
            sock.settimeout(call.left(share))
            sock.connect(address.sockaddr)
            # Without it Nagle holds the end of a request back.
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
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
        raise ProviderError(
            "network", f"The server's certificate was refused: {exc.verify_message.rstrip('.')}."
        ) from exc
    except OSError as exc:
        _drop(held, call)
        raise call.failed(exc, slow="TLS took too long.", lost="The server and we could not agree on TLS.") from exc
    except BaseException:
        _drop(held, call)
        raise


def _drop(sock: socket.socket | None, call: Call) -> None:
    if sock is not None:
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

    def arrived(self) -> bytes:
        """Return what can be read without waiting; b"" where nothing can, for whatever reason."""
        try:
            self._sock.settimeout(0)
            return self._sock.recv(_RECEIVE_BYTES)
        except OSError:
            return b""

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
