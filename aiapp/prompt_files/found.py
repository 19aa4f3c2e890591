"""What a file turned out to hold."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any


class Refused(ValueError):
    """Why a file, or a whole upload, is not read: one sentence for people."""


@dataclass(frozen=True, slots=True)
class Found:
    """One prompt template of a file, complete as documents.parse returns it.

    Without `template` it is a file that holds none: `problems` say why, or `notes` why that is no harm.
    """

    source: str
    template: dict[str, Any] | None = None
    problems: tuple[str, ...] = ()
    notes: tuple[str, ...] = field(default=())
