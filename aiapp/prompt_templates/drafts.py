"""Drafts: begun as a copy of any version, written under a lock, shown as a preview, written again."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from aiapp.errors import AppError, Conflict
from aiapp.extensions import db
from aiapp.prompt_templates import declaring, fields, partials, versioning, wording, writers
from aiapp.prompt_templates.models import PromptVersion
from aiapp.workspaces.access import Access


def new_draft(
    access: Access,
    source: PromptVersion,
    message: str = "",
    given: Mapping[str, Any] | None = None,
    *,
    tried: Mapping[str, str] | None = None,
) -> PromptVersion:
    """Make a draft that begins as a copy of any version, with what is given in place of the copied. Raises InvalidInput.

    Arguments:
        tried: see save_draft.
    """
    message = wording.message(message)
    text = partials.with_variables(
        access, {**versioning.content(source), **fields.content(given or {})}, source.prompt_template.slug
    )
    text["variables"] = declaring.sampled(text["variables"], tried or {})
    template = source.prompt_template
    draft = versioning.make(access, template, versioning.next_number(template), text, source, message)
    db.session.add(draft)
    access.audit("prompt_template.draft", f"{template.name} v{draft.number}", after={"parent": source.number})
    db.session.commit()
    return draft


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
        tidy: forget what was declared of variables that are gone; False while somebody is still typing.
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
        return version
    if not changed:
        moved = versioning.move(version, {"variables": sampled}, quietly=True)
    else:
        # first, as publish does: two who lock two rows the other way wait for ever
        versioning.touch(version.prompt_template)
        moved = lock_version == version.lock_version and versioning.move(
            version, {**changed, "variables": sampled, "status": "draft"}
        )
    if not moved:
        raise lost(version, clean)
    db.session.commit()
    if changed:  # while no transaction is open: Redis may keep us waiting
        writers.note(version, lock_version + 1, access.user.id)
    db.session.refresh(version)
    return version


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
    db.session.refresh(version)
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
