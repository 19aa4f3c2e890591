"""Releases: a version is frozen and given to everybody, an older one comes back; and which version an execution gets."""

from __future__ import annotations

from collections.abc import Mapping

from aiapp.columns import now
from aiapp.errors import Conflict, NotFound
from aiapp.extensions import db
from aiapp.prompt_templates import checks, declaring, library, versioning, wording
from aiapp.prompt_templates.drafts import frozen, lost
from aiapp.prompt_templates.models import PromptVersion
from aiapp.workspaces.access import Access


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
    message = wording.message(message)
    if version.status not in versioning.OPEN:
        raise frozen(version)
    if lock_version is not None and lock_version != version.lock_version:
        raise lost(version, {})
    checks.demand(version)
    template = version.prompt_template
    versioning.touch(template)  # first: this row's lock lets one publisher in at a time
    before = versioning.archive_published(template)
    text = versioning.with_variables(versioning.content(version))
    text["variables"] = declaring.sampled(text["variables"], tried or {})
    fixed = {"status": "published", "published_at": now(), "published_by_id": access.user.id}
    if not versioning.move(version, {**fixed, "message": message or version.message, "variables": text["variables"]}):
        raise lost(version, {})
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
    message = wording.message(message) or f"Restore v{source.number}"
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
