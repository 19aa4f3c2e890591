"""Runs a command of aiapp on a clock that is wrong: `python tests/chaos/wrong_clock.py SECONDS worker --concurrency 8`.

Only what Python code asks the clock is wrong, and only in this process; waiting is as long as it is.
"""

from __future__ import annotations

import datetime
import sys
import time
from typing import Any

_REAL = datetime.datetime
_real_time = time.time


class _AnyDatetime(type):
    """Every datetime is one of the wrong clock's: the values themselves are as they always were."""

    def __instancecheck__(cls, instance: Any) -> bool:
        return isinstance(instance, _REAL)


def be_wrong_by(seconds: float) -> None:
    """Shift the clock of this process. Call it before anything else is imported."""
    shift = datetime.timedelta(seconds=seconds)

    class Wrong(_REAL, metaclass=_AnyDatetime):
        def __new__(cls, *given: Any, **more: Any) -> Any:
            return _REAL(*given, **more)

        @classmethod
        def now(cls, tz: datetime.tzinfo | None = None) -> Any:
            return _REAL.now(tz) + shift

        @classmethod
        def utcnow(cls) -> Any:
            return _REAL.now(datetime.UTC).replace(tzinfo=None) + shift

    datetime.datetime = Wrong  # type: ignore[misc]
    time.time = lambda: _real_time() + seconds


if __name__ == "__main__":
    be_wrong_by(float(sys.argv.pop(1)))
    from aiapp.processes.cli import main

    main()
