"""Takes what was deleted or encrypted out of SQLite's files too: old texts stand in free pages and in the write-ahead log.

New connections overwrite what they delete (PRAGMA secure_delete, see extensions.py); the log still has the pages as they were
until it is emptied, and older versions of this product left free pages as they were.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence

from aiapp.extensions import db, settings
from aiapp.observability.logs import log

BUSY_MILLISECONDS = 2000


def empty_log() -> bool:
    """Write SQLite's log into the database file and empty it; False where somebody was reading it. Ends the transaction."""
    # first as much as goes without keeping anybody from writing
    return _run(["PRAGMA wal_checkpoint(PASSIVE)", "PRAGMA wal_checkpoint(TRUNCATE)"])


def overwrite_free() -> bool:
    """Write SQLite's file anew, without what was deleted, and empty its log; False where others were faster.

    Ends the transaction. Writers wait meanwhile. PostgreSQL reuses what its own vacuum has freed, and needs nothing of us.
    """
    return _run(["VACUUM", "PRAGMA wal_checkpoint(TRUNCATE)"])


def _run(commands: Sequence[str]) -> bool:
    if not settings().sqlite:
        return True
    db.session.remove()
    pooled = db.engine.raw_connection()
    try:
        cursor = pooled.cursor()
        cursor.execute(f"PRAGMA busy_timeout={BUSY_MILLISECONDS}")
        answers = [cursor.execute(command).fetchone() for command in commands]
        return bool(answers[-1][0] == 0)
    except sqlite3.OperationalError as error:
        log(__name__).warning("database.not_cleaned", error=str(error))
        return False
    finally:
        pooled.invalidate()  # its timeout is not the others'
