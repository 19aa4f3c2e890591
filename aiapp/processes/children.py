"""Child processes: each in a session of its own, and none outlives its parent."""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence

PR_SET_PDEATHSIG = 1
# Loaded here, not in the child: between fork and exec there is no safe time to load anything.
_libc = ctypes.CDLL(None) if sys.platform == "linux" else None


class ProcessError(Exception):
    """A process cannot be started. The message is one line that says what to do."""


def die_with_parent(number: int = signal.SIGKILL) -> None:
    """Have the kernel send this process the signal `number` when the process that started it ends, however it ends."""
    if _libc is not None:
        _libc.prctl(PR_SET_PDEATHSIG, number)


class Child:
    """A child process that can be started again and again.

    Arguments:
        name: how people call it.
        command: what to execute.
        env: its environment; default: the parent's.
        pass_fds: file descriptors that it keeps open.
        orphaned: the signal it gets when the parent is killed.
        grace: seconds from SIGTERM to SIGKILL.
    """

    def __init__(
        self,
        name: str,
        command: Sequence[str],
        *,
        env: Mapping[str, str] | None = None,
        pass_fds: Sequence[int] = (),
        orphaned: int = signal.SIGTERM,
        grace: float = 10.0,
    ) -> None:
        self.name = name
        self._command = list(command)
        self._env = dict(env) if env is not None else None
        self._pass_fds = tuple(pass_fds)
        self._orphaned = orphaned
        self._grace = grace
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start the process. Raises OSError."""
        self._process = subprocess.Popen(  # noqa: S603 - our own commands, no shell
            self._command,
            env=self._env,
            stdin=subprocess.DEVNULL,
            pass_fds=self._pass_fds,
            start_new_session=True,  # Ctrl-C in a terminal reaches the supervisor alone
            preexec_fn=_bound_to(os.getpid(), self._orphaned),
        )

    @property
    def pid(self) -> int | None:
        """The process id, or None before the first start."""
        return self._process.pid if self._process else None

    @property
    def exit_code(self) -> int | None:
        """How the process ended (a signal as its negative number); None while it runs or before it was started."""
        code = self._process.poll() if self._process else None
        if code is not None:
            self._kill_group()
        return code

    @property
    def running(self) -> bool:
        """Whether the process was started and has not ended."""
        return self._process is not None and self.exit_code is None

    def terminate(self) -> None:
        """Ask the process to end."""
        if self._process is not None and self.running:
            self._process.terminate()

    def stop(self, hurry: Callable[[], bool] = lambda: False) -> int | None:
        """Ask the process to end, kill what is left of its group after the grace, and return its exit code.

        Arguments:
            hurry: asked now and then; once it says yes, the grace is over.
        """
        if self._process is None:
            return None
        self.terminate()
        deadline = time.monotonic() + self._grace
        while self.running and time.monotonic() < deadline and not hurry():
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(0.1)
        self._kill_group()
        return self._process.wait()

    def _kill_group(self) -> None:
        if self._process is not None:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(self._process.pid, signal.SIGKILL)


def _bound_to(parent: int, orphaned: int) -> Callable[[], None]:
    def bind() -> None:
        die_with_parent(orphaned)
        if os.getppid() != parent:  # it was killed before the kernel knew
            os._exit(1)

    return bind
