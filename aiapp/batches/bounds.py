"""What the requests of batches need that others do not: room for a table, answers that are sent while they are written."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from flask import request, stream_with_context

from aiapp.batches.tables import MOST_BYTES
from aiapp.extensions import settings

# A table in a form or in JSON is longer than the file: quotes and line breaks are escaped.
MOST_OF_A_REQUEST = 2 * MOST_BYTES


def raise_them(endpoint: str | None, values: dict[str, Any] | None) -> None:
    """Let a POST of a table be longer than others (a url_value_preprocessor: nothing of the request has been read yet)."""
    if request.method == "POST":
        request.max_content_length = request.max_form_memory_size = max(MOST_OF_A_REQUEST, settings().max_request_bytes)


def streamed(parts: Iterator[str]) -> Iterator[str]:
    """Return what a response sends part by part; the app's context stays until the last one."""
    return stream_with_context(parts)
