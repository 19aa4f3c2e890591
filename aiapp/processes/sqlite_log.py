"""Takes SQLite's write-ahead log into the database file: after a clean stop one file is the whole database."""

from __future__ import annotations

import sqlite3
from contextlib import closing, suppress
from pathlib import Path

BUSY_SECONDS = 2.0


def settle(database_url: str) -> None:
    """Empty the log of the SQLite file that `database_url` names and delete it; whoever still uses the file keeps it.

    Does nothing for other databases. It never fails: the next start reads the log as well.
    """
    file = Path(database_url.removeprefix("sqlite:///").partition("?")[0])
    if not database_url.startswith("sqlite:///") or not file.is_absolute() or not file.exists():
        return
    with suppress(sqlite3.Error), closing(sqlite3.connect(file, timeout=BUSY_SECONDS)) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
