"""The fallback order of a workspace's credentials: the default one, then by position."""

from __future__ import annotations

from collections.abc import Sequence

import sqlalchemy as sa

from aiapp.credentials.models import Credential
from aiapp.extensions import db
from aiapp.workspaces.models import Membership, Workspace

ORDER = (Credential.is_default.desc(), Credential.position, Credential.id)


def in_order(workspace_id: str, owner_id: str | None = None) -> list[Credential]:
    """Return the workspace's credentials as they are tried, or (with `owner_id`) the personal ones of this person."""
    return list(db.session.scalars(_kept(workspace_id, owner_id)))


# Every execution asks this: built once, and one statement instead of three.
_USABLE = (
    sa.select(Credential, Workspace)
    .join(Workspace, Workspace.id == Credential.workspace_id)
    .where(
        Credential.workspace_id == sa.bindparam("b_workspace"),
        sa.or_(
            Credential.owner_id.is_(None),
            sa.and_(
                Credential.owner_id == sa.bindparam("b_user"),
                sa.exists().where(
                    Membership.workspace_id == Credential.workspace_id,
                    Membership.user_id == Credential.owner_id,
                    Membership.role != "viewer",
                ),
            ),
        ),
    )
    .order_by(Credential.owner_id.is_(None), *ORDER)
)


def usable_by(workspace_id: str, user_id: str | None) -> list[Credential]:
    """Return what an execution of this person may use, in order: their own first, then the workspace's.

    Who has become a viewer keeps no personal credentials: theirs wait, unused, until they are an editor again.
    """
    return usable_in(workspace_id, user_id)[1]


def usable_in(workspace_id: str, user_id: str | None) -> tuple[Workspace | None, list[Credential]]:
    """Return the same, and before it their workspace; None where there are none."""
    rows = db.session.execute(_USABLE, {"b_workspace": workspace_id, "b_user": user_id}).all()
    return (rows[0][1] if rows else None), [row[0] for row in rows]


def locked(workspace_id: str, owner_id: str | None = None) -> list[Credential]:
    """Return the same as in_order, read anew; until the commit nobody else adds, orders or deletes one.

    The lock leaves others free to insert rows that name the workspace (NO KEY): executions go on.
    """
    db.session.execute(sa.select(Workspace.id).where(Workspace.id == workspace_id).with_for_update(key_share=True))
    return list(db.session.scalars(_kept(workspace_id, owner_id).execution_options(populate_existing=True)))


def number(rows: Sequence[Credential]) -> None:
    """Give every row its place in `rows` as its position."""
    for place, row in enumerate(rows):
        row.position = place


def make_default(rows: Sequence[Credential], chosen: Credential) -> None:
    """Make `chosen` the default one of `rows`, and no other."""
    for row in rows:
        row.is_default = row is chosen


def _kept(workspace_id: str, owner_id: str | None) -> sa.Select[Credential]:
    query = sa.select(Credential).where(
        Credential.workspace_id == workspace_id, Credential.owner_id.is_not_distinct_from(owner_id)
    )
    return query.order_by(*ORDER)
