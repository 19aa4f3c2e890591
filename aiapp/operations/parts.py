"""The parts of this installation as they are now: for the queue page of system administrators; `aiapp doctor` looks at more.

/readyz asks for the first three.
"""

from __future__ import annotations

import shutil
import sqlite3
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa
from redis.exceptions import RedisError

from aiapp import queue
from aiapp.errors import Unavailable
from aiapp.extensions import db, redis, settings
from aiapp.operations.holding import Worker

LEAST_FREE_BYTES = 500 * 2**20


@dataclass(frozen=True, slots=True)
class Part:
    """One of them: `state` is healthy, degraded, down or unknown, `ms` how long it took to answer, where it was asked."""

    name: str
    state: str
    word: str
    detail: str
    ms: float | None = None


def read(workers: Sequence[Worker] | None) -> list[Part]:
    """Return the parts; `workers` are those that are alive, None where Redis is away."""
    return [_database(), _redis(), _workers(workers), _scheduler(), _disk()]


def _database() -> Part:
    begun = time.perf_counter()
    db.session.execute(sa.text("SELECT 1"))
    ms = _since(begun)
    dialect = db.engine.dialect
    if dialect.name != "sqlite":
        version = ".".join(str(part) for part in (dialect.server_version_info or ())[:2])
        return Part("Database", "healthy", "Works", f"PostgreSQL {version}", ms)
    pages, size = (db.session.scalar(sa.text(f"PRAGMA {name}")) or 0 for name in ("page_count", "page_size"))
    return Part("Database", "healthy", "Works", f"SQLite {sqlite3.sqlite_version}, {_bytes(pages * size)}", ms)


def _redis() -> Part:
    try:
        begun = time.perf_counter()
        redis().ping()
        ms = _since(begun)
        told: Any = redis().info()
    except RedisError:
        return Part("Redis", "down", "Away", "Nothing is lost: executions start once it is back.")
    room = told.get("maxmemory") or 0
    used = f"{_bytes(told['used_memory'])} of {_bytes(room)}" if room else _bytes(told["used_memory"])
    detail = f"Redis {told['redis_version']}, {used}"
    writes = {told.get("rdb_last_bgsave_status", "ok"), told.get("aof_last_write_status", "ok")}
    if writes != {"ok"}:
        return Part("Redis", "degraded", "Cannot save", f"{detail}; it could not write to its disk", ms)
    return Part("Redis", "healthy", "Works", detail, ms)


def _workers(workers: Sequence[Worker] | None) -> Part:
    if workers is None:
        return Part("Workers", "unknown", "Unknown", "Redis is away.")
    if not workers:
        return Part("Workers", "down", "None", "None is alive: what waits is kept.")
    drained = sum(worker.drained is not None for worker in workers)
    unserved = [name for name in queue.PRIORITIES if not any(name in worker.facts.queues for worker in workers)]
    detail = f"{len(workers)} alive" + (f", {drained} drained" if drained else "")
    detail += f"; none serves {' or '.join(unserved)}" if unserved else ""
    trouble = unserved or drained == len(workers)
    return Part("Workers", "degraded" if trouble else "healthy", "None takes all" if trouble else "Alive", detail)


def _scheduler() -> Part:
    try:
        leader = queue.leader()
    except Unavailable:
        return Part("Scheduler", "unknown", "Unknown", "Redis is away: each one that runs does all of the work.")
    if leader is None:
        return Part("Scheduler", "down", "None leads", "Retries and executions of lost workers wait for one.")
    detail = f"{leader} leads; it looks for lost executions every {settings().sweep_seconds:g} s"
    return Part("Scheduler", "healthy", "Works", detail)


def _disk() -> Part:
    room = shutil.disk_usage(settings().home)
    detail = f"{_bytes(room.free)} free of {_bytes(room.total)}"
    if room.free < LEAST_FREE_BYTES:
        return Part("Disk", "degraded", "Nearly full", detail)
    return Part("Disk", "healthy", "Has room", detail)


def _since(begun: float) -> float:
    return (time.perf_counter() - begun) * 1000


def _bytes(number: float) -> str:
    for unit in ("B", "KB", "MB"):
        if number < 1024:
            return f"{number:.0f} {unit}"
        number /= 1024
    return f"{number:.1f} GB"
