"""How prompt templates and their versions look in JSON, and what the bodies about them hold."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal, NotRequired, cast

from pydantic import BaseModel, Field
from typing_extensions import TypedDict

from aiapp.api.shapes import MOST_ITEMS, Id, OptionalBody, Text, Time, iso, moment
from aiapp.prompt_templates import labels
from aiapp.prompt_templates import models as rows
from aiapp.prompt_templates.release_models import PUBLISHED
from aiapp.prompt_templates.versioning import content

Format = Literal["text", "json", "markdown", "html"]
Type = Literal["text", "long_text", "number", "boolean", "choice", "json"]


class TurnBody(BaseModel):
    """An example turn before the body."""

    role: Literal["user", "assistant"]
    content: Text


class VariableBody(BaseModel):
    """What a variable takes. Variables that the text does not use are dropped."""

    name: Text
    type: Type = "text"
    required: bool = True
    default: Any = None
    description: Text = ""
    sample: Any = None
    choices: list[Text] | None = Field(None, max_length=MOST_ITEMS)


class PromptTemplateDetailsBody(BaseModel):
    """What belongs to the template itself. In a PATCH, what is left out stays; so does what is null and cannot be empty."""

    name: Text | None = None
    slug: Text | None = Field(
        None, description="lower-case letters, digits, single hyphens; left out: made of the name"
    )
    description: Text | None = None
    tags: list[Text] | None = Field(None, max_length=MOST_ITEMS)
    task: Text | None = None
    active: bool | None = None


class ContentBody(BaseModel):
    """What belongs to a version. In a PATCH, what is left out stays; so does what is null and cannot be empty."""

    system: Text | None = None
    messages: list[TurnBody] | None = Field(None, max_length=MOST_ITEMS, description="example turns before the body")
    body: Text | None = Field(
        None,
        description="`{{name}}` stands for a variable, `{{> slug}}` for what another prompt template has published, "
        "`{{> slug@3}}` for its version 3",
    )
    variables: list[VariableBody] | None = Field(None, max_length=MOST_ITEMS)
    output_format: Format | None = None
    json_schema: dict[str, Any] | None = None
    provider: Text | None = None
    model: Text | None = None
    temperature: float | None = Field(None, description="0 to 2")
    max_tokens: int | None = None


class PromptTemplateBody(PromptTemplateDetailsBody, ContentBody):
    """A new prompt template and its version 1, a draft. Needs a name."""


class PromptVersionBody(OptionalBody, ContentBody):
    """A new draft: a copy of `parent` (default: the published version, else the newest) with these fields in place."""

    parent: int | None = None
    message: Text = ""
    branch: Text | None = Field(None, description="the name of a new branch; left out: the branch of `parent`")


class DraftBody(ContentBody):
    """A change of a draft."""

    lock_version: int = Field(description="as last read; a stale one is 409 `conflict` with both texts")


class PublishBody(OptionalBody):
    """What changed, for the history."""

    message: Text = ""
    semver: Text | None = Field(
        None, description="greater than every other's, such as 2.1.0; left out: the proposed one"
    )


class RollbackBody(BaseModel):
    """Which version comes back, and why."""

    version: int
    message: Text = ""


class RenderBody(OptionalBody):
    """Values for the variables."""

    version: int | None = Field(None, description="default: the published one, else the newest")
    context: dict[str, Any] = Field(default_factory=dict)


class Turn(TypedDict):
    """An example turn."""

    role: str
    content: str


class Variable(TypedDict):
    """What a variable takes."""

    name: str
    type: Type
    required: bool
    default: Any
    description: str
    sample: Any
    choices: NotRequired[list[str] | None]


class PromptTemplateDetails(TypedDict):
    """A prompt template without its versions."""

    id: Id
    slug: str
    name: str
    description: str
    tags: list[str]
    task: str | None
    active: bool
    created_at: Time
    updated_at: Time


class PromptTemplateSummary(PromptTemplateDetails):
    """A prompt template in a list: with the status, number and output format of the version that it shows."""

    status: str
    version: int
    favourite: Annotated[bool, Field(description="of the token's person")]
    output_format: Format


class Content(TypedDict):
    """What a version says and how it is asked."""

    system: str
    messages: list[Turn]
    body: str
    variables: list[Variable]
    output_format: Format
    json_schema: dict[str, Any] | None
    provider: str | None
    model: str | None
    temperature: float | None
    max_tokens: int | None


class PromptVersion(Content):
    """A version of a prompt template."""

    id: Id
    number: int
    semver: Annotated[str | None, Field(description="such as 2.1.0, given at publishing")]
    labels: Annotated[list[str], Field(description="`published` is one of them")]
    status: Annotated[str, Field(description="draft, preview, published or archived")]
    message: str
    author: str | None
    parent: Annotated[int | None, Field(description="the number of the version that it began as a copy of")]
    branch: Annotated[str | None, Field(description="null is the main line, the only one that is published")]
    merged: Annotated[int | None, Field(description="the number of the branch's version that was merged into it")]
    lock_version: int
    created_at: Time
    updated_at: Time
    published_at: Time | None
    published_by: str | None


class PromptTemplate(PromptTemplateDetails, Content):
    """A prompt template with the version that it shows."""

    status: str
    version: PromptVersion


class RenderedPrompt(TypedDict):
    """A prompt as it would be sent."""

    version: int
    system: str
    messages: list[Turn]
    body: str
    variables: list[Variable]
    missing: Annotated[list[str], Field(description="required variables without a value")]
    unknown: Annotated[list[str], Field(description="values that no variable takes")]
    errors: list[dict[str, str]]
    tokens: Annotated[int, Field(description="an estimate")]
    estimated_cost: Annotated[str | None, Field(description="US dollars, of the input")]


class DiffLine(TypedDict):
    """A line of a comparison; `spans` mark what changed within it."""

    op: str
    old_no: int | None
    new_no: int | None
    text: str
    spans: list[dict[str, Any]]


class DiffPart(TypedDict):
    """The lines of one text."""

    field: str
    too_different: bool
    lines: list[DiffLine]


class SettingChange(TypedDict):
    """A setting that differs."""

    field: str
    old: Any
    new: Any


class VariableChange(TypedDict):
    """What differs in one variable."""

    name: str
    changes: list[SettingChange]


class VariablesDiff(TypedDict):
    """Variables that differ."""

    added: list[Variable]
    removed: list[Variable]
    changed: list[VariableChange]


class Diff(TypedDict):
    """What changed between two versions."""

    parts: list[DiffPart]
    settings: list[SettingChange]
    variables: VariablesDiff


def show(row: rows.PromptTemplate) -> PromptTemplateDetails:
    """Return a prompt template without its versions."""
    return {
        "id": row.id,
        "slug": row.slug,
        "name": row.name,
        "description": row.description,
        "tags": [tag.name for tag in row.tags],
        "task": row.task,
        "active": row.active,
        "created_at": moment(row.created_at),
        "updated_at": moment(row.updated_at),
    }


def show_content(row: rows.PromptVersion) -> Content:
    """Return what a version says."""
    return cast("Content", content(row))


def show_version(row: rows.PromptVersion, by_version: Mapping[str, list[str]] | None = None) -> PromptVersion:
    """Return a version.

    Arguments:
        by_version: the names of labels by the id of the version that they point to, where several versions are shown.
    """
    names = labels.of_version(row) if by_version is None else by_version.get(row.id, [])
    return {
        "id": row.id,
        "number": row.number,
        "semver": row.semver,
        "labels": [PUBLISHED] * (row.status == "published") + names,
        "status": row.status,
        **show_content(row),
        "message": row.message,
        "author": row.author.name if row.author else None,
        "parent": row.parent.number if row.parent else None,
        "branch": row.branch,
        "merged": row.merged.number if row.merged else None,
        "lock_version": row.lock_version,
        "created_at": moment(row.created_at),
        "updated_at": moment(row.updated_at),
        "published_at": iso(row.published_at),
        "published_by": row.published_by.name if row.published_by else None,
    }


# What has no empty value: null is as good as left out.
_NEVER_NULL = frozenset(
    ("name", "slug", "description", "tags", "active", "system", "messages", "body", "variables", "output_format")
)


def given(body: BaseModel) -> dict[str, Any]:
    """Return the fields of a body that were sent."""
    sent = body.model_dump(exclude_unset=True)
    return {name: value for name, value in sent.items() if value is not None or name not in _NEVER_NULL}
