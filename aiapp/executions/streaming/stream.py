"""An execution as it happens, for one reader: the worker's events from Redis, and the row where Redis has nothing to say.

Events: `status`, `attempt` (an answer begins; what was shown before is void), `delta`, and at the end `done`. A reader that comes
back with its last event id misses nothing and gets nothing twice. Where the stream is gone or has a gap, the whole answer comes
as one attempt and one delta once the execution has ended.
"""

from __future__ import annotations

import json
import re
import threading
import time
from collections.abc import Callable, Generator, Hashable, Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from queue import Empty
from random import SystemRandom
from types import SimpleNamespace
from typing import Any, Self

import sqlalchemy as sa
from flask import Flask, current_app
from sqlalchemy.exc import SQLAlchemyError

from aiapp import sealing
from aiapp.executions.models import FINISHED, Attempt, Execution
from aiapp.executions.streaming.relay import ENDED, FIRST, SENT_AWAY, Entry, Follower, Relay
from aiapp.executions.streaming.relay import closing as closing
from aiapp.extensions import db, reading, redis

# Each takes a thread of the web process; the others stay for pages.
SHARE_OF_THREADS = 0.8
MAX_SECONDS = 900.0
HEARTBEAT_SECONDS = 15.0
_slots = threading.BoundedSemaphore(512)
_LOOKING = threading.BoundedSemaphore(16)  # each takes a connection to the database
_rng = SystemRandom()


@dataclass(frozen=True, slots=True)
class Event:
    """One event. `id` is what a reader gives back to go on after it, None where that makes no sense."""

    name: str
    data: dict[str, Any] = field(default_factory=dict)
    id: str | None = None


def share(threads: int) -> None:
    """Say how many threads this process has for requests, before the first reader comes."""
    global _slots
    _slots = threading.BoundedSemaphore(max(1, int(threads * SHARE_OF_THREADS)))


Encode = Callable[[Event | None], str]


def as_json(event: Event | None) -> str:
    """Return an event as a server-sent event with a JSON object; None is a heartbeat, a comment."""
    if event is None:
        return ": still here\n\n"
    head = f"id: {event.id}\n" if event.id else ""
    return f"{head}event: {event.name}\ndata: {json.dumps(event.data, ensure_ascii=False)}\n\n"


def follow(
    execution_id: str,
    *,
    last_event_id: str | None = None,
    encode: Encode = as_json,
    allowed: Callable[[], bool] = lambda: True,
    who: Hashable = None,
) -> Reader | None:
    """Return the body of an event stream; None where this process has as many as it may: let the reader poll instead.

    Ends after `done`, after MAX_SECONDS (the reader comes back by itself), when `closing` is set, or when `allowed` says no.
    Needs an app context while it is called, none while it is read. Close it, read or not: werkzeug closes a response's body.

    Arguments:
        last_event_id: of the reader's last event; anything that is not one of ours begins from the start.
        encode: makes text of an event, and of None a heartbeat.
        allowed: whether this reader may still see the execution; asked every few seconds, in an app context.
        who: of readers with the same one, one is asked for all; None is somebody else each time.
    """
    if not _slots.acquire(blocking=False):
        return None
    app: Flask = current_app._get_current_object()  # type: ignore[attr-defined]
    relay: Relay = app.extensions.setdefault("aiapp.relay", Relay(app, redis()))
    follower = Follower(object() if who is None else who, allowed)
    return Reader(_Feed(app, relay, execution_id, last_event_id, follower), encode)


def has_room() -> bool:
    """Whether this process could take another reader now: a page that finds none asks again and again instead."""
    if not _slots.acquire(blocking=False):
        return False
    _slots.release()
    return True


class Reader:
    """The encoded events, and the slot that they take up until it is closed."""

    def __init__(self, feed: _Feed, encode: Encode) -> None:
        self._events = feed.events()
        self._encode = encode
        self._open = True

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> str:
        try:
            return self._encode(next(self._events))
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """Give the slot back. May be repeated."""
        if self._open:
            self._open = False
            self._events.close()
            _slots.release()


class _Feed:
    """Where one reader stands in one execution."""

    def __init__(
        self, app: Flask, relay: Relay, execution_id: str, last_event_id: str | None, follower: Follower
    ) -> None:
        self._app, self._relay, self._execution_id, self._follower = app, relay, execution_id, follower
        found = re.fullmatch(r"([0-9]{1,20}-[0-9]{1,20})\.([0-9]{1,9})\.([0-9]{1,12})", last_event_id or "")
        self._resumed = found is not None
        self._last = found[1] if found else FIRST
        self._seen = FIRST  # unlike that one never what somebody made up: other readers go on from it
        self._attempt, self._position = (int(found[2]), int(found[3])) if found else (0, 0)
        self._gap = self._done = False

    def events(self) -> Generator[Event | None]:
        """Yield the events; None now and then, so that a reader that left is noticed."""
        ended = False
        with suppress(SQLAlchemyError):
            with _LOOKING:
                row = self._row()
            ended = row is None or row.status in FINISHED
            if not self._resumed:
                yield Event("status", {"status": row.status if row is not None else "deleted"})
        yield from self._history()
        if ended and not self._done:
            rest = self._ended()
            if rest is not None:
                yield from rest
                return
        if self._done:
            return
        begins = self._relay.join(self._execution_id, self._seen, self._follower)
        try:
            if begins != self._seen:
                yield from self._history()
            yield from self._live()
        finally:
            self._relay.leave(self._execution_id, self._follower)

    def _live(self) -> Iterator[Event | None]:
        end = time.monotonic() + MAX_SECONDS
        while not self._done and time.monotonic() < end and not closing.is_set():
            try:
                # not all at the same moment, where many came at once
                entry = self._follower.unread.get(timeout=HEARTBEAT_SECONDS * _rng.uniform(0.7, 1.0))
            except Empty:
                yield None
                continue
            if entry is SENT_AWAY:
                return
            if entry is not ENDED:
                yield from self._accepted([entry])
                continue
            rest = self._ended()
            if rest is not None:
                yield from rest
                return

    def _history(self) -> Iterator[Event]:
        """Yield what the stream has already after the last event."""
        while not self._done:
            entries = self._relay.history(self._execution_id, self._last)
            if not entries:
                return
            yield from self._accepted(entries)

    def _accepted(self, entries: Iterable[Entry]) -> Iterator[Event]:
        for entry in entries:
            if _order(entry.id) <= _order(self._last):
                continue  # it was looked up already
            self._last = self._seen = entry.id
            if entry.name:
                yield from self._accept(entry.name, entry.data)
            self._done = self._done or entry.name == "done"

    def _accept(self, name: str, data: Mapping[str, Any]) -> Iterator[Event]:
        if name == "attempt":
            self._attempt, self._position, self._gap = int(data["number"]), 0, False
        elif name == "delta":
            data = self._fitted(data)
            if not data:
                return
        elif name == "done" and self._gap:
            yield from self._ended() or ()
            return
        yield Event(name, dict(data), f"{self._last}.{self._attempt}.{self._position}")

    def _fitted(self, data: Mapping[str, Any]) -> dict[str, Any]:
        """Return what of a delta is new; nothing once a piece before it is missing."""
        attempt, at, text = int(data["attempt"]), int(data["at"]), str(data["text"])
        if attempt != self._attempt:
            self._attempt, self._position, self._gap = attempt, 0, False
        if self._gap or at > self._position:
            self._gap = True
            return {}
        new = text[self._position - at :]
        if not new:
            return {}
        fitted = {"attempt": attempt, "at": self._position, "text": new}
        self._position += len(new)
        return fitted

    def _ended(self) -> list[Event] | None:
        """Return the rest as the row tells it; None while it has not ended, or the database cannot say."""
        try:
            row = self._row()
        except SQLAlchemyError:
            return None
        if row is None:
            return [Event("done", {"status": "deleted"})]
        if row.status not in FINISHED:
            return None
        events = [Event("attempt", {"number": row.number or 0, "provider": row.provider, "model": row.model})]
        if row.output:
            events.append(Event("delta", {"attempt": row.number or 0, "at": 0, "text": row.output}))
        return [*events, Event("done", {"status": row.status, "error_class": row.error_class})]

    def _row(self) -> SimpleNamespace | None:
        number = sa.select(sa.func.max(Attempt.number)).where(Attempt.execution_id == Execution.id).scalar_subquery()
        told = (Execution.status, Execution.error_class, Execution.provider, Execution.model)
        columns = (*told, Execution.output, Execution.workspace_id)
        with self._app.app_context(), reading():
            row = db.session.execute(
                sa.select(*columns, number.label("number")).where(Execution.id == self._execution_id)
            ).first()
            if row is None:
                return None
            return SimpleNamespace(**sealing.opened(Execution, row.workspace_id, self._execution_id, row._asdict()))


def _order(entry_id: str) -> tuple[int, ...]:
    """Return an entry's place in its stream."""
    return tuple(map(int, entry_id.split("-")))
