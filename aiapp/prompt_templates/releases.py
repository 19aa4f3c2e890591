"""Releases: a version is frozen and given to everybody, an older one comes back; and which version an execution gets."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from typing import Any

from aiapp.accounts.models import User
from aiapp.columns import now
from aiapp.errors import Conflict, InvalidInput
from aiapp.extensions import db
from aiapp.prompt_templates import (
    announcements,
    branches,
    checks,
    events,
    labels,
    library,
    publishing_rules,
    semver,
    versioning,
)
from aiapp.prompt_templates.drafts import frozen, lost
from aiapp.prompt_templates.models import PromptTemplate, PromptVersion
from aiapp.prompt_templates.release_models import PUBLISHED
from aiapp.prompt_templates.text import declaring, wording
from aiapp.webhooks import announcing
from aiapp.workspaces.access import Access


def publish(
    access: Access,
    version: PromptVersion,
    message: str = "",
    lock_version: int | None = None,
    *,
    tried: Mapping[str, str] | None = None,
    semver: str | None = None,
) -> PromptVersion:
    """Freeze a version and give it to everybody; the one published before is archived.

    Arguments:
        message: what changed, for the history.
        lock_version: what the publisher last saw, where it must still be that.
        tried: see save_draft.
        semver: its semantic version, greater than every other of the template; None takes the proposed one.
    Raises InvalidInput (see checks), Conflict `frozen`, `conflict`, `on_branch`, `approval_needed`.
    """
    publishing_rules.demand_none_needed(access)
    message = wording.message(message)
    demand_publishable(version, lock_version)
    text = versioning.with_variables(versioning.content(version))
    samples = declaring.sampled(text["variables"], tried or {})
    freeze(access, version, message or version.message, access.user, semver, samples)
    db.session.commit()
    announcing.wake()
    db.session.refresh(version)
    return version


def demand_publishable(version: PromptVersion, lock_version: int | None = None) -> None:
    """Raise InvalidInput, Conflict `frozen` or Conflict `conflict` unless `version` can be published as it was last seen."""
    if version.status not in versioning.OPEN:
        raise frozen(version)
    if lock_version is not None and lock_version != version.lock_version:
        raise lost(version, {})
    branches.demand_main(version)
    checks.demand(version)


def freeze(
    access: Access,
    version: PromptVersion,
    message: str,
    publisher: User,
    wanted: str | None,
    variables: list[dict[str, Any]] | None = None,
) -> None:
    """Publish a version that was found publishable, uncommitted. Raises InvalidInput, Conflict `frozen`, Conflict `conflict`.

    Arguments:
        publisher: whose release it is; `access` may be an approver's.
        wanted: the semantic version; None takes the proposed one.
        variables: what is declared of its variables; None leaves what it has, but for those that its text does not use.
    """
    template = version.prompt_template
    versioning.touch(template)  # first: this row's lock lets one publisher in at a time
    given = numbered(access, version, wanted)
    before = versioning.archive_published(template)
    kept = versioning.with_variables(versioning.content(version))["variables"] if variables is None else variables
    fixed = {"status": "published", "published_at": now(), "published_by_id": publisher.id}
    if not versioning.move(version, {**fixed, "message": message, "variables": kept, "semver": given}):
        raise lost(version, {})
    db.session.refresh(version)
    _tell(access, "prompt_template.publish", version, before, message, publisher, {})


def rollback(access: Access, source: PromptVersion, message: str = "", *, expected: int | None = None) -> PromptVersion:
    """Publish the text of any version again, as a new version.

    Arguments:
        expected: the number of the published version that is to be replaced, where it must still be that.
    Raises InvalidInput, Conflict `overtaken`, Conflict `approval_needed`.
    """
    publishing_rules.demand_none_needed(access)
    checks.demand(source)
    template = source.prompt_template
    if expected is not None:
        versioning.touch(template)
        found = library.published(access, template)
        if found is None or found.number != expected:
            raise Conflict("Another version was published meanwhile. Look at it first.", code="overtaken")
    restored = restore(access, source, message)  # its number first: this row's lock lets one publisher in at a time
    restored.semver = numbered(access, restored, None)
    before = versioning.archive_published(template)
    restored.status, restored.published_at, restored.published_by_id = "published", now(), access.user.id
    db.session.add(restored)
    db.session.flush()
    told = {"restored": source.number}
    _tell(access, "prompt_template.restore", restored, before, restored.message, access.user, told)
    db.session.commit()
    announcing.wake()
    return restored


def restore(access: Access, source: PromptVersion, message: str) -> PromptVersion:
    """Return a new draft that says what `source` says, not in the session yet. Raises InvalidInput, Conflict `on_branch`."""
    branches.demand_main(source)
    message = wording.message(message) or f"Restore v{source.number}"
    text = versioning.with_variables(versioning.content(source))
    number = versioning.next_number(source.prompt_template)
    return versioning.make(access, source.prompt_template, number, text, source, message)


def proposed(access: Access, version: PromptVersion) -> semver.Proposal:
    """Return what to call `version` if it were published now."""
    template = version.prompt_template
    before = library.published(access, template)
    content = None if before is None else versioning.content(before)
    after = versioning.content(version)
    with suppress(InvalidInput):  # it cannot be published like this; the checks say why
        after = versioning.with_variables(after)
    return semver.propose(content, after, last_semver(access, template))


def last_semver(access: Access, template: PromptTemplate) -> str | None:
    """Return the highest semantic version that a version of `template` has."""
    query = access.select(PromptVersion).where(
        PromptVersion.prompt_template_id == template.id, PromptVersion.semver.is_not(None)
    )
    given = db.session.scalars(query.with_only_columns(PromptVersion.semver)).all()
    return max((text for text in given if text and semver.is_one(text)), key=semver.read, default=None)


def numbered(access: Access, version: PromptVersion, wanted: str | None) -> str:
    """Return the semantic version that `version` gets: the wanted one, else the proposed one. Raises InvalidInput."""
    if not wanted:
        return proposed(access, version).semver
    last, message = last_semver(access, version.prompt_template), ""
    try:
        given = semver.read(wanted)
        if last is not None and given <= semver.read(last):
            message = f"This has to be greater than {last}, the last one."
    except ValueError as error:
        message = str(error)
    if message:
        raise InvalidInput(errors=[{"field": "semver", "message": message}])
    return wanted


def published_before(access: Access, template: PromptTemplate) -> PromptVersion | None:
    """Return the version that everybody had before the published one; None where there was none."""
    query = access.select(PromptVersion).where(
        PromptVersion.prompt_template_id == template.id,
        PromptVersion.status == "archived",
        PromptVersion.published_at.is_not(None),
    )
    return db.session.scalars(
        query.order_by(PromptVersion.published_at.desc(), PromptVersion.id.desc()).limit(1)
    ).first()


def runnable_version(access: Access, slug: str, number: int | None = None, label: str | None = None) -> PromptVersion:
    """Return the version to execute: the published one, the one with this number, or the one that this label points to.

    Raises InvalidInput where both are given, NotFound, Conflict `inactive`, Denied for a viewer who asks for a number that is
    not the published one's: what viewers get was published, and labelled for them by an editor.
    """
    if number is None and label in (None, PUBLISHED):
        published = library.published_by_slug(access, slug)
        if published is not None and published.prompt_template.active:
            return published
    template = library.find(access, slug)
    if number is not None and label is not None:
        raise InvalidInput(errors=[{"field": "label", "message": "Name a version or a label, not both."}])
    if label is not None or number is None:
        found = labels.version_at(access, template, label or PUBLISHED)
    else:
        found = library.version(access, template, number)
        if found.status != "published":
            access.demand("editor")
    if not template.active:
        raise Conflict(f"{template.name} is archived. An editor can switch it on again.", code="inactive")
    return found


def _tell(
    access: Access,
    action: str,
    version: PromptVersion,
    before: int | None,
    message: str,
    publisher: User,
    more: Mapping[str, Any],
) -> None:
    """Write down and announce that `version` is the published one now."""
    template = version.prompt_template
    after = {"published": version.number, "semver": version.semver, **more}
    if publisher.id != access.user.id:
        after["requested_by"] = publisher.name
    events.note(access, template, "publish", before={"published": before}, after=after, message=message)
    access.audit(
        action,
        f"{template.name} v{version.number}",
        before={"published": before},
        after={**after, "message": message},
    )
    by = access.actor if publisher.id == access.user.id else publisher.name
    announcements.published(access, version, before, by)
