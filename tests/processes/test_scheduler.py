"""Schedulers: one leads, the next one takes over, and lost rows are looked for whatever happens to Redis."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest
import sqlalchemy as sa

from aiapp import create_app, queue
from aiapp.api.models import IdempotencyKey
from aiapp.columns import new_id, now
from aiapp.executions import actions as executions
from aiapp.executions.submission import Submission
from aiapp.extensions import connect_redis, db
from aiapp.processes import scheduler as module
from aiapp.processes import sharing
from aiapp.processes.scheduler import LEAD_KEY, Duty, Scheduler

RUN = "aiapp.executions.jobs.run"


@pytest.fixture
def sweeps():
    return []


@pytest.fixture
def make(app, connection, sweeps, monkeypatch):
    monkeypatch.setattr(module, "HOLD_SECONDS", 0)

    def make(name="only", seconds=0):
        return Scheduler(app, connection, [Duty(lambda: sweeps.append(name) or 0, seconds)])

    return make


def test_of_two_schedulers_one_leads(make, sweeps):
    first, second = make("first"), make("second")
    for _ in range(3):
        first.tick()
        second.tick()
    assert (first.leads, second.leads) == (True, False)
    assert set(sweeps) == {"first"}


def test_another_one_leads_once_the_leader_is_gone(make, connection, sweeps):
    first, second = make("first"), make("second")
    first.tick()
    assert 0 < connection.pttl(LEAD_KEY) <= 12_000
    connection.delete(LEAD_KEY)  # as when a dead leader's time is over
    second.tick()
    first.tick()
    assert (first.leads, second.leads) == (False, True)
    assert sweeps == ["first", "second"]


def test_a_leader_that_stops_makes_way_at_once(make, connection):
    first = make()
    first.tick()
    first.stop()
    first.serve()
    assert connection.get(LEAD_KEY) is None


def test_one_that_does_not_lead_leaves_the_leader_in_place(make, connection):
    leader, other = make(), make()
    leader.tick()
    token = connection.get(LEAD_KEY)
    other.tick()
    other.stop()
    other.serve()
    assert connection.get(LEAD_KEY) == token


def test_the_leader_moves_what_is_due(make, app, connection):
    row_id = new_id()
    with app.app_context():
        queue.enqueue_at(RUN, row_id, new_id(), now() - timedelta(seconds=1), priority="low")
        make().tick()
        assert queue.waiting() == {row_id}


def test_a_sweep_comes_as_often_as_the_settings_say(make, sweeps):
    scheduler = make(seconds=3600)
    for _ in range(3):
        scheduler.tick()
    assert len(sweeps) == 1


def test_a_flushed_redis_makes_the_leader_sweep_at_once(make, connection, sweeps):
    scheduler = make(seconds=3600)
    scheduler.tick()
    connection.flushall()
    scheduler.tick()
    assert scheduler.leads
    assert len(sweeps) == 2


def test_without_redis_nobody_leads_and_everybody_sweeps(settings, tmp_path, sweeps):
    away = replace(settings, redis_url=f"unix://{tmp_path}/none.sock")
    for name in ("first", "second"):
        duty = Duty(lambda name=name: sweeps.append(name) or 0, 3600)
        scheduler = Scheduler(create_app(away), connect_redis(away), [duty])
        scheduler.tick()
        scheduler.tick()
        assert not scheduler.leads
    assert sweeps == ["first", "second"]


def test_a_duty_that_fails_is_tried_again_and_stops_no_other(app, connection, sweeps):
    tries = []

    def sweep():
        tries.append(1)
        raise OSError("the disk is full")

    scheduler = Scheduler(app, connection, [Duty(sweep, 0), Duty(lambda: sweeps.append("other") or 0, 0)])
    scheduler.tick()
    scheduler.tick()
    assert (len(tries), len(sweeps)) == (2, 2)


def test_lost_executions_are_found_and_old_idempotency_keys_forgotten(app, team, settings, connection, monkeypatch):
    monkeypatch.setattr(module, "create_app", lambda settings: app)  # one of its own would keep its connections open
    with app.app_context():
        bob = team.access("bob")
        row = executions.submit(bob, Submission(template="Hi"))
        for key, age in (("old", 25), ("young", 23)):
            old = now() - timedelta(hours=age)
            db.session.add(IdempotencyKey(workspace_id=team.acme_id, key=key, request_hash="x", created_at=old))
        db.session.commit()
        connection.flushall()
        module.make(settings).tick()
        db.session.rollback()
        assert queue.waiting() == {row.id}
        assert db.session.scalars(sa.select(IdempotencyKey.key)).all() == ["young"]


def test_what_a_worker_took_and_never_started_goes_back_on_its_queue(make, app, connection, monkeypatch):
    row_id, workspace_id = new_id(), new_id()
    with app.app_context():
        queue.enqueue(RUN, row_id, workspace_id, priority="high")
        turns = sharing.Turns(connection, 1)
        assert turns.take(queue.queues(connection), sharing.Standing(1, {}, 0))[0]
        monkeypatch.setattr(module, "TIDY_SECONDS", 0)
        scheduler = make()
        scheduler.tick()
        assert queue.waiting() == set()  # it may be a worker's that is just about to start it
        monkeypatch.setattr(module, "STRAY_SECONDS", 0)
        scheduler.tick()
        assert queue.waiting() == {row_id}
    assert connection.llen("rq:queue:high:intermediate") == 0
    assert connection.llen(queue.wake_key("high")) >= 1
