"""How a process gives memory back to the system (glibc; other C libraries are left as they are)."""

from __future__ import annotations

import ctypes

M_MMAP_THRESHOLD, M_ARENA_MAX = -3, -8  # in glibc's malloc.h
LARGE_BLOCK = 1 << 20


def give_back_large_blocks() -> None:
    """Have freed memory of large blocks go back to the system.

    Checking a password takes 19 MB. glibc gives the first such block back, then takes that size for usual (mallopt(3),
    M_MMAP_THRESHOLD) and keeps one for each of the threads' arenas: sixteen on two cores, 300 MB after a few sign-ins at once.
    """
    _mallopt(M_MMAP_THRESHOLD, LARGE_BLOCK)


def share_arenas(at_most: int) -> None:
    """Have the threads share so many arenas; call it before there are threads.

    What one arena has free no other may use: after a few large answers each of a worker's would keep its own share of them.
    """
    _mallopt(M_ARENA_MAX, at_most)


def _mallopt(what: int, value: int) -> None:
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        mallopt(what, value)
