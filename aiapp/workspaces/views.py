"""Entering, switching and making workspaces; the other pages are imported."""

from __future__ import annotations

import sqlalchemy as sa
from flask import make_response, redirect, render_template, request, session, url_for
from flask_login import current_user
from sqlalchemy.orm import contains_eager
from werkzeug.wrappers import Response

from aiapp import htmx
from aiapp.errors import Conflict, InvalidInput
from aiapp.extensions import db
from aiapp.workspaces import actions, entrance_views, settings_views
from aiapp.workspaces.access import signed_in
from aiapp.workspaces.models import Membership, Workspace
from aiapp.workspaces.routes import blueprint, field_errors

__all__ = ["blueprint", "entrance_views", "settings_views"]


def memberships() -> list[Membership]:
    """Return where the signed-in person belongs, by name."""
    query = (
        sa.select(Membership)
        .join(Membership.workspace)
        .where(Membership.user_id == current_user.id)
        .options(contains_eager(Membership.workspace))
        .order_by(sa.func.lower(Workspace.name))
    )
    return list(db.session.scalars(query))


@blueprint.get("/")
def root() -> Response:
    """Go to the workspace last looked at, to the first one, or to where one is made."""
    if not current_user.is_authenticated:
        return redirect(url_for("accounts.login"))
    mine = memberships()
    if not mine:
        return redirect(url_for("workspaces.new"))
    slugs = [row.workspace.slug for row in mine]
    last = session.get("workspace")
    return redirect(url_for("home.index", workspace=last if last in slugs else slugs[0]))


@blueprint.get("/_workspaces")
@signed_in
def menu() -> Response:
    """The workspace menu."""
    return htmx.fragment("workspaces/_menu.html", memberships=memberships())


@blueprint.get("/workspaces")
@signed_in
def index() -> str:
    """The workspace menu as a page."""
    return render_template("workspaces/index.html", memberships=memberships())


@blueprint.get("/workspaces/new")
@signed_in
def new() -> str:
    """Show the form that makes a workspace."""
    return render_template("workspaces/new.html", values={}, errors={})


@blueprint.post("/workspaces")
@signed_in
def create() -> Response:
    """Make a workspace; whoever makes it owns it."""
    user = current_user._get_current_object()
    name, slug = request.form.get("name", ""), request.form.get("slug", "").strip().lower()
    try:
        workspace = actions.create(name, user, slug or None)
    except (InvalidInput, Conflict) as error:
        page = render_template("workspaces/new.html", values={"name": name, "slug": slug}, errors=field_errors(error))
        return make_response(page, 422)
    return htmx.go(url_for("home.index", workspace=workspace.slug), f"{workspace.name} is ready.")
