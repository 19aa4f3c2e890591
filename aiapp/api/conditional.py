"""Answers that a client may have already: a strong ETag, and 304 to If-None-Match (RFC 9110, 8.8.3 and 13.1.2)."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from functools import wraps
from typing import Any, TypeVar

from flask import current_app, request

View = TypeVar("View", bound=Callable[..., Any])


def conditional(view: View) -> View:
    """Wrap a GET, so that an answer which the client has already is not sent again."""

    @wraps(view)
    def answered(*args: Any, **values: Any) -> Any:
        response = current_app.make_response(view(*args, **values))
        response.set_etag(hashlib.sha256(response.get_data()).hexdigest()[:32])
        # It may be kept, and has to be asked for again each time: nobody is shown what they may not see any more.
        response.headers["Cache-Control"] = "private, no-cache"
        response.headers["Vary"] = "Authorization"
        return response.make_conditional(request)

    answered.conditional = True  # type: ignore[attr-defined]
    return answered  # type: ignore[return-value]
