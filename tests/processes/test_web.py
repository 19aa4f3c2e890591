"""A serving process gives back what it no longer needs, and needs no more than it has to."""

from __future__ import annotations

import subprocess
import sys
import threading

from aiapp.processes import web

SIGN_INS = """
import sys, threading
from aiapp.accounts.passwords import _hasher
from aiapp.processes import memory

def resident():
    return int(open("/proc/self/statm").read().split()[1]) * 4096 // 2**20

memory.give_back_large_blocks()
_hasher.hash("x" * 20)
before, barrier = resident(), threading.Barrier(8)

def sign_in():
    for _ in range(3):
        barrier.wait()
        _hasher.hash("x" * 20)

threads = [threading.Thread(target=sign_in) for _ in range(8)]
[each.start() for each in threads]
[each.join() for each in threads]
print(resident() - before)
"""


def test_many_who_sign_in_at_once_leave_no_memory_behind():
    grown = subprocess.run([sys.executable, "-c", SIGN_INS], capture_output=True, text=True, check=True, timeout=100)
    assert int(grown.stdout) < 40, "MB; each of the eight took 19"


def test_streams_begin_some_at_a_time_and_nobody_else_waits_for_them():
    inside, released = threading.Semaphore(0), threading.Event()

    def app(environ, start_response):
        inside.release()
        assert environ["PATH_INFO"] == "/w/acme/executions" or released.wait(30)
        return [b"begun"]

    door = web.Door(app)
    streams = [
        threading.Thread(target=door, args=({"PATH_INFO": "/api/v1/executions/1/events"}, None))
        for _ in range(web.BEGINNING_AT_ONCE + 4)
    ]
    for each in streams:
        each.start()
    for _ in range(web.BEGINNING_AT_ONCE):
        assert inside.acquire(timeout=30)
    assert not inside.acquire(timeout=0.2), "more than that began at once"
    assert door({"PATH_INFO": "/w/acme/executions"}, None) == [b"begun"]
    released.set()
    for each in streams:
        each.join(30)
    assert [inside.acquire(timeout=1) for _ in range(5)] == [True] * 5, "the page and the four that waited"
