"""The API's prompt templates; what they say is in their versions (prompt_versions.py)."""

from __future__ import annotations

from typing import Literal

from flask_openapi3.blueprint import APIBlueprint
from flask_openapi3.models.tag import Tag
from pydantic import BaseModel, Field

from aiapp.api.asking import asking, needs
from aiapp.api.idempotency import once
from aiapp.api.locating import creates
from aiapp.api.paging import Listed, PageQuery, page
from aiapp.api.prompt_bodies import Format, PromptTemplateBody, PromptTemplateDetailsBody, given
from aiapp.api.prompt_shapes import (
    Libraries,
    PromptTemplate,
    PromptTemplateDetails,
    PromptTemplateSummary,
    show,
    show_content,
    show_version,
)
from aiapp.api.shapes import GONE, MOST_ITEMS, Gone, SlugPath, Text
from aiapp.prompt_templates import actions, favourites, library, listing, partials, publishing_rules
from aiapp.prompt_templates import models as rows
from aiapp.prompt_templates.filters import EVERYTHING, Filter

prompt_templates = APIBlueprint(
    "prompt_templates", __name__, abp_tags=[Tag(name="Prompt templates")], abp_security=[{"token": []}]
)


class ListQuery(PageQuery):
    """Which prompt templates."""

    q: Text = Field("", max_length=200, description="beginnings of words in name, slug, description, tags and text")
    tag: list[Text] = Field(
        default_factory=list, max_length=MOST_ITEMS, description="may be repeated: all must be there"
    )
    status: Literal["draft", "preview", "published", "archived"] | None = Field(None, description="default: all")
    task: Text | None = None
    output_format: Format | None = None
    favourites: Literal["first", "only"] | None = Field(None, description="those of the token's person")
    sort: Literal["changed", "name", "used", "run", "relevance"] = Field(
        "changed",
        description="last changed, by name, most used of late, last run, how well `q` is found (needs one); "
        "a cursor belongs to its order",
    )


class ForceQuery(BaseModel):
    """Whether to delete or archive what others still include."""

    force: bool = False


@prompt_templates.get("/prompt-templates", summary="Prompt templates")
@needs("viewer", "read")
def index(query: ListQuery) -> Listed[PromptTemplateSummary]:
    """Those that are archived too."""
    wanted = Filter(
        q=query.q.strip(),
        tags=tuple(sorted({tag for tag in query.tag if tag}))[:20],
        status=query.status or EVERYTHING,
        output_format=query.output_format,
        task=query.task or None,
        favourites=query.favourites,
        sort=query.sort if query.q.strip() or query.sort != "relevance" else "changed",
    )
    found = listing.list_templates(asking(), wanted, cursor=query.cursor, limit=query.limit)
    return page([_row(listed) for listed in found.rows], found.next_cursor)


@prompt_templates.post("/prompt-templates", summary="Create a prompt template")
@creates("prompt_templates.read", slug="slug")
@once()
@needs("editor", "write")
def create(body: PromptTemplateBody) -> tuple[PromptTemplate, Literal[201]]:
    """Makes version 1 as a draft too."""
    access = asking()
    template = actions.create(access, given(body))
    return _whole(template, library.version(access, template, 1)), 201


@prompt_templates.get("/prompt-templates/<slug>", summary="One prompt template")
@needs("viewer", "read")
def read(path: SlugPath) -> PromptTemplate:
    """With the version that an execution would get: the published one, else the newest open one."""
    access = asking()
    template = library.find(access, path.slug)
    return _whole(template, library.published(access, template) or library.current(access, template))


@prompt_templates.patch("/prompt-templates/<slug>", summary="Change a prompt template")
@needs("editor", "write")
def update(path: SlugPath, query: ForceQuery, body: PromptTemplateDetailsBody) -> PromptTemplateDetails:
    """Name, slug, description, tags, task, active; the rest belongs to versions.

    One that others include is archived (`active` false) with `force` only (409 `included`). Where an approval stands behind what
    programs get by it, an admin alone archives it or changes its slug (403).
    """
    access = asking()
    return show(actions.update(access, library.find(access, path.slug), given(body), force=query.force))


@prompt_templates.post("/prompt-templates/<slug>/duplicate", summary="Duplicate a prompt template")
@creates("prompt_templates.read", slug="slug")
@once()
@needs("editor", "write")
def duplicate(path: SlugPath) -> tuple[PromptTemplate, Literal[201]]:
    """Makes "Copy of …", whose version 1 is a draft of what the current version says."""
    access = asking()
    copy = actions.duplicate(access, library.find(access, path.slug))
    return _whole(copy, library.version(access, copy, 1)), 201


@prompt_templates.put("/prompt-templates/<slug>/favourite", summary="Keep among one's favourites")
@needs("viewer", "write")
def keep(path: SlugPath) -> Gone:
    """Of the token's person alone."""
    access = asking()
    favourites.keep(access, library.find(access, path.slug))
    return GONE


@prompt_templates.delete("/prompt-templates/<slug>/favourite", summary="Drop from one's favourites")
@needs("viewer", "write")
def drop(path: SlugPath) -> Gone:
    """It may be none."""
    access = asking()
    favourites.drop(access, library.find(access, path.slug))
    return GONE


@prompt_templates.delete("/prompt-templates/<slug>", summary="Delete a prompt template")
@needs("editor", "write")
def delete(path: SlugPath, query: ForceQuery) -> Gone:
    """With all its versions; executions stay. One that others include is deleted with `force` only (409 `included`).

    Where an approval stands behind what programs get by it, an admin alone deletes it (403).
    """
    access = asking()
    template = library.find(access, path.slug)
    publishing_rules.demand_free(access, template, "deletes it")
    if not query.force:
        partials.demand_unincluded(access, template, "With force=true it is deleted, and these can run no more.")
    actions.delete(access, template)
    return GONE


def _row(listed: listing.Listed) -> PromptTemplateSummary:
    return {
        **show(listed.template),
        "status": listed.status,
        "version": listed.number,
        "open_version": listed.open_number,
        "open_branch": listed.open_branch,
        "favourite": listed.favourite,
        "output_format": listed.output_format,  # type: ignore[typeddict-item]  # the column holds no other
    }


def _whole(template: rows.PromptTemplate, shown: rows.PromptVersion) -> PromptTemplate:
    libraries = Libraries()
    version = show_version(shown, libraries=libraries)
    return {**show(template), **show_content(shown, libraries), "status": shown.status, "version": version}
