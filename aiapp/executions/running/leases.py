"""The executions that this process is working on: one thread says that they live, and notices those that are to stop.

A lease that nobody extends ends, and then another worker takes the row. The database is asked twice a second whether somebody
wants an execution cancelled; that works without Redis too.
"""

from __future__ import annotations

import os
import socket
import threading
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache

import sqlalchemy as sa
from flask import Flask, current_app

from aiapp.executions.models import Execution
from aiapp.executions.running import states
from aiapp.extensions import db, reading, settings
from aiapp.observability.logs import log
from aiapp.providers.transport import Cancel

LOOK_SECONDS = 0.5
_IDLE_SECONDS = 10.0


@dataclass(slots=True, eq=False)
class Lease:
    """An execution that a thread of this process works on; `cancel` stops its call. `extended`: when it last was, monotonic."""

    execution_id: str
    app: Flask
    cancel: Cancel = field(default_factory=Cancel)
    extended: float = field(default_factory=time.monotonic)


# Set when this process is to end and has waited long enough: its calls are cancelled within a moment, and no new ones begin.
shutdown = threading.Event()

_changed = threading.Condition()
_held: dict[str, Lease] = {}
_thread: threading.Thread | None = None


def owner() -> str:
    """Return the name of this process in rows: host, process id and a random part, new after a fork."""
    return _owner(os.getpid())


def is_held(execution_id: str) -> bool:
    """Whether a thread of this process works on the execution."""
    return execution_id in _held


@contextmanager
def holding(execution_id: str) -> Iterator[Lease]:
    """Keep the lease of a row that this process claimed alive until the block ends."""
    global _thread
    app: Flask = current_app._get_current_object()  # type: ignore[attr-defined]
    lease = Lease(execution_id, app)
    with _changed:
        _held[execution_id] = lease
        if _thread is None or not _thread.is_alive():
            _thread = threading.Thread(target=_beat, name="leases", daemon=True)
            _thread.start()
        _changed.notify()
    try:
        yield lease
    finally:
        with _changed:
            if _held.get(execution_id) is lease:
                del _held[execution_id]


def cancel_all() -> int:
    """Stop every call of this process; return how many there were. Their rows are then handed back by their own threads."""
    with _changed:
        leases = list(_held.values())
    for lease in leases:
        lease.cancel.cancel()
    return len(leases)


@cache
def _owner(pid: int) -> str:
    return f"{socket.gethostname()[:36]}:{pid}:{uuid.uuid4().hex[:12]}"


def _beat() -> None:
    """Extend and look while anything is held; end after a while of nothing."""
    global _thread
    while True:
        with _changed:
            if not _held and not _changed.wait(_IDLE_SECONDS) and not _held:
                _thread = None
                return
            leases = list(_held.values())
        for app in {lease.app for lease in leases}:
            _look_after(app, [lease for lease in leases if lease.app is app])
        if shutdown.is_set():
            cancel_all()
            time.sleep(LOOK_SECONDS / 5)
        elif shutdown.wait(LOOK_SECONDS):
            cancel_all()


def _look_after(app: Flask, leases: list[Lease]) -> None:
    with app.app_context():
        try:
            start = time.monotonic()
            if start >= min(lease.extended for lease in leases) + settings().lease_seconds / 3:
                with states.transaction():
                    states.extend(owner())
                for lease in leases:
                    lease.extended = start
            wanted = _still_wanted()
        except Exception as error:
            # Whatever it is, the calls go on: if the database comes back before the leases end, nothing was lost.
            log(__name__).warning("leases.not_extended", error=type(error).__name__, held=len(leases))
            return
    for lease in leases:
        if lease.execution_id not in wanted:
            lease.cancel.cancel()


def _still_wanted() -> set[str]:
    """Return the executions that are still this process's and that nobody wants cancelled."""
    with reading():
        try:
            return set(
                db.session.scalars(
                    sa.select(Execution.id).where(
                        Execution.status == "processing",
                        Execution.lease_owner == owner(),
                        Execution.cancel_requested_at.is_(None),
                    )
                )
            )
        finally:
            db.session.remove()
