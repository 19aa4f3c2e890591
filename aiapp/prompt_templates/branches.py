"""Branches: named lines of versions beside the main one, which has no name and is the only one that is published."""

from __future__ import annotations

import re
from dataclasses import dataclass

import sqlalchemy as sa

from aiapp.errors import Conflict, InvalidInput, NotFound
from aiapp.extensions import db
from aiapp.prompt_templates import library
from aiapp.prompt_templates.models import PromptTemplate, PromptVersion
from aiapp.prompt_templates.text import wording
from aiapp.workspaces.access import Access

MAX_NAME = 60
_NAME = re.compile(r"[\w][\w ./-]*")
_MAIN = frozenset({"main", "master"})


@dataclass(frozen=True, slots=True)
class Branch:
    """A branch with its newest version; `merged` where the main line has taken in what that says."""

    name: str
    newest: PromptVersion
    merged: bool


def demand_main(version: PromptVersion) -> None:
    """Raise Conflict `on_branch` where a version is not on the main line."""
    if version.branch is not None:
        raise Conflict(
            f"v{version.number} is on the branch {version.branch}. Merge the branch into the main line, and publish that.",
            code="on_branch",
        )


def new_name(access: Access, template: PromptTemplate, name: str) -> str:
    """Return the name of a branch that is to be made. Raises InvalidInput, Conflict `branch_taken`."""
    try:
        clean = wording.line(name, MAX_NAME, required=True)
    except ValueError as error:
        raise InvalidInput(errors=[{"field": "branch", "message": str(error)}]) from error
    if not _NAME.fullmatch(clean):
        message = "Use letters, digits, spaces and - _ . / for the name of a branch."
        raise InvalidInput(errors=[{"field": "branch", "message": message}])
    if clean.lower() in _MAIN:
        message = "The main line has no name. Choose another one."
        raise InvalidInput(errors=[{"field": "branch", "message": message}])
    if clean in names(access, template):
        message = f"There is a branch called {clean} already."
        raise Conflict(message, code="branch_taken", errors=[{"field": "branch", "message": message}])
    return clean


def names(access: Access, template: PromptTemplate) -> list[str]:
    """Return the names of all branches of a template, the one that was changed last first."""
    newest = sa.func.max(PromptVersion.number)
    query = (
        sa.select(PromptVersion.branch)
        .where(
            PromptVersion.workspace_id == access.workspace.id,
            PromptVersion.prompt_template_id == template.id,
            PromptVersion.branch.is_not(None),
        )
        .group_by(PromptVersion.branch)
        .order_by(newest.desc())
    )
    return [name for name in db.session.scalars(query) if name]


def any_name(access: Access, template: PromptTemplate, wanted: str) -> str:
    """Return the wanted name, or one that can be had: what somebody typed is not to wait for a name."""
    try:
        return new_name(access, template, wanted)
    except (InvalidInput, Conflict):
        return free_name(access, template)


def free_name(access: Access, template: PromptTemplate) -> str:
    """Return a name for a branch of somebody who gives none: theirs, with a number where it is taken."""
    first = wording.slug_of(access.user.name).split("-")[0]
    taken = set(names(access, template))
    return next(name for n in range(1, len(taken) + 2) if (name := first if n == 1 else f"{first}-{n}") not in taken)


def newest(access: Access, template: PromptTemplate, name: str) -> PromptVersion:
    """Return the newest version of a branch. Raises NotFound."""
    found = None
    if 0 < len(name) <= MAX_NAME and "\x00" not in name:
        query = _versions(access, template).where(PromptVersion.branch == name)
        found = db.session.scalars(query.order_by(PromptVersion.number.desc()).limit(1)).first()
    if found is None:
        raise NotFound(f"The prompt template {template.slug} has no such branch.")
    return found


def listed(access: Access, template: PromptTemplate) -> list[Branch]:
    """Return all branches with their newest versions, the one that was changed last first."""
    found = [(name, newest(access, template, name)) for name in names(access, template)]
    query = _versions(access, template).where(PromptVersion.merged_id.in_([version.id for _, version in found]))
    taken_in = {one.merged_id: one for one in db.session.scalars(query.order_by(PromptVersion.number))}
    return [
        Branch(name, version, version.id in taken_in and version.updated_at <= taken_in[version.id].created_at)
        for name, version in found
    ]


def targets(access: Access, template: PromptTemplate) -> list[PromptVersion]:
    """Return the versions that a branch can be merged into, the usual one first: the published one, then open drafts.

    Without any of these it is the newest version of the main line.
    """
    main = _versions(access, template).where(PromptVersion.branch.is_(None)).order_by(PromptVersion.number.desc())
    published = library.published(access, template)
    drafts = db.session.scalars(main.where(PromptVersion.status.in_(("draft", "preview"))).limit(20))
    found = [*([published] if published else []), *drafts]
    return found or list(db.session.scalars(main.limit(1)))


def _versions(access: Access, template: PromptTemplate) -> sa.Select[PromptVersion]:
    return access.select(PromptVersion).where(PromptVersion.prompt_template_id == template.id)
