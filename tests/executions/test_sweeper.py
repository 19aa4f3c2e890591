"""What Redis forgot and what lost workers left is found again, once each."""

from __future__ import annotations

from datetime import timedelta

from redis import Redis
from scripted_provider import says

from aiapp import queue
from aiapp.columns import now
from aiapp.executions import sweeper
from aiapp.executions.sweeper import sweep
from aiapp.extensions import redis


def test_a_forgotten_queue_is_filled_again_in_order_and_by_priority(engine):
    ids = {priority: [engine.submit(priority=priority) for _ in range(3)] for priority in queue.PRIORITIES}
    redis().flushall()
    assert sweep() == 9
    assert queue.depth() == {"high": 3, "default": 3, "low": 3}
    waiting = [
        job_id.decode().split("_")[0] for job_id in redis().lrange(queue.line_key("high", engine.team.acme_id), 0, -1)
    ]
    assert waiting == ids["high"]


def test_what_is_on_a_queue_already_is_left_alone(engine):
    for _ in range(3):
        engine.submit()
    assert sweep() == 0
    assert queue.depth()["default"] == 3


def test_what_is_not_due_yet_waits_and_what_is_due_is_delivered(engine):
    later, soon = engine.submit(), engine.submit()
    engine.change(later, next_attempt_at=now() + timedelta(seconds=60))
    engine.change(soon, next_attempt_at=now() - timedelta(seconds=1))
    redis().flushall()
    assert sweep() == 1
    assert queue.waiting() == {soon}


def test_a_row_of_a_lost_worker_is_delivered_and_one_of_a_live_worker_is_not(engine, provider):
    engine.credential("first")
    provider.on("first", says("After all."))
    lost, alive = engine.submit(), engine.submit()
    past, future = now() - timedelta(seconds=1), now() + timedelta(seconds=60)
    engine.change(lost, status="processing", lease_owner="gone", lease_until=past)
    engine.change(alive, status="processing", lease_owner="there", lease_until=future)
    redis().flushall()
    assert sweep() == 1
    assert queue.waiting() == {lost}
    assert engine.run(lost).output == "After all."


def test_what_was_cancelled_under_a_worker_that_died_ends_cancelled(engine):
    execution_id = engine.submit()
    past = now() - timedelta(seconds=1)
    engine.change(execution_id, status="processing", lease_owner="gone", lease_until=past, cancel_requested_at=past)
    redis().flushall()
    assert sweep() == 1
    row = engine.row(execution_id)
    assert (row.status, row.error_class, row.lease_owner) == ("cancelled", "cancelled", None)
    assert queue.waiting() == set()
    assert sweep() == 0


def test_ended_rows_are_never_delivered(engine):
    engine.credential("first")
    engine.run(engine.submit())
    redis().flushall()
    assert sweep() == 0


def test_more_rows_than_one_batch_are_all_delivered(engine, monkeypatch):
    monkeypatch.setattr(sweeper, "BATCH", 2)
    for _ in range(5):
        engine.submit()
    redis().flushall()
    assert sweep() == 5
    assert sweep() == 0


def test_an_absent_redis_is_no_error(engine, stage, monkeypatch):
    engine.submit()
    away = Redis.from_url("unix:///nowhere/redis.sock", socket_connect_timeout=1)
    monkeypatch.setitem(stage.extensions, "aiapp.redis", away)
    assert sweep() == 0
