"""The API's people: who I am, members, invitations, tokens, the audit log."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from flask import url_for
from flask_openapi3.blueprint import APIBlueprint
from flask_openapi3.models.tag import Tag
from pydantic import BaseModel, Field

from aiapp.accounts.models import ApiToken
from aiapp.accounts.tokens import SCOPES
from aiapp.api.asking import asking, needs
from aiapp.api.idempotency import once
from aiapp.api.paging import PageQuery, newest_first, page
from aiapp.api.shapes import Id, aware, iso, outside
from aiapp.audit import AuditEvent
from aiapp.workspaces import actions
from aiapp.workspaces.models import Invitation, Membership

people = APIBlueprint("people", __name__, abp_tags=[Tag(name="Workspace")], abp_security=[{"token": []}])


class MembershipId(BaseModel):
    """A member's id."""

    membership_id: str = Id


class InvitationId(BaseModel):
    """An invitation's id."""

    invitation_id: str = Id


class TokenId(BaseModel):
    """A token's id."""

    token_id: str = Id


class RoleBody(BaseModel):
    """A member's new role."""

    role: str = Field(description="viewer, editor, admin or owner")


class InvitationBody(BaseModel):
    """Who is invited, as what."""

    email: str
    role: str = Field("viewer", description="viewer, editor, admin or owner")


class TokenBody(BaseModel):
    """A new token of the asking user."""

    name: str
    scope: str = Field("run", description="read, run, write or admin")
    expires_at: datetime | None = None


@people.get("/me", summary="Who the token speaks for")
@needs("viewer", "read")
def me() -> dict[str, Any]:
    """The token's user, workspace, role and scopes."""
    access = asking()
    held = SCOPES[: SCOPES.index(access.scope) + 1]
    return {
        "user": {"id": access.user.id, "email": access.user.email, "name": access.user.name},
        "workspace": {"id": access.workspace.id, "slug": access.workspace.slug, "name": access.workspace.name},
        "role": access.role,
        "scopes": list(held),
    }


@people.get("/members", summary="Who belongs to the workspace")
@needs("viewer", "read")
def members() -> dict[str, Any]:
    """All members, owners first."""
    return page([_member(row) for row in actions.members(asking())], None)


@people.patch("/members/<id:membership_id>", summary="Change a member's role")
@needs("admin", "admin")
def change_role(path: MembershipId, body: RoleBody) -> dict[str, Any]:
    """Only an owner makes or unmakes owners; the last owner stays."""
    return _member(actions.change_role(asking(), path.membership_id, body.role))


@people.delete("/members/<id:membership_id>", summary="Remove a member")
@needs("viewer", "admin")
def remove_member(path: MembershipId) -> tuple[str, int]:
    """An admin removes others; everybody may leave."""
    actions.remove_member(asking(), path.membership_id)
    return "", 204


@people.get("/invitations", summary="Open invitations")
@needs("admin", "admin")
def invitations(query: PageQuery) -> dict[str, Any]:
    """Newest first; the links are not shown again."""
    return newest_first(asking().select(Invitation), Invitation, query, _invitation)


@people.post("/invitations", summary="Invite somebody")
@once
@needs("admin", "admin")
def invite(body: InvitationBody) -> tuple[dict[str, Any], int]:
    """The answer holds the link, this once."""
    invitation, secret = actions.invite(asking(), body.email, body.role)
    return {**_invitation(invitation), "link": outside(url_for("workspaces.invitation", secret=secret))}, 201


@people.delete("/invitations/<id:invitation_id>", summary="Withdraw an invitation")
@needs("admin", "admin")
def withdraw(path: InvitationId) -> tuple[str, int]:
    """Its link stops working."""
    actions.withdraw(asking(), path.invitation_id)
    return "", 204


@people.get("/tokens", summary="API tokens")
@needs("viewer", "read")
def tokens() -> dict[str, Any]:
    """One's own; for admins everyone's."""
    return page([_token(row) for row in actions.list_tokens(asking())], None)


@people.post("/tokens", summary="Create a token")
@once
@needs("viewer", "read")
def create_token(body: TokenBody) -> tuple[dict[str, Any], int]:
    """The answer holds the token, this once. A token cannot make one of a wider scope than its own."""
    token, text = actions.create_token(asking(), body.name, body.scope, aware(body.expires_at))
    return {**_token(token), "token": text}, 201


@people.delete("/tokens/<id:token_id>", summary="Revoke a token")
@needs("viewer", "read")
def revoke_token(path: TokenId) -> tuple[str, int]:
    """It stops working at once."""
    actions.revoke_token(asking(), path.token_id)
    return "", 204


@people.get("/audit", summary="The audit log")
@needs("admin", "admin")
def audit(query: PageQuery) -> dict[str, Any]:
    """Who did what, newest first."""
    return newest_first(asking().select(AuditEvent), AuditEvent, query, _event)


def _member(row: Membership) -> dict[str, Any]:
    return {
        "id": row.id,
        "user": {"id": row.user.id, "email": row.user.email, "name": row.user.name},
        "role": row.role,
        "created_at": iso(row.created_at),
    }


def _invitation(row: Invitation) -> dict[str, Any]:
    return {
        "id": row.id,
        "email": row.email,
        "role": row.role,
        "link": None,
        "created_at": iso(row.created_at),
        "expires_at": iso(row.expires_at),
    }


def _token(row: ApiToken) -> dict[str, Any]:
    return {
        "id": row.id,
        "name": row.name,
        "scope": row.scope,
        "hint": row.hint,
        "user": {"id": row.user.id, "email": row.user.email, "name": row.user.name},
        "token": None,
        "created_at": iso(row.created_at),
        "expires_at": iso(row.expires_at),
        "last_used_at": iso(row.last_used_at),
    }


def _event(row: AuditEvent) -> dict[str, Any]:
    return {
        "id": row.id,
        "actor": row.actor,
        "action": row.action,
        "subject": row.subject,
        "before": row.before,
        "after": row.after,
        "at": iso(row.at),
        "ip": row.ip,
    }
