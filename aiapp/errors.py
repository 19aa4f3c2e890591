"""What can go wrong, and how each audience sees it: a page, a fragment, a JSON problem (RFC 9457).

The tree::

    AppError                  400 bad_request       base; never raised itself
    ├── UnsupportedMediaType  415 unsupported_media_type
    ├── InvalidInput          422 invalid           field errors; a form answers with itself instead
    ├── Unauthenticated       401 unauthenticated   no session or token
    ├── Denied                403 denied            the role or scope is too small; says which one is needed
    ├── NotFound              404 not_found         also for what belongs to another workspace
    ├── Conflict              409 conflict          a stale edit, a taken name, an idempotency key used twice
    ├── Gone                  410 gone              what was shown on purpose for a while is not shown any more
    ├── TooManyRequests       429 too_many_requests says when to come back
    └── Unavailable           503 unavailable       a part is down; says when to come back
"""

from __future__ import annotations

import re
import uuid
from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import urlsplit

from flask import Response, g, jsonify, make_response, render_template, request, url_for
from flask_login import current_user

FieldErrors = Sequence[Mapping[str, str]]


class AppError(Exception):
    """A refusal with a reason.

    Arguments:
        detail: one sentence for people.
        code: a word for programs, where the class's own is too general.
        errors: field errors, each `{"field", "message"}`.
        retry_after: seconds until another try makes sense.
        extra: further members of the JSON problem.
    """

    status = 400
    code = "bad_request"
    title = "The request cannot be read"

    def __init__(
        self,
        detail: str = "",
        *,
        code: str | None = None,
        errors: FieldErrors = (),
        retry_after: int | None = None,
        extra: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__(detail or self.title)
        self.detail = detail
        self.code = code or self.code
        self.errors = list(errors)
        self.retry_after = retry_after
        self.extra = dict(extra or {})


class UnsupportedMediaType(AppError):
    """The body is of a type that is not read here."""

    status, code, title = 415, "unsupported_media_type", "This media type is not read here"


class InvalidInput(AppError):
    """The input has mistakes; `errors` names the fields."""

    status, code, title = 422, "invalid", "Please check the input"


class Unauthenticated(AppError):
    """Nobody is signed in, or the token is unknown."""

    status, code, title = 401, "unauthenticated", "Sign in first"


class Denied(AppError):
    """The role or the token's scope does not allow this. `role` is the role that would."""

    status, code, title = 403, "denied", "You cannot do this"

    def __init__(self, detail: str = "", *, role: str | None = None, **more: Any) -> None:
        super().__init__(detail, **more)
        self.role = role
        if role:
            self.title = f"You need the {role} role"


class NotFound(AppError):
    """There is no such thing, or not for this workspace: the answer is the same."""

    status, code, title = 404, "not_found", "This page does not exist"


class Conflict(AppError):
    """Somebody was faster, the name is taken, or things stand so that it cannot be done."""

    status, code, title = 409, "conflict", "This cannot be done as things stand"


class Gone(AppError):
    """It was here, and whoever asks may know that; it may come back."""

    status, code, title = 410, "gone", "This is not shown any more"


class TooManyRequests(AppError):
    """Slow down; `retry_after` says how long."""

    status, code, title = 429, "too_many_requests", "Too many tries"


class Unavailable(AppError):
    """A part of the system is down."""

    status, code, title = 503, "unavailable", "A part of the system is not reachable"


# The tree above by status; what features add to it later is none of werkzeug's business.
_TREE: list[type[AppError]] = [AppError, *AppError.__subclasses__()]
BY_STATUS: Mapping[int, type[AppError]] = {one.status: one for one in _TREE}


def request_id() -> str:
    """Return the id of this request: the caller's X-Request-ID where it is a plain one, else a new one."""
    if "request_id" not in g:
        given = request.headers.get("X-Request-ID", "")
        g.request_id = given if re.fullmatch(r"[A-Za-z0-9_-]{8,64}", given) else uuid.uuid4().hex
    value: str = g.request_id
    return value


def problem(error: AppError) -> Response:
    """Return `error` as application/problem+json."""
    body = {
        "type": "about:blank",
        "title": error.title,
        "status": error.status,
        "code": error.code,
        "detail": error.detail or error.title,
        "request_id": request_id(),
        "errors": error.errors,
        **error.extra,
    }
    response = jsonify(body)
    response.status_code = error.status
    response.content_type = "application/problem+json"
    if error.retry_after is not None:
        response.headers["Retry-After"] = str(error.retry_after)
    return response


def answer(error: AppError) -> Response:
    """Return `error` as a problem under /api, a toast for htmx, a page otherwise."""
    if request.path.startswith(("/api/", "/v1/")):
        return problem(error)
    if request.headers.get("HX-Request") == "true":
        response = make_response(render_template("errors/_toast.html", error=error), error.status)
        response.headers["HX-Retarget"] = "#toasts"
        response.headers["HX-Reswap"] = "beforeend"
    else:
        response = make_response(render_template("errors/page.html", error=error), error.status)
    response.headers["Vary"] = "HX-Request"
    response.headers["Cache-Control"] = "no-store"
    if error.retry_after is not None:
        response.headers["Retry-After"] = str(error.retry_after)
    return response


def to_login_again() -> Response:
    """Answer htmx that nobody is signed in: 401, and the login page, which leads back to the page that asked."""
    page = urlsplit(request.headers.get("HX-Current-URL", ""))
    here = (
        page._replace(scheme="", netloc="", fragment="").geturl() or None
    )  # checked where it leads (accounts/views.py)
    target = url_for("accounts.login", next=here)
    return Response(status=401, headers={"HX-Redirect": target, "Vary": "HX-Request", "Cache-Control": "no-store"})


def signed_in() -> bool:
    """Whether this request has a user; never raises, so that an error page can be drawn while the database is down."""
    try:
        return bool(current_user.is_authenticated)
    except Exception:
        return False
