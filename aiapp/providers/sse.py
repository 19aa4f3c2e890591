"""Bytes in pieces of any size to lines and to server-sent events (https://html.spec.whatwg.org/multipage/server-sent-events.html)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import NamedTuple

from aiapp.providers.types import ProviderError

MAX_LINE_BYTES = 1024 * 1024
MAX_WHOLE_BYTES = 16 * 1024 * 1024

_BOM = b"\xef\xbb\xbf"
_BLANK = b" \t\r\n"


class Event(NamedTuple):
    """One server-sent event. `id` is the last one that the stream set."""

    event: str
    data: str
    id: str


def lines(chunks: Iterable[bytes], *, max_bytes: int = MAX_LINE_BYTES) -> Iterator[bytes]:
    """Yield the lines of `chunks` without their ends (LF, CR or CRLF), a last one without an end included.

    A byte order mark at the start is dropped. Raises ProviderError `too_large` for a line of more than `max_bytes`.
    """
    parts: list[bytes] = []
    size = 0
    after_cr = False
    first = True
    for chunk in chunks:
        if after_cr and chunk:
            # The CR that ended the last chunk was half of a CRLF.
            chunk = chunk.removeprefix(b"\n")
            after_cr = False
        cut = max(chunk.rfind(b"\n"), chunk.rfind(b"\r")) + 1
        if cut:
            parts.append(chunk[:cut])
            after_cr = cut == len(chunk) and chunk[-1] == 0x0D
            for line in b"".join(parts).splitlines():
                if first:
                    line, first = line.removeprefix(_BOM), False
                if len(line) > max_bytes:
                    raise _too_long(max_bytes)
                yield line
            parts, size = [], 0
        if cut < len(chunk):
            parts.append(chunk[cut:])
            size += len(chunk) - cut
            if size > max_bytes + len(_BOM):
                raise _too_long(max_bytes)
    line = b"".join(parts)
    if first:
        line = line.removeprefix(_BOM)
    if len(line) > max_bytes:
        raise _too_long(max_bytes)
    if line:
        yield line


def events(chunks: Iterable[bytes], *, max_bytes: int = MAX_LINE_BYTES) -> Iterator[Event]:
    """Yield the events of `chunks`. Comments and events without data are left out, wrong UTF-8 becomes U+FFFD.

    An event that the end of the stream cuts off is yielded too: some servers leave out the last blank line, and data that
    is incomplete is not JSON any more. A line of a field `error` is an event of that name.
    Raises ProviderError `too_large` for a line or an event of more than `max_bytes`.
    """
    name = last_id = ""
    data: list[bytes] = []
    size = 0
    for line in lines(chunks, max_bytes=max_bytes):
        if not line:
            if data:
                yield Event(name or "message", b"\n".join(data).decode("utf-8", "replace"), last_id)
                data, size = [], 0
            name = ""
            continue
        field, _, value = line.partition(b":")
        value = value.removeprefix(b" ")
        if field == b"data":
            size += len(value) + 1
            if size > max_bytes + 1:
                raise _too_long(max_bytes)
            data.append(value)
        elif field == b"event":
            name = value.decode("utf-8", "replace")
        elif field == b"id" and b"\0" not in value:
            last_id = value.decode("utf-8", "replace")
        elif field == b"error" and value:  # llama.cpp's way to break off
            yield Event("error", value.decode("utf-8", "replace"), last_id)
    if data:
        yield Event(name or "message", b"\n".join(data).decode("utf-8", "replace"), last_id)


def opening(chunks: Iterable[bytes]) -> tuple[bytes, Iterator[bytes]]:
    """Return the first byte of `chunks` that is not blank (empty where there is none), and all from there on.

    It tells a stream from a whole JSON answer or a web page, whatever the content type claims.
    """
    source = iter(chunks)
    held = b""
    read = 0
    for chunk in source:
        held = (held + chunk).lstrip(_BLANK).removeprefix(_BOM).lstrip(_BLANK)
        # An empty or incomplete start may still become a byte order mark.
        if not _BOM.startswith(held):
            return held[:1], _followed(held, source)
        read += len(chunk)
        if read > MAX_LINE_BYTES:
            raise _too_long(MAX_LINE_BYTES)
    return held[:1], iter((held,) if held else ())


def whole(chunks: Iterable[bytes], *, max_bytes: int = MAX_WHOLE_BYTES) -> bytes:
    """Return all of `chunks`. Raises ProviderError `too_large` for more than `max_bytes`."""
    parts: list[bytes] = []
    size = 0
    for chunk in chunks:
        size += len(chunk)
        if size > max_bytes:
            raise _too_long(max_bytes)
        parts.append(chunk)
    return b"".join(parts)


def _followed(head: bytes, rest: Iterator[bytes]) -> Iterator[bytes]:
    yield head
    yield from rest


def _too_long(max_bytes: int) -> ProviderError:
    return ProviderError("too_large", f"A part of the provider's answer is longer than {max_bytes} bytes.")
