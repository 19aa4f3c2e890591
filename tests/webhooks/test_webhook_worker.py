"""The real worker process: killed in mid-delivery, it loses nothing."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time

import pytest
from standardwebhooks import Webhook as Verifier

from aiapp.webhooks import sweeper

pytestmark = [pytest.mark.processes, pytest.mark.timeout(300)]


@pytest.fixture
def start_worker(settings, tmp_path):
    started = []

    def start():
        environment = {
            **os.environ,
            "AIAPP_HOME": str(settings.home),
            "DATABASE_URL": settings.database_url,
            "REDIS_URL": settings.redis_url,
            "AIAPP_OUTBOUND_ALLOW": ",".join(settings.outbound_allow),
            "AIAPP_LEASE_SECONDS": str(settings.lease_seconds),
        }
        with (tmp_path / "worker.log").open("ab") as log:
            command = [sys.executable, "-m", "aiapp.processes.cli", "worker", "--concurrency", "4"]
            started.append(subprocess.Popen(command, env=environment, stdin=subprocess.DEVNULL, stdout=log, stderr=log))
        return started[-1]

    start.log = lambda: (tmp_path / "worker.log").read_text()
    yield start
    for process in started:
        if process.poll() is None:
            process.kill()
            process.wait(30)


def test_a_worker_that_is_killed_in_mid_delivery_has_it_delivered_by_the_next_one(office, start_worker):
    office.add()
    arrived, release = threading.Event(), threading.Event()
    office.receiver.before = lambda got: (arrived.set(), release.wait(60))
    worker = start_worker()
    (delivery_id,) = office.announce()
    assert arrived.wait(60), start_worker.log()
    worker.send_signal(signal.SIGKILL)
    worker.wait(30)
    release.set()
    assert office.row(delivery_id).state == "sending"
    start_worker()
    deadline = time.monotonic() + 90
    while office.row(delivery_id).state != "delivered" and time.monotonic() < deadline:
        sweeper.sweep_webhooks()  # as the scheduler does
        time.sleep(0.2)
    row = office.row(delivery_id)
    assert (row.state, row.attempts) == ("delivered", 2), start_worker.log()
    assert [got.headers["webhook-id"] for got in office.receiver.got] == [delivery_id] * 2
    Verifier(office.secret).verify(office.receiver.got[1].body, office.receiver.got[1].headers)
    assert office.secret.removeprefix("whsec_") not in start_worker.log()
