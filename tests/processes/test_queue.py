"""Enqueuing: what lies in Redis, and what happens while Redis does not answer."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import timedelta

import pytest
from rq.job import Job

from aiapp import create_app, queue, queue_figures
from aiapp.columns import new_id, now
from aiapp.errors import Unavailable

RUN = "aiapp.executions.jobs.run"
HERE, THERE = new_id(), new_id()


@pytest.fixture
def inside(app, connection):
    with app.app_context():
        yield connection


@pytest.fixture
def without_redis(settings, tmp_path):
    app = create_app(replace(settings, redis_url=f"unix://{tmp_path}/none.sock"))
    with app.app_context():
        yield


def test_a_delivery_holds_the_function_and_the_id_as_json_and_nothing_else(inside):
    row_id = new_id()
    queue.enqueue(RUN, row_id, HERE, priority="high")
    (job_id,) = inside.lrange(queue.line_key("high", HERE), 0, -1)
    job = Job.fetch(job_id.decode(), connection=inside, serializer=queue.JSONSerializer)
    assert json.loads(job.data) == [RUN, None, [row_id], {}]
    assert job.description == RUN
    assert queue.row_and_workspace(job_id) == (row_id, HERE)


def test_depth_counts_by_priority_and_waiting_names_the_rows(inside):
    urgent, other = new_id(), new_id()
    queue.enqueue(RUN, urgent, HERE, priority="high")
    queue.enqueue_many(RUN, [(other, HERE), (other, THERE)], priority="low")
    assert queue.depth() == {"high": 1, "default": 0, "low": 2}
    assert queue.depth_of(HERE) == {"high": 1, "default": 0, "low": 1}
    assert queue.waiting() == {urgent, other}
    assert queue.waiting(["low"]) == {other}


def test_nothing_to_enqueue_is_no_error(inside):
    queue.enqueue_many(RUN, [])
    assert queue.depth() == {"high": 0, "default": 0, "low": 0}


def test_the_wake_up_tokens_are_bounded_though_nobody_takes_them(inside):
    for _ in range(3):
        queue.enqueue_many(RUN, [(new_id(), HERE) for _ in range(50)])
    assert inside.llen(queue.wake_key("default")) == queue.WAKE_TOKENS


def test_a_delayed_delivery_moves_to_its_queue_once_it_is_due(inside):
    due, later = new_id(), new_id()
    queue.enqueue_at(RUN, due, HERE, now() - timedelta(seconds=1), priority="high")
    queue.enqueue_at(RUN, later, HERE, now() + timedelta(hours=1))
    assert queue.move_due(inside) == 1
    assert queue.waiting() == {due}
    assert queue.depth()["high"] == 1
    assert queue.move_due(inside) == 0


def test_a_delayed_delivery_that_cannot_be_read_does_not_stop_the_others(inside):
    inside.zadd(queue.LATER, {"nonsense": 1, '["urgent", "f", "x"]': 2})
    row_id = new_id()
    queue.enqueue_at(RUN, row_id, HERE, now())
    queue.move_due(inside)
    assert queue.waiting() == {row_id}
    assert inside.zcard(queue.LATER) == 0


def test_asking_twice_for_a_delayed_delivery_moves_its_time(inside):
    row_id = new_id()
    queue.enqueue_at(RUN, row_id, HERE, now() + timedelta(hours=1))
    queue.enqueue_at(RUN, row_id, HERE, now() - timedelta(seconds=1))
    assert queue.move_due(inside) == 1
    assert inside.zcard(queue.LATER) == 0


def test_without_redis_enqueuing_is_refused_or_said_to_have_failed(without_redis):
    with pytest.raises(Unavailable) as refused:
        queue.enqueue(RUN, new_id(), HERE)
    assert refused.value.code == "queue_unavailable"
    assert refused.value.retry_after
    for ask in (
        queue.depth,
        queue.waiting,
        queue.workers,
        queue_figures.living,
        lambda: queue_figures.crashed(5),
        lambda: queue.depth_of(HERE),
    ):
        with pytest.raises(Unavailable):
            ask()
    with pytest.raises(Unavailable):
        queue.enqueue_at(RUN, new_id(), HERE, now())
    assert queue.try_enqueue(RUN, new_id(), HERE) is False


def test_a_priority_that_does_not_exist_is_a_mistake_of_the_caller(inside):
    with pytest.raises(ValueError, match="urgent"):
        queue.enqueue(RUN, new_id(), HERE, priority="urgent")


def test_nobody_counts_as_a_worker_when_none_is_there(inside):
    assert queue.workers() == 0


def test_what_another_release_left_on_the_lists_of_rq_is_dropped(inside):
    plain = queue.queues(inside, ["low"])[0]
    made = [plain.enqueue_call("aiapp.executions.jobs.run", args=["a"]), plain.enqueue_call("elsewhere.job")]
    assert queue.drop_plain(plain) == 2
    assert plain.count == 0
    assert not inside.exists(*(job.key for job in made))
    assert queue.drop_plain(plain) == 0
