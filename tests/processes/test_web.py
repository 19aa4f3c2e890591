"""A serving process gives back what it no longer needs."""

from __future__ import annotations

import subprocess
import sys

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
