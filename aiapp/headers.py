"""The edge of HTTP: what each response tells the browser, whose word counts for a client's address, what an id looks like."""

from __future__ import annotations

import hashlib
import ipaddress
from collections.abc import Callable, Iterable
from functools import cache
from pathlib import Path
from typing import Any

from flask import Flask, Response, request
from flask.sessions import SecureCookieSessionInterface
from werkzeug.datastructures import EnvironHeaders
from werkzeug.routing import BaseConverter

from aiapp.config import Network
from aiapp.errors import AppError, signed_in

CSP = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; font-src 'self'; connect-src 'self'; "
    "frame-src 'self'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'"
)
YEAR = 31_536_000
FORM_TYPES = ("application/x-www-form-urlencoded", "multipart/form-data")


def init_app(app: Flask) -> None:
    """Put the security headers on every response of `app`, and the version of a static file into its address."""
    app.before_request(_refuse_nul)
    app.after_request(_protect)
    app.session_interface = Sessions()

    @app.url_defaults
    def add_version(endpoint: str, values: dict[str, Any]) -> None:
        if endpoint == "static" and "v" not in values:
            values["v"] = _version(Path(app.static_folder or ""), values["filename"])


class Sessions(SecureCookieSessionInterface):
    """Flask's sessions, with a cookie that is Secure whenever the request came over TLS."""

    def get_cookie_secure(self, app: Flask) -> bool:
        """Whether this response's cookie is for TLS only."""
        return bool(app.config["SESSION_COOKIE_SECURE"]) or request.is_secure


def _refuse_nul() -> None:
    """No text of ours holds a NUL, and PostgreSQL stores none: it is refused at the door, before any query."""
    parts = [request.path, *request.args.keys(), *request.args.values()]
    if request.mimetype in FORM_TYPES:
        parts += [*request.form.keys(), *request.form.values()]
    if any("\x00" in part for part in parts):
        raise AppError("The request holds a character that no text has.")


def _protect(response: Response) -> Response:
    headers = response.headers
    headers.setdefault("Content-Security-Policy", CSP)
    headers.setdefault("X-Content-Type-Options", "nosniff")
    headers.setdefault("Referrer-Policy", "same-origin")
    headers.setdefault("Cross-Origin-Opener-Policy", "same-origin")
    headers.setdefault("Cross-Origin-Resource-Policy", "same-origin")
    headers.setdefault("Permissions-Policy", "camera=(), geolocation=(), microphone=(), payment=(), usb=()")
    if request.is_secure:
        headers.setdefault("Strict-Transport-Security", f"max-age={YEAR}; includeSubDomains")
    if request.endpoint == "static":
        if "v" in request.args and response.status_code == 200:
            headers["Cache-Control"] = f"public, max-age={YEAR}, immutable"
    elif "Cache-Control" not in headers and (signed_in() or request.path.startswith("/api/")):
        headers["Cache-Control"] = "no-store"
    return response


@cache
def _version(folder: Path, filename: str) -> str | None:
    """Return what changes with the file; None where there is none. Asked once a process: an upgrade starts new ones."""
    try:
        return hashlib.sha256((folder / filename).read_bytes()).hexdigest()[:12]
    except OSError:
        return None


class IdConverter(BaseConverter):
    """`<id:name>` in a route: an id of ours; anything else is no such page, before any query."""

    regex = "[0-9a-f]{32}"


class TrustedProxies:
    """WSGI middleware: takes X-Forwarded-For, -Proto and -Host from named proxies only, and from nobody else.

    The client is the rightmost address that is not one of the proxies: what stands left of it is the client's own claim.
    """

    def __init__(self, app: Callable[..., Iterable[bytes]], networks: tuple[Network, ...]) -> None:
        self.app = app
        self.networks = networks

    def __call__(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        """Serve one request."""
        if self._trusted(environ.get("REMOTE_ADDR", "")):
            headers = EnvironHeaders(environ)
            for address in reversed(
                [part.strip() for part in headers.get("X-Forwarded-For", "").split(",") if part.strip()]
            ):
                if _parsed(address) is None:
                    break
                environ["REMOTE_ADDR"] = address
                if not self._trusted(address):
                    break
            if headers.get("X-Forwarded-Proto") in {"http", "https"}:
                environ["wsgi.url_scheme"] = headers["X-Forwarded-Proto"]
            if headers.get("X-Forwarded-Host"):
                environ["HTTP_HOST"] = headers["X-Forwarded-Host"].split(",")[-1].strip()
        return self.app(environ, start_response)

    def _trusted(self, address: str) -> bool:
        parsed = _parsed(address)
        return parsed is not None and any(parsed in network for network in self.networks)


def _parsed(address: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        return ipaddress.ip_address(address)
    except ValueError:
        return None
