"""How people come in: sign-up and invitations."""

from __future__ import annotations

from flask import make_response, redirect, render_template, request, url_for
from flask_login import current_user
from werkzeug.wrappers import Response

from aiapp import htmx
from aiapp.accounts import actions as account_actions
from aiapp.accounts.models import User
from aiapp.accounts.views import enter as enter_session
from aiapp.accounts.views import per_source, user_agent
from aiapp.errors import Conflict, InvalidInput, NotFound
from aiapp.extensions import client_address, db, settings
from aiapp.workspaces import actions, invitations
from aiapp.workspaces.routes import blueprint, field_errors


@blueprint.get("/sign-up")
def sign_up() -> Response | str:
    """Show the sign-up page, where this server has it switched on."""
    if not settings().sign_up:
        raise NotFound("This server makes accounts by invitation only.")
    if current_user.is_authenticated:
        return redirect(url_for("workspaces.root"))
    return render_template("accounts/sign_up.html", values={}, errors={})


@blueprint.post("/sign-up")
@per_source
def create_account() -> Response:
    """Make an account with a workspace of its own."""
    if not settings().sign_up:
        raise NotFound("This server makes accounts by invitation only.")
    values = {name: request.form.get(name, "") for name in ("email", "name")}
    try:
        user, workspace = actions.sign_up(values["email"], values["name"], request.form.get("password", ""))
    except (InvalidInput, Conflict) as error:
        db.session.rollback()
        page = render_template("accounts/sign_up.html", values=values, errors=field_errors(error))
        return make_response(page, 422)
    _sign_in(user)
    return htmx.go(url_for("home.index", workspace=workspace.slug), "Welcome. This workspace is yours.")


@blueprint.get("/invitations/<secret>")
def invitation(secret: str) -> Response:
    """Show an invitation: accept it as who is signed in, or make an account."""
    found = invitations.find_invitation(secret)
    page = make_response(
        render_template("workspaces/invitation.html", invitation=found, secret=secret, values={}, errors={})
    )
    page.headers["Referrer-Policy"] = "no-referrer"
    page.headers["Cache-Control"] = "no-store"
    return page


@blueprint.post("/invitations/<secret>")
@per_source
def accept(secret: str) -> Response:
    """Accept an invitation."""
    found = invitations.find_invitation(secret)
    if current_user.is_authenticated:
        workspace = invitations.accept(found, current_user._get_current_object())
        return htmx.go(url_for("home.index", workspace=workspace.slug), f"You are a member of {workspace.name}.")
    values = {"name": request.form.get("name", "")}
    try:
        user, workspace = invitations.accept_as_new(found, values["name"], request.form.get("password", ""))
    except (InvalidInput, Conflict) as error:
        db.session.rollback()
        page = render_template(
            "workspaces/invitation.html", invitation=found, secret=secret, values=values, errors=field_errors(error)
        )
        return make_response(page, 422)
    _sign_in(user)
    return htmx.go(url_for("home.index", workspace=workspace.slug), f"You are a member of {workspace.name}.")


def _sign_in(user: User) -> None:
    enter_session(user, account_actions.start_session(user, ip=client_address(), user_agent=user_agent()))
