"""Fair shares over a real Redis: workspaces take turns, nobody has all slots, and what is closed is left where it is."""

from __future__ import annotations

import job_functions
import pytest
from rq.registry import StartedJobRegistry
from rq.serializers import JSONSerializer
from stage import JOBS, eventually

from aiapp import queue, queue_figures
from aiapp.columns import new_id, now
from aiapp.processes import threaded
from aiapp.processes.sharing import Standing, Turns

ACME, RIVAL, OTHER = new_id(), new_id(), new_id()


def enqueue(connection, function, number, workspace_id, priority="default"):
    rows = [(new_id(), workspace_id) for _ in range(number)]
    with connection.pipeline() as pipeline:
        queue.push(pipeline, connection, f"{JOBS}.{function}", rows, priority)
        pipeline.execute()
    return [row_id for row_id, _ in rows]


def running(connection):
    """How many jobs each workspace has in flight."""
    jobs = StartedJobRegistry("default", connection=connection).get_job_ids(cleanup=False)
    workspaces = [queue.row_and_workspace(job_id)[1] for job_id in jobs]
    return {workspace_id: workspaces.count(workspace_id) for workspace_id in workspaces}


@pytest.fixture
def take(connection):
    """Take so many deliveries in one call; the workspaces that they are of, in their order."""

    def take(free, slots=None, concurrency=1000):
        turns = Turns(connection, concurrency)
        ids, _ = turns.take(queue.queues(connection), Standing(free, slots or {}, 0))
        return [queue.row_and_workspace(job_id)[1] for job_id in ids]

    return take


def test_one_job_behind_ten_thousand_of_another_workspace_is_among_the_next(connection, start_worker):
    enqueue(connection, "held", 10_000, ACME)
    start_worker(concurrency=4)
    for _ in range(4):
        assert job_functions.started.acquire(timeout=30)
    enqueue(connection, "instant", 1, RIVAL)
    job_functions.go_on.set()
    assert eventually(lambda: not connection.exists(queue.line_key("default", RIVAL)))
    assert connection.llen(queue.line_key("default", ACME)) > 9_000


def test_workspaces_take_turns_and_a_new_one_waits_one_round_at_most(connection, take):
    for workspace_id in (ACME, RIVAL):
        enqueue(connection, "instant", 3, workspace_id)
    assert take(3) == [ACME, RIVAL, ACME]
    enqueue(connection, "instant", 1, OTHER)
    assert take(3) == [RIVAL, ACME, OTHER]
    assert take(3) == [RIVAL]
    assert connection.keys("aiapp:waiting:*") == []


def test_what_one_workspace_has_waiting_is_taken_in_its_order(connection, start_worker):
    ids = enqueue(connection, "instant", 5, ACME)
    start_worker(concurrency=1)
    assert eventually(lambda: job_functions.runs == ids)


def test_what_is_urgent_goes_first_whose_turn_it_may_be(connection, take):
    enqueue(connection, "instant", 1, RIVAL)
    enqueue(connection, "instant", 2, ACME, "high")
    enqueue(connection, "instant", 1, OTHER, "low")
    assert take(4) == [ACME, ACME, RIVAL, OTHER]


def test_hanging_jobs_of_one_workspace_leave_room_for_another(connection, start_worker):
    enqueue(connection, "held", 30, ACME)
    start_worker(concurrency=16)
    assert eventually(lambda: running(connection) == {ACME: 14})
    (row_id,) = enqueue(connection, "instant", 1, RIVAL)
    assert eventually(lambda: job_functions.runs == [row_id])
    assert eventually(
        lambda: running(connection) == {ACME: 14}
    )  # the one that has run leaves the registry after its end
    job_functions.go_on.set()
    assert eventually(lambda: len(job_functions.runs) == 31)


def test_two_hogs_leave_room_for_a_third(connection, start_worker):
    for workspace_id in (ACME, RIVAL):
        enqueue(connection, "held", 30, workspace_id)
    start_worker(concurrency=30)
    assert eventually(lambda: running(connection) == {ACME: 14, RIVAL: 14})
    (row_id,) = enqueue(connection, "instant", 1, OTHER)
    assert eventually(lambda: job_functions.runs == [row_id])


def test_a_hog_that_is_urgent_does_not_keep_others_waiting(connection, take):
    enqueue(connection, "instant", 30, ACME, "high")
    enqueue(connection, "instant", 1, RIVAL, "low")
    assert take(16) == [*[ACME] * 14, RIVAL]


@pytest.mark.parametrize("slots", [1, 2, 7])
def test_a_small_worker_is_given_whole(connection, take, slots):
    enqueue(connection, "instant", 10, ACME)
    assert take(slots) == [ACME] * slots


def test_what_a_workspace_has_already_counts(connection, take):
    enqueue(connection, "instant", 10, ACME)
    assert take(2, {ACME: 14}) == []
    assert take(3, {ACME: 14}) == [ACME]
    assert take(2, {RIVAL: 14}) == [ACME, ACME]


def test_a_call_does_bounded_work_and_nobody_is_forgotten(connection, take):
    stale = {new_id(): turn for turn in range(10_000)}
    connection.zadd(queue.ring_key("default"), stale)  # as when Redis had to forget their lines
    enqueue(connection, "instant", 1, ACME)
    assert take(8, concurrency=8) == []
    assert connection.zcard(queue.ring_key("default")) > 9_000
    assert any(take(8, concurrency=8) for _ in range(200))


def test_a_workspace_whose_turn_was_lost_has_one_again_with_its_next_delivery(connection, take):
    enqueue(connection, "instant", 1, ACME)
    connection.delete(queue.ring_key("default"))
    enqueue(connection, "instant", 1, ACME)
    assert take(8) == [ACME, ACME]


def test_a_worker_takes_nothing_of_a_closed_queue_until_it_is_open_again(connection, start_worker, monkeypatch):
    monkeypatch.setattr(threaded, "LOOK_SECONDS", 0.05)
    closed = {"default", "low"}
    start_worker(closed=lambda name: frozenset(closed))
    (waiting,) = enqueue(connection, "instant", 1, ACME)
    (urgent,) = enqueue(connection, "instant", 1, ACME, "high")
    assert eventually(lambda: job_functions.runs == [urgent])
    closed.clear()
    assert eventually(lambda: job_functions.runs == [urgent, waiting])


def test_a_drained_worker_ends_what_it_has_and_leaves_the_rest_to_others(connection, start_worker, monkeypatch):
    monkeypatch.setattr(threaded, "LOOK_SECONDS", 0.05)
    drained = set()
    closed = lambda name: frozenset(queue.PRIORITIES if name in drained else ())  # noqa: E731 - two workers share it
    first = start_worker(concurrency=2, closed=closed)
    held = enqueue(connection, "held", 1, ACME)
    assert job_functions.started.acquire(timeout=30)
    drained.add(first.worker.name)
    assert eventually(lambda: first.worker._closed)
    rest = enqueue(connection, "instant", 3, ACME)
    start_worker(closed=closed)
    assert eventually(lambda: sorted(job_functions.runs) == sorted(rest))
    job_functions.go_on.set()
    assert eventually(lambda: sorted(job_functions.runs) == sorted(held + rest))


def test_where_it_is_unknown_what_is_closed_the_last_word_holds(connection, start_worker, monkeypatch):
    monkeypatch.setattr(threaded, "LOOK_SECONDS", 0.05)
    asked = []

    def closed(name):
        asked.append(name)
        if len(asked) > 1:
            raise OSError("the database is away")
        return frozenset(("default",))

    start_worker(closed=closed)
    enqueue(connection, "instant", 1, ACME)
    (urgent,) = enqueue(connection, "instant", 1, ACME, "high")
    assert eventually(lambda: len(asked) > 3)
    assert job_functions.runs == [urgent]


def test_those_who_look_see_what_a_worker_says_of_itself(app, connection, start_worker):
    worker = start_worker(concurrency=3, lease_owner="here:1:abc").worker
    with app.app_context():
        assert eventually(queue_figures.living)
        (told,) = queue_figures.living()
    assert (told.name, told.slots, told.lease_owner) == (worker.name, 3, "here:1:abc")
    assert told.queues == queue.PRIORITIES
    assert told.started <= told.heartbeat


def test_a_delivery_that_crashed_is_listed_with_its_workspace_and_without_its_message(app, connection, start_worker):
    (row_id,) = enqueue(connection, "failing", 1, ACME)
    start_worker()
    with app.app_context():
        assert eventually(lambda: queue_figures.crashed(10))
        (crash,) = queue_figures.crashed(10)
    assert (crash.row_id, crash.workspace_id, crash.error) == (row_id, ACME, "LookupError")
    assert crash.function == f"{JOBS}.failing"
    assert crash.at <= now()


def test_a_delivery_whose_worker_was_lost_is_no_crash(app, connection, start_worker):
    enqueue(connection, "held", 1, ACME)
    start_worker()
    assert job_functions.started.acquire(timeout=30)
    registry = StartedJobRegistry("default", connection=connection, serializer=JSONSerializer)
    registry.cleanup(2**40)  # as if its worker had not been heard of for two minutes
    assert connection.zcard("rq:failed:default") == 1
    with app.app_context():
        assert queue_figures.crashed(10) == []
