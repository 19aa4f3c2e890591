"""What the bodies about prompt templates and their versions hold."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, Field

from aiapp.api.shapes import MOST_ITEMS, OptionalBody, Text
from aiapp.providers.types import OutputFormat

Format = OutputFormat
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


# What has no empty value: null is as good as left out.
_NEVER_NULL = frozenset(
    ("name", "slug", "description", "tags", "active", "system", "messages", "body", "variables", "output_format")
)


def given(body: BaseModel) -> dict[str, Any]:
    """Return the fields of a body that were sent."""
    sent = body.model_dump(exclude_unset=True)
    return {name: value for name, value in sent.items() if value is not None or name not in _NEVER_NULL}
