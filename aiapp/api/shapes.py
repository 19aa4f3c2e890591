"""How values look in JSON: times, money, ids, texts; and what the bodies of requests share."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import Annotated, Any, Literal

from flask import request
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, WithJsonSchema, model_validator

from aiapp.errors import InvalidInput
from aiapp.extensions import settings

# What is not JSON's own, as the OpenAPI document tells it.
Id = Annotated[str, Field(pattern="^[0-9a-f]{32}$", description="32 hex digits")]
Time = Annotated[str, WithJsonSchema({"type": "string", "format": "date-time"})]
Dollars = Annotated[str, WithJsonSchema({"type": "string", "description": "US dollars, a plain decimal number"})]

# The answer where nothing is left to say.
Gone = tuple[Literal[""], Literal[204]]
GONE: Gone = ("", 204)

# JSON may hold them: PostgreSQL takes no NUL, UTF-8 has no half of a surrogate pair. (An address with NUL gets nowhere.)
_UNSTORABLE = re.compile("[\x00\ud800-\udfff]")
# Longer lists are refused before each of their items is looked at.
MOST_ITEMS = 1000


def _storable(text: str) -> str:
    if _UNSTORABLE.search(text):
        raise ValueError("This contains a character that cannot be stored: NUL, or half of a surrogate pair.")
    return text


def _one_line(text: str) -> str:
    if not text.isprintable():
        raise ValueError("This contains a character that cannot be shown on one line.")
    return text


Text = Annotated[str, AfterValidator(_storable)]
Line = Annotated[str, AfterValidator(_one_line)]
Slug = Annotated[str, Field(description="the slug of a prompt template")]


class SlugPath(BaseModel):
    """A prompt template."""

    slug: Slug


class Strict(BaseModel):
    """A body of which every field has a meaning: a mistyped one would otherwise be left out without a word."""

    model_config = ConfigDict(extra="forbid")


class OptionalBody(BaseModel):
    """A body that may be left out: then every field has its default."""

    @model_validator(mode="before")
    @classmethod
    def _nothing_sent(cls, sent: Any) -> Any:
        return {} if sent is None else sent


def aware(when: datetime | None, field: str) -> datetime | None:
    """Return a time that a client sent in `field`, in UTC; one without a zone is taken as UTC. Raises InvalidInput."""
    if when is None:
        return None
    try:
        return when.replace(tzinfo=UTC) if when.tzinfo is None else when.astimezone(UTC)
    except OverflowError as error:
        raise InvalidInput(errors=[{"field": field, "message": "No calendar has this day."}]) from error


def outside(path: str) -> str:
    """Return the whole address of a path of this site, as people outside see it."""
    return (settings().base_url or request.host_url.rstrip("/")) + path
