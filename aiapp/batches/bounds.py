"""How long a request with a table may be: longer than others."""

from __future__ import annotations

from typing import Any

from flask import request

from aiapp.batches.tables import MOST_BYTES
from aiapp.extensions import settings

# A table in a form or in JSON is longer than the file: quotes and line breaks are escaped.
MOST_OF_A_REQUEST = 2 * MOST_BYTES


def raise_for_table(endpoint: str | None, values: dict[str, Any] | None) -> None:
    """Let the POST or PUT that brings a table be longer (a url_value_preprocessor: nothing of the request has been read yet)."""
    if request.method in ("POST", "PUT") and (endpoint or "").endswith(("batches.create", "batches.replace_table")):
        request.max_content_length = request.max_form_memory_size = max(MOST_OF_A_REQUEST, settings().max_request_bytes)
