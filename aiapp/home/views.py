"""The home page of a workspace."""

from __future__ import annotations

from flask import Blueprint, render_template

from aiapp.credentials.health import REASONS
from aiapp.home import figures
from aiapp.workspaces.access import Access, require

blueprint = Blueprint("home", __name__)


@blueprint.get("/w/<workspace>/")
@require()
def index(access: Access) -> str:
    """The set-up list until it is done, then the last day."""
    set_up = figures.set_up(access)
    if set_up.done < 3:
        return render_template("home/set_up.html", set_up=set_up)
    return render_template(
        "home/index.html",
        day=figures.last_day(access),
        executions=figures.recent(access),
        drafts=figures.drafts(access),
        approvals=figures.approvals_for(access),
        down=figures.down(access),
        reasons=REASONS,
    )
