"""A raw server on loopback that says exactly what a test tells it to say."""

import contextlib
import socket
import ssl
import struct
import threading
from collections.abc import Callable

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


class Talk:
    """One accepted connection."""

    def __init__(self, sock: socket.socket, upstream: "Upstream", number: int) -> None:
        self.sock = sock
        self.number = number
        self._upstream = upstream
        self._buffer = b""

    def request(self) -> bytes:
        """The next whole request, b"" once the client has hung up."""
        while b"\r\n\r\n" not in self._buffer:
            if not self._fill():
                return b""
        head, _, rest = self._buffer.partition(b"\r\n\r\n")
        length = int(head.lower().partition(b"content-length:")[2].split(b"\r\n")[0] or 0)
        while len(rest) < length:
            if not self._fill():
                return b""
            rest = self._buffer.partition(b"\r\n\r\n")[2]
        self._buffer = rest[length:]
        whole = head + b"\r\n\r\n" + rest[:length]
        self._upstream.requests.append(whole)
        self._upstream.asked.set()
        return whole

    def send(self, data: bytes) -> None:
        self.sock.sendall(data)

    def until_hung_up(self) -> None:
        """Wait for the client to close."""
        while self._fill():
            pass
        self._upstream.hung_up.set()

    def reset(self) -> None:
        """End the connection with a RST."""
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.sock.close()

    def _fill(self) -> bool:
        data = self.sock.recv(65536)
        self._buffer += data
        return bool(data)


class Upstream:
    """Listens in a thread; `script` is called for every connection, or is the bytes that answer every request."""

    def __init__(self, script: Callable[[Talk], None] | bytes, *, tls: ssl.SSLContext | None = None) -> None:
        self._script = script if callable(script) else self._always(script)
        self._tls = tls
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=512)
        self._threads: list[threading.Thread] = []
        self._socks: list[socket.socket] = []
        self.port = self._listener.getsockname()[1]
        self.host = "127.0.0.1" if tls is None else "localhost"
        self.url = f"{'http' if tls is None else 'https'}://{self.host}:{self.port}/v1/chat?a=b"
        self.allow = frozenset({f"{self.host}:{self.port}"})
        self.connections = 0
        self.requests: list[bytes] = []
        self.errors: list[BaseException] = []
        self.asked = threading.Event()
        self.hung_up = threading.Event()

    @staticmethod
    def _always(answer: bytes) -> Callable[[Talk], None]:
        def script(talk: Talk) -> None:
            while talk.request():
                talk.send(answer)

        return script

    def __enter__(self) -> "Upstream":
        self._start(self._accept)
        return self

    def __exit__(self, *_: object) -> None:
        for sock in (self._listener, *self._socks):
            with contextlib.suppress(OSError):
                sock.shutdown(socket.SHUT_RDWR)
            sock.close()
        for thread in self._threads:
            thread.join(20)
        assert not self.errors, self.errors

    def _start(self, target: Callable[..., None], *args: object) -> None:
        thread = threading.Thread(target=target, args=args, daemon=True)
        self._threads.append(thread)
        thread.start()

    def _accept(self) -> None:
        while True:
            try:
                sock, _ = self._listener.accept()
            except OSError:
                return
            sock.setsockopt(
                socket.IPPROTO_TCP, socket.TCP_NODELAY, 1
            )  # what a test sends is there when it has been sent
            self.connections += 1
            self._socks.append(sock)
            self._start(self._serve, sock, self.connections)

    def _serve(self, sock: socket.socket, number: int) -> None:
        try:
            if self._tls is not None:
                sock = self._tls.wrap_socket(sock, server_side=True)
                self._socks.append(sock)
            self._script(Talk(sock, self, number))
        except OSError:  # the client may hang up at any moment
            pass
        except BaseException as exc:
            self.errors.append(exc)
        finally:
            sock.close()
