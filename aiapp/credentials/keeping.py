"""Whose a credential is: the workspace's, changed by its admins, or personal, seen and changed by its owner alone."""

from __future__ import annotations

import sqlalchemy as sa

from aiapp.credentials.models import Credential
from aiapp.errors import InvalidInput
from aiapp.extensions import db
from aiapp.workspaces.access import Access, missing

WORKSPACE, PERSONAL = "workspace", "personal"
SCOPES = (WORKSPACE, PERSONAL)


def owner_of(access: Access, scope: str) -> str | None:
    """Return the owner of what the asking person keeps in this scope, None for the workspace's. Raises InvalidInput."""
    if scope not in SCOPES:
        raise InvalidInput(errors=[{"field": "scope", "message": f"Use one of {', '.join(SCOPES)}."}])
    return access.user.id if scope == PERSONAL else None


def scope_of(owner_id: str | None) -> str:
    """Return the scope of a credential with this owner."""
    return WORKSPACE if owner_id is None else PERSONAL


def demand(access: Access, owner_id: str | None) -> None:
    """Raise Denied unless the asking person may keep credentials there: personal ones an editor, the workspace's an admin."""
    if owner_id is None:
        access.demand("admin", "admin")
    else:
        access.demand("editor", "write")


def find(access: Access, credential_id: str) -> Credential:
    """Return a credential that the asking person may know of. Raises NotFound, for somebody else's personal one too."""
    found = db.session.scalar(sa.select(Credential).where(Credential.id == credential_id, _known_to(access)))
    if found is None:
        raise missing(Credential)
    return found


def knows(access: Access, credential_id: str) -> bool:
    """Whether there is such a credential for the asking person."""
    return db.session.scalar(sa.select(sa.exists().where(Credential.id == credential_id, _known_to(access)))) is True


def kept(access: Access, credential_id: str) -> Credential:
    """Return a credential that the asking person may change. Raises NotFound, Denied."""
    found = find(access, credential_id)
    demand(access, found.owner_id)
    return found


def others_personal(access: Access) -> int:
    """Return how many personal credentials there are of other people: all that an admin may know of them."""
    theirs = access.select(Credential).where(Credential.owner_id.is_not(None), Credential.owner_id != access.user.id)
    return db.session.scalar(sa.select(sa.func.count()).select_from(theirs.subquery())) or 0


def _known_to(access: Access) -> sa.ColumnElement[bool]:
    own = sa.or_(Credential.owner_id.is_(None), Credential.owner_id == access.user.id)
    return sa.and_(Credential.workspace_id == access.workspace.id, own)
