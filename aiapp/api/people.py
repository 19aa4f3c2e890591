"""The API's people: who I am, members, invitations, tokens, the audit log."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal

from flask import url_for
from flask_openapi3.blueprint import APIBlueprint
from flask_openapi3.models.tag import Tag
from pydantic import BaseModel, Field
from typing_extensions import TypedDict

from aiapp import audit as trail
from aiapp.accounts import models as accounts
from aiapp.accounts.tokens import SCOPES
from aiapp.api.asking import asking, expiry, needs
from aiapp.api.idempotency import once
from aiapp.api.locating import creates
from aiapp.api.paging import Listed, PageQuery, in_order, newest_first
from aiapp.api.shapes import GONE, Gone, Id, Line, Text, Time, aware, outside
from aiapp.errors import InvalidInput
from aiapp.wire_values import iso, moment
from aiapp.workspaces import actions, api_tokens
from aiapp.workspaces import invitations as inviting
from aiapp.workspaces import models as workspaces

people = APIBlueprint("people", __name__, abp_tags=[Tag(name="Workspace")], abp_security=[{"token": []}])


class MembershipId(BaseModel):
    """A member's id."""

    membership_id: Id


class InvitationId(BaseModel):
    """An invitation's id."""

    invitation_id: Id


class TokenId(BaseModel):
    """A token's id."""

    token_id: Id


class RoleBody(BaseModel):
    """A member's new role."""

    role: Text = Field(description="viewer, editor, admin or owner")


class InvitationBody(BaseModel):
    """Who is invited, as what."""

    email: Text
    role: Text = Field("viewer", description="viewer, editor, admin or owner")


class TokenBody(BaseModel):
    """A new token of the asking user."""

    name: Line
    scope: Text = Field("run", description="read, run, write or admin; not wider than the asking token's")
    expires_at: datetime | None = Field(None, description="null: never; not later than the asking token's")


class User(TypedDict):
    """A user."""

    id: Id
    email: str
    name: str


class Workspace(TypedDict):
    """A workspace."""

    id: Id
    slug: str
    name: str


class Me(TypedDict):
    """Who a token speaks for."""

    user: User
    workspace: Workspace
    role: str
    scopes: list[str]


class Member(TypedDict):
    """Somebody who belongs to the workspace."""

    id: Id
    user: User
    role: str
    created_at: Time


class Invitation(TypedDict):
    """An open invitation."""

    id: Id
    email: str
    role: str
    link: Annotated[str | None, Field(description="shown once, in the answer that creates it")]
    created_at: Time
    expires_at: Time


class Token(TypedDict):
    """An API token."""

    id: Id
    name: str
    scope: str
    hint: Annotated[str, Field(description="its last four characters")]
    user: User
    token: Annotated[str | None, Field(description="shown once, in the answer that creates it")]
    created_at: Time
    expires_at: Time | None
    last_used_at: Time | None


class AuditEvent(TypedDict):
    """Something that somebody did."""

    id: Id
    actor: str
    action: str
    subject: str
    before: dict[str, Any] | None
    after: dict[str, Any] | None
    at: Time
    ip: str


@people.get("/me", summary="Who the token speaks for")
@needs("viewer", "read")
def me() -> Me:
    """The token's user, workspace, role and scopes."""
    access = asking()
    workspace = access.workspace
    return {
        "user": person(access.user),
        "workspace": {"id": workspace.id, "slug": workspace.slug, "name": workspace.name},
        "role": access.role,
        "scopes": list(SCOPES[: SCOPES.index(access.scope) + 1]),
    }


@people.get("/members", summary="Who belongs to the workspace")
@needs("viewer", "read")
def members(query: PageQuery) -> Listed[Member]:
    """Owners first, then by role and name."""
    return in_order(
        actions.members(asking()),
        lambda row: (-workspaces.ROLES.index(row.role), row.user.name.casefold(), row.id),
        query,
        _member,
    )


@people.patch("/members/<id:membership_id>", summary="Change a member's role")
@needs("admin", "admin")
def change_role(path: MembershipId, body: RoleBody) -> Member:
    """Only an owner makes or unmakes owners; the last owner stays."""
    return _member(actions.change_role(asking(), path.membership_id, body.role))


@people.delete("/members/<id:membership_id>", summary="Remove a member")
@needs("viewer", "admin")
def remove_member(path: MembershipId) -> Gone:
    """An admin removes others; everybody may leave. Their tokens stop working at once."""
    actions.remove_member(asking(), path.membership_id)
    return GONE


@people.get("/invitations", summary="Open invitations")
@needs("admin", "admin")
def invitations(query: PageQuery) -> Listed[Invitation]:
    """Newest first; the links are not shown again."""
    return newest_first(asking().select(workspaces.Invitation), workspaces.Invitation, query, _invitation)


@people.post("/invitations", summary="Invite somebody")
@creates("people.withdraw", id="invitation_id")
@once(shown_once="link")
@needs("admin", "admin")
def invite(body: InvitationBody) -> tuple[Invitation, Literal[201]]:
    """The answer holds the link, this once."""
    invitation, secret = inviting.invite(asking(), body.email, body.role)
    return {**_invitation(invitation), "link": outside(url_for("workspaces.invitation", secret=secret))}, 201


@people.delete("/invitations/<id:invitation_id>", summary="Withdraw an invitation")
@needs("admin", "admin")
def withdraw(path: InvitationId) -> Gone:
    """Its link stops working."""
    inviting.withdraw(asking(), path.invitation_id)
    return GONE


@people.get("/tokens", summary="API tokens")
@needs("viewer", "read")
def tokens(query: PageQuery) -> Listed[Token]:
    """One's own, newest first; for admins everyone's."""
    return in_order(api_tokens.listed(asking()), lambda row: (-int(row.id, 16),), query, _token)


@people.post("/tokens", summary="Create a token")
@creates("people.revoke_token", id="token_id")
@once(shown_once="token")
@needs("viewer", "write")
def create_token(body: TokenBody) -> tuple[Token, Literal[201]]:
    """The answer holds the token, this once. A token makes none that is wider or lives longer than itself."""
    expires_at, latest = aware(body.expires_at, "expires_at"), expiry()
    if latest is not None and (expires_at is None or expires_at > latest):
        message = f"The asking token runs out at {moment(latest)}: a token that it makes cannot live longer."
        raise InvalidInput(errors=[{"field": "expires_at", "message": message}])
    token, text = api_tokens.create(asking(), body.name, body.scope, expires_at)
    return {**_token(token), "token": text}, 201


@people.delete("/tokens/<id:token_id>", summary="Revoke a token")
@needs("viewer", "write")
def revoke_token(path: TokenId) -> Gone:
    """It stops working at once."""
    api_tokens.revoke(asking(), path.token_id)
    return GONE


@people.get("/audit", summary="The audit log")
@needs("admin", "admin")
def audit(query: PageQuery) -> Listed[AuditEvent]:
    """Who did what, newest first."""
    return newest_first(asking().select(trail.AuditEvent), trail.AuditEvent, query, _event)


def person(user: accounts.User) -> User:
    """Return a user as the API shows them."""
    return {"id": user.id, "email": user.email, "name": user.name}


def _member(row: workspaces.Membership) -> Member:
    return {"id": row.id, "user": person(row.user), "role": row.role, "created_at": moment(row.created_at)}


def _invitation(row: workspaces.Invitation) -> Invitation:
    return {
        "id": row.id,
        "email": row.email,
        "role": row.role,
        "link": None,
        "created_at": moment(row.created_at),
        "expires_at": moment(row.expires_at),
    }


def _token(row: accounts.ApiToken) -> Token:
    return {
        "id": row.id,
        "name": row.name,
        "scope": row.scope,
        "hint": row.hint,
        "user": person(row.user),
        "token": None,
        "created_at": moment(row.created_at),
        "expires_at": iso(row.expires_at),
        "last_used_at": iso(row.last_used_at),
    }


def _event(row: trail.AuditEvent) -> AuditEvent:
    return {
        "id": row.id,
        "actor": row.actor,
        "action": row.action,
        "subject": row.subject,
        "before": row.before,
        "after": row.after,
        "at": moment(row.at),
        "ip": row.ip,
    }
