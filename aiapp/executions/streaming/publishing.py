"""What a worker tells the readers of an execution: events on a Redis stream, written in batches by one thread.

The calls themselves never wait for Redis. What Redis cannot take for a while is dropped; readers notice the gap and read the
row instead.
"""

from __future__ import annotations

import atexit
import json
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from redis import Redis
from redis.exceptions import RedisError

from aiapp.observability.logs import log
from aiapp.sealing import Sealer

BATCH_SECONDS = 0.04
LIVE_SECONDS = 3600
# What the vault calls a text in a stream.
PLACE = "stream"
# The row has it all by then: only readers that reconnect still look here.
ENDED_SECONDS = 60
MAX_ENTRIES = 10_000
# How long, and how much of what Redis does not take is kept for when it is back.
PATIENCE_SECONDS = 20.0
MAX_WAITING_CHARACTERS = 32 * 2**20
# Of one round of an execution: it is as much as nearly every answer has. Readers find what follows in the row.
MOST_TOLD = 512 * 2**10
WRITTEN_AT_ONCE = 2**20
_IDLE_SECONDS = 10.0


@dataclass(slots=True)
class _Entry:
    event: str
    data: dict[str, Any]
    pieces: list[str] = field(default_factory=list)
    seal: Callable[[str], str] | None = None

    def fields(self) -> dict[Any, Any]:
        """Return the entry as it stands in the stream (the type is as wide as redis-py's)."""
        data = {**self.data, "text": self.seal("".join(self.pieces))} if self.seal is not None else self.data
        return {"event": self.event, "data": json.dumps(data, ensure_ascii=False)}


@dataclass(slots=True)
class _Backlog:
    """What is still to be written to one stream, and since when."""

    client: Redis
    entries: list[_Entry] = field(default_factory=list)
    since: float = field(default_factory=time.monotonic)

    def size(self) -> int:
        """Return the characters of its deltas."""
        return sum(len(piece) for entry in self.entries for piece in entry.pieces)


_changed = threading.Condition()
_backlogs: dict[str, _Backlog] = {}
_thread: threading.Thread | None = None


def key_of(execution_id: str) -> str:
    """Return the key of an execution's stream."""
    return f"aiapp:stream:{execution_id}"


class Publisher:
    """Writes the events of one execution, from one thread.

    Each delta says where it stands (`attempt`, and `at`, the characters of that attempt before it): a reader sees what it missed.
    """

    def __init__(self, client: Redis, execution_id: str) -> None:
        self._client = client
        self._execution_id = execution_id
        self._key = key_of(execution_id)
        self._attempt = 0
        self._position = 0
        self._told = 0
        self._left_out = False
        self._workspace_id = ""
        self._seal: Callable[[str], str] | None = None

    def seal_with(self, sealer: Sealer | None, workspace_id: str) -> None:
        """Encrypt what follows of the answer; without a sealer it is not told: readers find it in the row."""
        self._workspace_id, execution_id = workspace_id, self._execution_id
        self._seal = None if sealer is None else lambda text: sealer.text(execution_id, PLACE, text)

    def status(self, status: str, **facts: Any) -> None:
        """Say where the execution stands."""
        self._put(_Entry("status", {"status": status, **facts}))

    def attempt(self, number: int, **facts: Any) -> None:
        """Say that a call begins: the answer starts anew."""
        self._attempt, self._position, self._left_out = number, 0, False
        self._put(_Entry("attempt", {"number": number, **facts}))

    def delta(self, text: str) -> None:
        """Say what has arrived of the answer; beyond MOST_TOLD, and without a sealer, only that something is missing."""
        told = text[: MOST_TOLD - self._told] if self._seal is not None else ""
        if told:
            where = {"attempt": self._attempt, "at": self._position, "workspace": self._workspace_id}
            self._put(_Entry("delta", where, [told], self._seal))
        self._told += len(told)
        self._position += len(text)
        if len(told) < len(text) and not self._left_out:
            self._left_out = True
            self._put(_Entry("delta", {"attempt": self._attempt, "at": self._position, "text": ""}))

    def done(self, status: str, **facts: Any) -> None:
        """Say that the execution has ended. Call it after the commit: readers then read the row."""
        self._put(_Entry("done", {"status": status, **facts}))

    def _put(self, entry: _Entry) -> None:
        global _thread
        with _changed:
            backlog = _backlogs.setdefault(self._key, _Backlog(self._client))
            last = backlog.entries[-1] if backlog.entries else None
            if last is not None and last.event == "delta" and entry.pieces:
                last.pieces.extend(entry.pieces)  # of the same attempt: between two attempts there is an event
            else:
                backlog.entries.append(entry)
            if _thread is None or not _thread.is_alive():
                _thread = threading.Thread(target=_write, name="publishing", daemon=True)
                _thread.start()
            _changed.notify()


def flush(seconds: float = 1.0) -> bool:
    """Wait until everything is written, at most `seconds`; return whether it is. A process that ends does so by itself."""
    deadline = time.monotonic() + seconds
    while _backlogs or _writing.locked():
        if time.monotonic() >= deadline:
            return False
        time.sleep(BATCH_SECONDS / 4)
    return True


_writing = threading.Lock()
atexit.register(flush)


def _write() -> None:
    """Write what waits, at most every BATCH_SECONDS; end after a while of nothing."""
    global _thread
    while True:
        with _changed:
            if not _backlogs and not _changed.wait(_IDLE_SECONDS) and not _backlogs:
                _thread = None
                return
            _writing.acquire()  # before the backlogs are empty: flush looks at both
            batch = dict(_backlogs)
            _backlogs.clear()
        try:
            failed = _write_batch(batch)
        finally:
            _writing.release()
        time.sleep(BATCH_SECONDS if not failed else 1.0)


def _write_batch(batch: dict[str, _Backlog]) -> bool:
    """Write the batch, client by client; keep what failed for later. Return whether anything failed."""
    failed = False
    for client in {id(backlog.client): backlog.client for backlog in batch.values()}.values():
        mine = {key: backlog for key, backlog in batch.items() if backlog.client is client}
        try:
            with client.pipeline(transaction=False) as pipeline:
                size = 0
                for key, backlog in mine.items():
                    for entry in backlog.entries:
                        pipeline.xadd(key, entry.fields(), maxlen=MAX_ENTRIES, approximate=True)
                    ended = backlog.entries[-1].event == "done"
                    pipeline.expire(key, ENDED_SECONDS if ended else LIVE_SECONDS)
                    size += backlog.size()
                    if size > WRITTEN_AT_ONCE:  # each command is in memory three times until it is sent
                        pipeline.execute()
                        size = 0
                pipeline.execute()
        except RedisError as error:
            failed = True
            log(__name__).warning("stream.not_written", error=type(error).__name__, streams=len(mine))
            _keep(mine)
        except Exception as error:  # a mistake of ours must not end the thread that all executions share
            log(__name__).error("stream.dropped", exc_info=error, streams=len(mine))
    return failed


def _keep(batch: dict[str, _Backlog]) -> None:
    """Put back what is young enough, before what has come since; a part that was written twice is told by its position."""
    now = time.monotonic()
    with _changed:
        waiting = sum(known.size() for known in _backlogs.values())
        for key, old in batch.items():
            waiting += old.size()
            if now - old.since > PATIENCE_SECONDS or waiting > MAX_WAITING_CHARACTERS:
                continue
            new = _backlogs.get(key)
            if new is not None:
                old.entries.extend(new.entries)
            _backlogs[key] = old
