"""The long form: many executions through a storm, on the database that AIAPP_TEST_DATABASE_URL names, else on SQLite.

`python tests/chaos/chaos.py [EXECUTIONS [A_SECOND]]`; prints its figures, exit code 1 where a promise was broken.
"""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1] / "processes"))

from blows import Storm
from faults import FaultyProvider
from office import Crowd, Office, audit, database_of
from stage import Up, eventually

from aiapp import config

# Short, so that what was lost is found while somebody waits.
SETTINGS = {
    "AIAPP_LEASE_SECONDS": "4",
    "AIAPP_SWEEP_SECONDS": "1",
    "AIAPP_SHUTDOWN_SECONDS": "1",
    "AIAPP_RETRY_BASE_SECONDS": "0.1",
    "AIAPP_RETRY_MAX_SECONDS": "3",
    "AIAPP_CONNECT_TIMEOUT": "2",
    "AIAPP_IDLE_TIMEOUT": "2",
    "AIAPP_TOTAL_TIMEOUT": "4",
    "AIAPP_MAX_RESPONSE_BYTES": "1000000",
    "AIAPP_HEALTH_CHECK_SECONDS": "0",
    "AIAPP_LOG_LEVEL": "warning",
}
SLUGS = ("acme", "rival", "third")
PATIENCE = 180
HOUR = 3600
WRONG_CLOCK = Path(__file__).with_name("wrong_clock.py")


@contextmanager
def worker_off_by(seconds: float, up: Up, environ: Mapping[str, str]) -> Iterator[Path]:
    """A worker beside the others whose clock is wrong; yields its log."""
    told = up.home.parent / f"worker{seconds:+.0f}.log"
    own = {"AIAPP_HOME": str(up.home), "REDIS_URL": f"unix://{config.redis_socket(up.home)}", "AIAPP_LOG_LEVEL": "info"}
    with told.open("wb") as log:
        command = [sys.executable, str(WRONG_CLOCK), str(seconds), "worker", "--concurrency", "8"]
        worker = subprocess.Popen(command, env={**os.environ, **environ, **own}, stdout=log, stderr=log)
    try:
        yield told
        worker.terminate()
        assert worker.wait(30) == 0, told.read_text()[-4000:]
    finally:
        if worker.poll() is None:
            worker.kill()
            worker.wait()


def completed_by(log: Path) -> int:
    """How many executions the worker of this log has completed."""
    return log.read_text().count('"event": "execution.completed"')


def connections(port: int) -> int:
    """How many connections the server on this port still has, those among them whose other side has gone."""
    rows = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:]]
    return sum(int(row[1].rpartition(":")[2], 16) == port and row[3] in ("01", "08") for row in rows)


def main(executions: int, rate: float) -> None:
    """Run the storm and print what came of it."""
    url = os.environ.get("AIAPP_TEST_DATABASE_URL")
    provider = FaultyProvider()
    with tempfile.TemporaryDirectory(prefix="aiapp-chaos-") as folder:
        home = Path(folder) / "home"
        settings = {**SETTINGS, "AIAPP_OUTBOUND_ALLOW": provider.origin, "DATABASE_URL": database_of(home, url)}
        up = Up(home, 0, "--workers", "3", "--concurrency", "20", **settings)
        try:
            up.wait_ready()
            office = Office({"AIAPP_HOME": str(home), "DATABASE_URL": settings["DATABASE_URL"]}, provider, SLUGS)
            try:
                with contextlib.ExitStack() as late:
                    clocks = {off: late.enter_context(worker_off_by(off, up, settings)) for off in (-HOUR, HOUR)}
                    figures = storm(up, office, executions, rate)
                figures["done an hour off"] = {off: completed_by(log) for off, log in clocks.items()}
                assert all(figures["done an hour off"].values()), figures
            finally:
                office.close()
            print(f"{'PostgreSQL' if url else 'SQLite'}:")
            for name, value in figures.items():
                print(f"  {name:20}{value}")
        except BaseException:
            print("".join(up.output().splitlines(keepends=True)[-200:]), file=sys.stderr)
            raise
        finally:
            up.end()
            provider.close()


def storm(up: Up, office: Office, executions: int, rate: float) -> dict[str, Any]:
    """Submit through the storm, wait for the end of every execution, and return the audited figures."""
    for slug in SLUGS:
        for name in "abc":
            office.credential(slug, f"{slug}/{name}")
    begun = time.monotonic()
    storm = Storm(up, office, pause=2.0, away=10.0)
    crowd = Crowd(office, up.port, executions, rate, SLUGS)
    storm.rage(while_=crowd.busy)
    crowd.join()
    calm = time.monotonic()
    assert eventually(office.ended, PATIENCE), office.statuses()
    ended = time.monotonic()
    assert eventually(lambda: not connections(up.port), PATIENCE), "who left in mid-stream still has a connection"
    assert up.stop() == 0
    return {
        "blows": dict(storm.struck.most_common()),
        "asked again": dict(office.refused),
        "slowest answer": f"{office.slowest:.1f} s",
        "with a full disk": f"{storm.slowest_without_room:.1f} s",
        "storm": f"{calm - begun:.0f} s",
        "until all had ended": f"{ended - calm:.0f} s",
        **audit(office),
    }


if __name__ == "__main__":
    given = [float(each) for each in sys.argv[1:]]
    main(int(given[0]) if given else 1000, given[1] if len(given) > 1 else 5.0)
