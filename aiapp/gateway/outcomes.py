"""What became of the calls to models, and who is told of it while it happens."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any, Protocol

from aiapp.providers.types import Completion, Delta, ProviderError, Target, Usage

PARTIAL_BYTES = 256 * 2**10
LEFT_OUT = "\n\n[The rest of what had arrived was left out.]"


@dataclass(frozen=True, slots=True)
class AttemptResult:
    """What became of one call: either `completion` or `error`.

    `partial` is the text that had arrived before the call failed, or its beginning (Partial), `arrived` its characters.
    `first_token_ms` counts from the start to the first piece of text or reasoning. `cost` is in US dollars, None where it is
    unknown; `prices` are what it was computed with. `reason` says why this target was asked, `next_reason` what follows. `raw`
    is what the provider sent, within bounds and without the key (raw_answers.RawAnswer), None where nothing came or nothing is
    to be kept.
    """

    number: int
    target: Target
    started_at: datetime
    duration_ms: int
    first_token_ms: int | None
    completion: Completion | None
    error: ProviderError | None
    partial: str
    usage: Usage
    cost: Decimal | None
    prices: dict[str, Any] | None
    reason: str
    next_reason: str
    raw: str | None = None
    arrived: int = 0


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of all targets: the completion, or the error of the last call; and every attempt in order."""

    completion: Completion | None
    error: ProviderError | None
    attempts: tuple[AttemptResult, ...]


class Watch(Protocol):
    """Is told of what happens while it happens, in the thread of the call. What it raises ends `complete`."""

    def began(self, number: int, target: Target) -> None:
        """A call is about to be made: an answer that was arriving starts anew."""

    def delta(self, delta: Delta) -> None:
        """A piece of the answer arrived."""

    def ended(self, result: AttemptResult) -> None:
        """The call is over."""


class Unwatched:
    """Nobody watches."""

    def began(self, number: int, target: Target) -> None:
        """Do nothing."""

    def delta(self, delta: Delta) -> None:
        """Do nothing."""

    def ended(self, result: AttemptResult) -> None:
        """Do nothing."""


class Partial:
    """The text of a call that may break off: its first PARTIAL_BYTES, and how many characters arrived in all."""

    def __init__(self) -> None:
        self.arrived = 0
        self._kept = bytearray()
        self._whole = True

    def add(self, text: str) -> None:
        """Take the next piece, which has no lone surrogates."""
        self.arrived += len(text)
        room = PARTIAL_BYTES - len(self._kept)
        if self._whole:
            piece = text[: room + 1].encode()
            self._whole = len(piece) <= room
            self._kept += piece[:room]

    def text(self) -> str:
        """Return what is kept; where that is not all, it ends with LEFT_OUT."""
        return self._kept.decode("utf-8", "ignore") + ("" if self._whole else LEFT_OUT)
