"""HTTP/1.1 on the wire (RFC 9110, RFC 9112): a request to bytes, bytes to an answer's head and body. Strict, bounded, no sockets.

No message here repeats what the other side sent: an answer from the wrong place must not show its banner to whoever asked.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Literal

from aiapp.providers.addresses import Url
from aiapp.providers.bounds import Limits
from aiapp.providers.types import ProviderError

METHODS = frozenset({"GET", "POST", "HEAD", "PUT", "PATCH", "DELETE", "OPTIONS"})
# Ours to say, not the caller's: framing is this module's, and another Host would lead past the address check.
_OURS = frozenset(
    {
        *("host", "connection", "keep-alive", "proxy-connection", "proxy-authorization", "upgrade", "te", "trailer"),
        *("transfer-encoding", "content-length", "expect", "accept-encoding", "cookie"),
    }
)
_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_VALUE = re.compile(r"[\t\x20-\x7e]*")
_STATUS = re.compile(rb"HTTP/1\.([01]) ([1-5][0-9]{2})(?: [\t\x20-\x7e\x80-\xff]*)?")
_FIELD = re.compile(rb"([!#$%&'*+.^_`|~0-9A-Za-z-]+):([\t\x20-\x7e\x80-\xff]*)")
_CHUNK = re.compile(rb"([0-9A-Fa-f]{1,15})[\t ]*(?:;[\t\x20-\x7e\x80-\xff]*)?")
_LENGTH = re.compile(r"[0-9]{1,15}")
_CHUNK_LINE_BYTES = 1024
# Chunks of a byte with a kilobyte of extension each would be gigabytes of work within any limit on content.
_FRAMING_BYTES = 64 * 2**10
# 100 Continue and 103 Early Hints; nobody has reason to send more of them.
_INTERIM_ANSWERS = 8


@dataclass(frozen=True, slots=True)
class Head:
    """The head of an answer.

    Attributes:
        headers: by lower-case name; repeated ones are joined with a comma.
        framing: the body's length in bytes, or how its end is known: `chunked`, `close`.
        keep_alive: whether the connection may serve another request afterwards.
    """

    status: int
    headers: Mapping[str, str]
    framing: int | Literal["chunked", "close"]
    keep_alive: bool


class Wire:
    """Arriving bytes, and those that arrived before they were wanted.

    Arguments:
        receive: waits for bytes and returns them, b"" at the end; raises ProviderError.
    """

    __slots__ = ("_receive", "buffer", "received")

    def __init__(self, receive: Callable[[], bytes]) -> None:
        self._receive = receive
        self.buffer = bytearray()
        self.received = False

    def wait_no_more(self, arrived: Callable[[], bytes]) -> None:
        """From now on take only what is here, and what `arrived` returns without waiting when it is asked, once."""
        last = iter((arrived,))
        self._receive = lambda: next(last, bytes)()

    def take(self, at_most: int) -> bytes:
        """Return 1 to `at_most` bytes. Raises ProviderError `network` where the connection ends."""
        data = self.more() if not self.buffer else b""
        if data and len(data) <= at_most:
            return data
        self.buffer += data
        piece = bytes(self.buffer[:at_most])
        del self.buffer[:at_most]
        return piece

    def rest(self) -> Iterator[bytes]:
        """Yield what comes until the other side ends the connection."""
        if self.buffer:
            yield self.take(len(self.buffer))
        while data := self._receive():
            yield data

    def line(self, at_most: int) -> bytes:
        """Return the next line without its CR LF. Raises ProviderError: longer than `at_most`, or a CR or LF alone."""
        end = start = 0
        while (end := self.buffer.find(b"\n", start)) < 0 and (start := len(self.buffer)) <= at_most:
            self.buffer += self.more()
        if end < 0 or end > at_most:
            raise ProviderError("too_large", f"A line of the answer's head is longer than {at_most} bytes.")
        line = bytes(self.buffer[: max(end - 1, 0)])
        if end == 0 or self.buffer[end - 1] != 13:
            raise malformed("a line ends in LF alone")
        del self.buffer[: end + 1]
        return line

    def more(self) -> bytes:
        """Wait for bytes and return them. Raises ProviderError `network` where the connection ends."""
        data = self._receive()
        if not data:
            text = "in the middle of the answer" if self.received else "without an answer"
            raise ProviderError("network", f"The provider closed the connection {text}.")
        self.received = True
        return data


def malformed(reason: str) -> ProviderError:
    """The error for an answer that breaks the rules of HTTP."""
    return ProviderError("bad_response", f"The answer is not valid HTTP: {reason}.")


def request_bytes(method: str, url: Url, headers: Mapping[str, str], body: bytes, agent: str) -> bytes:
    """Return the whole request as it goes over the wire.

    Raises ProviderError `auth` for a header that cannot be sent: the only one that does not come from our own code is the key.
    """
    if method not in METHODS:
        raise ProviderError("bad_request", "This HTTP method is not sent.")
    default = 443 if url.scheme == "https" else 80
    lines = [f"{method} {url.target} HTTP/1.1", f"Host: {url.bracketed if url.port == default else url.authority}"]
    names = set()
    for name, value in headers.items():
        lower = name.lower()
        if lower in _OURS:
            continue
        if not _NAME.fullmatch(name) or not _VALUE.fullmatch(value):
            raise ProviderError(
                "auth", "The key holds a character that cannot be sent: was a line break copied with it?"
            )
        names.add(lower)
        lines.append(f"{name}: {value}")
    if "user-agent" not in names:
        lines.append(f"User-Agent: {agent}")
    if "accept" not in names:
        lines.append("Accept: */*")
    lines.append("Accept-Encoding: gzip")
    if body or method in ("POST", "PUT", "PATCH"):
        lines.append(f"Content-Length: {len(body)}")
    return "\r\n".join((*lines, "", "")).encode("ascii") + body


def read_head(wire: Wire, method: str, limits: Limits) -> Head:
    """Read an answer's head, past a few interim ones. Raises ProviderError `bad_response`, `too_large` or `network`."""
    for _ in range(_INTERIM_ANSWERS + 1):
        match = _STATUS.fullmatch(_first_line(wire, limits))
        if match is None:
            raise malformed("its first line is not a status line")
        fields = _fields(wire, limits)
        status = int(match[2])
        if status == 101:
            raise malformed("it switches to a protocol that nobody asked for")
        if status >= 200:
            return _head(status, match[1] == b"1", fields, method)
    raise malformed("too many interim answers")


def read_body(wire: Wire, head: Head, limits: Limits) -> Iterator[bytes]:
    """Yield the body as it arrives, without its transfer coding; no piece is empty.

    Raises ProviderError `too_large`, `bad_response` (wrong chunks) or `network` (it ends too early).
    """
    if head.framing == "chunked":
        yield from _chunks(wire, limits)
    elif head.framing == "close":
        yield from wire.rest()
    else:
        left = head.framing
        if left > limits.response_bytes:
            raise too_large(limits)
        while left:
            piece = wire.take(left)
            left -= len(piece)
            yield piece


def too_large(limits: Limits) -> ProviderError:
    """The error for a body beyond its bound."""
    return ProviderError("too_large", f"The answer is larger than {limits.response_bytes} bytes.")


def _first_line(wire: Wire, limits: Limits) -> bytes:
    # What speaks another protocol may never send an end of line: five bytes are enough to know.
    while len(wire.buffer) < 5:
        wire.buffer += wire.more()
    if not wire.buffer.startswith(b"HTTP/"):
        raise malformed("its first line is not a status line")
    return wire.line(limits.line_bytes)


def _fields(wire: Wire, limits: Limits) -> list[tuple[bytes, bytes]]:
    fields: list[tuple[bytes, bytes]] = []
    size = 0
    while line := wire.line(limits.line_bytes):
        size += len(line) + 2
        if size > limits.header_bytes or len(fields) >= limits.header_count:
            raise ProviderError("too_large", "The answer's head has too many fields or bytes.")
        match = _FIELD.fullmatch(line)
        if match is None:
            raise malformed("a header field is not a name and a value")
        fields.append((match[1], match[2].strip(b" \t")))
    return fields


def _head(status: int, version_1_1: bool, fields: list[tuple[bytes, bytes]], method: str) -> Head:
    headers: dict[str, str] = {}
    for name, value in fields:
        key, text = name.decode("ascii").lower(), value.decode("latin-1")
        headers[key] = f"{headers[key]}, {text}" if key in headers else text
    framing = _framing(headers, version_1_1)
    if method == "HEAD" or status in (204, 304):
        framing = 0
    connection = {token.strip().lower() for token in headers.get("connection", "").split(",")}
    stays = "close" not in connection if version_1_1 else "keep-alive" in connection
    return Head(status, headers, framing, stays and framing != "close")


def _framing(headers: Mapping[str, str], version_1_1: bool) -> int | Literal["chunked", "close"]:
    coding, length = headers.get("transfer-encoding"), headers.get("content-length")
    if coding is not None:
        if length is not None or not version_1_1 or coding.lower() != "chunked":
            raise malformed("its length is given in two ways, or in one that nobody asked for")
        return "chunked"
    if length is None:
        return "close"
    lengths = {text.strip() for text in length.split(",")}
    text = lengths.pop()
    if lengths or not _LENGTH.fullmatch(text):
        raise malformed("its Content-Length is not one number")
    return int(text)


def _chunks(wire: Wire, limits: Limits) -> Iterator[bytes]:
    allowed = _FRAMING_BYTES
    while True:
        line = wire.line(_CHUNK_LINE_BYTES)
        match = _CHUNK.fullmatch(line)
        if match is None:
            raise malformed("a chunk has no size")
        left = int(match[1], 16)
        allowed += left - len(line)
        if allowed < 0:
            raise malformed("its chunks hold more framing than content")
        if left > limits.response_bytes:
            raise too_large(limits)
        if left == 0:
            _fields(wire, limits)  # trailers: checked like a head, then of no interest
            return
        while left:
            piece = wire.take(left)
            left -= len(piece)
            yield piece
        end = wire.take(2)
        if (end if len(end) == 2 else end + wire.take(1)) != b"\r\n":
            raise malformed("a chunk is longer than its size")
