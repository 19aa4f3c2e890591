"""What htmx needs of a response: fragments that are not cached, toasts, redirects that work with and without JavaScript."""

from __future__ import annotations

import json

from flask import Response, flash, make_response, redirect, render_template, request
from werkzeug.wrappers import Response as BaseResponse


def wanted() -> bool:
    """Whether this request was sent by htmx. Read it on POST only: a page's URL answers everyone alike."""
    return request.headers.get("HX-Request") == "true"


def fragment(template: str, status: int = 200, **context: object) -> Response:
    """Render `template` as a fragment: never cached, never stored in history."""
    response = make_response(render_template(template, **context), status)
    response.headers["Cache-Control"] = "no-store"
    response.headers["Vary"] = "HX-Request"
    return response


def go(url: str, message: str | None = None, kind: str = "good") -> BaseResponse:
    """Send the browser to `url`: HX-Redirect for htmx, 303 otherwise.

    `message` waits there as a toast of `kind` good, warn or bad.
    """
    if message:
        flash(message, kind)
    if not wanted():
        return redirect(url, 303)
    response = make_response("", 204)
    response.headers["HX-Redirect"] = url
    response.headers["Vary"] = "HX-Request"
    return response


def toast(response: Response, message: str, kind: str = "good") -> Response:
    """Let the page that swaps `response` in show `message` as a toast (static/app.js listens for the event)."""
    response.headers["HX-Trigger"] = json.dumps({"aiapp:toast": {"message": message, "kind": kind}})
    return response
