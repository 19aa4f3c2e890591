"""Workers in threads, supervisors in processes, and how to look at them."""

from __future__ import annotations

import http.client
import importlib
import json
import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

from aiapp.processes.threaded import ThreadedWorker

JOBS = "job_functions"


def eventually(fact: Callable[[], object], seconds: float = 30) -> bool:
    """Wait until `fact` is true; say whether it became so."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if fact():
            return True
        time.sleep(0.02)
    return bool(fact())


def perform(function: str, arguments: list[str]) -> None:
    module, _, name = function.rpartition(".")
    getattr(importlib.import_module(module), name)(*arguments)


class Running:
    """A ThreadedWorker that serves in a thread of its own."""

    def __init__(self, worker: ThreadedWorker) -> None:
        self.worker = worker
        self.ended_well: bool | None = None
        self._thread = threading.Thread(target=self._serve)
        self._thread.start()

    def _serve(self) -> None:
        self.ended_well = self.worker.serve()

    def stop(self) -> bool | None:
        self.worker.stop()
        self._thread.join(30)
        assert not self._thread.is_alive()
        return self.ended_well


def alive(pid: int) -> bool:
    """Whether the process runs (a zombie that nobody has fetched yet does not)."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def parent(pid: int) -> int:
    """The process id of the parent; 0 where the process is gone."""
    try:
        return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])
    except OSError:
        return 0


def family(pid: int) -> dict[int, str]:
    """The living descendants of `pid` with their command lines."""
    parents = {int(entry.name): parent(int(entry.name)) for entry in Path("/proc").iterdir() if entry.name.isdigit()}
    found: dict[int, str] = {}
    wanted = {pid}
    while wanted:
        wanted = {child for child, its in parents.items() if its in wanted}
        for child in wanted:
            if alive(child):
                found[child] = Path(f"/proc/{child}/cmdline").read_bytes().replace(b"\0", b" ").decode()
    return found


class Up:
    """`aiapp up` in a process of its own, in a home of its own."""

    def __init__(self, home: Path, port: int, *arguments: str, **environ: str) -> None:
        self.home, self.port = home, port
        self.log = home.parent / f"{home.name}.log"
        # Bytecode is kept, whatever this machine thinks of it: otherwise each of the processes compiles everything again.
        unwanted = {"DATABASE_URL", "REDIS_URL", "PYTHONDONTWRITEBYTECODE"}
        environment = {
            **{name: value for name, value in os.environ.items() if name not in unwanted},
            "AIAPP_HOME": str(home),
            "AIAPP_PORT": str(port),
            **environ,
        }
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "aiapp.processes.cli", "up", *arguments],
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    def output(self) -> str:
        return self.log.read_text()

    def wait_ready(self) -> None:
        assert eventually(lambda: "aiapp is ready at" in self.output() or self.process.poll() is not None, 90)
        assert self.process.poll() is None, self.output()
        self.port = int(re.findall(r"aiapp is ready at http://127.0.0.1:(\d+)", self.output())[0])
        assert eventually(lambda: self.ready() == (200, []), 60), self.output()

    def ready(self) -> tuple[int, list[str]]:
        """What /readyz answers: the status and the parts that are missing."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=10)
        try:
            connection.request("GET", "/readyz")
            response = connection.getresponse()
            return response.status, json.loads(response.read())["missing"]
        except (OSError, http.client.HTTPException):
            return 0, ["web"]
        finally:
            connection.close()

    def children(self, word: str) -> list[int]:
        """The process ids of the supervisor's own children whose command line has `word`."""
        lines = family(self.process.pid)
        return sorted(pid for pid, line in lines.items() if word in line and parent(pid) == self.process.pid)

    def stop(self, number: int = signal.SIGTERM) -> int:
        """Send the signal and return the exit code."""
        if self.process.poll() is None:
            self.process.send_signal(number)
        return self.process.wait(60)

    def end(self) -> None:
        """Kill what is left of it."""
        left = family(self.process.pid)
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait(10)
        for pid in left:
            if alive(pid):
                os.kill(pid, signal.SIGKILL)
