"""The embedded Redis: one server a directory, private, and ended with whoever started it."""

from __future__ import annotations

import os
import signal
import stat
import subprocess
import sys

import pytest
from redis import Redis
from stage import alive, eventually

from aiapp.config import redis_socket
from aiapp.processes import embedded
from aiapp.processes.children import ProcessError
from aiapp.processes.embedded import EmbeddedRedis, answers

pytestmark = pytest.mark.processes


@pytest.fixture
def server(tmp_path):
    redis = EmbeddedRedis(tmp_path)
    redis.start()
    yield redis
    redis.close()


def client(home):
    return Redis.from_url(f"unix://{redis_socket(home)}")


def test_it_answers_once_it_is_started_and_listens_on_its_socket_alone(server, tmp_path):
    assert answers(server.socket)
    assert client(tmp_path).config_get("port") == {"port": "0"}
    assert stat.S_IMODE(server.socket.parent.stat().st_mode) == 0o700
    assert stat.S_IMODE(server.socket.stat().st_mode) == 0o700


def test_two_never_share_a_directory(server, tmp_path, monkeypatch):
    monkeypatch.setattr(embedded, "LOCK_SECONDS", 0.1)
    with pytest.raises(ProcessError, match="another aiapp is running"):
        EmbeddedRedis(tmp_path)


def test_the_next_one_has_what_the_last_one_kept(server, tmp_path):
    client(tmp_path).set("kept", "yes")
    server.close()
    server.__init__(tmp_path)
    server.start()
    assert client(tmp_path).get("kept") == b"yes"


def test_a_data_file_that_cannot_be_read_is_set_aside(server, tmp_path):
    client(tmp_path).set("kept", "yes")
    server.close()
    (file,) = (tmp_path / "redis").glob("[0-9]*/appendonly.aof")
    file.write_bytes(b"*3\r\nnonsense\r\n")
    server.__init__(tmp_path)
    server.start()
    assert client(tmp_path).get("kept") is None
    assert list((tmp_path / "redis").glob("*.unreadable-*"))


def test_a_home_too_deep_for_a_socket_gets_one_elsewhere(tmp_path):
    home = tmp_path / ("deep" * 30)
    home.mkdir()
    redis = EmbeddedRedis(home)
    redis.start()
    try:
        assert len(os.fsencode(redis.socket)) < 100
        assert client(home).ping()
    finally:
        redis.close()
        redis.socket.parent.rmdir()


def test_a_directory_that_is_a_link_to_elsewhere_is_refused(tmp_path):
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "redis").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(ProcessError, match="belongs to somebody else"):
        EmbeddedRedis(tmp_path)


def test_where_there_is_no_server_the_message_names_the_package(monkeypatch):
    monkeypatch.setattr(embedded.importlib.util, "find_spec", lambda name: None)
    monkeypatch.setenv("PATH", "")
    with pytest.raises(ProcessError, match="apt install redis-server"):
        embedded.find_server()


def test_a_server_on_the_path_does_where_there_is_no_wheel(monkeypatch, tmp_path):
    monkeypatch.setattr(embedded.importlib.util, "find_spec", lambda name: None)
    found = tmp_path / "redis-server"
    found.write_text("#!/bin/sh\n")
    found.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert embedded.find_server() == found
    assert embedded._version(found) == "unknown"


def test_it_ends_when_its_supervisor_is_killed_and_the_directory_is_free_again(tmp_path):
    code = (
        "import sys, time; from pathlib import Path; from aiapp.processes.embedded import EmbeddedRedis\n"
        "redis = EmbeddedRedis(Path(sys.argv[1])); redis.start(); print(redis.child.pid, flush=True); time.sleep(60)"
    )
    owner = subprocess.Popen([sys.executable, "-c", code, str(tmp_path)], stdout=subprocess.PIPE, text=True)
    assert owner.stdout is not None
    pid = int(owner.stdout.readline())
    owner.send_signal(signal.SIGKILL)
    owner.wait(10)
    owner.stdout.close()
    assert eventually(lambda: not alive(pid))
    following = EmbeddedRedis(tmp_path)
    following.start()
    following.close()
