"""What happens to an installation in a storm: its processes are killed, its Redis forgets, its database is held."""

from __future__ import annotations

import contextlib
import os
import random
import resource
import signal
import socket
import sqlite3
import time
from collections import Counter
from collections.abc import Callable, Sequence

import earlier
import sqlalchemy as sa
from office import Office
from redis import Redis
from redis.exceptions import RedisError
from stage import Up, family

from aiapp import config


class Storm:
    """Blows on an `aiapp up`.

    Arguments:
        pause: seconds between two blows.
        away: seconds that Redis is away or full, that the disk is full, and that the database is held.
    """

    def __init__(self, up: Up, office: Office, *, pause: float, away: float, seed: int = 7) -> None:
        self.up, self.office, self.pause, self.away = up, office, pause, away
        self.struck: Counter[str] = Counter()
        self.slowest_without_room = 0.0  # seconds that an answer took while the disk was full
        self._chance = random.Random(seed)

    def rage(self, while_: Callable[[], bool]) -> None:
        """Strike all blows in a random order, again and again."""
        while while_():
            blows = list(self.blows())
            self._chance.shuffle(blows)
            for blow in blows:
                time.sleep(self.pause)
                if while_():
                    self.strike(blow)

    def blows(self) -> Sequence[Callable[[], None]]:
        """One of each: workers are struck most."""
        worker = [self.kill_a_worker] * 3
        once = [self.terminate_a_worker, self.flush_redis, self.kill_redis, self.freeze_redis, self.fill_redis]
        held = [self.hold_database, self.fill_disk]
        told = [self.deliver_twice, self.deliver_as_earlier_releases, self.leave_in_mid_stream]
        return [*worker, *once, self.kill_web, self.kill_scheduler, *held, *told]

    def strike(self, blow: Callable[[], None]) -> None:
        blow()
        self.struck[blow.__name__.replace("_", " ")] += 1

    def _signal(self, word: str, number: int) -> None:
        """Send a signal to one of the children whose command line has `word`, if there is one just now."""
        found = self.up.children(word)
        if found:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self._chance.choice(found), number)

    def _redis(self) -> Redis:
        return Redis.from_url(f"unix://{config.redis_socket(self.up.home)}", socket_timeout=2)

    def kill_a_worker(self) -> None:
        self._signal("cli worker", signal.SIGKILL)

    def terminate_a_worker(self) -> None:
        self._signal("cli worker", signal.SIGTERM)

    def kill_web(self) -> None:
        self._signal("cli web", signal.SIGKILL)

    def kill_scheduler(self) -> None:
        self._signal("cli scheduler", signal.SIGKILL)

    def kill_redis(self) -> None:
        self._signal("redis-server", signal.SIGKILL)

    def freeze_redis(self) -> None:
        """It accepts connections and answers none."""
        (server,) = self.up.children("redis-server") or (0,)
        if server:
            with contextlib.suppress(ProcessLookupError):
                os.kill(server, signal.SIGSTOP)
                time.sleep(self.away)
                os.kill(server, signal.SIGCONT)

    def fill_redis(self) -> None:
        """It takes no more writes."""
        with contextlib.suppress(RedisError):
            self._redis().config_set("maxmemory", 1)
            time.sleep(self.away)
        while True:  # a Redis that was started again meanwhile has its room again anyway
            with contextlib.suppress(RedisError):
                self._redis().config_set("maxmemory", 0)
                return
            time.sleep(0.1)

    def flush_redis(self) -> None:
        with contextlib.suppress(RedisError):
            self._redis().flushall()

    def hold_database(self) -> None:
        """Somebody writes for a long time: SQLite lets nobody else, on PostgreSQL the executions are locked."""
        url = self.office.app.config["SQLALCHEMY_DATABASE_URI"]
        if url.startswith("sqlite"):
            with contextlib.closing(sqlite3.connect(sa.make_url(url).database or "", timeout=30)) as connection:
                connection.isolation_level = None
                connection.execute("BEGIN IMMEDIATE")
                time.sleep(self.away)
                connection.execute("ROLLBACK")
            return
        engine = sa.create_engine(url, poolclass=sa.NullPool)
        with engine.begin() as connection:
            connection.exec_driver_sql("LOCK TABLE execution IN EXCLUSIVE MODE")
            time.sleep(self.away)

    def fill_disk(self) -> None:
        """Web, workers and scheduler can write to no file: neither to SQLite's, nor to the log."""
        asked = self.office.slowest
        self.office.slowest = 0.0
        roles = [pid for word in ("cli web", "cli worker", "cli scheduler") for pid in self.up.children(word)]
        pids = [pid for role in roles for pid in (role, *family(role))]
        for limit in (0, resource.RLIM_INFINITY):
            for pid in pids:
                with contextlib.suppress(ProcessLookupError):
                    resource.prlimit(pid, resource.RLIMIT_FSIZE, (limit, resource.RLIM_INFINITY))
            time.sleep(self.away if not limit else 0)
        self.slowest_without_room = max(self.slowest_without_room, self.office.slowest)
        self.office.slowest = max(asked, self.office.slowest)

    def deliver_twice(self) -> None:
        self.office.deliver_again()

    def deliver_as_earlier_releases(self) -> None:
        with contextlib.suppress(RedisError):
            earlier.deliver(self._redis(), self.office.last(5))

    def leave_in_mid_stream(self) -> None:
        """Readers of what was accepted last go away without having read on."""
        for execution_id, workspace in self.office.last(20):
            with contextlib.suppress(OSError):
                reader = socket.create_connection(("127.0.0.1", self.up.port), timeout=2)
                token = self.office.token_of(workspace)
                path = f"/api/v1/executions/{execution_id}/events"
                reader.sendall(
                    f"GET {path} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {token}\r\n\r\n".encode()
                )
                reader.recv(20)
                reader.close()
