"""The queue pages: the whole installation's for system administrators, a workspace's own for its admins."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from flask import Blueprint, make_response, render_template, request, url_for
from flask_login import current_user
from werkzeug.wrappers import Response

from aiapp import htmx
from aiapp.errors import InvalidInput
from aiapp.executions import pauses
from aiapp.extensions import db
from aiapp.installation.access import administrators
from aiapp.operations import actions, figures, parts
from aiapp.workspaces.access import Access, require
from aiapp.workspaces.models import Membership

blueprint = Blueprint("operations", __name__)


@blueprint.context_processor
def words() -> dict[str, Any]:
    """Give the templates the words for pauses, and how a drained worker is named."""
    return {"told": pauses.told, "of_worker": pauses.of_worker, "all_queues": pauses.ALL, "most": figures.MOST}


@blueprint.get("/admin/queue")
@administrators
def installation() -> str:
    """What waits and runs in every workspace, the workers, and what failed."""
    return render_template("operations/installation.html", **_of_installation())


@blueprint.get("/admin/queue/_now")
@administrators
def installation_now() -> Response:
    """The same as it is now."""
    return htmx.fragment("operations/_installation.html", **_of_installation())


@blueprint.get("/admin/queue/pause")
@administrators
def pause_form() -> str:
    """Ask why, before a queue (`?what=high`), the whole queue or a worker is paused."""
    what = request.args.get("what", pauses.ALL)
    return render_template("operations/pause.html", what=what, subject=actions.name_of(what), error=None, reason="")


@blueprint.post("/admin/queue/pause")
@administrators
def pause() -> Response:
    """Pause `what`."""
    what, reason = request.form.get("what", ""), request.form.get("reason", "").strip()
    subject = actions.name_of(what)
    try:
        actions.pause(current_user, what, reason)
    except InvalidInput as refusal:
        db.session.rollback()
        error = refusal.errors[0]["message"]
        page = render_template("operations/pause.html", what=what, subject=subject, error=error, reason=reason)
        return make_response(page, 422)
    drains = what.startswith(pauses.of_worker(""))
    done = "is draining: it ends what it holds and takes nothing more" if drains else "is paused"
    return htmx.go(url_for("operations.installation"), f"{subject} {done}.")


@blueprint.post("/admin/queue/resume")
@administrators
def resume() -> Response:
    """Resume `what`."""
    actions.resume(current_user, request.form.get("what", ""))
    return htmx.go(url_for("operations.installation"), "It takes work again.")


@blueprint.get("/w/<workspace>/queue")
@require("admin")
def workspace_queue(access: Access) -> str:
    """What waits and runs of this workspace, its retries and failures."""
    return render_template("operations/workspace.html", figures=figures.read(access.workspace.id))


@blueprint.get("/w/<workspace>/queue/_now")
@require("admin")
def workspace_now(access: Access) -> Response:
    """The same as it is now."""
    return htmx.fragment("operations/_workspace.html", figures=figures.read(access.workspace.id))


@blueprint.get("/w/<workspace>/queue/pause")
@require("admin")
def pause_workspace_form(access: Access) -> str:
    """Ask why, before the workspace's executions are paused."""
    return render_template("operations/pause_workspace.html", error=None, reason="")


@blueprint.post("/w/<workspace>/queue/pause")
@require("admin")
def pause_workspace(access: Access) -> Response:
    """Pause them."""
    reason = request.form.get("reason", "").strip()
    try:
        actions.pause_workspace(access, reason)
    except InvalidInput as refusal:
        db.session.rollback()
        error = refusal.errors[0]["message"]
        return make_response(render_template("operations/pause_workspace.html", error=error, reason=reason), 422)
    return htmx.go(_page(access), "No execution of this workspace starts until you resume them.")


@blueprint.post("/w/<workspace>/queue/resume")
@require("admin")
def resume_workspace(access: Access) -> Response:
    """Let them start again."""
    actions.resume_workspace(access)
    return htmx.go(_page(access), "Executions start again.")


def _page(access: Access) -> str:
    return url_for("operations.workspace_queue", workspace=access.workspace.slug)


def _of_installation() -> dict[str, Any]:
    mine = sa.select(Membership.workspace_id).where(Membership.user_id == current_user.id)
    found = figures.read()
    return {"figures": found, "parts_now": parts.read(found.workers), "mine": set(db.session.scalars(mine))}
