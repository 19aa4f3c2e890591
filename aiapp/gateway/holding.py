"""What the answers that arrive at once may take of a process's memory.

An answer up to SMALL needs no leave, and nearly none is longer. Of the longer ones so many go on at once as fit into LARGE_BYTES;
the others are not read further until one of them is done with, so that their providers wait, and nothing that was paid for is
lost.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator
from time import monotonic
from types import TracebackType
from typing import Self

from flask import current_app

from aiapp.extensions import settings
from aiapp.providers.bounds import Cancel
from aiapp.providers.types import ProviderError

# Characters: more than the 128,000 tokens that the most talkative models may answer with.
SMALL = 512 * 2**10
LARGE_BYTES = 40 * 2**20
LOOK_SECONDS = 0.1

_ROOM = "aiapp.room_for_answers"


class Hold:
    """What one caller keeps of answers: a context manager, to be left once they are written down.

    Arguments:
        room: the places for large answers, one for each.
        patience: how many seconds to wait for a place.
        cancel: ends the wait.
    """

    def __init__(self, room: threading.BoundedSemaphore, patience: float, cancel: Cancel | None = None) -> None:
        self._room = room
        self._patience = patience
        self._cancel = cancel
        self._large = False
        self._kept = self._arriving = 0

    def counted(self, chunks: Iterable[bytes]) -> Iterator[bytes]:
        """Yield `chunks`; wait before one that makes the answer large.

        Raises ProviderError: `overloaded` where no place became free in time, which may be tried again; `cancelled`.
        """
        for chunk in chunks:
            self._arriving += len(chunk)
            if not self._large and self._kept + self._arriving > SMALL:
                self._wait()
            yield chunk

    def read(self, characters: int) -> None:
        """Say what has become of the bytes that arrived: a piece of text, and nothing else is kept of them."""
        self._kept += characters
        self._arriving = 0

    def let_go(self) -> None:
        """Say that nothing is kept any more."""
        self._kept = self._arriving = 0
        if self._large:
            self._large = False
            self._room.release()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.let_go()

    def _wait(self) -> None:
        until = monotonic() + self._patience
        while not self._room.acquire(timeout=LOOK_SECONDS):
            if self._cancel is not None:
                self._cancel.check()
            if monotonic() > until:
                # It counts as the provider's: whoever sends such answers in such numbers is asked less often for a while.
                raise ProviderError(
                    "overloaded", "Too many very long answers arrive at once; there was no room for this."
                )
        self._large = True


def hold(cancel: Cancel | None = None) -> Hold:
    """Return a Hold on this process's room for answers. Needs an app context."""
    config = settings()
    places = max(1, LARGE_BYTES // config.max_response_bytes)
    room: threading.BoundedSemaphore = current_app.extensions.setdefault(_ROOM, threading.BoundedSemaphore(places))
    return Hold(room, config.idle_timeout, cancel)
