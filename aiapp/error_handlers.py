"""What werkzeug, the database and mistakes of ours raise, as the errors of errors.py: nobody ever sees anything else."""

from __future__ import annotations

import re
from contextlib import suppress

from flask import Flask, Response, current_app, make_response, request
from flask_limiter.errors import RateLimitExceeded
from flask_login import current_user
from flask_wtf.csrf import CSRFError, generate_csrf
from sqlalchemy.exc import IntegrityError, OperationalError, SQLAlchemyError
from sqlalchemy.orm.exc import ObjectDeletedError, StaleDataError
from werkzeug.exceptions import HTTPException, MethodNotAllowed, SecurityError

from aiapp.errors import (
    BY_STATUS,
    AppError,
    Conflict,
    TooManyRequests,
    Unavailable,
    answer,
    request_id,
    signed_in,
    to_login_again,
)

_CODES = {405: "method_not_allowed", 413: "too_large", 500: "internal"}


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
    response = answer(known(detail))
    if isinstance(error, MethodNotAllowed) and error.valid_methods:
        response.headers["Allow"] = ", ".join(sorted(error.valid_methods))
    return response


def _by_status(status: int) -> type[AppError]:
    known = BY_STATUS.get(status)
    if known is not None:
        return known
    titles = {405: "This address does not take that method", 413: "This is too large"}
    title = titles.get(status, "Something went wrong" if status >= 500 else AppError.title)
    code = _CODES.get(status, AppError.code)
    return type("HttpError", (AppError,), {"status": status, "code": code, "title": title, "__doc__": title})


def _on_database(error: OperationalError) -> Response:
    # SQLite also uses this class for statements that are wrong: those are ours to mend, not the reader's to repeat.
    if "sqlite" in type(error.orig).__module__ and not re.search(
        "locked|busy|unable to open|full|disk I/O", str(error.orig)
    ):
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
    return answer(_by_status(500)("The details are in the log under this request id."))


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
