"""Brings events to the readers of this process: one thread reads the streams of all their executions from Redis at once.

A reader that waited by itself would hold a connection to Redis, ask the database every other second whether a quiet execution has
ended, and now and then whether it may still look. Five hundred of them would be work enough for a core, and whenever many wanted
to do that at once, each page would wait behind all of them for the interpreter. So readers sleep until they are told, some at a
time.
"""

from __future__ import annotations

import json
import secrets
import threading
import time
from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from queue import SimpleQueue
from typing import Any

import sqlalchemy as sa
from flask import Flask
from redis import Redis
from redis.exceptions import RedisError
from sqlalchemy.exc import SQLAlchemyError

from aiapp import sealing
from aiapp.credentials import vault
from aiapp.executions.models import FINISHED, Execution
from aiapp.executions.streaming.publishing import PLACE, key_of
from aiapp.extensions import db, reading
from aiapp.observability.logs import log

# Without news from Redis the row is looked at this often: its worker may be gone.
LOOK_SECONDS = 2.0
# How often it is asked whether a reader may still look.
CHECK_SECONDS = 5.0
FIRST = "0-0"
# So many readers are told of news before the others have to wait a moment.
TOLD_AT_ONCE = 16
TELLING_PAUSE = 0.002
# Who is slower than this misses entries, notices the gap and reads the row at the end.
MOST_UNREAD = 1000
ROWS_AT_ONCE = 500
ENTRIES_AT_ONCE = 500
# Below the two seconds after which our Redis client calls Redis dead.
_BLOCK_SECONDS = 1.0
_IDLE_SECONDS = 10.0

# Set when this process is to end: readers are sent away within a second.
closing = threading.Event()

_AT_ONCE = threading.BoundedSemaphore(16)  # each look back takes a connection to Redis


@dataclass(frozen=True, slots=True)
class Entry:
    """An entry of an execution's stream: its id there, the event's name and its data."""

    id: str
    name: str
    data: Mapping[str, Any]


# Said to readers: the row has ended or is gone; they may no longer look.
ENDED, SENT_AWAY = Entry("", "ended", {}), Entry("", "sent away", {})


@dataclass(slots=True, eq=False)
class Follower:
    """A reader: what it has not read yet, who it is, and whether that one may still look (asked in an app context)."""

    who: Hashable
    allowed: Callable[[], bool]
    unread: SimpleQueue[Entry] = field(default_factory=SimpleQueue)
    asked: float = field(default_factory=time.monotonic)


@dataclass(slots=True, eq=False)
class _Channel:
    """An execution that somebody reads: how far its stream was read, and when it last had news."""

    last: str
    followers: list[Follower] = field(default_factory=list)
    news: float = field(default_factory=time.monotonic)


class Relay:
    """The readers of one app."""

    def __init__(self, app: Flask, client: Redis) -> None:
        self._app, self._client = app, client
        self._changed = threading.Condition()
        self._channels: dict[str, _Channel] = {}
        self._keys: dict[str, vault.DataKey] = {}
        self._thread: threading.Thread | None = None
        self._looked = 0.0
        # An entry in this stream ends the wait for news: there is one stream more to read.
        self._bell = f"aiapp:readers:{secrets.token_hex(8)}"
        self._rung = FIRST

    def join(self, execution_id: str, last: str, follower: Follower) -> str:
        """Begin to bring the entries after `last`, which Redis has told of; leave() ends it.

        Returns the entry after which they are brought: what is between the two is the reader's to look up.
        """
        with self._changed:
            new = execution_id not in self._channels
            channel = self._channels.setdefault(execution_id, _Channel(last))
            channel.followers.append(follower)
            waiting = self._thread is not None and self._thread.is_alive()
            if not waiting:
                self._thread = threading.Thread(target=self._serve, name="readers", daemon=True)
                self._thread.start()
            self._changed.notify()
            begins = channel.last
        if new and waiting:
            with suppress(RedisError), self._client.pipeline(transaction=False) as pipeline:
                pipeline.xadd(self._bell, {"ring": "1"}, maxlen=1)
                pipeline.expire(self._bell, 3600)
                pipeline.execute()
        return begins

    def leave(self, execution_id: str, follower: Follower) -> None:
        """Follow it no more."""
        with self._changed:
            channel = self._channels[execution_id]
            channel.followers.remove(follower)
            if not channel.followers:
                del self._channels[execution_id]

    def history(self, execution_id: str, last: str) -> Sequence[Entry]:
        """Return what a stream has after the entry `last`, or the beginning of it; nothing where Redis does not answer."""
        key = key_of(execution_id)
        try:
            with _AT_ONCE:
                return self._read({key: last}, None).get(key, ())
        except RedisError:
            return ()

    def _serve(self) -> None:
        """Read and tell while anybody follows; end after a while of nobody."""
        while True:
            with self._changed:
                if not self._channels and not self._changed.wait(_IDLE_SECONDS) and not self._channels:
                    self._thread = None
                    return
                streams = {key_of(execution_id): channel.last for execution_id, channel in self._channels.items()}
            try:
                wait = min(_BLOCK_SECONDS, LOOK_SECONDS, CHECK_SECONDS)
                news = self._read({**streams, self._bell: self._rung}, max(1, round(wait * 1000)))
            except Exception as error:  # also what a client raises that was closed meanwhile
                if not isinstance(error, RedisError):
                    log(__name__).warning("readers.not_read", error=type(error).__name__)
                time.sleep(_BLOCK_SECONDS)
                news = {}
            try:
                self._tell(self._addressed(news))
                self._send_away()
                if time.monotonic() - self._looked >= LOOK_SECONDS:
                    self._looked = time.monotonic()
                    self._look()
            except Exception as error:  # a mistake of ours must not end the thread that all readers share
                log(__name__).error("readers.not_told", exc_info=error)
                time.sleep(_BLOCK_SECONDS)

    def _read(self, streams: Mapping[str, str], block: int | None) -> dict[str, list[Entry]]:
        """Return the new entries by stream. Raises RedisError."""
        answer: Any = self._client.xread(dict(streams), count=ENTRIES_AT_ONCE, block=block)  # type: ignore[arg-type]
        # RESP2 answers with pairs, RESP3 with a mapping to lists of lists
        pairs = ((key, value[0]) for key, value in answer.items()) if isinstance(answer, dict) else answer or ()
        news = {key.decode(): [_entry(entry_id, fields) for entry_id, fields in entries] for key, entries in pairs}
        return {key: [self._opened(key, entry) for entry in entries] for key, entries in news.items()}

    def _opened(self, stream: str, entry: Entry) -> Entry:
        """Return an entry with its text; one that cannot be read is none of ours: readers notice the gap."""
        text = str(entry.data.get("text", ""))
        if not sealing.is_sealed(text):
            return entry
        whose, execution_id = str(entry.data.get("workspace", "")), stream.removeprefix(key_of(""))
        with suppress(vault.Unreadable, SQLAlchemyError):
            try:
                opened = sealing.open_text(self._key(whose), execution_id, PLACE, text)
            except vault.Unreadable:  # a key may have been given up, and another one made
                opened = sealing.open_text(self._key(whose, fresh=True), execution_id, PLACE, text)
            return Entry(entry.id, entry.name, {**entry.data, "text": opened})
        return Entry(entry.id, "", {})

    def _key(self, workspace_id: str, *, fresh: bool = False) -> vault.DataKey:
        if fresh or workspace_id not in self._keys:
            with self._app.app_context(), reading():
                try:
                    found = sealing.key_of(workspace_id)
                finally:
                    db.session.remove()
            if len(self._keys) >= vault.REMEMBERED:
                self._keys.clear()
            self._keys[workspace_id] = found
        return self._keys[workspace_id]

    def _addressed(self, news: Mapping[str, list[Entry]]) -> list[tuple[Follower, Sequence[Entry]]]:
        """Note how far the streams were read, and return whom to tell what."""
        self._rung = news[self._bell][-1].id if news.get(self._bell) else self._rung
        letters: list[tuple[Follower, Sequence[Entry]]] = []
        with self._changed:
            for execution_id, channel in self._channels.items():
                entries = news.get(key_of(execution_id))
                if entries:
                    channel.last, channel.news = entries[-1].id, time.monotonic()
                    letters += [(follower, entries) for follower in channel.followers]
        return letters

    def _tell(self, letters: Iterable[tuple[Follower, Sequence[Entry]]]) -> None:
        for number, (follower, entries) in enumerate(letters, 1):
            if follower.unread.qsize() < MOST_UNREAD:
                for entry in entries:
                    follower.unread.put(entry)
            if not number % TOLD_AT_ONCE:
                time.sleep(TELLING_PAUSE)

    def _send_away(self) -> None:
        """Send away who may no longer look, and everybody when this process is to end."""
        before = time.monotonic() - CHECK_SECONDS
        with self._changed:
            readers = [follower for channel in self._channels.values() for follower in channel.followers]
        if closing.is_set():
            self._tell((follower, [SENT_AWAY]) for follower in readers)
            return
        known: dict[Hashable, bool] = {}
        for follower in readers:
            if follower.asked <= before:
                follower.asked = time.monotonic()
                if follower.who not in known:
                    known[follower.who] = self._may_look(follower)
                if not known[follower.who]:
                    follower.unread.put(SENT_AWAY)

    def _may_look(self, follower: Follower) -> bool:
        with self._app.app_context(), reading():
            try:
                return follower.allowed()
            except SQLAlchemyError:
                return False

    def _look(self) -> None:
        """Tell the readers of quiet executions that have ended."""
        before = time.monotonic() - LOOK_SECONDS
        with self._changed:
            quiet = [execution_id for execution_id, channel in self._channels.items() if channel.news <= before]
        for start in range(0, len(quiet), ROWS_AT_ONCE):
            some = quiet[start : start + ROWS_AT_ONCE]
            ended = set(some) - self._going_on(some)
            with self._changed:
                found = [self._channels[execution_id] for execution_id in ended & self._channels.keys()]
                letters = [(follower, [ENDED]) for channel in found for follower in channel.followers]
            self._tell(letters)

    def _going_on(self, ids: Sequence[str]) -> set[str]:
        """Return those of the executions that have not ended; all of them where the database cannot say."""
        with self._app.app_context(), reading():
            try:
                unfinished = sa.select(Execution.id).where(Execution.id.in_(ids), Execution.status.not_in(FINISHED))
                return set(db.session.scalars(unfinished))
            except SQLAlchemyError:
                return set(ids)
            finally:
                db.session.remove()


def _entry(entry_id: bytes, fields: Mapping[bytes, bytes]) -> Entry:
    """Return an entry; of one that is none of ours the id alone."""
    try:
        return Entry(entry_id.decode(), fields[b"event"].decode(), json.loads(fields[b"data"]))
    except (KeyError, ValueError):
        return Entry(entry_id.decode(), "", {})
