"""The API's prompt templates: the template, its versions, what they render to and how they differ."""

from __future__ import annotations

from typing import Any, Literal

from flask_openapi3.blueprint import APIBlueprint
from flask_openapi3.models.tag import Tag
from pydantic import BaseModel, ConfigDict, Field

from aiapp.api.asking import asking, needs
from aiapp.api.idempotency import once
from aiapp.api.paging import PageQuery, newest_first, page
from aiapp.api.shapes import dollars, iso
from aiapp.prompt_templates import actions, library
from aiapp.prompt_templates.comparing import compare
from aiapp.prompt_templates.models import PromptTemplate, PromptVersion
from aiapp.prompt_templates.rendering import estimate_tokens, render_prompt
from aiapp.prompt_templates.versioning import content
from aiapp.usage import pricing

prompt_templates = APIBlueprint(
    "prompt_templates_api", __name__, abp_tags=[Tag(name="Prompt templates")], abp_security=[{"token": []}]
)
Slug: Any = Field(description="the template's slug", max_length=60)


class SlugPath(BaseModel):
    """A prompt template."""

    slug: str = Slug


class VersionPath(BaseModel):
    """A version of a prompt template."""

    slug: str = Slug
    number: int


class ListQuery(PageQuery):
    """Which prompt templates."""

    q: str = Field("", max_length=200, description="in name, slug, description and text")
    tag: list[str] = Field(default_factory=list, description="may be repeated: all must be there")
    status: Literal["draft", "preview", "published", "archived"] | None = None
    task: str | None = None
    output_format: Literal["text", "json", "markdown", "html"] | None = None


class Turn(BaseModel):
    """An example turn before the body."""

    role: Literal["user", "assistant"]
    content: str


class Variable(BaseModel):
    """What a variable takes. Variables that the text does not use are dropped."""

    name: str
    type: Literal["text", "long_text", "number", "boolean", "choice", "json"] = "text"
    required: bool = True
    default: Any = None
    description: str = ""
    sample: Any = None
    choices: list[str] | None = None


class DetailsBody(BaseModel):
    """What belongs to the template itself. In a PATCH, what is left out stays."""

    name: str | None = None
    slug: str | None = None
    description: str | None = None
    tags: list[str] | None = None
    task: str | None = None
    active: bool | None = None


class ContentBody(BaseModel):
    """What belongs to a version. In a PATCH, what is left out stays."""

    system: str | None = None
    messages: list[Turn] | None = None
    body: str | None = None
    variables: list[Variable] | None = None
    output_format: str | None = Field(None, description="text, json, markdown or html")
    json_schema: dict[str, Any] | None = None
    provider: str | None = None
    model: str | None = None
    temperature: float | None = None
    max_tokens: int | None = None


class NewBody(DetailsBody, ContentBody):
    """A new prompt template and its version 1, a draft."""


class NewVersionBody(ContentBody):
    """A new draft: a copy of `parent` (default: the published version, else the newest) with these fields in place."""

    parent: int | None = None
    message: str = ""


class DraftBody(ContentBody):
    """A change of a draft."""

    lock_version: int = Field(description="as last read; a stale one is 409 `conflict` with both texts")


class MessageBody(BaseModel):
    """What changed, for the history."""

    message: str = ""


class RollbackBody(MessageBody):
    """Which version comes back."""

    version: int


class RenderBody(BaseModel):
    """Values for the variables."""

    version: int | None = None
    context: dict[str, Any] = Field(default_factory=dict)


class DiffQuery(BaseModel):
    """Two versions."""

    model_config = ConfigDict(populate_by_name=True)

    from_: int = Field(alias="from")
    to: int


@prompt_templates.get("/prompt-templates", summary="Prompt templates")
@needs("viewer", "read")
def index(query: ListQuery) -> dict[str, Any]:
    """Last changed first."""
    wanted = library.Filter(
        q=query.q.strip(),
        tags=tuple(sorted(set(query.tag)))[:20],
        status=query.status,
        output_format=query.output_format,
        task=query.task,
    )
    found = library.list_templates(asking(), wanted, cursor=query.cursor, limit=query.limit)
    rows = [
        {**show(row.template), "status": row.status, "version": row.number, "output_format": row.output_format}
        for row in found.rows
    ]
    return page(rows, found.next_cursor)


@prompt_templates.post("/prompt-templates", summary="Create a prompt template")
@once
@needs("editor", "write")
def create(body: NewBody) -> tuple[dict[str, Any], int]:
    """Makes version 1 as a draft too."""
    access = asking()
    template = actions.create(access, _given(body))
    return _whole(template, library.version(access, template, 1)), 201


@prompt_templates.get("/prompt-templates/<slug>", summary="One prompt template")
@needs("viewer", "read")
def read(path: SlugPath) -> dict[str, Any]:
    """With the version that an execution would get: the published one, else the newest open one."""
    access = asking()
    template = library.find(access, path.slug)
    return _whole(template, library.published(access, template) or library.current(access, template))


@prompt_templates.patch("/prompt-templates/<slug>", summary="Change a prompt template")
@needs("editor", "write")
def update(path: SlugPath, body: DetailsBody) -> dict[str, Any]:
    """Name, slug, description, tags, task, active; the rest belongs to versions."""
    access = asking()
    return show(actions.update(access, library.find(access, path.slug), _given(body)))


@prompt_templates.delete("/prompt-templates/<slug>", summary="Delete a prompt template")
@needs("editor", "write")
def delete(path: SlugPath) -> tuple[str, int]:
    """With all its versions; executions stay."""
    access = asking()
    actions.delete(access, library.find(access, path.slug))
    return "", 204


@prompt_templates.get("/prompt-templates/<slug>/versions", summary="Versions, newest first")
@needs("viewer", "read")
def versions(path: SlugPath, query: PageQuery) -> dict[str, Any]:
    """The whole history."""
    access = asking()
    template = library.find(access, path.slug)
    rows = access.select(PromptVersion).where(PromptVersion.prompt_template_id == template.id)
    return newest_first(rows, PromptVersion, query, show_version)


@prompt_templates.post("/prompt-templates/<slug>/versions", summary="Start a draft")
@once
@needs("editor", "write")
def new_version(path: SlugPath, body: NewVersionBody) -> tuple[dict[str, Any], int]:
    """Its number is given now and stays."""
    access = asking()
    template = library.find(access, path.slug)
    given = _given(body)
    parent, message = given.pop("parent", None), given.pop("message", "")
    source = library.version(access, template, parent) if parent is not None else None
    source = source or library.published(access, template) or library.current(access, template)
    return show_version(actions.new_draft(access, source, message, given)), 201


@prompt_templates.get("/prompt-templates/<slug>/versions/<int:number>", summary="One version")
@needs("viewer", "read")
def version(path: VersionPath) -> dict[str, Any]:
    """Its text, settings and history."""
    return show_version(_version(path))


@prompt_templates.patch("/prompt-templates/<slug>/versions/<int:number>", summary="Change a draft")
@needs("editor", "write")
def save(path: VersionPath, body: DraftBody) -> dict[str, Any]:
    """A preview becomes a draft again; a published version never changes (409 `frozen`)."""
    given = _given(body)
    return show_version(actions.save_draft(asking(), _version(path), given, given.pop("lock_version")))


@prompt_templates.post(
    "/prompt-templates/<slug>/versions/<int:number>/preview", summary="Mark as ready to be looked at"
)
@needs("editor", "write")
def preview(path: VersionPath) -> dict[str, Any]:
    """Draft to preview."""
    return show_version(actions.preview(asking(), _version(path)))


@prompt_templates.post("/prompt-templates/<slug>/versions/<int:number>/publish", summary="Publish a version")
@needs("editor", "write")
def publish(path: VersionPath, body: MessageBody) -> dict[str, Any]:
    """Freezes it and gives it to everybody; the one published before is archived."""
    return show_version(actions.publish(asking(), _version(path), body.message))


@prompt_templates.post("/prompt-templates/<slug>/rollback", summary="Publish an old text again")
@once
@needs("editor", "write")
def rollback(path: SlugPath, body: RollbackBody) -> tuple[dict[str, Any], int]:
    """As a new version, published."""
    access = asking()
    source = library.version(access, library.find(access, path.slug), body.version)
    return show_version(actions.rollback(access, source, body.message)), 201


@prompt_templates.get("/prompt-templates/<slug>/diff", summary="What changed between two versions")
@needs("viewer", "read")
def diff(path: SlugPath, query: DiffQuery) -> dict[str, Any]:
    """Texts by line and word, settings, variables."""
    access = asking()
    template = library.find(access, path.slug)
    old, new = (library.version(access, template, number) for number in (query.from_, query.to))
    return compare(content(old), content(new)).as_json()


@prompt_templates.post("/prompt-templates/<slug>/render", summary="Render without running")
@needs("viewer", "read")
def render(path: SlugPath, body: RenderBody) -> dict[str, Any]:
    """Calls no provider. `tokens` is an estimate."""
    access = asking()
    template = library.find(access, path.slug)
    if body.version is not None:
        found = library.version(access, template, body.version)
    else:
        found = library.published(access, template) or library.current(access, template)
    rendered = render_prompt(found.system, found.body, found.variables, body.context)
    count = estimate_tokens(rendered.system) + estimate_tokens(rendered.body)
    priced = pricing.estimate(found.provider, found.model, count) if found.provider and found.model else None
    return {
        "version": found.number,
        "system": rendered.system,
        "body": rendered.body,
        "variables": found.variables,
        "missing": list(rendered.missing),
        "unknown": list(rendered.unknown),
        "errors": list(rendered.errors),
        "tokens": count,
        "estimated_cost": dollars(priced),
    }


def show(template: PromptTemplate) -> dict[str, Any]:
    """Return a prompt template without its versions."""
    return {
        "id": template.id,
        "slug": template.slug,
        "name": template.name,
        "description": template.description,
        "tags": [tag.name for tag in template.tags],
        "task": template.task,
        "active": template.active,
        "created_at": iso(template.created_at),
        "updated_at": iso(template.updated_at),
    }


def show_version(row: PromptVersion) -> dict[str, Any]:
    """Return a version."""
    return {
        "id": row.id,
        "number": row.number,
        "status": row.status,
        **content(row),
        "message": row.message,
        "author": row.author.name if row.author else None,
        "parent": row.parent.number if row.parent else None,
        "lock_version": row.lock_version,
        "created_at": iso(row.created_at),
        "updated_at": iso(row.updated_at),
        "published_at": iso(row.published_at),
        "published_by": row.published_by.name if row.published_by else None,
    }


def _whole(template: PromptTemplate, shown: PromptVersion) -> dict[str, Any]:
    return {**show(template), **content(shown), "status": shown.status, "version": show_version(shown)}


def _version(path: VersionPath) -> PromptVersion:
    access = asking()
    return library.version(access, library.find(access, path.slug), path.number)


def _given(body: BaseModel) -> dict[str, Any]:
    return body.model_dump(exclude_unset=True)
