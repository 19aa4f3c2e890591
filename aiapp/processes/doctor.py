"""`aiapp doctor`: looks at every part of a deployment and says what to do about what is broken."""

from __future__ import annotations

import shutil
import socket
import stat
from collections.abc import Callable
from dataclasses import dataclass

import sqlalchemy as sa
from flask import Flask
from redis.exceptions import RedisError

from aiapp import queue
from aiapp.errors import Unavailable
from aiapp.extensions import db, reading, redis, settings
from aiapp.operations.parts import LEAST_FREE_BYTES
from aiapp.processes import assets, contents, database
from aiapp.processes.children import ProcessError


class Broken(Exception):
    """A part does not work. `remedy` says what to do."""

    def __init__(self, problem: str, remedy: str) -> None:
        super().__init__(problem)
        self.remedy = remedy


@dataclass(frozen=True, slots=True)
class Finding:
    """What is to be said about one part; `remedy` only where it is broken."""

    part: str
    detail: str
    remedy: str | None = None


def examine(app: Flask) -> list[Finding]:
    """Check every part of `app`'s deployment."""
    checks: dict[str, Callable[[], str]] = {
        "database": lambda: _database(app),
        "redis": _redis,
        "workers": _workers,
        "scheduler": _scheduler,
        "secrets": _secrets,
        "keys": _keys,
        "disk": _disk,
        "assets": _assets,
        "outbound": _outbound,
    }
    findings = []
    for part, check in checks.items():
        with app.app_context(), reading():
            try:
                findings.append(Finding(part, check()))
            except Broken as error:
                findings.append(Finding(part, str(error), error.remedy))
            finally:
                db.session.remove()
    return findings


def _database(app: Flask) -> str:
    try:
        has, wanted = database.revisions(app)
    except sa.exc.SQLAlchemyError as error:
        cause = " ".join(str(getattr(error, "orig", error)).split())
        raise Broken(f"cannot be reached ({cause})", "check DATABASE_URL, and that its server runs") from error
    except ProcessError as error:
        raise Broken(str(error), "install aiapp again") from error
    if has != wanted:
        raise Broken(f"its schema is {has or 'empty'}, this version needs {wanted}", "run: aiapp db upgrade")
    return f"{db.engine.dialect.name}, schema {has}"


def _redis() -> str:
    try:
        version = redis().info("server")["redis_version"]  # type: ignore[index]
    except RedisError as error:
        if settings().redis_embedded:
            raise Broken("the embedded Redis does not run", "run: aiapp up") from error
        raise Broken(f"cannot be reached ({error})", "check REDIS_URL, and that its server runs") from error
    return f"{'embedded' if settings().redis_embedded else 'external'}, {version}"


def _workers() -> str:
    try:
        alive, waiting = queue.workers(), sum(queue.depth().values())
    except Unavailable as error:
        raise Broken("unknown without Redis", "get Redis to run first") from error
    if not alive:
        raise Broken(f"none is alive, {waiting} jobs wait", "run: aiapp up, or on a server: aiapp worker")
    return f"{alive} alive, {waiting} jobs wait"


def _scheduler() -> str:
    try:
        leader = queue.leader()
    except Unavailable as error:
        raise Broken("unknown without Redis", "get Redis to run first") from error
    if leader is None:
        raise Broken("none leads: retries and lost executions wait", "run: aiapp up, or on a server: aiapp scheduler")
    return f"led from {leader.split(':')[0]}"


def _secrets() -> str:
    for name in ("secret_key", "master_key"):
        file = settings().home / name
        if file.exists() and stat.S_IMODE(file.stat().st_mode) & 0o077:
            raise Broken(f"others may read {file}", f"run: chmod 600 {file}")
    return f"{len(settings().master_keys)} master key{'s' if len(settings().master_keys) > 1 else ''}"


def _keys() -> str:
    try:
        keys = contents.keys()
    except sa.exc.SQLAlchemyError as error:
        raise Broken("unknown without the database", "get the database to work first") from error
    if keys.unreadable:
        raise Broken(
            f"credentials of {', '.join(keys.unreadable)} cannot be read",
            "add the master key they were stored with to AIAPP_MASTER_KEYS",
        )
    return f"{keys.stored} stored, all can be read"


def _disk() -> str:
    free = shutil.disk_usage(settings().home).free
    if free < LEAST_FREE_BYTES:
        raise Broken(f"{free / 2**20:.0f} MiB free in {settings().home}", "make room")
    return f"{free / 2**30:.1f} GiB free in {settings().home}"


def _assets() -> str:
    missing = assets.missing(assets.ROOT, assets.VENDOR)
    if missing:
        raise Broken(f"{', '.join(missing[:3])} missing: pages have no style", "run: make install")
    return "all there"


def _outbound() -> str:
    allowed = sorted(settings().outbound_allow)
    for origin in allowed:
        host, _, port = origin.rpartition(":")
        try:
            socket.getaddrinfo(host.strip("[]"), int(port))
        except (OSError, ValueError) as error:
            raise Broken(f"{origin} has no address", "correct AIAPP_OUTBOUND_ALLOW") from error
    return f"public addresses over https, and {', '.join(allowed)}" if allowed else "public addresses over https only"
