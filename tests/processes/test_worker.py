"""The worker over a real Redis: nothing is lost, nothing stays behind, and it ends when it is told to."""

from __future__ import annotations

import time

import job_functions
import pytest
from redis import Redis
from rq.executions import Execution
from rq.job import Job
from rq.registry import FailedJobRegistry, StartedJobRegistry
from rq.serializers import JSONSerializer
from stage import JOBS, eventually

from aiapp import queue
from aiapp.columns import new_id
from aiapp.processes import threaded
from aiapp.processes.worker import in_app

ACME, RIVAL = new_id(), new_id()


def enqueue(connection, function, row_ids, priority="default", workspace_id=ACME):
    with connection.pipeline() as pipeline:
        rows = [(row_id, workspace_id) for row_id in row_ids]
        queue.push(pipeline, connection, f"{JOBS}.{function}", rows, priority)
        pipeline.execute()


def waits(connection, priority="default", workspace_id=ACME):
    return connection.llen(queue.line_key(priority, workspace_id))


def test_every_delivery_is_run_once(connection, start_worker):
    ids = [new_id() for _ in range(200)]
    enqueue(connection, "instant", ids)
    worker = start_worker()
    assert eventually(lambda: len(job_functions.runs) == 200)
    assert worker.stop() is True
    assert sorted(job_functions.runs) == sorted(ids)


def test_nothing_of_a_finished_job_stays_in_redis(connection, start_worker):
    for priority in queue.PRIORITIES:
        enqueue(connection, "instant", [new_id() for _ in range(20)], priority)
    worker = start_worker()
    assert eventually(lambda: len(job_functions.runs) == 60)
    assert worker.stop() is True
    left = {key.decode().rpartition(":")[0] for key in connection.keys("*")}
    assert left <= {"rq", "rq:worker"}  # the names of the queues, and for a minute the worker's death


def test_the_intermediate_lists_are_empty_while_jobs_of_three_queues_run(connection, start_worker):
    for priority in queue.PRIORITIES:
        enqueue(connection, "held", [new_id()], priority)
    start_worker()
    for _ in range(3):
        assert job_functions.started.acquire(timeout=30)
    for rq_queue in queue.queues(connection):
        assert connection.llen(rq_queue.intermediate_queue_key) == 0
        assert len(rq_queue.started_job_registry.get_job_ids(cleanup=False)) == 1


def test_what_is_urgent_goes_first(connection, start_worker):
    low, default, high = new_id(), new_id(), new_id()
    enqueue(connection, "instant", [low], "low")
    enqueue(connection, "instant", [default], "default")
    enqueue(connection, "instant", [high], "high")
    start_worker(concurrency=1)
    assert eventually(lambda: len(job_functions.runs) == 3)
    assert job_functions.runs == [high, default, low]


def test_a_worker_serves_only_the_queues_it_was_given(connection, start_worker):
    start_worker(("high",))
    enqueue(connection, "instant", [new_id()], "low")
    urgent = new_id()
    enqueue(connection, "instant", [urgent], "high")
    assert eventually(lambda: job_functions.runs == [urgent])
    assert waits(connection, "low") == 1


def test_a_worker_takes_no_more_than_it_has_threads(connection, start_worker):
    enqueue(connection, "held", [new_id() for _ in range(5)])
    start_worker(concurrency=2)
    for _ in range(2):
        assert job_functions.started.acquire(timeout=30)
    assert waits(connection) == 3
    job_functions.go_on.set()
    assert eventually(lambda: len(job_functions.runs) == 5)


def test_an_idle_worker_wakes_for_a_new_delivery(connection, start_worker):
    start_worker()
    assert eventually(lambda: connection.info("clients")["blocked_clients"] == 1)
    enqueue(connection, "instant", [new_id()])
    assert eventually(lambda: len(job_functions.runs) == 1)


def test_a_failed_job_is_listed_without_its_message(connection, start_worker):
    enqueue(connection, "failing", [new_id()])
    worker = start_worker()
    failed = FailedJobRegistry("default", connection=connection, serializer=JSONSerializer)
    assert eventually(lambda: failed.get_job_ids())
    worker.stop()
    (job_id,) = failed.get_job_ids()
    job = Job.fetch(job_id, connection=connection, serializer=JSONSerializer)
    assert job.latest_result().exc_string == "LookupError"
    assert not any(b"stays here" in value for value in connection.hgetall(job.key).values())
    assert StartedJobRegistry("default", connection=connection).get_job_ids(cleanup=False) == []


def test_a_job_that_cannot_be_written_down_does_not_end_the_books(connection, start_worker):
    enqueue(connection, "unspeakable", [new_id()])
    worker = start_worker(concurrency=1)
    enqueue(connection, "failing", [new_id()])
    failed = FailedJobRegistry("default", connection=connection, serializer=JSONSerializer)
    assert eventually(lambda: failed.get_job_ids())
    assert worker.stop() is True


def test_a_delivery_whose_job_is_gone_is_dropped(connection, start_worker):
    enqueue(connection, "instant", [new_id()])
    connection.delete(*connection.keys("rq:job:*"))
    following = new_id()
    enqueue(connection, "instant", [following])
    worker = start_worker(concurrency=1)
    assert eventually(lambda: job_functions.runs == [following])
    worker.stop()
    assert connection.llen("rq:queue:default:intermediate") == 0


def test_what_is_no_job_at_all_does_not_stop_the_others(connection, start_worker):
    enqueue(connection, "instant", [new_id()])
    (job_id,) = connection.lrange(queue.line_key("default", ACME), 0, -1)
    connection.hset(Job.key_for(job_id.decode()), mapping={"data": b"nonsense", "status": b"nonsense"})
    connection.rpush(queue.line_key("default", ACME), "not an id")
    following = new_id()
    enqueue(connection, "instant", [following])
    worker = start_worker()
    assert eventually(lambda: job_functions.runs == [following])
    worker.stop()
    assert connection.llen("rq:queue:default:intermediate") == 0


def waits_no_more(connection):
    """Whether nobody waits for jobs, and that not only for the moment between two waits."""
    for _ in range(30):
        if connection.info("clients")["blocked_clients"]:
            return False
        time.sleep(0.02)
    return True


def test_a_stopping_worker_lets_its_jobs_finish_and_takes_no_more(connection, start_worker):
    first, second = new_id(), new_id()
    enqueue(connection, "held", [first])
    running = start_worker()
    assert job_functions.started.acquire(timeout=30)
    running.worker.stop()
    assert eventually(lambda: waits_no_more(connection))
    enqueue(connection, "held", [second])
    job_functions.go_on.set()
    assert running.stop() is True
    assert job_functions.runs == [first]
    assert waits(connection) == 1
    assert connection.keys("rq:wip:*") == []


def test_jobs_that_outlast_the_shutdown_time_are_cancelled(connection, start_worker):
    enqueue(connection, "held", [new_id()])
    running = start_worker(shutdown_seconds=0.1, cancel=job_functions.go_on.set)
    assert job_functions.started.acquire(timeout=30)
    assert running.stop() is True
    assert len(job_functions.runs) == 1


def test_a_second_stop_cancels_at_once(connection, start_worker):
    enqueue(connection, "held", [new_id()])
    running = start_worker(shutdown_seconds=600, cancel=job_functions.go_on.set)
    assert job_functions.started.acquire(timeout=30)
    running.worker.stop()
    assert running.stop() is True


def test_a_job_that_cannot_be_cancelled_does_not_hold_the_worker(connection, start_worker, monkeypatch):
    monkeypatch.setattr(threaded, "CANCEL_SECONDS", 0.1)
    enqueue(connection, "held", [new_id()])
    running = start_worker(shutdown_seconds=0)
    assert job_functions.started.acquire(timeout=30)
    assert running.stop() is False


def test_a_worker_is_known_again_after_redis_was_flushed(connection, start_worker, monkeypatch, app):
    monkeypatch.setattr(threaded, "BEAT_SECONDS", 0.1)
    enqueue(connection, "held", [new_id()])
    start_worker()
    assert job_functions.started.acquire(timeout=30)
    connection.flushall()
    with app.app_context():
        assert eventually(lambda: queue.workers() == 1)
    job_functions.go_on.set()
    enqueue(connection, "instant", [new_id()])
    assert eventually(lambda: len(job_functions.runs) == 2)


def test_heartbeats_keep_a_long_job_from_counting_as_abandoned(connection, start_worker, monkeypatch):
    monkeypatch.setattr(threaded, "BEAT_SECONDS", 0.1)
    enqueue(connection, "held", [new_id()])
    start_worker()
    assert job_functions.started.acquire(timeout=30)
    registry = StartedJobRegistry("default", connection=connection, serializer=JSONSerializer)
    (entry,) = connection.zrange(registry.key, 0, -1)
    connection.zadd(registry.key, {entry: 1})  # as if two minutes had gone by
    assert eventually(lambda: connection.zscore(registry.key, entry) > 1)
    (job_id, execution_id) = registry.get_job_and_execution_ids()[0]
    assert Execution.fetch(execution_id, job_id, connection).worker_name


def test_redis_names_no_function_outside_the_features_jobs(app):
    perform = in_app(app)
    for name in ("os.system", "aiapp.processes.cli.main", "aiapp.accounts.actions.find_user", f"{JOBS}.instant"):
        with pytest.raises(PermissionError):
            perform(name, ["x"])


def test_a_job_runs_in_the_app_and_a_row_that_is_gone_is_no_error(app, team):
    in_app(app)("aiapp.credentials.jobs.test", [new_id()])


def test_a_worker_waits_for_a_redis_that_is_not_there_yet(start_worker, tmp_path, connection):
    missing = f"unix://{tmp_path}/none.sock"
    running = start_worker(url=missing)
    assert running.stop() is True
    assert Redis.from_url(missing).connection_pool is not None


def test_a_redis_that_takes_no_writes_is_not_asked_without_end_and_the_books_are_made_up_later(
    connection, start_worker, monkeypatch
):
    tries = []
    write = threaded.ThreadedWorker._write_ends
    monkeypatch.setattr(threaded.ThreadedWorker, "_write_ends", lambda self, ends: [tries.append(1), write(self, ends)])
    monkeypatch.setattr(threaded, "BEAT_SECONDS", 0.01)  # a heartbeat is due too
    enqueue(connection, "held", [new_id()])
    start_worker()
    assert job_functions.started.acquire(timeout=30)
    connection.config_set("maxmemory", 1)
    try:
        job_functions.go_on.set()
        assert not eventually(lambda: len(tries) > 5, 2)
        assert tries
    finally:
        connection.config_set("maxmemory", 0)
    assert eventually(lambda: not connection.keys("rq:job:*"))
