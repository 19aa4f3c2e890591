"""The rules of a workspace for its executions' texts, and changing them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa

from aiapp.batches.models import Batch
from aiapp.columns import now
from aiapp.credentials import vault
from aiapp.errors import Conflict, InvalidInput
from aiapp.executions.models import FINISHED, Execution
from aiapp.extensions import db, settings
from aiapp.retention import resealing
from aiapp.sealing import Unsealable
from aiapp.workspaces.access import Access
from aiapp.workspaces.models import Workspace

FLAGS = ("seals_texts", "keeps_texts", "private_executions")
DAYS = ("texts_days", "executions_days")
MOST_DAYS = 36_500


class Unconfirmed(Conflict):
    """What cannot be undone wants to be confirmed. `extra` says what would be lost (see Losses)."""

    code, title = "confirm", "This cannot be undone"


@dataclass(frozen=True, slots=True)
class Losses:
    """What a change takes away for good: how many executions lose their texts and are deleted, how many batches lose theirs."""

    texts: int = 0
    executions: int = 0
    batches: int = 0


def rules_of(workspace: Workspace) -> dict[str, Any]:
    """Return the rules by name: FLAGS and DAYS."""
    return {name: getattr(workspace, name) for name in (*FLAGS, *DAYS)}


def kept_days(workspace: Workspace) -> int | None:
    """Return after how many days executions are deleted: the workspace's rule, else the installation's; None is never."""
    return workspace.executions_days or settings().retention_days or None


def shortest(workspace: Workspace) -> int | None:
    """Return after how many days a text is gone with its execution or without it; None is never."""
    return min((days for days in (workspace.texts_days, kept_days(workspace)) if days is not None), default=None)


def change(access: Access, given: Mapping[str, Any], confirm: str = "") -> None:
    """Change rules; commits. What is not given stays.

    Arguments:
        given: of FLAGS and DAYS; a number of days may be None.
        confirm: the workspace's address, typed by whoever wants what cannot be undone.

    Raises InvalidInput, Unconfirmed, Unsealable.
    """
    workspace = access.workspace
    # one after the other: the second change shall know of the first
    db.session.refresh(workspace, with_for_update={"key_share": True})
    before = rules_of(workspace)
    wanted = {**before, **_checked(given)}
    if wanted == before:
        db.session.rollback()
        return
    losses = losses_of(workspace, wanted)
    if (losses != Losses() or (before["keeps_texts"] and not wanted["keeps_texts"])) and confirm != workspace.slug:
        db.session.rollback()
        raise _unconfirmed(workspace, losses, wanted)
    encrypted = workspace.encrypts_texts
    for name, value in wanted.items():
        setattr(workspace, name, value)
    if workspace.encrypts_texts != encrypted:
        if workspace.encrypts_texts:
            _make_key(workspace)
        resealing.begin(workspace)
    changed = [name for name in wanted if wanted[name] != before[name]]
    access.audit(
        "workspace.data",
        workspace.name,
        before={name: before[name] for name in changed},
        after={name: wanted[name] for name in changed},
    )
    db.session.commit()


def losses_of(workspace: Workspace, wanted: Mapping[str, Any], at: datetime | None = None) -> Losses:
    """Return what would be lost as soon as `wanted` were the rules, and is not with those that are.

    Arguments:
        at: the time; default: now.
    """
    at, mine = at or now(), (Execution.workspace_id == workspace.id, Execution.status.in_(FINISHED))
    deleted = erased = 0
    days = wanted["executions_days"] or settings().retention_days
    if days and (kept_days(workspace) is None or days < (kept_days(workspace) or 0)):
        deleted = _count(*mine, Execution.id < id_at(at - timedelta(days=days)))
    has_texts = (*mine, Execution.id >= workspace.texts_erased_to, Execution.texts_erased_at.is_(None))
    days = wanted["texts_days"]
    if workspace.keeps_texts and not wanted["keeps_texts"]:
        erased = _count(*has_texts)
    elif workspace.keeps_texts and days and (workspace.texts_days is None or days < workspace.texts_days):
        erased = _count(*has_texts, Execution.id < id_at(at - timedelta(days=days)))
    return Losses(erased, deleted, _batches(workspace, wanted, at))


def _batches(workspace: Workspace, wanted: Mapping[str, Any], at: datetime) -> int:
    """Return how many batches would lose their texts that would not without the change."""
    given = (wanted["texts_days"], wanted["executions_days"] or settings().retention_days or None)
    days, before = min((days for days in given if days is not None), default=None), shortest(workspace)
    if not workspace.keeps_texts:
        return 0
    if wanted["keeps_texts"] and (days is None or (before is not None and before <= days)):
        return 0
    bound = at - timedelta(days=days or 0) if wanted["keeps_texts"] else at
    last = sa.func.coalesce(Batch.ended_at, Batch.started_at, Batch.created_at)
    mine = (Batch.workspace_id == workspace.id, Batch.texts_erased_at.is_(None), Batch.status != "running")
    return db.session.scalar(sa.select(sa.func.count()).select_from(Batch).where(*mine, last < bound)) or 0


def id_at(when: datetime) -> str:
    """Return the smallest id that can be made at that moment: an id begins with it (see columns.new_id)."""
    return f"{max(0, int(when.timestamp() * 1000)):012x}".ljust(32, "0")


def _checked(given: Mapping[str, Any]) -> dict[str, Any]:
    errors, clean = [], {}
    for name, value in given.items():
        if name in FLAGS:
            clean[name] = bool(value)
        elif name in DAYS:
            clean[name] = value
            if value is not None and not 1 <= value <= MOST_DAYS:
                errors.append({"field": name, "message": f"Use 1 to {MOST_DAYS:,} days, or nothing."})
        else:
            raise ValueError(f"no such rule: {name}")
    if errors:
        raise InvalidInput(errors=errors)
    return clean


def _count(*conditions: Any) -> int:
    return db.session.scalar(sa.select(sa.func.count()).select_from(Execution).where(*conditions)) or 0


def _unconfirmed(workspace: Workspace, losses: Losses, wanted: Mapping[str, Any]) -> Unconfirmed:
    parts = []
    if losses.texts:
        noun = "execution loses its" if losses.texts == 1 else "executions lose their"
        parts.append(f"{losses.texts:,} {noun} texts.")
    if losses.executions:
        parts.append(f"{losses.executions:,} {'execution is' if losses.executions == 1 else 'executions are'} deleted.")
    if losses.batches:
        parts.append(f"{losses.batches:,} {'batch loses its' if losses.batches == 1 else 'batches lose their'} texts.")
    if not wanted["keeps_texts"]:
        parts.append("From now on no texts are kept.")
    parts.append(f"To confirm, send the workspace's address: {workspace.slug}.")
    return Unconfirmed(" ".join(parts), extra=asdict(losses))


def _make_key(workspace: Workspace) -> None:
    try:
        vault.make_data_key(workspace)
    except vault.Unreadable as error:
        db.session.rollback()
        raise Unsealable("The server's master keys do not open this workspace. Ask whoever runs the server.") from error
