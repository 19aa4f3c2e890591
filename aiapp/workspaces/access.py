"""Who is asking, in which workspace, as what: fetched and authorised in one place.

A stranger gets the same 404 as for a workspace that does not exist; a member whose role is too small gets 403 with the role
that would do. What belongs to another workspace is 404 too, because every look-up here names the workspace.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import wraps
from typing import Any, TypeVar

import sqlalchemy as sa
from flask import g, request, url_for
from flask_login import current_user
from sqlalchemy.orm import contains_eager
from werkzeug.utils import redirect
from werkzeug.wrappers import Response

from aiapp import audit
from aiapp.accounts.models import User
from aiapp.accounts.tokens import SCOPES
from aiapp.errors import Denied, NotFound, to_login_again
from aiapp.extensions import db
from aiapp.workspaces.models import ROLES, Membership, Workspace

Row = TypeVar("Row")
View = Callable[..., Any]

WHO_GIVES = {
    "editor": "An admin of the workspace can give it to you.",
    "admin": "An admin of the workspace can give it to you.",
    "owner": "The owner of the workspace can give it to you.",
}

# What people call the rows of a table, where it is not the table's name.
NAMES = {"membership": "member", "api_token": "token", "prompt_version": "version"}


@dataclass(frozen=True, slots=True)
class Access:
    """One person (or their token) in one workspace. Actions take it as their first argument.

    `scope` is what a token allows; a signed-in person has all of it.
    """

    workspace: Workspace
    user: User
    role: str
    scope: str = "admin"
    token_name: str | None = None

    def allows(self, role: str) -> bool:
        """Whether the role is at least `role`."""
        return ROLES.index(self.role) >= ROLES.index(role)

    def demand(self, role: str, scope: str | None = None) -> None:
        """Raise Denied unless both the role and, for tokens, the scope suffice."""
        if not self.allows(role):
            raise Denied(WHO_GIVES[role], role=role)
        if scope is not None and SCOPES.index(self.scope) < SCOPES.index(scope):
            raise Denied(f"This token's scope is {self.scope}; this needs {scope}.", code="scope")

    def select(self, table: type[Row]) -> sa.Select[Row]:
        """Return a query for the rows of `table` that belong to this workspace.

        A table may hide some of them: `visible_to(access)` is then its condition for those that this person may see.
        """
        query = sa.select(table).where(table.workspace_id == self.workspace.id)  # type: ignore[attr-defined]
        limit: Callable[[Access], sa.ColumnElement[bool] | None] | None = getattr(table, "visible_to", None)
        condition = limit(self) if limit is not None else None
        return query if condition is None else query.where(condition)

    def get(self, table: type[Row], row_id: str) -> Row:
        """Return the row with this id. Raises NotFound, alike for foreign and unknown ids."""
        row = db.session.scalars(self.select(table).where(table.id == row_id)).first()  # type: ignore[attr-defined]
        if row is None:
            raise missing(table)
        return row

    def delete(self, row: Any) -> None:
        """Delete a row of this workspace. Raises NotFound where somebody else has just done so: one deletion, one audit event."""
        table = type(row)
        gone = sa.delete(table).where(table.id == row.id, table.workspace_id == self.workspace.id).returning(table.id)
        if not db.session.execute(gone.execution_options(synchronize_session=False)).all():
            raise missing(table)
        db.session.expunge(row)

    @property
    def sees_own_only(self) -> bool:
        """Whether the workspace hides the executions of others from this person."""
        return self.workspace.private_executions and not self.allows("admin")

    @property
    def actor(self) -> str:
        """How the audit trail and lists name who is asking."""
        return f"token: {self.token_name}" if self.token_name else self.user.name

    def audit(
        self,
        action: str,
        subject: str,
        *,
        before: Mapping[str, Any] | None = None,
        after: Mapping[str, Any] | None = None,
    ) -> None:
        """Add an audit event of this workspace to the session (see audit.record)."""
        audit.record(
            action,
            subject,
            actor=self.actor,
            actor_id=self.user.id,
            workspace_id=self.workspace.id,
            before=before,
            after=after,
        )


def missing(table: type[Any]) -> NotFound:
    """Return the refusal for an id that no row of `table` in this workspace has: the same whether another one has it."""
    name = table.__tablename__
    return NotFound(f"There is no such {NAMES.get(name, name.replace('_', ' '))} in this workspace.")


def require(role: str = "viewer") -> Callable[[View], View]:
    """Wrap a page's view whose URL has `<workspace>`: it is called with an Access instead of the slug.

    Raises Denied, NotFound; an anonymous visitor is sent to the login page.
    """

    def wrap(view: View) -> View:
        @wraps(view)
        def authorised(workspace: str, **values: Any) -> Any:
            if not current_user.is_authenticated:
                return to_login()
            access = enter(current_user, workspace)
            access.demand(role)
            return view(access, **values)

        return authorised

    return wrap


def enter(user: User, slug: str) -> Access:
    """Return the Access of `user` to the workspace named `slug`, and keep it for the templates. Raises NotFound."""
    membership = db.session.scalar(
        sa.select(Membership)
        .join(Membership.workspace)
        .where(Workspace.slug == slug, Membership.user_id == user.id)
        .options(contains_eager(Membership.workspace))
    )
    if membership is None:
        raise NotFound
    access = Access(membership.workspace, user, membership.role)
    g.access = access
    return access


def signed_in(view: View) -> View:
    """Wrap a view that needs a person but no workspace."""

    @wraps(view)
    def authorised(**values: Any) -> Any:
        return view(**values) if current_user.is_authenticated else to_login()

    return authorised


def to_login() -> Response:
    """Send an anonymous visitor to the login page and back here afterwards; htmx gets 401 and HX-Redirect."""
    if request.headers.get("HX-Request") == "true":
        return to_login_again()
    fragment = request.path.rsplit("/", 1)[-1].startswith("_")
    here = request.full_path.rstrip("?") if request.method == "GET" and not fragment else None
    return redirect(url_for("accounts.login", next=here), 303)
