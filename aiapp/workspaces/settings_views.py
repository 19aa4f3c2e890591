"""The settings of a workspace: general, members, invitations, tokens, audit log."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from flask import g, make_response, render_template, request, session, url_for
from werkzeug.wrappers import Response

from aiapp import htmx
from aiapp.accounts.tokens import SCOPES
from aiapp.audit import AuditEvent
from aiapp.columns import now
from aiapp.errors import InvalidInput
from aiapp.extensions import db
from aiapp.workspaces import actions, api_tokens, invitations
from aiapp.workspaces.access import Access, require
from aiapp.workspaces.models import ROLES, Invitation, Membership
from aiapp.workspaces.routes import absolute, blueprint, field_errors

AUDIT_PAGE = 50
SCOPE_WORDS = {
    "read": "Read: look at everything",
    "run": "Run: also execute and rate",
    "write": "Write: also edit prompt templates",
    "admin": "Admin: also credentials and members",
}
TOKEN_LIFETIMES = {"30": 30, "90": 90, "365": 365, "": None}


@blueprint.get("/w/<workspace>/settings")
@require()
def settings_general(access: Access) -> str:
    """Name and address of the workspace."""
    return _general(access, {})


@blueprint.post("/w/<workspace>/settings")
@require("admin")
def update(access: Access) -> Response:
    """Change name and address."""
    name, slug = request.form.get("name", ""), request.form.get("slug", "").strip().lower()
    try:
        actions.update(access, name, slug)
    except InvalidInput as error:
        db.session.rollback()
        return make_response(_general(access, field_errors(error), {"name": name, "slug": slug}), 422)
    return htmx.go(url_for("workspaces.settings_general", workspace=access.workspace.slug), "Saved.")


@blueprint.get("/w/<workspace>/settings/delete")
@require("owner")
def delete_dialog(access: Access) -> str:
    """Ask for the workspace's address before it is deleted."""
    return render_template("settings/delete.html", errors={})


@blueprint.post("/w/<workspace>/settings/delete")
@require("owner")
def delete(access: Access) -> Response:
    """Delete the workspace with everything in it."""
    try:
        actions.delete(access, request.form.get("confirm", "").strip())
    except InvalidInput as error:
        return make_response(render_template("settings/delete.html", errors=field_errors(error)), 422)
    session.pop("workspace", None)
    g.pop("access")
    return htmx.go(url_for("workspaces.root"), "The workspace is deleted.")


@blueprint.get("/w/<workspace>/settings/members")
@require()
def settings_members(access: Access) -> str:
    """Who belongs to the workspace."""
    return render_template("settings/members.html", members=actions.members(access), roles=_roles(access))


@blueprint.post("/w/<workspace>/settings/members/<id:membership_id>")
@require("admin")
def change_role(access: Access, membership_id: str) -> Response:
    """Give a member another role."""
    member = actions.change_role(access, membership_id, request.form.get("role", ""))
    message = f"{member.user.name} is now {member.role}."
    return htmx.go(url_for("workspaces.settings_members", workspace=access.workspace.slug), message)


@blueprint.get("/w/<workspace>/settings/members/<id:membership_id>/remove")
@require()
def remove_dialog(access: Access, membership_id: str) -> str:
    """Ask before a member is removed, or leaves."""
    member = access.get(Membership, membership_id)
    if member.user_id != access.user.id:
        access.demand("admin")
    return render_template("settings/remove_member.html", member=member)


@blueprint.post("/w/<workspace>/settings/members/<id:membership_id>/remove")
@require()
def remove_member(access: Access, membership_id: str) -> Response:
    """Remove a member; everybody may remove themselves."""
    member = actions.remove_member(access, membership_id)
    if member.user_id == access.user.id:
        session.pop("workspace", None)
        g.pop("access")
        return htmx.go(url_for("workspaces.root"), f"You have left {access.workspace.name}.")
    message = f"{member.user.name} is removed."
    return htmx.go(url_for("workspaces.settings_members", workspace=access.workspace.slug), message)


@blueprint.get("/w/<workspace>/settings/invitations")
@require("admin")
def settings_invitations(access: Access) -> str:
    """Open invitations, and the form that makes one."""
    return _invitations(access, {}, {})


@blueprint.post("/w/<workspace>/settings/invitations")
@require("admin")
def invite(access: Access) -> Response:
    """Make an invitation and show its link, this once."""
    values = {name: request.form.get(name, "") for name in ("email", "role")}
    try:
        made, secret = invitations.invite(access, values["email"], values["role"])
    except InvalidInput as error:
        return make_response(_invitations(access, values, field_errors(error)), 422)
    link = absolute(url_for("workspaces.invitation", secret=secret))
    return make_response(_invitations(access, {}, {}, made=made, link=link), 201)


@blueprint.post("/w/<workspace>/settings/invitations/<id:invitation_id>/withdraw")
@require("admin")
def withdraw(access: Access, invitation_id: str) -> Response:
    """Make an invitation's link stop working."""
    invitations.withdraw(access, invitation_id)
    return htmx.go(
        url_for("workspaces.settings_invitations", workspace=access.workspace.slug), "The invitation is withdrawn."
    )


@blueprint.get("/w/<workspace>/settings/tokens")
@require()
def settings_tokens(access: Access) -> str:
    """API tokens: one's own, for admins everyone's."""
    return _tokens(access, {}, {})


@blueprint.post("/w/<workspace>/settings/tokens")
@require()
def create_token(access: Access) -> Response:
    """Make a token and show it, this once."""
    values = {name: request.form.get(name, "") for name in ("name", "scope", "days")}
    days = TOKEN_LIFETIMES.get(values["days"], 90)
    try:
        token, text = api_tokens.create(
            access, values["name"], values["scope"], now() + timedelta(days=days) if days else None
        )
    except InvalidInput as error:
        return make_response(_tokens(access, values, field_errors(error)), 422)
    return make_response(_tokens(access, {}, {}, made=token, text=text), 201)


@blueprint.post("/w/<workspace>/settings/tokens/<id:token_id>/revoke")
@require()
def revoke_token(access: Access, token_id: str) -> Response:
    """Make a token stop working at once."""
    api_tokens.revoke(access, token_id)
    return htmx.go(url_for("workspaces.settings_tokens", workspace=access.workspace.slug), "The token is revoked.")


@blueprint.get("/w/<workspace>/settings/audit")
@require("admin")
def settings_audit(access: Access) -> str:
    """Who did what, newest first."""
    query = access.select(AuditEvent).order_by(AuditEvent.id.desc()).limit(AUDIT_PAGE + 1)
    before = request.args.get("before", "")
    if before:
        query = query.where(AuditEvent.id < before)
    events = list(db.session.scalars(query))
    more = events[AUDIT_PAGE - 1].id if len(events) > AUDIT_PAGE else None
    shown = [(event, _changes(event)) for event in events[:AUDIT_PAGE]]
    return render_template("settings/audit.html", events=shown, more=more)


def _changes(event: AuditEvent) -> list[tuple[str, Any, Any]]:
    before, after = event.before or {}, event.after or {}
    return [(field, before.get(field), after.get(field)) for field in dict.fromkeys([*before, *after])]


def _general(access: Access, errors: dict[str, str], values: dict[str, str] | None = None) -> str:
    shown = values or {"name": access.workspace.name, "slug": access.workspace.slug}
    return render_template("settings/general.html", values=shown, errors=errors)


def _invitations(access: Access, values: dict[str, str], errors: dict[str, str], **more: Any) -> str:
    rows = db.session.scalars(access.select(Invitation).order_by(Invitation.id.desc())).all()
    return render_template(
        "settings/invitations.html",
        invitations=rows,
        role_options=[(role, role.capitalize()) for role in _roles(access)],
        values=values,
        errors=errors,
        **more,
    )


def _tokens(access: Access, values: dict[str, str], errors: dict[str, str], **more: Any) -> str:
    scopes = [(scope, SCOPE_WORDS[scope]) for scope in SCOPES if access.allows(api_tokens.SCOPE_NEEDS[scope])]
    return render_template(
        "settings/tokens.html",
        tokens=api_tokens.listed(access),
        scope_options=scopes,
        values=values,
        errors=errors,
        **more,
    )


def _roles(access: Access) -> list[str]:
    return [role for role in ROLES if role != "owner" or access.allows("owner")]
