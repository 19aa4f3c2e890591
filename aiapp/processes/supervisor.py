"""`aiapp up`: Redis, web, workers and scheduler under one process that starts them again and takes all of them along."""

from __future__ import annotations

import ipaddress
import os
import queue
import signal
import socket
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from types import FrameType

from aiapp import config
from aiapp.config import Settings
from aiapp.processes import sqlite_log
from aiapp.processes.children import Child, ProcessError
from aiapp.processes.embedded import EmbeddedRedis
from aiapp.processes.failures import WrongUse
from aiapp.processes.listening import STOP_SECONDS, free_address

READY_SECONDS = 60.0
FIRST_DELAY, LAST_DELAY = 0.2, 10.0
STEADY_SECONDS = 10.0
# A worker's cancelled jobs and last words come after its shutdown time.
WORKER_MORE_SECONDS = 15.0
DEMO_SIGN_IN = "demo@example.com / demo"


@dataclass(slots=True)
class Watched:
    """A child, and when it may be started again."""

    child: Child
    started: float = 0.0
    delay: float = FIRST_DELAY
    due: float | None = None


def up(*, demo: bool, host: str | None, port: int | None, workers: int, concurrency: int) -> int:
    """Run everything until SIGINT, SIGTERM or SIGHUP; return the exit code. Raises ConfigError, ProcessError, WrongUse.

    Arguments:
        demo: seed the demo workspace, show its sign-in, allow local model servers.
        host, port: where to listen; default: AIAPP_HOST, AIAPP_PORT.
        workers: how many worker processes.
        concurrency: how many jobs each of them has in flight.
    """
    if demo:
        os.environ["AIAPP_DEMO"] = "1"
        os.environ.setdefault("AIAPP_LOG_LEVEL", "warning")  # somebody looks at this terminal for the address
    settings = config.load()
    host, port = free_address(host or settings.host, settings.port if port is None else port)
    if settings.demo and not ipaddress.ip_address(host).is_loopback:
        raise WrongUse(f"--demo listens on loopback alone, not on {host}: its sign-in is public")
    supervisor = Supervisor(address=(host, port), shown=settings.base_url, demo=settings.demo)
    redis = EmbeddedRedis(settings.home) if settings.redis_embedded else None
    try:
        if redis is not None:
            redis.start()
            supervisor.watch(redis.child, running=True)
        supervisor.watch(_web(host, port))  # it loads while the database is prepared, and is announced after that
        if not supervisor.run_once(Child("preparation", _command("prepare"))):
            return 0
        for child in _helpers(settings, workers, concurrency):
            supervisor.watch(child)
        return supervisor.serve()
    finally:
        supervisor.stop_all(except_for=redis.child if redis is not None else None)
        if redis is not None:
            redis.close()
        sqlite_log.settle(settings.database_url)


class Supervisor:
    """Keeps children running until it is told to stop."""

    def __init__(self, *, address: tuple[str, int], shown: str | None, demo: bool) -> None:
        self._address = address
        self._shown = shown
        self._demo = demo
        self._watched: list[Watched] = []
        self._events: queue.SimpleQueue[str] = queue.SimpleQueue()
        self._stops = 0
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, self._on_stop)
        signal.signal(signal.SIGCHLD, self._on_child)

    def watch(self, child: Child, *, running: bool = False) -> None:
        """Start `child` (unless it runs) and start it again whenever it ends."""
        if not running:
            child.start()
        self._watched.append(Watched(child, started=time.monotonic()))

    def run_once(self, child: Child) -> bool:
        """Run `child` to its end; return False where a stop comes first. Raises ProcessError where it fails."""
        child.start()
        while child.running:
            if self._stops:
                child.stop()
                return False
            self._wait(1.0)
        if child.exit_code:
            raise ProcessError(f"the {child.name} failed; its last lines above say why")
        return True

    def serve(self) -> int:
        """Look after the children until a stop; return 0. Raises ProcessError where the web never answers."""
        ready, give_up = False, time.monotonic() + READY_SECONDS
        while not self._stops:
            self._start_again()
            if not ready:
                ready = self._announced()
                if not ready and time.monotonic() > give_up:
                    raise ProcessError("the web process does not answer; its lines above say why")
            self._wait(1.0 if ready else 0.05)
        print("aiapp is stopping", file=sys.stderr, flush=True)
        return 0

    def stop_all(self, *, except_for: Child | None) -> None:
        """Stop every child but one. A second Ctrl-C kills what is still there."""
        children = [watched.child for watched in self._watched if watched.child is not except_for]
        for child in children:
            child.terminate()
        stops = self._stops
        for child in children:
            child.stop(hurry=lambda: self._stops > max(stops, 1))

    def _start_again(self) -> None:
        now = time.monotonic()
        for watched in self._watched:
            if watched.due is None and not watched.child.running:
                if now - watched.started > STEADY_SECONDS:
                    watched.delay = FIRST_DELAY
                watched.due = now + watched.delay
                watched.delay = min(watched.delay * 2, LAST_DELAY)
                ended = f"aiapp: {watched.child.name} ended ({_why(watched.child.exit_code)}), starting it again"
                print(ended, file=sys.stderr, flush=True)
            if watched.due is not None and now >= watched.due:
                watched.due, watched.started = None, now
                watched.child.start()

    def _announced(self) -> bool:
        host, port = self._address
        reached = _reached_at(host)
        if not _answers(reached, port):
            return False
        shown = f"[{reached}]" if ":" in reached else reached
        print(f"aiapp is ready at {self._shown or f'http://{shown}:{port}'}", flush=True)
        if self._demo:
            print(f"Sign in with {DEMO_SIGN_IN}. Ctrl-C stops everything.", flush=True)
        return True

    def _wait(self, seconds: float) -> None:
        now = time.monotonic()
        due = [watched.due for watched in self._watched if watched.due is not None]
        try:
            self._events.get(timeout=max(0.0, min([now + seconds, *due]) - now))
        except queue.Empty:
            return

    # SimpleQueue.put may interrupt itself: the one way to wake the loop from a signal handler without a lock.
    def _on_stop(self, signum: int, frame: FrameType | None) -> None:
        self._stops += 1
        self._events.put("stop")

    def _on_child(self, signum: int, frame: FrameType | None) -> None:
        self._events.put("child")


def _web(host: str, port: int) -> Child:
    # It has nothing to hand back: killed with its supervisor, it frees the port at once.
    command = _command("web", "--host", host, "--port", str(port))
    return Child("web", command, orphaned=signal.SIGKILL, grace=STOP_SECONDS + 3)


def _helpers(settings: Settings, workers: int, concurrency: int) -> Sequence[Child]:
    children = [Child("scheduler", _command("scheduler"))]
    for number in range(1, workers + 1):
        name = "worker" if workers == 1 else f"worker {number}"
        command = _command("worker", "--concurrency", str(concurrency))
        children.append(Child(name, command, grace=settings.shutdown_seconds + WORKER_MORE_SECONDS))
    return children


def _command(*words: str) -> list[str]:
    return [sys.executable, "-m", "aiapp.processes.cli", *words]


def _reached_at(host: str) -> str:
    """Return where this machine reaches its own listener on the IP address `host`."""
    address = ipaddress.ip_address(host)
    if address.is_unspecified:
        return "127.0.0.1" if address.version == 4 else "::1"
    return host


def _answers(host: str, port: int) -> bool:
    try:
        with socket.create_connection((host, port), timeout=2) as connection:
            connection.sendall(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
            return b" 200 " in connection.recv(64)
    except OSError:
        return False


def _why(code: int | None) -> str:
    if code is None or code >= 0:
        return f"exit code {code}"
    return signal.Signals(-code).name
