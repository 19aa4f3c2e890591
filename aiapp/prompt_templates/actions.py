"""What people do with prompt templates and their versions; each verb commits once, at its end.

A version is a draft or a preview until it is published; then it never changes again, and becomes archived when another one
is published. Numbers are given when a version is made and stay.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import sqlalchemy as sa
from sqlalchemy.exc import IntegrityError

from aiapp.columns import now
from aiapp.errors import AppError, Conflict, InvalidInput, NotFound
from aiapp.extensions import db
from aiapp.prompt_templates import checks, declaring, fields, library, slugs, versioning, wording, writers
from aiapp.prompt_templates.models import PromptTemplate, PromptVersion
from aiapp.prompt_templates.tagging import set_tags
from aiapp.prompt_templates.uses import uses
from aiapp.workspaces.access import Access


def create(access: Access, given: Mapping[str, Any]) -> PromptTemplate:
    """Make a prompt template and its version 1, a draft.

    Arguments:
        given: `name`, and what else CONTRACT.md names for a prompt template. Without a slug one is made of the name.
    Raises InvalidInput, Conflict `slug_taken`.
    """
    details = fields.details({"name": "", **given})
    text = versioning.with_variables({**versioning.empty(), **fields.content(given)})
    tags = details.pop("tags", [])
    slug = details.pop("slug", None)
    template = PromptTemplate(workspace_id=access.workspace.id, last_number=1, **details)
    slugs.insert(template, slug)
    set_tags(access, template, tags)
    db.session.add(versioning.make(access, template, 1, text))
    access.audit("prompt_template.create", template.name, after={"slug": template.slug})
    db.session.commit()
    return template


def update(access: Access, template: PromptTemplate, given: Mapping[str, Any]) -> PromptTemplate:
    """Change details (name, slug, description, tags, task, active); what is not given stays.

    Raises InvalidInput, Conflict `slug_taken`.
    """
    clean = fields.details(given)
    before = {"tags": [tag.name for tag in template.tags]}
    before |= {field: getattr(template, field) for field in clean if field != "tags"}
    changed = {field: value for field, value in clean.items() if value != before[field]}
    if not changed:
        return template
    tags = clean.get("tags") if "tags" in changed else None
    try:
        with db.session.begin_nested():
            for field, value in changed.items():
                if field != "tags":
                    setattr(template, field, value)
            template.updated_at = now()
            db.session.flush()
    except IntegrityError as error:
        if "slug" not in str(error.orig):
            raise
        raise slugs.taken() from error
    if tags is not None:
        set_tags(access, template, tags)
    access.audit(
        "prompt_template.update", template.name, before={field: before[field] for field in changed}, after=changed
    )
    db.session.commit()
    return template


def delete(access: Access, template: PromptTemplate) -> dict[str, int]:
    """Delete a prompt template with all its versions, and return what used it (see uses). Executions stay, without it."""
    used = uses(access, template)
    db.session.execute(sa.delete(PromptTemplate).where(PromptTemplate.id == template.id, _here(access, PromptTemplate)))
    access.audit("prompt_template.delete", template.name, before={"slug": template.slug, **used})
    db.session.commit()
    return used


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
    message = _message(message)
    text = versioning.with_variables({**versioning.content(source), **fields.content(given or {})})
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
        raise _frozen(version)
    clean = fields.content(given)
    wanted = versioning.with_variables({**versioning.content(version), **clean}, tidy=tidy)
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
        raise _lost(version, clean)
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


def publish(
    access: Access,
    version: PromptVersion,
    message: str = "",
    lock_version: int | None = None,
    *,
    tried: Mapping[str, str] | None = None,
) -> PromptVersion:
    """Freeze a version and give it to everybody; the one published before is archived.

    Arguments:
        message: what changed, for the history.
        lock_version: what the publisher last saw, where it must still be that.
        tried: see save_draft.
    Raises InvalidInput (see checks), Conflict `frozen`, Conflict `conflict`.
    """
    message = _message(message)
    if version.status not in versioning.OPEN:
        raise _frozen(version)
    if lock_version is not None and lock_version != version.lock_version:
        raise _lost(version, {})
    checks.demand(version)
    template = version.prompt_template
    versioning.touch(template)  # first: this row's lock lets one publisher in at a time
    before = versioning.archive_published(template)
    text = versioning.with_variables(versioning.content(version))
    text["variables"] = declaring.sampled(text["variables"], tried or {})
    frozen = {"status": "published", "published_at": now(), "published_by_id": access.user.id}
    if not versioning.move(version, {**frozen, "message": message or version.message, "variables": text["variables"]}):
        raise _lost(version, {})
    access.audit(
        "prompt_template.publish",
        f"{template.name} v{version.number}",
        before={"published": before},
        after={"published": version.number, "message": message},
    )
    db.session.commit()
    db.session.refresh(version)
    return version


def rollback(access: Access, source: PromptVersion, message: str = "") -> PromptVersion:
    """Publish the text of any version again, as a new version. Raises InvalidInput."""
    message = _message(message) or f"Restore v{source.number}"
    checks.demand(source)
    template = source.prompt_template
    number = versioning.next_number(template)  # first: this row's lock lets one publisher in at a time
    restored = versioning.make(
        access, template, number, versioning.with_variables(versioning.content(source)), source, message
    )
    before = versioning.archive_published(template)
    restored.status, restored.published_at, restored.published_by_id = "published", now(), access.user.id
    db.session.add(restored)
    access.audit(
        "prompt_template.restore",
        f"{template.name} v{number}",
        before={"published": before},
        after={"published": number, "restored": source.number, "message": message},
    )
    db.session.commit()
    return restored


def runnable_version(access: Access, slug: str, number: int | None = None) -> PromptVersion:
    """Return the version to execute: the published one, or the one with this number.

    Raises NotFound, Denied for a viewer who asks for a version that is not the published one, Conflict `inactive`.
    """
    template = library.find(access, slug)
    if number is None:
        found = library.published(access, template)
        if found is None:
            raise NotFound(f"{template.name} has no published version yet.")
    else:
        found = library.version(access, template, number)
        if found.status != "published":
            access.demand("editor")
    if not template.active:
        raise Conflict(f"{template.name} is archived. An editor can switch it on again.", code="inactive")
    return found


def _mark(access: Access, version: PromptVersion, status: str) -> PromptVersion:
    if version.status not in versioning.OPEN:
        raise _frozen(version)
    if version.status == status:
        return version
    versioning.touch(version.prompt_template)
    if not versioning.move(version, {"status": status}):
        raise _lost(version, {})
    access.audit(
        f"prompt_template.{'preview' if status == 'preview' else 'reopen'}",
        f"{version.prompt_template.name} v{version.number}",
    )
    db.session.commit()
    db.session.refresh(version)
    return version


def _lost(version: PromptVersion, yours: Mapping[str, Any]) -> AppError:
    """Return what to say to the slower of two writers, with both texts."""
    db.session.rollback()
    db.session.refresh(version)
    if version.status not in versioning.OPEN:
        return _frozen(version)
    asked = [field for field in fields.CONTENT if field in yours]
    theirs = {field: getattr(version, field) for field in asked}
    return Conflict(
        "Somebody else has changed this draft meanwhile.",
        extra={"yours": dict(yours), "theirs": {**theirs, "lock_version": version.lock_version}},
    )


def _frozen(version: PromptVersion) -> Conflict:
    return Conflict(
        f"Version {version.number} is {version.status} and never changes. Start a new draft.", code="frozen"
    )


def _message(message: str) -> str:
    try:
        return wording.line(message, 500)
    except ValueError as error:
        raise InvalidInput(errors=[{"field": "message", "message": str(error)}]) from error


def _here(access: Access, table: type[PromptTemplate]) -> sa.ColumnElement[bool]:
    return table.workspace_id == access.workspace.id
