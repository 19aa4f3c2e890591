"""What people do with workspaces and their members; each verb commits once, at its end."""

from __future__ import annotations

import re

import sqlalchemy as sa

from aiapp import audit
from aiapp.accounts.actions import add_user
from aiapp.accounts.models import ApiToken, User
from aiapp.errors import Conflict, InvalidInput
from aiapp.extensions import db
from aiapp.workspaces.access import Access
from aiapp.workspaces.models import ROLES, Membership, Workspace

SLUG = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*")


def slug_of(name: str) -> str:
    """Return a slug made of `name`: lower-case letters, digits and single hyphens; `workspace` where nothing is left."""
    return re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")[:60].strip("-") or "workspace"


def add_workspace(name: str, owner: User, slug: str | None = None) -> Workspace:
    """Add a workspace with its owner to the session, uncommitted.

    Without a slug one is made of the name, numbered until it is free. Raises InvalidInput, Conflict `slug_taken`.
    """
    name = " ".join(name.split())
    wanted = slug if slug is not None else slug_of(name)
    if errors := _wrong(name, wanted):
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
    errors = _wrong(name, slug)
    if slug != workspace.slug and _slug_taken(slug):
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
    check_role(role)
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


def check_role(role: str) -> None:
    """Raise InvalidInput unless there is such a role."""
    if role not in ROLES:
        raise InvalidInput(errors=[{"field": "role", "message": f"Use one of {', '.join(ROLES)}."}])


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


def _wrong(name: str, slug: str) -> list[dict[str, str]]:
    errors = []
    if not 1 <= len(name) <= 100 or not name.isprintable():
        errors.append({"field": "name", "message": "Use 1 to 100 characters that can be seen."})
    if not SLUG.fullmatch(slug) or len(slug) > 60:
        errors.append({"field": "slug", "message": "Use lower-case letters, digits and single hyphens, at most 60."})
    return errors


def _slug_taken(slug: str) -> bool:
    return db.session.scalar(sa.select(sa.exists().where(Workspace.slug == slug))) is True


def _free_slug(wanted: str) -> str:
    slug, number = wanted, 1
    while _slug_taken(slug):
        number += 1
        slug = f"{wanted[:55]}-{number}"
    return slug
