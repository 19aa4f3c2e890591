"""What people do with workspaces, their members and invitations; each verb commits once, at its end."""

from __future__ import annotations

import re
from datetime import datetime, timedelta

import sqlalchemy as sa

from aiapp import audit
from aiapp.accounts import tokens
from aiapp.accounts.actions import EMAIL, add_user
from aiapp.accounts.models import ApiToken, User
from aiapp.accounts.tokens import SCOPES, digest, new_secret
from aiapp.columns import now
from aiapp.errors import Conflict, Denied, InvalidInput, NotFound
from aiapp.extensions import db
from aiapp.workspaces.access import Access, missing
from aiapp.workspaces.models import ROLES, Invitation, Membership, Workspace

UNUSABLE = "This invitation has been used, withdrawn or has run out. Ask for a new one."
INVITATION_AGE = timedelta(days=7)
SLUG = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*")
# What a token of each scope needs of its user's role to be of any use.
SCOPE_NEEDS = {"read": "viewer", "run": "viewer", "write": "editor", "admin": "admin"}


def slug_of(name: str) -> str:
    """Return a slug made of `name`: lower-case letters, digits and single hyphens; `workspace` where nothing is left."""
    return re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")[:60].strip("-") or "workspace"


def add_workspace(name: str, owner: User, slug: str | None = None) -> Workspace:
    """Add a workspace with its owner to the session, uncommitted.

    Without a slug one is made of the name, numbered until it is free. Raises InvalidInput, Conflict `slug_taken`.
    """
    name = " ".join(name.split())
    wanted = slug if slug is not None else slug_of(name)
    errors = []
    if not 1 <= len(name) <= 100 or not name.isprintable():
        errors.append({"field": "name", "message": "Use 1 to 100 characters that can be seen."})
    if not SLUG.fullmatch(wanted) or len(wanted) > 60:
        errors.append({"field": "slug", "message": "Use lower-case letters, digits and single hyphens, at most 60."})
    if errors:
        raise InvalidInput(errors=errors)
    if slug is None:
        wanted = _free_slug(wanted)
    elif _slug_taken(wanted):
        raise Conflict("Another workspace has this address already.", code="slug_taken")
    workspace = Workspace(name=name, slug=wanted)
    db.session.add(workspace)
    db.session.flush()
    db.session.add(Membership(workspace_id=workspace.id, user_id=owner.id, role="owner"))
    audit.record(
        "workspace.create", name, actor=owner.name, actor_id=owner.id, workspace_id=workspace.id, after={"slug": wanted}
    )
    return workspace


def create(name: str, owner: User, slug: str | None = None) -> Workspace:
    """Make a workspace of `owner`. Errors as add_workspace."""
    workspace = add_workspace(name, owner, slug)
    db.session.commit()
    return workspace


def sign_up(email: str, name: str, password: str) -> tuple[User, Workspace]:
    """Make an account with a workspace of its own. Raises InvalidInput, Conflict `email_taken`."""
    user = add_user(email, name, password)
    workspace = add_workspace(f"{user.name}'s workspace"[:100], user)
    audit.record("user.sign_up", user.email, actor=user.name, actor_id=user.id)
    db.session.commit()
    return user, workspace


def update(access: Access, name: str, slug: str) -> None:
    """Change the name and address of the workspace. Raises InvalidInput, Conflict `slug_taken`."""
    workspace = access.workspace
    name = " ".join(name.split())
    errors = []
    if not 1 <= len(name) <= 100 or not name.isprintable():
        errors.append({"field": "name", "message": "Use 1 to 100 characters that can be seen."})
    if not SLUG.fullmatch(slug) or len(slug) > 60:
        errors.append({"field": "slug", "message": "Use lower-case letters, digits and single hyphens, at most 60."})
    elif slug != workspace.slug and _slug_taken(slug):
        errors.append({"field": "slug", "message": "Another workspace has this address already."})
    if errors:
        raise InvalidInput(errors=errors)
    before = {"name": workspace.name, "slug": workspace.slug}
    workspace.name, workspace.slug = name, slug
    access.audit("workspace.update", name, before=before, after={"name": name, "slug": slug})
    db.session.commit()


def delete(access: Access, typed_slug: str) -> None:
    """Delete the workspace with everything in it. `typed_slug` must be its address. Raises InvalidInput."""
    workspace = access.workspace
    if typed_slug != workspace.slug:
        raise InvalidInput(errors=[{"field": "confirm", "message": f"Type {workspace.slug} to confirm."}])
    audit.record("workspace.delete", workspace.name, actor=access.actor, actor_id=access.user.id)
    db.session.execute(sa.delete(Workspace).where(Workspace.id == workspace.id))
    db.session.commit()


def members(access: Access) -> list[Membership]:
    """Return who belongs to the workspace, owners first, then by name."""
    rows = db.session.scalars(access.select(Membership)).all()
    return sorted(rows, key=lambda row: (-ROLES.index(row.role), row.user.name.casefold()))


def change_role(access: Access, membership_id: str, role: str) -> Membership:
    """Give a member another role. Only an owner makes or unmakes owners; the last owner stays. Raises Denied, Conflict."""
    membership = _locked_member(access, membership_id)
    _check_role(role)
    if "owner" in {role, membership.role}:
        access.demand("owner")
    if membership.role == "owner" and role != "owner":
        _keep_an_owner(access)
    before, membership.role = membership.role, role
    access.audit("member.role", membership.user.email, before={"role": before}, after={"role": role})
    db.session.commit()
    return membership


def remove_member(access: Access, membership_id: str) -> Membership:
    """Remove a member with their tokens for this workspace; everybody may remove themselves. Raises Denied, Conflict."""
    membership = _locked_member(access, membership_id)
    if membership.user_id != access.user.id:
        access.demand("owner" if membership.role == "owner" else "admin")
    if membership.role == "owner":
        _keep_an_owner(access)
    db.session.execute(
        sa.delete(ApiToken).where(ApiToken.workspace_id == access.workspace.id, ApiToken.user_id == membership.user_id)
    )
    access.audit("member.remove", membership.user.email, before={"role": membership.role})
    db.session.delete(membership)
    db.session.commit()
    return membership


def invite(access: Access, email: str, role: str) -> tuple[Invitation, str]:
    """Make an invitation and return it with the secret of its link, shown once. Raises InvalidInput, Denied."""
    email = email.strip().lower()
    if not EMAIL.fullmatch(email) or len(email) > 254:
        raise InvalidInput(errors=[{"field": "email", "message": "This is not an email address."}])
    _check_role(role)
    if role == "owner":
        access.demand("owner")
    secret = new_secret()
    invitation = Invitation(
        workspace_id=access.workspace.id,
        secret_hash=digest(secret),
        email=email,
        role=role,
        invited_by_id=access.user.id,
        expires_at=now() + INVITATION_AGE,
    )
    db.session.add(invitation)
    access.audit("invitation.create", email, after={"role": role})
    db.session.commit()
    return invitation, secret


def withdraw(access: Access, invitation_id: str) -> None:
    """Make an invitation's link stop working. Raises NotFound."""
    invitation = access.get(Invitation, invitation_id)
    _take_away(access, invitation)
    access.audit("invitation.withdraw", invitation.email, before={"role": invitation.role})
    db.session.commit()


def find_invitation(secret: str) -> Invitation:
    """Return the live invitation of this link. Raises NotFound, alike for used, old, withdrawn and unknown ones."""
    invitation = db.session.scalar(sa.select(Invitation).where(Invitation.secret_hash == digest(secret)))
    if invitation is None or invitation.expires_at <= now():
        raise NotFound(UNUSABLE)
    _check_inviter(invitation)
    return invitation


def accept(invitation: Invitation, user: User) -> Workspace:
    """Make `user` a member; the link works once. A member keeps the role they have.

    Raises NotFound when it was just used or whoever made it may not give that role any more, Denied for somebody else's link.
    """
    if user.email != invitation.email:
        raise Denied(f"This invitation is for {invitation.email}. Sign in as them, or ask for one of your own.")
    _check_inviter(invitation)
    used = db.session.execute(
        sa.delete(Invitation).where(Invitation.id == invitation.id).returning(Invitation.id)
    ).all()
    if not used:
        raise NotFound(UNUSABLE)
    workspace = invitation.workspace
    known = sa.select(Membership).where(Membership.workspace_id == workspace.id, Membership.user_id == user.id)
    if db.session.scalar(known) is None:
        db.session.add(Membership(workspace_id=workspace.id, user_id=user.id, role=invitation.role))
    audit.record(
        "invitation.accept",
        user.email,
        actor=user.name,
        actor_id=user.id,
        workspace_id=workspace.id,
        after={"role": invitation.role},
    )
    db.session.commit()
    return workspace


def accept_as_new(invitation: Invitation, name: str, password: str) -> tuple[User, Workspace]:
    """Make an account of the invited address, and a member of it, in one commit.

    Raises InvalidInput, Conflict `email_taken`, NotFound.
    """
    user = add_user(invitation.email, name, password)
    return user, accept(invitation, user)


def _check_inviter(invitation: Invitation) -> None:
    """An invitation is worth what its maker may give now: a removed or demoted admin's links are worth nothing."""
    role = db.session.scalar(
        sa.select(Membership.role).where(
            Membership.workspace_id == invitation.workspace_id, Membership.user_id == invitation.invited_by_id
        )
    )
    if role not in ("admin", "owner") or (invitation.role == "owner" and role != "owner"):
        raise NotFound(UNUSABLE)


def create_token(access: Access, name: str, scope: str, expires_at: datetime | None = None) -> tuple[ApiToken, str]:
    """Make a token of the asking user and return it with its text, shown once. Raises InvalidInput, Denied."""
    name = " ".join(name.split())
    errors = []
    if not 1 <= len(name) <= 100 or not name.isprintable():
        errors.append({"field": "name", "message": "Use 1 to 100 characters that can be seen."})
    if scope not in SCOPES:
        errors.append({"field": "scope", "message": f"Use one of {', '.join(SCOPES)}."})
    if expires_at is not None and expires_at <= now():
        errors.append({"field": "expires_at", "message": "This time has passed."})
    if errors:
        raise InvalidInput(errors=errors)
    access.demand(SCOPE_NEEDS[scope], scope)  # a token cannot make a wider one
    token, text = tokens.make(
        workspace_id=access.workspace.id, user_id=access.user.id, name=name, scope=scope, expires_at=expires_at
    )
    access.audit("token.create", name, after={"scope": scope})
    db.session.commit()
    return token, text


def list_tokens(access: Access) -> list[ApiToken]:
    """Return the tokens that the asking user may see: their own, for admins everyone's; newest first."""
    query = access.select(ApiToken).order_by(ApiToken.id.desc())
    if not access.allows("admin"):
        query = query.where(ApiToken.user_id == access.user.id)
    return list(db.session.scalars(query))


def revoke_token(access: Access, token_id: str) -> None:
    """Make a token stop working at once. Raises NotFound, also for another member's token unless admin."""
    token = access.get(ApiToken, token_id)
    if token.user_id != access.user.id and not access.allows("admin"):
        raise missing(ApiToken)
    _take_away(access, token)
    access.audit("token.revoke", token.name, before={"scope": token.scope})
    db.session.commit()


def _take_away(access: Access, row: Invitation | ApiToken) -> None:
    """Delete a row; NotFound where somebody else has just done so, so that one deletion is audited once."""
    table = type(row)
    gone = sa.delete(table).where(table.id == row.id, table.workspace_id == access.workspace.id).returning(table.id)
    if not db.session.execute(gone.execution_options(synchronize_session=False)).all():
        raise missing(table)
    db.session.expunge(row)


def _locked_member(access: Access, membership_id: str) -> Membership:
    # The owners are locked in one order, so that two of them cannot unmake each other at the same moment.
    db.session.execute(
        sa.select(Membership.id)
        .where(Membership.workspace_id == access.workspace.id)
        .order_by(Membership.id)
        .with_for_update()
    )
    return access.get(Membership, membership_id)


def _keep_an_owner(access: Access) -> None:
    owners = db.session.scalar(
        sa.select(sa.func.count()).where(Membership.workspace_id == access.workspace.id, Membership.role == "owner")
    )
    if owners == 1:
        raise Conflict("A workspace needs an owner. Make somebody else owner first.", code="last_owner")


def _check_role(role: str) -> None:
    if role not in ROLES:
        raise InvalidInput(errors=[{"field": "role", "message": f"Use one of {', '.join(ROLES)}."}])


def _slug_taken(slug: str) -> bool:
    return db.session.scalar(sa.select(sa.exists().where(Workspace.slug == slug))) is True


def _free_slug(wanted: str) -> str:
    slug, number = wanted, 1
    while _slug_taken(slug):
        number += 1
        slug = f"{wanted[:55]}-{number}"
    return slug
