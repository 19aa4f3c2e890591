"""Drafts: begun as a copy of any version, written under a lock, shown as a preview, written again."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from aiapp.columns import now
from aiapp.errors import AppError, Conflict
from aiapp.extensions import db
from aiapp.prompt_templates import branches, partials, revisions, versioning
from aiapp.prompt_templates.models import PromptRevision, PromptVersion
from aiapp.prompt_templates.release_models import PromptApproval
from aiapp.prompt_templates.text import declaring, fields, wording
from aiapp.workspaces.access import Access


def new_draft(
    access: Access,
    source: PromptVersion,
    message: str = "",
    given: Mapping[str, Any] | None = None,
    *,
    tried: Mapping[str, str] | None = None,
    branch: str | None = None,
    lock_version: int | None = None,
) -> PromptVersion:
    """Make a draft that begins as a copy of any version, with what is given in place of the copied.

    Arguments:
        tried: see save_draft.
        branch: the name of a new branch that the draft is to be on; None stays on the line of `source`.
        lock_version: what the writer last saw of `source`, where what is given was made of that.
    Raises InvalidInput, Conflict `branch_taken`.
    """
    draft = begin(access, source, message, given, tried=tried, branch=branch, lock_version=lock_version)
    db.session.commit()
    return draft


def begin(
    access: Access,
    source: PromptVersion,
    message: str = "",
    given: Mapping[str, Any] | None = None,
    *,
    tried: Mapping[str, str] | None = None,
    branch: str | None = None,
    lock_version: int | None = None,
) -> PromptVersion:
    """As new_draft, uncommitted: for what makes several."""
    message = wording.message(message)
    text = partials.with_variables(
        access, {**versioning.content(source), **fields.content(given or {})}, source.prompt_template.slug
    )
    text["variables"] = declaring.sampled(text["variables"], tried or {})
    template = source.prompt_template
    number = versioning.next_number(template)
    line = source.branch if branch is None else branches.new_name(access, template, branch)
    draft = versioning.make(access, template, number, text, source, message)
    draft.branch, draft.created_at = line, began(source, lock_version)
    db.session.add(draft)
    after = {"parent": source.number} | ({"branch": line} if line else {})
    access.audit("prompt_template.draft", f"{template.name} v{number}", after=after)
    db.session.flush()
    return draft


def began(source: PromptVersion, lock_version: int | None = None) -> datetime:
    """Return the moment at which something begins as a copy of `source`, and keep what that says, uncommitted.

    With the lock version of a text that was overtaken, it is the moment until which that stood there: what is made of it
    and what overtook it have no more than that in common.
    """
    earlier = None if lock_version is None else revisions.seen(source, lock_version)
    if earlier is not None:
        return earlier.saved_at
    moment = now()
    if source.status in versioning.OPEN:
        revisions.pin(source, moment)
    return moment


def save_draft(
    access: Access,
    version: PromptVersion,
    given: Mapping[str, Any],
    lock_version: int,
    *,
    tidy: bool = True,
    tried: Mapping[str, str] | None = None,
) -> PromptVersion:
    """Write a draft; a preview becomes a draft again. What is not given stays.

    Arguments:
        lock_version: what the writer last saw.
        tidy: forget what was declared of variables that are gone; False while somebody is still typing, when what is
            replaced is not kept again within a moment either (see revisions).
        tried: values, by variable, that the writer tries the prompt with: they become the samples, unless somebody else has
            written meanwhile. New samples alone are no new writing: they make nobody else's next save a conflict.
    Raises InvalidInput, Conflict `frozen`, and Conflict `conflict` with `extra` `yours` and `theirs`, where somebody else has
    written meanwhile. Writing what stands there already is no conflict.
    """
    if version.status not in versioning.OPEN:
        raise frozen(version)
    clean = fields.content(given)
    slug = version.prompt_template.slug
    wanted = partials.with_variables(access, {**versioning.content(version), **clean}, slug, tidy=tidy)
    changed = {field: value for field, value in wanted.items() if value != getattr(version, field)}
    sampled = wanted["variables"]
    if tried and lock_version == version.lock_version:
        sampled = declaring.sampled(sampled, tried)
    if not changed and sampled == wanted["variables"]:
        if tidy and lock_version == version.lock_version and revisions.pin_in_burst(version):
            db.session.commit()
        return version
    if not changed:
        if _is_asked_for(version):
            return version  # what somebody is asked to approve stays as it was asked, samples included
        moved = versioning.move(version, {"variables": sampled}, quietly=True)
    else:
        # first, as publish does: two who lock two rows the other way wait for ever
        versioning.touch(version.prompt_template)
        moved = lock_version == version.lock_version and versioning.move(
            version, {**changed, "variables": sampled, "status": "draft"}
        )
    if not moved:
        raise lost(version, clean)
    if changed:
        revisions.keep(access, version, auto=not tidy)
    db.session.commit()
    db.session.refresh(version)
    return version


def _is_asked_for(version: PromptVersion) -> bool:
    asked = sa.exists().where(PromptApproval.prompt_version_id == version.id, PromptApproval.state == "open")
    return db.session.scalar(sa.select(asked)) is True


def restore_saved(access: Access, version: PromptVersion, kept: PromptRevision, lock_version: int) -> PromptVersion:
    """Write into a draft what it said before some save, which keeps what it says now. Raises as save_draft does."""
    access.audit(
        "prompt_template.restore_saved",
        f"{version.prompt_template.name} v{version.number}",
        after={"saved_at": kept.saved_at.isoformat()},
    )
    return save_draft(access, version, kept.content, lock_version)


def preview(access: Access, version: PromptVersion) -> PromptVersion:
    """Mark a draft as ready to be looked at. Raises Conflict `frozen`."""
    return _mark(access, version, "preview")


def reopen(access: Access, version: PromptVersion) -> PromptVersion:
    """Turn a preview into a draft again. Raises Conflict `frozen`."""
    return _mark(access, version, "draft")


def _mark(access: Access, version: PromptVersion, status: str) -> PromptVersion:
    if version.status not in versioning.OPEN:
        raise frozen(version)
    if version.status == status:
        return version
    versioning.touch(version.prompt_template)
    if not versioning.move(version, {"status": status}):
        raise lost(version, {})
    access.audit(
        f"prompt_template.{'preview' if status == 'preview' else 'reopen'}",
        f"{version.prompt_template.name} v{version.number}",
    )
    db.session.commit()
    db.session.refresh(version)
    return version


def lost(version: PromptVersion, yours: Mapping[str, Any]) -> AppError:
    """Return what to say to the slower of two writers, with both texts."""
    db.session.rollback()
    versioning.reread(version)
    if version.status not in versioning.OPEN:
        return frozen(version)
    asked = [field for field in fields.CONTENT if field in yours]
    theirs = {field: getattr(version, field) for field in asked}
    return Conflict(
        "Somebody else has changed this draft meanwhile.",
        extra={"yours": dict(yours), "theirs": {**theirs, "lock_version": version.lock_version}},
    )


def frozen(version: PromptVersion) -> Conflict:
    """Return the refusal to change what is not open any more."""
    return Conflict(
        f"Version {version.number} is {version.status} and never changes. Start a new draft.", code="frozen"
    )
