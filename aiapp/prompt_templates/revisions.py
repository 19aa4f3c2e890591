"""What a draft said before each save: kept, listed, brought back. The newest ones; autosaves in a row count as one."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta

import sqlalchemy as sa
from sqlalchemy.orm import defer

from aiapp.accounts.models import User
from aiapp.columns import now
from aiapp.errors import NotFound
from aiapp.extensions import db
from aiapp.prompt_templates import versioning
from aiapp.prompt_templates.models import PromptRevision, PromptVersion
from aiapp.workspaces.access import Access

KEPT = 200  # of one draft
BURST = timedelta(seconds=60)  # autosaves of one writer that are one revision


def keep(access: Access, version: PromptVersion, *, auto: bool = False) -> None:
    """Keep what `version` was read as, uncommitted: `access` has just saved something else.

    Arguments:
        auto: it was an autosave; after another one of the same writer, a moment ago, nothing more is kept.
    """
    moment = now()
    last = _newest(version)
    if last is not None and last.lock_version == version.lock_version:  # kept already, before anything replaced it
        last.author_id, last.saved_at = access.user.id, moment
        return
    if auto and last is not None and last.author_id == access.user.id and moment - last.saved_at < BURST:
        return
    _add(version, access.user.id, moment)
    _forget_oldest(version)


def pin(version: PromptVersion, moment: datetime | None = None) -> None:
    """Keep what `version` says, uncommitted, although nothing has replaced it yet: somebody began something with it."""
    last = _newest(version)
    if last is None or last.lock_version != version.lock_version:
        _add(version, None, moment or now())


def pin_in_burst(version: PromptVersion) -> bool:
    """Keep what somebody asked to save where the next autosave would count as one with the last; True where it is kept now."""
    last = _newest(version)
    if last is None or last.lock_version == version.lock_version or now() - last.saved_at >= BURST:
        return False
    pin(version)
    return True


def last_writer(version: PromptVersion) -> str | None:
    """Return the id of the user who wrote what the version says; None where that is not known any more."""
    writer = _last_writer(version)
    return writer.id if writer else version.author_id


def writers(access: Access, versions: Iterable[PromptVersion]) -> dict[str, User]:
    """Return who wrote what each version says, by its id, for those that were written in since they were begun."""
    by_id = {version.id: version for version in versions}
    newest = (
        access.select(PromptRevision)
        .where(PromptRevision.prompt_version_id.in_(by_id))
        .with_only_columns(sa.func.max(PromptRevision.id))
        .group_by(PromptRevision.prompt_version_id)
    )
    query = access.select(PromptRevision).where(PromptRevision.id.in_(newest)).options(defer(PromptRevision.content))
    found = {
        kept.prompt_version_id: kept.author or _last_writer(by_id[kept.prompt_version_id])
        for kept in db.session.scalars(query)
    }
    return {version_id: writer for version_id, writer in found.items() if writer}


def listed(access: Access, version: PromptVersion) -> list[PromptRevision]:
    """Return what the version said before, newest first, without the texts."""
    query = saved(access, version).order_by(PromptRevision.id.desc()).limit(KEPT)
    return list(db.session.scalars(query.options(defer(PromptRevision.content))))


def saved(access: Access, version: PromptVersion) -> sa.Select[PromptRevision]:
    """Return the query of what the version said before; what it still says is not among it."""
    return access.select(PromptRevision).where(
        PromptRevision.prompt_version_id == version.id, PromptRevision.lock_version < version.lock_version
    )


def find(access: Access, version: PromptVersion, revision_id: str) -> PromptRevision:
    """Return one of them. Raises NotFound, in the same words whether it is of another version or of none."""
    found = db.session.scalars(saved(access, version).where(PromptRevision.id == revision_id)).first()
    if found is None:
        raise NotFound(f"v{version.number} has no such saved version.")
    return found


def seen(version: PromptVersion, lock_version: int) -> PromptRevision | None:
    """Return what the version said to somebody who read it under `lock_version`, or the kept one before it.

    None where that is what it says now, or is not kept.
    """
    if lock_version >= version.lock_version:
        return None
    query = _of(version).where(PromptRevision.lock_version <= lock_version)
    return db.session.scalars(query.order_by(PromptRevision.lock_version.desc()).limit(1)).first()


def said_at(version: PromptVersion, moment: datetime | None) -> PromptRevision | None:
    """Return what the version said at a moment; None where that is what it says now."""
    if moment is None:
        return None
    query = _of(version).where(PromptRevision.saved_at >= moment, PromptRevision.lock_version < version.lock_version)
    return db.session.scalars(query.order_by(PromptRevision.id).limit(1)).first()


def _of(version: PromptVersion) -> sa.Select[PromptRevision]:
    return sa.select(PromptRevision).where(
        PromptRevision.workspace_id == version.workspace_id, PromptRevision.prompt_version_id == version.id
    )


def _last_writer(version: PromptVersion) -> User | None:
    query = _of(version).where(PromptRevision.author_id.is_not(None)).options(defer(PromptRevision.content))
    last = db.session.scalars(query.order_by(PromptRevision.id.desc()).limit(1)).first()
    return last.author if last else None


def _newest(version: PromptVersion) -> PromptRevision | None:
    query = _of(version).options(defer(PromptRevision.content))
    return db.session.scalars(query.order_by(PromptRevision.id.desc()).limit(1)).first()


def _add(version: PromptVersion, author_id: str | None, moment: datetime) -> None:
    kept = PromptRevision(
        workspace_id=version.workspace_id,
        prompt_version_id=version.id,
        lock_version=version.lock_version,
        content=versioning.content(version),
        author_id=author_id,
        saved_at=moment,
    )
    db.session.add(kept)
    db.session.flush()


def _forget_oldest(version: PromptVersion) -> None:
    """Delete the oldest beyond KEPT, but for those that other versions began with: a merge needs what both came from."""
    mine = sa.select(PromptRevision.id).where(PromptRevision.prompt_version_id == version.id)
    oldest = list(db.session.scalars(mine.order_by(PromptRevision.id.desc()).offset(KEPT)))
    if not oldest:
        return
    children = sa.select(PromptVersion.created_at).where(
        PromptVersion.workspace_id == version.workspace_id,
        sa.or_(PromptVersion.parent_id == version.id, PromptVersion.merged_id == version.id),
    )
    needed = {found.id for at in db.session.scalars(children) if (found := said_at(version, at))}
    gone = [one for one in oldest if one not in needed]
    db.session.execute(sa.delete(PromptRevision).where(PromptRevision.id.in_(gone)))
