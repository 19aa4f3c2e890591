"""What is tried: `aiapp up --demo` in a home of its own."""

from __future__ import annotations

import http.client
import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

EMAIL, PASSWORD = "demo@example.com", "demo"
READY_SECONDS = 120.0


class Product:
    """A running `aiapp up --demo`. `address` is its base URL."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self.log = home.with_suffix(".log")
        # Bytecode is kept, whatever this machine thinks of it: otherwise each of the processes compiles everything again.
        unwanted = {"DATABASE_URL", "REDIS_URL", "PYTHONDONTWRITEBYTECODE"}
        environment = {name: value for name, value in os.environ.items() if name not in unwanted}
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "aiapp.processes.cli", "up", "--demo", "--port", "0"],
                env={**environment, "AIAPP_HOME": str(home)},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        try:
            self.address = self._address()
            self._wait_for_workers()
        except BaseException:
            self.kill()
            raise

    def output(self) -> str:
        return self.log.read_text(encoding="utf-8")

    def processes(self) -> dict[int, str]:
        """Every living process that works in this home, with its command line."""
        found = {}
        for entry in Path("/proc").iterdir():
            try:
                ours = entry.name.isdigit() and os.fsencode(self.home) in (entry / "environ").read_bytes()
                command = (entry / "cmdline").read_bytes() if ours else b""
            except OSError:
                continue
            if command:
                found[int(entry.name)] = command.replace(b"\0", b" ").decode()
        return found

    def make_administrator(self, email: str, password: str) -> None:
        """Make a system administrator, by the command that there is for it."""
        command = [sys.executable, "-m", "aiapp.processes.cli", "user", "create", email, "--password-stdin", "--admin"]
        environment = {**os.environ, "AIAPP_HOME": str(self.home)}
        subprocess.run(command, input=password, text=True, env=environment, check=True, capture_output=True)

    def stop(self) -> int:
        """Stop it as Ctrl-C would; return the exit code."""
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(60)

    def kill(self) -> None:
        """End what is left of it."""
        for pid in self.processes():
            os.kill(pid, signal.SIGKILL)
        self.process.wait(10)

    def _address(self) -> str:
        give_up = time.monotonic() + READY_SECONDS
        while time.monotonic() < give_up and self.process.poll() is None:
            ready = re.search(r"aiapp is ready at (\S+)", self.output())
            if ready:
                return ready[1]
            time.sleep(0.05)
        raise RuntimeError(f"the product did not start:\n{self.output()}")

    def _wait_for_workers(self) -> None:
        host = self.address.removeprefix("http://")
        give_up = time.monotonic() + READY_SECONDS
        while time.monotonic() < give_up:
            connection = http.client.HTTPConnection(host, timeout=10)
            connection.request("GET", "/readyz")
            answer = json.loads(connection.getresponse().read())
            connection.close()
            if not answer["missing"]:
                return
            time.sleep(0.1)
        raise RuntimeError(f"the product is not whole: {answer['missing']}\n{self.output()}")
