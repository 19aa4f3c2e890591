"""Workers in threads, supervisors in processes, and how to look at them."""

from __future__ import annotations

import importlib
import os
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


def family(pid: int) -> dict[int, str]:
    """The living descendants of `pid` with their command lines."""
    parents: dict[int, int] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                parents[int(entry.name)] = int((entry / "stat").read_text().rpartition(")")[2].split()[1])
            except OSError:
                continue
    found: dict[int, str] = {}
    wanted = {pid}
    while wanted:
        wanted = {child for child, parent in parents.items() if parent in wanted}
        for child in wanted:
            if alive(child):
                found[child] = Path(f"/proc/{child}/cmdline").read_bytes().replace(b"\0", b" ").decode()
    return found


class Up:
    """`aiapp up` in a process of its own, in a home of its own."""

    def __init__(self, home: Path, port: int, *arguments: str, **environ: str) -> None:
        self.home, self.port = home, port
        self.log = home.parent / f"{home.name}.log"
        environment = {
            **{name: value for name, value in os.environ.items() if name not in {"DATABASE_URL", "REDIS_URL"}},
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

    def child(self, word: str) -> int:
        """The process id of the child whose command line has `word`; waits until there is one."""
        found: list[int] = []

        def look() -> bool:
            found[:] = [pid for pid, line in family(self.process.pid).items() if word in line]
            return bool(found)

        assert eventually(look), f"no {word}: {self.output()}"
        return min(found)

    def stop(self, number: int = signal.SIGTERM) -> int:
        """Send the signal and return the exit code."""
        if self.process.poll() is None:
            self.process.send_signal(number)
        return self.process.wait(60)
