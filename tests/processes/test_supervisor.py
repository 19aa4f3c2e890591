"""`aiapp up` as a whole: it starts, watches, and never leaves anybody behind."""

from __future__ import annotations

import os
import signal
import subprocess
import sys

import pytest
from redis import Redis
from stage import alive, eventually, family

from aiapp import config, queue
from aiapp.columns import new_id
from aiapp.processes.children import ProcessError
from aiapp.processes.listening import free_address
from aiapp.processes.supervisor import _reached_at

pytestmark = pytest.mark.processes


def test_it_runs_web_workers_scheduler_and_redis_and_says_where(running):
    assert f"aiapp is ready at http://127.0.0.1:{running.port}" in running.output()
    lines = " ".join(family(running.process.pid).values())
    assert lines.count("cli worker") == 2
    assert all(word in lines for word in ("redis-server", "cli web", "cli scheduler"))


@pytest.mark.parametrize("word", ["cli web", "cli worker", "cli scheduler", "redis-server"])
def test_a_child_that_is_killed_is_started_again(running, word):
    before = running.children(word)
    os.kill(before[0], signal.SIGKILL)
    assert eventually(lambda: not alive(before[0]))
    assert eventually(lambda: len(running.children(word)) == len(before), 60)
    assert eventually(lambda: running.ready() == (200, []), 60)
    assert "SIGKILL), starting it again" in running.output()


def test_a_child_that_ends_well_is_started_again_too(running):
    (first, _) = running.children("cli worker")
    os.kill(first, signal.SIGTERM)
    assert eventually(lambda: "ended (exit code 0), starting it again" in running.output())
    assert eventually(lambda: len(running.children("cli worker")) == 2, 60)


def test_a_serving_process_that_is_killed_is_replaced(running):
    (main,) = running.children("cli web")
    serving = min(family(main))
    os.kill(serving, signal.SIGKILL)
    assert eventually(lambda: not alive(serving))
    assert eventually(lambda: running.ready() == (200, []), 60)


def run(home, *arguments):
    command = [sys.executable, "-m", "aiapp.processes.cli", *arguments]
    environ = {**os.environ, "AIAPP_HOME": str(home)}
    return subprocess.run(command, env=environ, capture_output=True, text=True, timeout=60, check=False)


def test_two_never_run_in_one_home(running):
    second = run(running.home, "up", "--port", "0")
    assert second.returncode == 1
    assert "another aiapp is running" in second.stderr
    assert running.ready() == (200, [])


@pytest.mark.parametrize("command", ["up", "web"])
def test_a_port_that_is_taken_is_one_clear_line(running, tmp_path, command):
    second = run(tmp_path, command, "--port", str(running.port))
    assert second.returncode == 1
    assert second.stderr.count("\n") == 1
    assert f"cannot listen on 127.0.0.1:{running.port} (Address already in use)" in second.stderr


def test_deliveries_that_name_no_row_or_no_job_of_ours_do_no_harm(running):
    connection = Redis.from_url(f"unix://{config.redis_socket(running.home)}")
    with connection.pipeline() as pipeline:
        queue.push(pipeline, connection, "aiapp.executions.jobs.run", [(new_id(), new_id())], "high")
        queue.push(pipeline, connection, "os.system", [("true", new_id())], "high")
        pipeline.execute()
    assert eventually(lambda: connection.zcard("rq:failed:high") == 1)
    assert "PermissionError" in running.output()
    assert running.ready() == (200, [])


def test_it_takes_everything_along(running):
    pids = set(family(running.process.pid))
    assert running.stop(signal.SIGINT) == 0
    assert not any(alive(pid) for pid in pids)
    assert "aiapp is stopping\n" in running.output()
    left = sorted(path.name for path in running.home.iterdir() if path.name.startswith("aiapp.db"))
    assert left == ["aiapp.db"]  # no log beside it: this file is the whole database


def test_nobody_outlives_a_supervisor_that_is_killed(up):
    running = up("--host", "localhost")
    running.wait_ready()
    pids = set(family(running.process.pid))
    running.process.kill()
    running.process.wait(10)
    assert eventually(lambda: not any(alive(pid) for pid in pids))


def test_a_stop_while_everything_starts_leaves_nobody(up):
    running = up()
    assert eventually(lambda: "cli prepare" in str(family(running.process.pid)))
    pids = set(family(running.process.pid))
    assert running.stop() == 0
    assert not any(alive(pid) for pid in pids)


def test_a_host_that_does_not_exist_is_one_clear_line(up):
    running = up("--host", "no.such.host.invalid")
    assert running.process.wait(60) == 1
    assert running.output().count("\n") == 1
    assert "cannot listen on no.such.host.invalid" in running.output()


def test_the_demo_refuses_to_listen_to_others(up):
    running = up("--demo", "--host", "0.0.0.0")
    assert running.process.wait(60) == 2
    assert "loopback" in running.output()
    assert running.output().count("\n") == 1


def test_a_preparation_that_fails_stops_the_start(up):
    running = up(DATABASE_URL="sqlite:////no/such/folder/aiapp.db")
    assert running.process.wait(60) == 1
    assert "the preparation failed" in running.output()


def test_a_listener_on_every_address_is_reached_over_loopback():
    assert _reached_at("0.0.0.0") == "127.0.0.1"
    assert _reached_at("::") == "::1"
    assert _reached_at("10.0.0.1") == "10.0.0.1"


def test_a_name_becomes_the_address_to_listen_on():
    host, port = free_address("localhost", 0)
    assert host in {"127.0.0.1", "::1"}
    assert port > 0
    with pytest.raises(ProcessError, match=r"cannot listen on 192\.0\.2\.1:0"):
        free_address("192.0.2.1", 0)
