"""How prompt templates and their versions look in JSON."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, NotRequired, cast

from pydantic import Field
from typing_extensions import TypedDict

from aiapp.api.prompt_bodies import Format, Type
from aiapp.api.shapes import Id, Time
from aiapp.prompt_templates import labels, partials
from aiapp.prompt_templates import models as rows
from aiapp.prompt_templates.release_models import PUBLISHED
from aiapp.prompt_templates.text.including import Library
from aiapp.prompt_templates.versioning import content
from aiapp.wire_values import iso, moment

Libraries = dict[tuple[str, ...], Library]


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
    open_version: Annotated[
        int | None,
        Field(description="a draft or preview after it: the newest of the main line, else the newest on a branch"),
    ]
    open_branch: Annotated[str | None, Field(description="the branch that this is on; null: the main line")]
    favourite: Annotated[bool, Field(description="of the token's person")]
    output_format: Format


class Content(TypedDict):
    """What a version says and how it is asked."""

    system: str
    messages: list[Turn]
    body: str
    variables: Annotated[
        list[Variable], Field(description="those of what it includes too, as that declares them unless this does")
    ]
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


def show_content(row: rows.PromptVersion, libraries: Libraries | None = None) -> Content:
    """Return what a version says; of a variable of what it includes, what that declares (see partials.described)."""
    return cast("Content", {**content(row), "variables": partials.described(row, libraries)})


def show_version(
    row: rows.PromptVersion,
    by_version: Mapping[str, list[str]] | None = None,
    libraries: Libraries | None = None,
) -> PromptVersion:
    """Return a version.

    Arguments:
        by_version: the names of labels by the id of the version that they point to, where several versions are shown.
        libraries: what those of one prompt template include, kept from one to the next.
    """
    names = labels.of_version(row) if by_version is None else by_version.get(row.id, [])
    return {
        "id": row.id,
        "number": row.number,
        "semver": row.semver,
        "labels": [PUBLISHED] * (row.status == "published") + names,
        "status": row.status,
        **show_content(row, libraries),
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
