"""The workspace that a command acts in, and as whom: its options, and what they lead to."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import click

from aiapp.processes.failures import WrongUse

if TYPE_CHECKING:
    from aiapp.config import Settings
    from aiapp.workspaces.access import Access

workspace = click.option("--workspace", "slug", metavar="SLUG", help="Default: the only workspace there is.")
user = click.option("--user", "email", metavar="EMAIL", help="Whose deed it is: a member. Default: the owner.")


@contextmanager
def application(settings: Settings) -> Iterator[None]:
    """Be in an app of these settings; at the end its connections to the database are closed."""
    from aiapp import create_app
    from aiapp.extensions import db

    with create_app(settings).app_context():
        try:
            yield
        finally:
            db.session.remove()
            db.engine.dispose()


def enter(slug: str | None, email: str | None, role: str) -> Access:
    """Return the access of a member, else of the owner. Raises NotFound, Denied, WrongUse."""
    import sqlalchemy as sa

    from aiapp.extensions import db
    from aiapp.workspaces.acting import as_member
    from aiapp.workspaces.models import Workspace

    slugs = db.session.scalars(sa.select(Workspace.slug).order_by(Workspace.slug).limit(20)).all()
    if slug is None and len(slugs) != 1:
        raise WrongUse("name a workspace with --workspace: " + (", ".join(slugs) or "there is none yet"))
    access = as_member(slug or slugs[0], email)
    access.demand(role)
    return access
