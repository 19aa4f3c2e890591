"""Seals the texts of rows: what a workspace that wants it so writes down is encrypted with its data key.

`register` makes the ORM seal what it writes and open what it reads. Statements that go past it (Core, bulk inserts, selected
columns) call `sealed` and `opened`.
"""

from aiapp.sealing.rows import KINDS, UNREADABLE, Kind, opened, readable, register, sealed
from aiapp.sealing.values import (
    AS_IT_IS,
    KEY,
    MARK,
    SEALED,
    Sealer,
    Unsealable,
    is_on,
    is_sealed,
    key_of,
    open_text,
    passing_sealer,
    sealer,
)

__all__ = [
    "AS_IT_IS",
    "KEY",
    "KINDS",
    "MARK",
    "SEALED",
    "UNREADABLE",
    "Kind",
    "Sealer",
    "Unsealable",
    "is_on",
    "is_sealed",
    "key_of",
    "open_text",
    "opened",
    "passing_sealer",
    "readable",
    "register",
    "sealed",
    "sealer",
]
