"""Who acts where nobody has signed in: a command, or a program beside the app, acts as a member."""

from __future__ import annotations

import sqlalchemy as sa
from sqlalchemy.orm import contains_eager

from aiapp.errors import NotFound
from aiapp.extensions import db
from aiapp.workspaces.access import Access
from aiapp.workspaces.models import Membership, Workspace


def as_member(workspace: str, email: str | None = None) -> Access:
    """Return the access of the member with this address, else of the owner (of several the first). Raises NotFound.

    Arguments:
        workspace: its slug.
    """
    query = (
        sa.select(Membership)
        .join(Membership.workspace)
        .join(Membership.user)
        .where(Workspace.slug == workspace)
        .options(contains_eager(Membership.workspace), contains_eager(Membership.user))
        .order_by(Membership.id)
    )
    members = db.session.scalars(query).all()
    if not members:
        raise NotFound(f"there is no workspace {workspace}")
    wanted = email.strip().lower() if email else None
    for one in members:
        if one.user.email == wanted if wanted else one.role == "owner":
            return Access(one.workspace, one.user, one.role)
    raise NotFound(f"{email} is not a member of the workspace {workspace}")
