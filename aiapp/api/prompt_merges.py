"""The API's branches of prompt templates: what drafts said before, what branches there are, merging one into the main line."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from flask_openapi3.blueprint import APIBlueprint
from flask_openapi3.models.tag import Tag
from pydantic import BaseModel, Field
from typing_extensions import TypedDict

from aiapp.api.asking import asking, needs
from aiapp.api.idempotency import once
from aiapp.api.locating import creates
from aiapp.api.paging import Listed, PageQuery, newest_first, page
from aiapp.api.prompt_shapes import Content, PromptVersion, show_version
from aiapp.api.prompt_versions import VersionPath
from aiapp.api.shapes import MOST_ITEMS, Id, SlugPath, Text, Time
from aiapp.prompt_templates import branches, library, merges, revisions, versioning
from aiapp.prompt_templates import models as rows
from aiapp.wire_values import moment

prompt_merges = APIBlueprint("prompt_merges", __name__, abp_tags=[Tag(name="Branches")], abp_security=[{"token": []}])


class RevisionPath(VersionPath):
    """What a version said before."""

    revision_id: Id


class ResolutionBody(BaseModel):
    """What is to stand in place of a conflict."""

    key: Text = Field(description="of the conflict, from the 409")
    take: Literal["ours", "theirs", "both", "edit"]
    text: Text = Field("", description="for `edit`: what is to stand there")


class MergeBody(BaseModel):
    """Which branch is merged, and what its conflicts come to."""

    branch: Text
    into: int | None = Field(
        None, description="the published version (the default) or an open draft of the main line, by number"
    )
    message: Text = ""
    resolutions: list[ResolutionBody] = Field(default_factory=list, max_length=10 * MOST_ITEMS)


class Revision(TypedDict):
    """What a draft said until a save replaced it."""

    id: Id
    lock_version: int
    saved_at: Annotated[Time, Field(description="when something else was saved")]
    saved_by: Annotated[str | None, Field(description="who saved something else")]


class RevisionContent(Revision):
    """With its text."""

    content: Content


class Branch(TypedDict):
    """A named line of versions."""

    name: str
    newest: Annotated[int, Field(description="the number of its newest version")]
    merged: Annotated[bool, Field(description="whether the main line has taken in what that says")]


@prompt_merges.get("/prompt-templates/<slug>/versions/<int:number>/revisions", summary="What a draft said before")
@needs("viewer", "read")
def list_revisions(path: VersionPath, query: PageQuery) -> Listed[Revision]:
    """Newest first, at most 200; autosaves of one person within a minute are one. To bring one back, PATCH the draft with it."""
    access = asking()
    version = library.version(access, library.find(access, path.slug), path.number)
    return newest_first(revisions.saved(access, version), rows.PromptRevision, query, _revision)


@prompt_merges.get(
    "/prompt-templates/<slug>/versions/<int:number>/revisions/<revision_id>", summary="One text of a draft's past"
)
@needs("viewer", "read")
def revision(path: RevisionPath) -> RevisionContent:
    """As it stood."""
    access = asking()
    version = library.version(access, library.find(access, path.slug), path.number)
    found = revisions.find(access, version, path.revision_id)
    content: Any = {**versioning.empty(), **found.content}
    return {**_revision(found), "content": content}


@prompt_merges.get("/prompt-templates/<slug>/branches", summary="Branches")
@needs("viewer", "read")
def list_branches(path: SlugPath) -> Listed[Branch]:
    """The one that was changed last first."""
    access = asking()
    found = branches.listed(access, library.find(access, path.slug))
    return page([{"name": one.name, "newest": one.newest.number, "merged": one.merged} for one in found], None)


@prompt_merges.post("/prompt-templates/<slug>/merge", summary="Merge a branch into the main line")
@creates("prompt_versions.version", number="number")
@once()
@needs("editor", "write")
def merge(path: SlugPath, body: MergeBody) -> tuple[PromptVersion, Literal[201]]:
    """Makes a draft of both. What both have changed, each in its own way, is 409 `merge_conflicts` with the conflicts.

    Each conflict has a `key`, its `field`, what stood there (`base`), and both sides; send it again with a resolution for each.
    """
    access = asking()
    plan = merges.plan(access, library.find(access, path.slug), body.branch, body.into)
    decisions = {one.key: merges.Decision(one.take, one.text) for one in body.resolutions}
    return show_version(merges.make(access, plan, decisions, body.message)), 201


def _revision(row: rows.PromptRevision) -> Revision:
    return {
        "id": row.id,
        "lock_version": row.lock_version,
        "saved_at": moment(row.saved_at),
        "saved_by": row.author.name if row.author else None,
    }
