"""How long a provider asks us to wait."""

from __future__ import annotations

import math
import re
import time
from collections.abc import Mapping
from email.utils import parsedate_to_datetime
from typing import Any

from aiapp.providers.wire_json import mapping, sequence, string

# Anthropic and others send retry-after on 200s too: it means something only where they refuse.
REFUSALS = frozenset({429, 503, 529})


def retry_after(status: int, headers: Mapping[str, str], body: Any, *, now: float | None = None) -> float | None:
    """Return the seconds to wait before the next try, None where the provider does not say.

    Reads `retry-after-ms`, `retry-after` (RFC 9110: seconds or a date) and google.rpc.RetryInfo in the body.

    Arguments:
        headers: the answer's headers, names in any case. A date is counted from the answer's own `date`, so that a wrong
            clock here does not matter, else from `now` (Unix time).
        body: the answer's JSON, where it is JSON.
    """
    if status not in REFUSALS:
        return None
    known = {name.lower(): value for name, value in headers.items()}
    milliseconds = _seconds(known.get("retry-after-ms", ""))
    if milliseconds is not None:
        return milliseconds / 1000
    value = known.get("retry-after", "")
    seconds = _seconds(value)
    if seconds is None:
        seconds = _until(value, known.get("date", ""), now)
    return delay_in(body) if seconds is None else seconds


def delay_in(body: Any) -> float | None:
    """Return the delay of a google.rpc.RetryInfo in an error body (`{"error": {"details": […]}}`), in seconds."""
    envelope = mapping(body[0] if isinstance(body, list) and body else body)
    for detail in sequence(mapping(envelope.get("error")).get("details")):
        if string(mapping(detail).get("@type")).endswith("google.rpc.RetryInfo"):
            found = re.fullmatch(r"(\d{1,9}(?:\.\d{1,9})?)s", string(mapping(detail).get("retryDelay")))
            if found:
                return float(found[1])
    return None


def _seconds(value: str) -> float | None:
    if not re.fullmatch(r"\s*\d{1,12}(\.\d{1,9})?\s*", value):
        return None
    seconds = float(value)
    return seconds if math.isfinite(seconds) else None


def _until(value: str, date: str, now: float | None) -> float | None:
    moment = _timestamp(value)
    if moment is None:
        return None
    start = _timestamp(date)
    if start is None:
        start = time.time() if now is None else now
    return max(0.0, moment - start)


def _timestamp(value: str) -> float | None:
    try:
        return parsedate_to_datetime(value).timestamp()
    except (TypeError, ValueError, OverflowError, IndexError):
        return None
