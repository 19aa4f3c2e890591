"""The fallback order of a workspace's credentials: the default one, then by position."""

from __future__ import annotations

from collections.abc import Sequence

import sqlalchemy as sa

from aiapp.credentials.models import Credential
from aiapp.extensions import db
from aiapp.workspaces.models import Workspace

ORDER = (Credential.is_default.desc(), Credential.position, Credential.id)


def in_order(workspace_id: str) -> list[Credential]:
    """Return the workspace's credentials as they are tried."""
    query = sa.select(Credential).where(Credential.workspace_id == workspace_id).order_by(*ORDER)
    return list(db.session.scalars(query))


def locked(workspace_id: str) -> list[Credential]:
    """Return the credentials in order, read anew; until the commit nobody else adds, orders or deletes one.

    The lock leaves others free to insert rows that name the workspace (NO KEY): executions go on.
    """
    db.session.execute(sa.select(Workspace.id).where(Workspace.id == workspace_id).with_for_update(key_share=True))
    query = sa.select(Credential).where(Credential.workspace_id == workspace_id).order_by(*ORDER)
    return list(db.session.scalars(query.execution_options(populate_existing=True)))


def number(rows: Sequence[Credential]) -> None:
    """Give every row its place in `rows` as its position."""
    for place, row in enumerate(rows):
        row.position = place


def make_default(rows: Sequence[Credential], chosen: Credential) -> None:
    """Make `chosen` the default one of `rows`, and no other."""
    for row in rows:
        row.is_default = row is chosen
