"""What the database holds, as commands tell it: how much of what, and whether its keys can be read."""

from __future__ import annotations

from dataclasses import dataclass

import sqlalchemy as sa

from aiapp.credentials import vault
from aiapp.credentials.models import Credential
from aiapp.extensions import Base, db, reading
from aiapp.filters import count
from aiapp.workspaces.models import Workspace

# Tables, and what one row of each is called.
COUNTED = {
    "workspace": "workspace",
    "user": "account",
    "credential": "credential",
    "prompt_template": "prompt template",
    "execution": "execution",
}


@dataclass(frozen=True, slots=True)
class Keys:
    """How many keys of credentials are stored, and the slugs of the workspaces that have one which no master key opens."""

    stored: int
    unreadable: tuple[str, ...]


def summary(workspace_id: str | None = None) -> str:
    """Return how much there is, in words; tables that an older schema has not are left out. Ends the caller's transaction.

    Arguments:
        workspace_id: count only what is this workspace's own.
    """
    parts = []
    with reading():
        inspector = sa.inspect(db.session.connection())
        for name, word in COUNTED.items():
            table = Base.metadata.tables[name]
            query = sa.select(sa.func.count()).select_from(table)
            if workspace_id is not None:
                if "workspace_id" not in table.c:
                    continue
                query = query.where(table.c.workspace_id == workspace_id)
            if inspector.has_table(name):
                parts.append(count(db.session.scalar(query) or 0, word))
        db.session.rollback()
    return ", ".join(parts) or "nothing"


def size(number: int) -> str:
    """Return a number of bytes in words."""
    return f"{number / 2**20:.1f} MiB" if number >= 2**20 else f"{number / 2**10:.0f} KiB"


def keys() -> Keys:
    """Try every stored key of a credential. Raises SQLAlchemyError."""
    unreadable, stored = set(), 0
    rows = db.session.execute(
        sa.select(Workspace, Credential)
        .join(Credential, Credential.workspace_id == Workspace.id)
        .where(Credential.api_key.is_not(None))
    )
    for workspace, credential in rows:
        stored += 1
        try:
            vault.decrypt(workspace, credential.id, "api_key", credential.api_key or b"")
        except vault.Unreadable:
            unreadable.add(workspace.slug)
    return Keys(stored, tuple(sorted(unreadable)))
