"""One request and its answer: over a connection, or by someone in this process."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import partial
from types import TracebackType
from typing import Self

from aiapp.providers.bounds import Call
from aiapp.providers.connection import Connection
from aiapp.providers.decoding import decoded
from aiapp.providers.http1 import Wire, read_body, read_head
from aiapp.providers.types import HttpRequest, ProviderError

Local = Callable[[HttpRequest], tuple[int, Mapping[str, str], Iterable[bytes]]]


class Stale(Exception):
    """A kept connection was closed before a byte of an answer came: the request may be sent once more, on a new one."""


class Answer:
    """An answer whose head has been read. A context manager: leaving it lets go of the connection.

    The connection is used again if the body was read to its end, or had arrived to its end when the answer was left; otherwise it
    is closed. One thread reads an answer.

    Attributes:
        status: the HTTP status; redirects are answers like any other, nobody follows them.
        headers: by lower-case name; repeated ones are joined with a comma.
        chunks: the content as it arrives, decoded; may be read once. Raises ProviderError.
    """

    def __init__(
        self,
        status: int,
        headers: Mapping[str, str],
        content: Iterable[bytes],
        call: Call,
        leave: Callable[[bool], None],
    ) -> None:
        self.status = status
        self.headers = headers
        self.chunks: Iterator[bytes] = self._read(content, call)
        self._leave: Callable[[bool], None] | None = leave

    def read(self, at_most: int | None = None) -> bytes:
        """Return the content that is left, or its first `at_most` bytes: an error page need not be read to its end.

        Raises ProviderError; `too_large` where the content exceeds the call's limit before that.
        """
        parts: list[bytes] = []
        size = 0
        for chunk in self.chunks:
            parts.append(chunk)
            size += len(chunk)
            if at_most is not None and size >= at_most:
                break
        return b"".join(parts)[:at_most]

    def close(self) -> None:
        """Let go of the connection; what was not read is lost."""
        self._end(intact=True)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def _read(self, content: Iterable[bytes], call: Call) -> Iterator[bytes]:
        try:
            self._must_be_open()
            for chunk in content:
                call.check()
                yield chunk
                self._must_be_open()
        except GeneratorExit:
            raise  # the reader has enough; whoever leaves the answer decides
        except BaseException:
            self._end(intact=False)
            raise
        self._end(intact=True)

    def _must_be_open(self) -> None:
        # The connection may already be another call's: what comes from it now is not this answer.
        if self._leave is None:
            raise RuntimeError("this answer was left before it was read")

    def _end(self, *, intact: bool) -> None:
        leave, self._leave = self._leave, None
        if leave is not None:
            leave(intact)


def exchange(
    connection: Connection, data: bytes, method: str, call: Call, keep: Callable[[Connection], None]
) -> Answer:
    """Send `data` over `connection` and return the answer to it; by whatever fails the connection is closed.

    Arguments:
        keep: takes the connection back once it is good for another request.

    Raises ProviderError, or Stale for a connection that was used before.
    """
    wire = Wire(partial(connection.receive, call))
    sent = True
    try:
        try:
            connection.send(data, call)
        except ProviderError as exc:
            if exc.error_class != "network":
                raise
            sent = False  # whoever refuses a large request may answer and hang up before it is read: look
        head = read_head(wire, method, call.limits)
    except BaseException as exc:
        connection.close()
        stale = connection.reused and not wire.received
        if stale and isinstance(exc, ProviderError) and exc.error_class == "network":
            raise Stale from exc
        raise
    body = read_body(wire, head, call.limits)
    coding = head.headers.get("content-encoding", "") if head.framing else ""

    def leave(intact: bool) -> None:
        if intact and sent and head.keep_alive and _arrived(wire, body, connection):
            keep(connection)
        else:
            connection.close()

    return Answer(head.status, head.headers, decoded(body, coding, call.limits), call, leave)


def local_answer(local: Local, request: HttpRequest, call: Call) -> Answer:
    """Return the answer of someone in this process, within the same bounds; time and Cancel are looked at between two chunks."""
    call.check()
    status, headers, content = local(request)

    def leave(intact: bool) -> None:
        close = getattr(content, "close", None)
        if close is not None:
            close()

    lower = {name.lower(): value for name, value in headers.items()}
    return Answer(status, lower, decoded(content, "", call.limits), call, leave)


def _arrived(wire: Wire, body: Iterator[bytes], connection: Connection) -> bool:
    """Whether the whole answer is here and nothing else: what follows an answer makes the next one doubtful.

    Whoever reads a stream leaves it at its end marker; the last chunk, without content, comes a moment later.
    """
    wire.wait_no_more(connection.arrived)
    try:
        for _ in body:
            pass
    except ProviderError:
        return False
    return not wire.buffer
