"""Invitation links: an admin makes one for an address, whoever owns the address becomes a member by it, once.

Each verb commits once, at its end.
"""

from __future__ import annotations

from datetime import timedelta

import sqlalchemy as sa

from aiapp import audit
from aiapp.accounts.actions import EMAIL, add_user
from aiapp.accounts.models import User
from aiapp.accounts.tokens import digest, new_secret
from aiapp.columns import now
from aiapp.errors import Denied, InvalidInput, NotFound
from aiapp.extensions import db
from aiapp.workspaces.access import Access
from aiapp.workspaces.actions import check_role
from aiapp.workspaces.models import Invitation, Membership, Workspace

UNUSABLE = "This invitation has been used, withdrawn or has run out. Ask for a new one."
INVITATION_AGE = timedelta(days=7)


def invite(access: Access, email: str, role: str) -> tuple[Invitation, str]:
    """Make an invitation and return it with the secret of its link, shown once. Raises InvalidInput, Denied."""
    email = email.strip().lower()
    if not EMAIL.fullmatch(email) or len(email) > 254:
        raise InvalidInput(errors=[{"field": "email", "message": "This is not an email address."}])
    check_role(role)
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
    access.delete(invitation)
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
