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
from contextlib import suppress
from typing import Any
from urllib.parse import urlsplit

from flask import Flask, Response, current_app, g, jsonify, make_response, render_template, request, url_for
from flask_limiter.errors import RateLimitExceeded
from flask_login import current_user
from flask_wtf.csrf import CSRFError, generate_csrf
from sqlalchemy.exc import IntegrityError, OperationalError, SQLAlchemyError
from sqlalchemy.orm.exc import ObjectDeletedError, StaleDataError
from werkzeug.exceptions import HTTPException, MethodNotAllowed, SecurityError

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


# The words of the tree above, and of what only werkzeug raises.
_TREE: list[type[AppError]] = [AppError, *AppError.__subclasses__()]
_HTTP_CODES = {one.status: one.code for one in _TREE}
_HTTP_CODES |= {405: "method_not_allowed", 413: "too_large", 500: "internal"}


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


def init_app(app: Flask) -> None:
    """Make every error of `app` answer in the form that its reader expects."""
    app.register_error_handler(AppError, answer)
    app.register_error_handler(CSRFError, _on_csrf)
    app.register_error_handler(HTTPException, _on_http)
    app.register_error_handler(SecurityError, _on_host)
    app.register_error_handler(RateLimitExceeded, _on_limit)
    app.register_error_handler(OperationalError, _on_database)
    for overtaken in (IntegrityError, StaleDataError, ObjectDeletedError):
        app.register_error_handler(overtaken, _on_overtaken)
    app.register_error_handler(Exception, _on_crash)
    app.before_request(_begin_request)
    app.after_request(_name_request)


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


def _on_csrf(error: CSRFError) -> Response:
    """Refuse a request without the token of its session; htmx is told what has become of that session.

    Where somebody has signed in since, it gets their token and who they are: a page of the same person can go on (static/app.js).
    No page of another site reads these headers: that would take CORS.
    """
    refusal = AppError("The form is too old or came from elsewhere. Reload the page and send it again.", code="csrf")
    if request.headers.get("HX-Request") != "true":
        return answer(refusal)
    if not signed_in():
        return to_login_again()
    response = answer(refusal)
    response.headers["X-CSRFToken"] = generate_csrf()
    response.headers["X-User"] = current_user.id
    return response


def _on_limit(error: RateLimitExceeded) -> Response:
    seconds = error.limit.limit.get_expiry()
    return answer(TooManyRequests("Wait a moment, then try again.", retry_after=seconds))


def _on_host(error: SecurityError) -> Response:
    return Response(
        "This name does not lead to a site here.\n", 400, mimetype="text/plain"
    )  # no page: no URL can be made


def _on_http(error: HTTPException) -> Response:
    if error.response is not None:  # abort(response), a redirect of the router
        return make_response(error.get_response())
    status = error.code or 500
    known = _by_status(status)
    detail = "" if status in {404, 500} else (error.description or "")
    response = answer(known(detail, code=_HTTP_CODES.get(status, "bad_request")))
    if isinstance(error, MethodNotAllowed) and error.valid_methods:
        response.headers["Allow"] = ", ".join(sorted(error.valid_methods))
    return response


def _by_status(status: int) -> type[AppError]:
    for known in (
        UnsupportedMediaType,
        InvalidInput,
        Unauthenticated,
        Denied,
        NotFound,
        Conflict,
        Gone,
        TooManyRequests,
        Unavailable,
    ):
        if known.status == status:
            return known
    titles = {405: "This address does not take that method", 413: "This is too large"}
    title = titles.get(status, "Something went wrong" if status >= 500 else AppError.title)
    return type("HttpError", (AppError,), {"status": status, "title": title, "__doc__": title})


def _on_database(error: OperationalError) -> Response:
    # SQLite also uses this class for statements that are wrong: those are ours to mend, not the reader's to repeat.
    if "sqlite" in type(error.orig).__module__ and not re.search("locked|busy|unable to open|full", str(error.orig)):
        return _on_crash(error)
    _log_crash(error)
    return answer(Unavailable("The database did not answer in time. Nothing was lost; try again.", retry_after=5))


def _on_overtaken(error: IntegrityError | StaleDataError | ObjectDeletedError) -> Response:
    """Answer a request whose ground was taken away between its first look and its commit: a deleted workspace, a taken name."""
    # A row without a value that it must have is a mistake of ours.
    if isinstance(error, IntegrityError) and not re.search("(?i)foreign key|unique", str(error.orig)):
        return _on_crash(error)
    _log_crash(error)
    return answer(Conflict("What this belongs to was changed or deleted meanwhile. Reload and look again."))


def _on_crash(error: Exception) -> Response:
    _log_crash(error)
    return answer(_by_status(500)("The details are in the log under this request id.", code="internal"))


def _log_crash(error: Exception) -> None:
    # What a failed flush left behind would be loaded anew by the error page, and fail again.
    session = current_app.extensions["sqlalchemy"].session
    with suppress(SQLAlchemyError):
        session.rollback()
    current_app.logger.error("request failed", exc_info=error, extra={"request_id": request_id()})


def _begin_request() -> None:
    request_id()  # from now on the log has it


def _name_request(response: Response) -> Response:
    response.headers["X-Request-ID"] = request_id()
    return response


def signed_in() -> bool:
    """Whether this request has a user; never raises, so that an error page can be drawn while the database is down."""
    try:
        return bool(current_user.is_authenticated)
    except Exception:
        return False
