"""The page on which a workspace says what becomes of its executions' texts."""

from __future__ import annotations

from typing import Any

from flask import Blueprint, make_response, render_template, request, url_for
from werkzeug.wrappers import Response

from aiapp import htmx
from aiapp.errors import InvalidInput
from aiapp.extensions import db, settings
from aiapp.retention import actions
from aiapp.retention.actions import DAYS, FLAGS, Unconfirmed
from aiapp.workspaces.access import Access, require
from aiapp.workspaces.routes import field_errors

blueprint = Blueprint("retention", __name__)


@blueprint.get("/w/<workspace>/settings/data")
@require("admin")
def settings_data(access: Access) -> Response:
    """The rules as they are."""
    return _page(access, actions.rules_of(access.workspace), {})


@blueprint.post("/w/<workspace>/settings/data")
@require("admin")
def change(access: Access) -> Response:
    """Change them; what cannot be undone asks for the workspace's address first."""
    values: dict[str, Any] = {name: bool(request.form.get(name)) for name in FLAGS}
    values["private_executions"] = request.form.get("private_executions") == "1"
    values["keeps_texts"] = request.form.get("keeps_texts") != "0"
    values |= {name: request.form.get(name, "").strip() for name in DAYS}
    confirm = request.form.get("confirm", "").strip()
    try:
        actions.change(access, {**values, **_days(values)}, confirm)
    except InvalidInput as error:
        db.session.rollback()
        return _page(access, values, field_errors(error))
    except Unconfirmed as error:
        errors = {"confirm": f"Type {access.workspace.slug}."} if confirm else {}
        return _page(access, values, errors, losses=error.extra)
    return htmx.go(url_for("retention.settings_data", workspace=access.workspace.slug), "Saved.")


@blueprint.get("/w/<workspace>/settings/data/_progress")
@require("admin")
def progress(access: Access) -> Response:
    """How far the encrypting of earlier rows is."""
    return htmx.fragment("retention/_progress.html", **_progress(access))


def _days(values: dict[str, Any]) -> dict[str, int | None]:
    """Return the numbers of days. Raises InvalidInput."""
    found: dict[str, int | None] = {}
    for name in DAYS:
        typed = values[name]
        if typed and not (typed.isascii() and typed.isdigit() and len(typed) <= 9):
            raise InvalidInput(errors=[{"field": name, "message": "Use a whole number of days, or nothing."}])
        found[name] = int(typed) if typed else None
    return found


def _page(access: Access, values: dict[str, Any], errors: dict[str, str], losses: Any = None) -> Response:
    page = render_template(
        "retention/settings.html",
        values=values,
        errors=errors,
        losses=losses,
        of_server=settings().retention_days,
        **_progress(access),
    )
    return make_response(page, 422 if errors or losses is not None else 200)


def _progress(access: Access) -> dict[str, Any]:
    resealing = access.workspace.resealing
    return {"resealing": resealing, "encrypts": access.workspace.encrypts_texts}
