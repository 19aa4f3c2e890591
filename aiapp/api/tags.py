"""The API's tags of prompt templates."""

from __future__ import annotations

from typing import Annotated

from flask_openapi3.blueprint import APIBlueprint
from flask_openapi3.models.tag import Tag
from pydantic import BaseModel, Field
from typing_extensions import TypedDict

from aiapp.api.asking import asking, needs
from aiapp.api.paging import Listed, PageQuery, in_order
from aiapp.api.shapes import GONE, Gone, Id, Text
from aiapp.prompt_templates import models as rows
from aiapp.prompt_templates import tagging

tags = APIBlueprint("tags", __name__, abp_tags=[Tag(name="Prompt templates")], abp_security=[{"token": []}])


class TagId(BaseModel):
    """A tag's id."""

    tag_id: Id


class TagBody(BaseModel):
    """A tag's new name."""

    name: Text = Field(description="1 to 50 characters, no comma; the name of another tag merges the two")


class PromptTag(TypedDict):
    """A word that prompt templates are found by."""

    id: Id
    name: str
    prompt_templates: Annotated[int, Field(description="how many have it, archived ones too")]


@tags.get("/tags", summary="Tags of prompt templates")
@needs("viewer", "read")
def index(query: PageQuery) -> Listed[PromptTag]:
    """By name."""
    return in_order(tagging.all_tags(asking()), lambda one: (one.tag.name,), query, _show)


@tags.patch("/tags/<id:tag_id>", summary="Rename or merge a tag")
@needs("editor", "write")
def rename(path: TagId, body: TagBody) -> PromptTag:
    """Answers the tag that is left."""
    access = asking()
    left = tagging.rename(access, access.get(rows.Tag, path.tag_id), body.name)
    return _show(tagging.counted(access, left))


@tags.delete("/tags/<id:tag_id>", summary="Delete a tag")
@needs("editor", "write")
def delete(path: TagId) -> Gone:
    """The prompt templates stay, without it."""
    access = asking()
    tagging.remove(access, access.get(rows.Tag, path.tag_id))
    return GONE


def _show(one: tagging.Counted) -> PromptTag:
    return {"id": one.tag.id, "name": one.tag.name, "prompt_templates": one.count}
