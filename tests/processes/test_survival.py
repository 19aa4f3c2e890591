"""The whole of `aiapp up` under blows: an execution that was accepted ends, and ends once."""

from __future__ import annotations

import os
import signal
from collections import Counter

import pytest
import sqlalchemy as sa
from redis import Redis
from stage import alive, eventually

from aiapp import config, create_app
from aiapp.accounts.actions import create_user
from aiapp.credentials import actions as credentials
from aiapp.executions import actions as executions
from aiapp.executions.models import Execution
from aiapp.executions.submission import Submission
from aiapp.extensions import db, reading
from aiapp.workspaces import actions as workspaces
from aiapp.workspaces.access import Access

pytestmark = [pytest.mark.processes, pytest.mark.timeout(300)]

# Short, so that what was lost is found while the test waits.
SETTINGS = {"AIAPP_LEASE_SECONDS": "3", "AIAPP_SWEEP_SECONDS": "1", "AIAPP_SHUTDOWN_SECONDS": "1"}


class Office:
    """Somebody who submits executions to the `aiapp up` of a home, and looks at them."""

    def __init__(self, home):
        app = create_app(config.load({"AIAPP_HOME": str(home), "AIAPP_LOG_LEVEL": "error"}))
        self.context = app.app_context()
        self.context.push()
        owner = create_user("alice@example.com", "Alice", "correct horse battery")
        self.access = Access(workspaces.create("Acme", owner, "acme"), owner, "owner")
        values = {"provider": "demo", "name": "slow", "preferred_model": "demo-slow", "is_default": True}
        credentials.create(self.access, values)
        self.submitted: list[str] = []

    def submit(self, count):
        for _ in range(count):
            row = executions.submit(self.access, Submission(template="Say something, please."))
            self.submitted.append(row.id)

    def statuses(self):
        with reading():  # a look shall not keep the workers from writing
            try:
                rows = db.session.execute(sa.select(Execution.status).where(Execution.id.in_(self.submitted)))
                return Counter(rows.scalars())
            finally:
                db.session.remove()

    def all_ended_well(self):
        return eventually(lambda: self.statuses() == {"completed": len(self.submitted)}, 120)

    def close(self):
        db.session.remove()
        db.engine.dispose()
        self.context.pop()


@pytest.fixture
def office():
    opened = []

    def start(home):
        opened.append(Office(home))
        return opened[-1]

    yield start
    for each in opened:
        each.close()


def test_killed_workers_a_killed_redis_a_flush_and_a_restart_lose_nothing(up, office):
    running = up(**SETTINGS)
    running.wait_ready()
    people = office(running.home)
    people.submit(5)
    assert eventually(lambda: people.statuses()["processing"] == 5)
    (worker,) = running.children("cli worker")
    os.kill(worker, signal.SIGKILL)
    people.submit(5)
    (redis,) = running.children("redis-server")
    os.kill(redis, signal.SIGKILL)
    assert eventually(lambda: not alive(redis))
    people.submit(5)  # accepted without a Redis
    assert eventually(lambda: running.ready() == (200, []), 60)
    people.submit(5)
    Redis.from_url(f"unix://{config.redis_socket(running.home)}").flushall()
    assert people.all_ended_well(), (people.statuses(), running.output())
    people.submit(5)
    assert eventually(lambda: people.statuses()["processing"] == 5)
    assert running.stop() == 0
    assert people.statuses() == {"completed": 20, "pending": 5}  # handed back, not left to its lease
    running = up(**SETTINGS)
    running.wait_ready()
    assert people.all_ended_well(), (people.statuses(), running.output())
