"""The long form: many executions through a storm, on the database that AIAPP_TEST_DATABASE_URL names, else on SQLite.

`python tests/chaos/chaos.py [EXECUTIONS [A_SECOND]]`; prints its figures, exit code 1 where a promise was broken.
"""

from __future__ import annotations

import os
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "processes"))

from blows import Storm
from faults import FaultyProvider
from office import Crowd, Office, audit, database_of
from stage import Up, eventually

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
                figures = storm(up, office, executions, rate)
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


def storm(up: Up, office: Office, executions: int, rate: float) -> dict[str, object]:
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
    assert up.stop() == 0
    return {
        "blows": dict(storm.struck.most_common()),
        "asked again": dict(office.refused),
        "slowest answer": f"{office.slowest:.1f} s",
        "storm": f"{calm - begun:.0f} s",
        "until all had ended": f"{ended - calm:.0f} s",
        **audit(office),
    }


if __name__ == "__main__":
    given = [float(each) for each in sys.argv[1:]]
    main(int(given[0]) if given else 1000, given[1] if len(given) > 1 else 5.0)
