"""The blueprint that the pages of workspaces hang on, what every template knows of where it is, and what several views need."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from flask import Blueprint, g, request, session
from flask_login import current_user
from werkzeug.wrappers import Response

from aiapp.errors import AppError, NotFound
from aiapp.extensions import settings
from aiapp.workspaces.access import Access, enter

blueprint = Blueprint("workspaces", __name__)


def field_errors(error: AppError) -> dict[str, str]:
    """Return field -> message for a form; a conflict of a taken name belongs to the field that names it."""
    taken = {"email_taken": "email", "slug_taken": "slug"}
    if error.code in taken:
        return {taken[error.code]: error.detail}
    return {item["field"]: item["message"] for item in error.errors}


def remember(access: Access) -> None:
    """Keep the workspace last looked at, so that pages outside of one (profile, errors) keep its shell."""
    if session.get("workspace") != access.workspace.slug:
        session["workspace"] = access.workspace.slug


@blueprint.after_app_request
def keep_last_workspace(response: Response) -> Response:
    """Note in the cookie which workspace was shown."""
    access: Access | None = g.get("access")
    if access is not None and access.token_name is None and not request.path.startswith("/api/"):
        remember(access)
    return response


@blueprint.app_context_processor
def where() -> dict[str, Any]:
    """Give every template the workspace and the role; outside of a workspace, the one last looked at."""
    access: Access | None = g.get("access")
    if access is None and current_user.is_authenticated:
        access = _entered(_named(request.path)) or _entered(session.get("workspace"))
    return {
        "workspace": access.workspace if access else None,
        "role": access.role if access else None,
        "access": access,
    }


def _named(path: str) -> str | None:
    """Return the workspace whose page this would be, had the address led to one."""
    start, _, rest = path.partition("/w/")
    return rest.partition("/")[0] if not start else None


def _entered(slug: str | None) -> Access | None:
    try:
        return enter(current_user, slug) if slug else None
    except (NotFound, sa.exc.SQLAlchemyError):  # not theirs, or the database is down: the shell does without
        return None


def absolute(path: str) -> str:
    """Return the whole address of a path of this site, as people outside see it."""
    return (settings().base_url or request.host_url.rstrip("/")) + path
