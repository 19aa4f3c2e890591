"""`aiapp up` as a whole: it starts, watches, and never leaves anybody behind."""

from __future__ import annotations

import http.client
import json
import os
import signal
import socket
import subprocess
import sys

import pytest
from stage import alive, eventually, family

from aiapp.processes.supervisor import _is_loopback, _reached_at

pytestmark = pytest.mark.processes


def ready(port):
    """What /readyz answers: the status and the parts that are missing."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    try:
        connection.request("GET", "/readyz")
        response = connection.getresponse()
        return response.status, json.loads(response.read())["missing"]
    except OSError:
        return 0, ["web"]
    finally:
        connection.close()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_it_starts_everything_and_takes_everything_along(up, number):
    running = up("--workers", "2")
    running.wait_ready()
    assert f"aiapp is ready at http://127.0.0.1:{running.port}" in running.output()
    assert eventually(lambda: ready(running.port) == (200, []))
    lines = " ".join(family(running.process.pid).values())
    assert lines.count("cli worker") == 2
    assert all(word in lines for word in ("redis-server", "cli web", "cli scheduler"))
    pids = set(family(running.process.pid))
    assert running.stop(number) == 0
    assert not any(alive(pid) for pid in pids)


def test_nobody_outlives_a_supervisor_that_is_killed(up):
    running = up()
    running.wait_ready()
    assert eventually(lambda: ready(running.port) == (200, []))
    pids = set(family(running.process.pid))
    running.process.kill()
    running.process.wait(10)
    assert eventually(lambda: not any(alive(pid) for pid in pids))


@pytest.mark.parametrize("word", ["cli web", "cli worker", "cli scheduler", "redis-server"])
def test_a_child_that_ends_is_started_again(up, word):
    running = up()
    running.wait_ready()
    assert eventually(lambda: ready(running.port) == (200, []))
    before = running.child(word)
    os.kill(before, signal.SIGKILL)
    assert eventually(lambda: not alive(before))
    assert running.child(word) != before
    assert eventually(lambda: ready(running.port) == (200, []), 60)
    assert running.stop() == 0
    assert "starting it again" in running.output()


def test_a_child_that_ends_well_is_started_again_too(up):
    running = up()
    running.wait_ready()
    before = running.child("cli worker")
    os.kill(before, signal.SIGTERM)
    assert eventually(lambda: not alive(before))
    assert running.child("cli worker") != before
    assert running.stop() == 0
    assert "worker ended (exit code 0)" in running.output()


def test_a_process_of_the_web_that_is_killed_is_replaced(up):
    running = up()
    running.wait_ready()
    main = running.child("cli web")
    serving = min(family(main))
    os.kill(serving, signal.SIGKILL)
    assert eventually(lambda: not alive(serving))
    assert eventually(lambda: ready(running.port)[0] == 200, 60)


def test_a_port_that_is_taken_is_one_clear_line(up, free_port):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", free_port))
        taken.listen()
        running = up()
        assert running.process.wait(60) == 1
    assert running.output().count("\n") == 1
    assert f"cannot listen on 127.0.0.1:{free_port} (Address already in use)" in running.output()


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


def test_two_never_run_in_one_home(up, tmp_path):
    running = up()
    running.wait_ready()
    command = [sys.executable, "-m", "aiapp.processes.cli", "up", "--port", "0"]
    environ = {**os.environ, "AIAPP_HOME": str(running.home)}
    second = subprocess.run(command, env=environ, capture_output=True, text=True, timeout=60, check=False)
    assert second.returncode == 1
    assert "another aiapp is running" in second.stderr
    assert ready(running.port)[0] == 200


def test_a_preparation_that_fails_stops_the_start(up):
    running = up(DATABASE_URL="sqlite:////no/such/folder/aiapp.db")
    assert running.process.wait(60) == 1
    assert "the preparation failed" in running.output()


def test_port_nought_means_any_that_is_free(up):
    running = up("--port", "0")
    running.wait_ready()
    assert "http://127.0.0.1:0" not in running.output()


def test_loopback_is_told_from_the_rest():
    assert all(_is_loopback(host) for host in ("127.0.0.1", "127.1.2.3", "::1", "localhost"))
    assert not any(_is_loopback(host) for host in ("0.0.0.0", "::", "192.168.1.1", "example.com", ""))


def test_a_listener_on_every_address_is_reached_over_loopback():
    assert _reached_at("0.0.0.0") == "127.0.0.1"
    assert _reached_at("::") == "::1"
    assert _reached_at("10.0.0.1") == "10.0.0.1"
    assert _reached_at("localhost") == "localhost"
