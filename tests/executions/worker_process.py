"""The real `aiapp worker` in a process of its own, for tests that kill it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

from aiapp import config


def eventually(fact: Callable[[], object], seconds: float = 60) -> bool:
    """Wait until `fact` is true; say whether it became so."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if fact():
            return True
        time.sleep(0.05)
    return bool(fact())


class WorkerProcess:
    """`aiapp worker` on the database, the Redis and the home of the app under test."""

    def __init__(self, settings: config.Settings, log: Path, **environ: str) -> None:
        self._log = log
        environment = {
            **os.environ,
            "AIAPP_HOME": str(settings.home),
            "DATABASE_URL": settings.database_url,
            "REDIS_URL": settings.redis_url,
            "AIAPP_OUTBOUND_ALLOW": ",".join(sorted(settings.outbound_allow)),
            "AIAPP_RETRY_BASE_SECONDS": "0",
            "AIAPP_LEASE_SECONDS": str(settings.lease_seconds),
            **environ,
        }
        with log.open("ab") as output:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "aiapp.processes.cli", "worker", "--concurrency", "8"],
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
            )

    def output(self) -> str:
        return self._log.read_text()

    def kill(self) -> None:
        """As the kernel does when memory is short: no last word."""
        self.process.send_signal(signal.SIGKILL)
        self.process.wait(30)

    def terminate(self) -> int:
        """As a deployment does; returns the exit code."""
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(60)

    def close(self) -> None:
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait(30)
