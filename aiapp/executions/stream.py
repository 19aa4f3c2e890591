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
from collections.abc import Callable, Generator, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, Self

import sqlalchemy as sa
from flask import Flask, current_app
from redis import Redis
from redis.exceptions import RedisError
from sqlalchemy.exc import SQLAlchemyError

from aiapp.executions.models import FINISHED, Attempt, Execution
from aiapp.executions.publishing import key_of
from aiapp.extensions import db, reading, redis

# Each takes a thread of the web process; half of them stay for pages.
MAX_READERS = 64
MAX_SECONDS = 900.0
HEARTBEAT_SECONDS = 15.0
# Without news from Redis the row is looked at this often: its worker may be gone.
LOOK_SECONDS = 2.0
# Below the two seconds after which our Redis client calls Redis dead.
_BLOCK_SECONDS = 1.0

# Set when this process is to end: open streams then end within a second.
closing = threading.Event()

_slots = threading.BoundedSemaphore(MAX_READERS)


@dataclass(frozen=True, slots=True)
class Event:
    """One event. `id` is what a reader gives back to go on after it, None where that makes no sense."""

    name: str
    data: dict[str, Any] = field(default_factory=dict)
    id: str | None = None


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
) -> Reader | None:
    """Return the body of an event stream; None where this process has MAX_READERS already: let the reader poll instead.

    Ends after `done`, after MAX_SECONDS (the reader comes back by itself), when `closing` is set, or when `allowed` says no.
    Needs an app context while it is called, none while it is read. Close it, read or not: werkzeug closes a response's body.

    Arguments:
        last_event_id: of the reader's last event; anything that is not one of ours begins from the start.
        encode: makes text of an event, and of None a heartbeat.
        allowed: whether this reader may still see the execution; asked at least every HEARTBEAT_SECONDS, in an app context.
    """
    if not _slots.acquire(blocking=False):
        return None
    app: Flask = current_app._get_current_object()  # type: ignore[attr-defined]
    return Reader(_Feed(app, redis(), execution_id, last_event_id, allowed), encode)


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
        self, app: Flask, client: Redis, execution_id: str, last_event_id: str | None, allowed: Callable[[], bool]
    ) -> None:
        self._app, self._client, self._execution_id, self._allowed = app, client, execution_id, allowed
        found = re.fullmatch(r"([0-9]{1,20}-[0-9]{1,20})\.([0-9]{1,9})\.([0-9]{1,12})", last_event_id or "")
        self._resumed = found is not None
        self._last = found[1] if found else "0-0"
        self._attempt, self._position = (int(found[2]), int(found[3])) if found else (0, 0)
        self._gap = False

    def events(self) -> Generator[Event | None]:
        """Yield the events; None now and then, so that a reader that left is noticed."""
        patience, asked, spoke = _BLOCK_SECONDS, time.monotonic(), time.monotonic()
        looked, end = time.monotonic(), time.monotonic() + MAX_SECONDS
        with suppress(SQLAlchemyError):
            row = self._row()
            if row is None or row.status in FINISHED:  # nothing more will come: nothing is waited for
                patience, looked = 0.001, -LOOK_SECONDS
            if not self._resumed:
                yield Event("status", {"status": row.status if row is not None else "deleted"})
        while time.monotonic() < end and not closing.is_set():
            for event in self._news(patience):
                yield event
                looked = spoke = time.monotonic()
                if event.name == "done":
                    return
            if time.monotonic() - looked >= LOOK_SECONDS:
                looked = time.monotonic()
                ended = self._ended()
                if ended is not None:
                    yield from ended
                    return
            patience = _BLOCK_SECONDS
            if time.monotonic() - asked >= HEARTBEAT_SECONDS / 3:
                asked = time.monotonic()
                if not self._still_allowed():
                    return
            if time.monotonic() - spoke >= HEARTBEAT_SECONDS:
                spoke = time.monotonic()
                yield None

    def _news(self, seconds: float) -> Iterator[Event]:
        """Yield what the stream has after the last event; waits up to `seconds` for it."""
        try:
            answer: Any = self._client.xread(
                {key_of(self._execution_id): self._last}, count=500, block=round(seconds * 1000)
            )
        except RedisError:
            closing.wait(seconds)
            return
        # RESP2 answers with pairs, RESP3 with a mapping to lists of lists
        batches = [value[0] for value in answer.values()] if isinstance(answer, dict) else [pair[1] for pair in answer]
        for entry_id, fields in (entry for batch in batches for entry in batch):
            self._last = entry_id.decode()
            yield from self._accept(fields[b"event"].decode(), json.loads(fields[b"data"]))

    def _accept(self, name: str, data: dict[str, Any]) -> Iterator[Event]:
        if name == "attempt":
            self._attempt, self._position, self._gap = int(data["number"]), 0, False
        elif name == "delta":
            data = self._fitted(data)
            if not data:
                return
        elif name == "done" and self._gap:
            yield from self._ended() or ()
            return
        yield Event(name, data, f"{self._last}.{self._attempt}.{self._position}")

    def _fitted(self, data: dict[str, Any]) -> dict[str, Any]:
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

    def _row(self) -> sa.Row[Any] | None:
        number = sa.select(sa.func.max(Attempt.number)).where(Attempt.execution_id == Execution.id).scalar_subquery()
        columns = (Execution.status, Execution.error_class, Execution.output, Execution.provider, Execution.model)
        with self._app.app_context(), reading():
            return db.session.execute(
                sa.select(*columns, number.label("number")).where(Execution.id == self._execution_id)
            ).first()

    def _still_allowed(self) -> bool:
        with self._app.app_context(), reading():
            try:
                return self._allowed()
            except SQLAlchemyError:
                return False
