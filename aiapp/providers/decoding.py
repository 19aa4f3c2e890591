"""Content codings (RFC 9110 section 8.4.1), undone a bounded piece at a time: 30 KB of gzip can be 31 MB of answer."""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Iterator

from aiapp.providers.bounds import Limits
from aiapp.providers.http1 import malformed, too_large
from aiapp.providers.types import ProviderError

_PIECE_BYTES = 64 * 2**10
_GZIP = 16 + zlib.MAX_WBITS


def decoded(pieces: Iterable[bytes], coding: str, limits: Limits) -> Iterator[bytes]:
    """Yield the content of a body whose Content-Encoding header is `coding`.

    The bound holds for the bytes that arrive and for those that come out, so that no answer works for ever on nothing.

    Raises ProviderError: `too_large`; `bad_response` for another coding than gzip or deflate, for broken and for cut data.
    """
    name = coding.strip().lower()
    if name in ("", "identity"):
        yield from _bounded(pieces, limits)
    elif name in ("gzip", "x-gzip", "deflate"):
        yield from _bounded(_inflated(_bounded(pieces, limits), name), limits)
    else:
        raise ProviderError("bad_response", "The answer is compressed in a way that was not asked for.")


def _bounded(pieces: Iterable[bytes], limits: Limits) -> Iterator[bytes]:
    total = 0
    for piece in pieces:
        total += len(piece)
        if total > limits.response_bytes:
            raise too_large(limits)
        yield piece


def _inflated(pieces: Iterable[bytes], name: str) -> Iterator[bytes]:
    start = b""
    inflater = None
    for piece in pieces:
        data = start + piece
        if inflater is None:
            if len(data) < 2:
                start = data
                continue
            start = b""
            inflater = zlib.decompressobj(_GZIP if name != "deflate" else _deflate_bits(data))
        yield from _inflate(inflater, data)
    # A body without a byte is no gzip, but what some servers send with an empty answer.
    if start or (inflater is not None and not inflater.eof):
        raise malformed("its compressed body is cut off")


def _inflate(inflater: zlib._Decompress, data: bytes) -> Iterator[bytes]:
    while True:
        try:
            piece = inflater.decompress(data, _PIECE_BYTES)
        except zlib.error as exc:
            raise malformed("its compressed body is damaged") from exc
        if piece:
            yield piece
        data = inflater.unconsumed_tail
        if inflater.eof:
            # Nobody sends a second member; a thousand empty ones would be work for nothing.
            if inflater.unused_data:
                raise malformed("something follows its compressed body")
            return
        # A full piece may have left more in the inflater, although all input is used.
        if not data and len(piece) < _PIECE_BYTES:
            return


def _deflate_bits(data: bytes) -> int:
    # RFC 9110 means zlib's format; servers that send the bare stream have always existed. RFC 1950 section 2.2 tells them apart.
    zlib_header = data[0] & 0x0F == 8 and int.from_bytes(data[:2], "big") % 31 == 0
    return zlib.MAX_WBITS if zlib_header else -zlib.MAX_WBITS
