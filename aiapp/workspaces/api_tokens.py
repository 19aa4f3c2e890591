"""What people do with API tokens, which belong to one user in one workspace; each verb commits once, at its end."""

from __future__ import annotations

from datetime import datetime

from aiapp.accounts import tokens
from aiapp.accounts.models import ApiToken
from aiapp.accounts.tokens import SCOPES
from aiapp.columns import now
from aiapp.errors import InvalidInput
from aiapp.extensions import db
from aiapp.workspaces.access import Access, missing

# What a token of each scope needs of its user's role to be of any use.
SCOPE_NEEDS = {"read": "viewer", "run": "viewer", "write": "editor", "admin": "admin"}


def create(access: Access, name: str, scope: str, expires_at: datetime | None = None) -> tuple[ApiToken, str]:
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


def listed(access: Access) -> list[ApiToken]:
    """Return the tokens that the asking user may see: their own, for admins everyone's; newest first."""
    query = access.select(ApiToken).order_by(ApiToken.id.desc())
    if not access.allows("admin"):
        query = query.where(ApiToken.user_id == access.user.id)
    return list(db.session.scalars(query))


def revoke(access: Access, token_id: str) -> None:
    """Make a token stop working at once. Raises NotFound, also for another member's token unless admin."""
    token = access.get(ApiToken, token_id)
    if token.user_id != access.user.id and not access.allows("admin"):
        raise missing(ApiToken)
    access.delete(token)
    access.audit("token.revoke", token.name, before={"scope": token.scope})
    db.session.commit()
