"""Who asks the API: a bearer token and nothing else, checked before anything of the request is read."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import sqlalchemy as sa
from flask import current_app, g, request

from aiapp.accounts import tokens
from aiapp.errors import AppError, Unauthenticated, UnsupportedMediaType
from aiapp.extensions import db
from aiapp.workspaces.access import Access
from aiapp.workspaces.models import Membership

View = TypeVar("View", bound=Callable[..., Any])
BODY = frozenset({"POST", "PUT", "PATCH"})


def needs(role: str, scope: str) -> Callable[[View], View]:
    """Say what a view needs: the least role of the token's user, and the least scope of the token."""

    def mark(view: View) -> View:
        view.needs = (role, scope)  # type: ignore[attr-defined]
        return view

    return mark


def asking() -> Access:
    """Return who asks."""
    access: Access = g.access
    return access


def authenticate() -> None:
    """Find the token's user and workspace and check role and scope (a before_request of the API).

    Raises Unauthenticated, Denied, and for a body that is no JSON object AppError `bad_json`, UnsupportedMediaType.
    """
    view = current_app.view_functions.get(request.endpoint or "")
    if getattr(view, "public", False):
        return
    access = _access(request.headers.get("Authorization", ""))
    g.access = access
    role, scope = view.needs  # type: ignore[union-attr]
    access.demand(role, scope)
    if request.method in BODY and (request.content_length or "chunked" in request.headers.get("Transfer-Encoding", "")):
        _check_body()


def still_valid(authorization: str) -> bool:
    """Whether the token of an open stream still works: it may have been revoked, its user removed."""
    try:
        _access(authorization)
    except Unauthenticated:
        return False
    return True


def _access(authorization: str) -> Access:
    scheme, _, text = authorization.partition(" ")
    token = tokens.find(text.strip()) if scheme.lower() == "bearer" else None
    if token is None:
        raise Unauthenticated("Send a token of this workspace as Authorization: Bearer aiapp_…")
    membership = db.session.scalar(
        sa.select(Membership).where(Membership.workspace_id == token.workspace_id, Membership.user_id == token.user_id)
    )
    if membership is None:
        raise Unauthenticated("Send a token of this workspace as Authorization: Bearer aiapp_…")
    tokens.note_use(token)
    return Access(membership.workspace, token.user, membership.role, scope=token.scope, token_name=token.name)


def _check_body() -> None:
    if not request.is_json:
        raise UnsupportedMediaType("Send a JSON object with Content-Type: application/json.")
    try:
        body = request.get_json(silent=True)
    except RecursionError:
        body = None
    if not isinstance(body, dict):
        raise AppError("The body is not a JSON object.", code="bad_json")
