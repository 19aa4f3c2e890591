"""What a provider sent, byte for byte, as far as it is kept: its beginning and its end, without the key.

A copy is taken while the answer is read, so that a broken one has it too. It is never larger than its bounds.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from aiapp.providers.echoes import SHORTEST
from aiapp.providers.key_redaction import Secret, redact_keys
from aiapp.providers.wire_json import storable

# Most answers whole; of the others what tells how they began, and how they ended.
HEAD_BYTES = 48 * 1024
TAIL_BYTES = 16 * 1024
WITHHELD = "The answer had the credential's key in pieces in it, so it is not kept."

# No key has a space or a quote in it.
_RUN_AT_START, _RUN_AT_END = re.compile(r"""[^\s"']*"""), re.compile(r"""[^\s"']*\Z""")
# A field of JSON whose value is a string: a stream says a text in many of them.
_FIELD = re.compile(r'"([^"\\]{1,60})"\s*:\s*"([^"\\]*+(?:\\.[^"\\]*+)*+)"')


class RawAnswer:
    """Collects one answer. One thread writes and reads it."""

    def __init__(self) -> None:
        self._head = bytearray()
        self._tail = bytearray()
        self._dropped = 0

    def copied(self, chunks: Iterable[bytes]) -> Iterator[bytes]:
        """Yield `chunks` as they come, and keep a copy within the bounds."""
        for chunk in chunks:
            self._keep(chunk)
            yield chunk

    def text(self, key: str | None, *, failed: bool) -> str | None:
        """Return what is kept as text that can be stored and shown, a mark where something is left out; None for nothing.

        Bytes that are no UTF-8 become U+FFFD.

        Arguments:
            key: the key that the answer was asked with: whatever tells of it is taken out. Where a stream says it in pieces
                that no line shows, nothing is kept but that.
            failed: take out everything else that looks like a key, too: refusals echo it in shapes of their own.
        """
        if not self._head:
            return None
        left_out = self._dropped + max(0, len(self._tail) - TAIL_BYTES)
        end = bytes(self._tail[-TAIL_BYTES:])
        parts = [bytes(self._head), end] if left_out else [bytes(self._head) + end]
        texts = [storable(part.decode("utf-8", "replace")) for part in parts]
        if key and len(key) >= SHORTEST:
            secret = Secret(key)
            texts = [secret.conceal(text) for text in (_without_cut_key(texts, 3 * len(key)) if left_out else texts)]
            if any(secret.told_of(said) for said in _said_in_pieces("".join(texts))):
                return WITHHELD
        if failed:
            texts = [redact_keys(text) for text in texts]
        return f"\n\n[… {left_out:,} bytes left out …]\n\n".join(texts)

    def _keep(self, chunk: bytes) -> None:
        room = HEAD_BYTES - len(self._head)
        if room > 0:
            self._head += chunk[:room]
            chunk = chunk[room:]
        if chunk:
            self._tail += chunk[-TAIL_BYTES:]
            self._dropped += max(0, len(chunk) - TAIL_BYTES)
            if len(self._tail) > 4 * TAIL_BYTES:  # not with every chunk: cutting moves what is left
                excess = len(self._tail) - TAIL_BYTES
                del self._tail[:excess]
                self._dropped += excess


def _without_cut_key(texts: list[str], longest: int) -> list[str]:
    """Return beginning and end of an answer without what may be the two halves of a key that was cut through."""
    head, tail = texts
    begun = _RUN_AT_END.search(head[-longest:])
    rest = _RUN_AT_START.match(tail[:longest])
    return [head[: len(head) - len(begun[0])] if begun else head, tail[len(rest[0]) :] if rest else tail]


def _said_in_pieces(text: str) -> Iterable[str]:
    """Return what each field of the answer says when its values stand in a row."""
    said: dict[str, list[str]] = {}
    for name, value in _FIELD.findall(text):
        said.setdefault(name, []).append(value)
    return ["".join(values) for values in said.values() if len(values) > 1]
