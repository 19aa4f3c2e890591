"""Who asks the API: a bearer token and nothing else, checked before anything of the request is read."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Any, TypeVar

import sqlalchemy as sa
from flask import Response, current_app, g, request
from sqlalchemy.orm import lazyload

from aiapp.accounts import tokens
from aiapp.accounts.models import ApiToken
from aiapp.errors import AppError, NotFound, Unauthenticated, UnsupportedMediaType
from aiapp.executions.models import Execution
from aiapp.extensions import db, reading
from aiapp.workspaces.access import Access
from aiapp.workspaces.models import Membership

View = TypeVar("View", bound=Callable[..., Any])
BODY = frozenset({"POST", "PUT", "PATCH"})
# Every request asks this, so it is one question, built once; the token's user is the membership's.
_WHO = (
    sa.select(ApiToken, Membership)
    .join(
        Membership,
        sa.and_(Membership.workspace_id == ApiToken.workspace_id, Membership.user_id == ApiToken.user_id),
    )
    .where(ApiToken.secret_hash == sa.bindparam("secret_hash"))
    .options(lazyload(ApiToken.user))
)
HOW = "Send a token of this workspace as Authorization: Bearer aiapp_…"


def needs(role: str, scope: str) -> Callable[[View], View]:
    """Say what a view needs: the least role of the token's user, and the least scope of the token."""

    def mark(view: View) -> View:
        view.needs = (role, scope)  # type: ignore[attr-defined]
        return view

    return mark


def public(view: View) -> View:
    """Say that a view answers everybody."""
    view.needs = None  # type: ignore[attr-defined]
    return view


def asking() -> Access:
    """Return who asks."""
    access: Access = g.access
    return access


def expiry() -> datetime | None:
    """Return when the asking token runs out."""
    when: datetime | None = g.token_expires_at
    return when


def authenticate() -> None:
    """Find the token's user and workspace and check role and scope (a before_request of the API).

    No transaction is left open. Raises Unauthenticated, Denied, and for a body that is no JSON object AppError `bad_json`,
    UnsupportedMediaType.
    """
    view: Any = current_app.view_functions[request.endpoint or ""]
    needed = view.needs
    if needed is None:
        return
    recognise(note=True)
    asking().demand(*needed)
    if request.method in BODY and (request.content_length or "chunked" in request.headers.get("Transfer-Encoding", "")):
        _check_body()


def recognise(*, note: bool = False) -> None:
    """Find out who asks, anew: their token may have been revoked, their role changed. Raises Unauthenticated.

    Arguments:
        note: keep that the token was used.
    """
    db.session.expire_all()
    with reading():  # the writer's lock is for what changes something
        token, membership = _found(request.headers.get("Authorization", ""))
        db.session.commit()
    if note:
        tokens.note_use(token)
    g.access = Access(membership.workspace, token.user, membership.role, scope=token.scope, token_name=token.name)
    g.token_expires_at = token.expires_at


def still_valid(authorization: str, execution_id: str) -> bool:
    """Whether the token of an open stream may still read it: it may have been revoked, its user removed, executions hidden."""
    try:
        token, membership = _found(authorization)
        access = Access(membership.workspace, token.user, membership.role, scope=token.scope)
        return bool(access.get(Execution, execution_id))
    except (Unauthenticated, NotFound):
        return False


def challenge(response: Response) -> Response:
    """Name the scheme on a 401 (an after_request of the API; RFC 9110, 11.6.1)."""
    if response.status_code == 401:
        response.headers["WWW-Authenticate"] = 'Bearer realm="aiapp"'
    return response


def _found(authorization: str) -> tuple[ApiToken, Membership]:
    scheme, _, text = authorization.partition(" ")
    secret_hash = tokens.hash_of(text.strip()) if scheme.lower() == "bearer" else None
    found = db.session.execute(_WHO, {"secret_hash": secret_hash}).first() if secret_hash else None
    if found is None:
        raise Unauthenticated(HOW)
    token, membership = found
    if token.expired or not membership.user.active:
        raise Unauthenticated(HOW)
    return token, membership


def _check_body() -> None:
    if not request.is_json:
        raise UnsupportedMediaType("Send a JSON object with Content-Type: application/json.")
    try:
        body = request.get_json(silent=True)
    except RecursionError:
        body = None
    if not isinstance(body, dict):
        raise AppError("The body is not a JSON object.", code="bad_json")
