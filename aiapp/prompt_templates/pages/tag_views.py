"""The page of a workspace's tags: what they are called, how many prompt templates have them."""

from __future__ import annotations

from flask import Blueprint, Response, render_template, request, url_for
from werkzeug.wrappers import Response as BaseResponse

from aiapp import htmx
from aiapp.errors import InvalidInput
from aiapp.filters import count
from aiapp.prompt_templates import tagging
from aiapp.prompt_templates.models import Tag
from aiapp.prompt_templates.pages import forms
from aiapp.prompt_templates.pages.routes import answer
from aiapp.workspaces.access import Access, require

blueprint = Blueprint("tags", __name__, url_prefix="/w/<workspace>/tags")


@blueprint.get("")
@require()
def index(access: Access) -> str:
    """All tags."""
    return render_template("prompt_templates/tags.html", tags=tagging.all_tags(access))


@blueprint.get("/<id:tag_id>/rename")
@require("editor")
def rename_dialog(access: Access, tag_id: str) -> Response:
    """Ask for the new name of a tag."""
    tag = access.get(Tag, tag_id)
    return _asking(access, tag, tag.name, {})


@blueprint.post("/<id:tag_id>/rename")
@require("editor")
def rename(access: Access, tag_id: str) -> BaseResponse:
    """Call a tag otherwise; the name of another one merges the two."""
    tag = access.get(Tag, tag_id)
    old, name = tag.name, request.form.get("name", "")
    try:
        left = tagging.rename(access, tag, name)
    except InvalidInput as error:
        return _asking(access, tag, name, forms.errors_of(error))
    merged = left.id != tag_id
    return htmx.go(_address(access), f"{old} is {'merged into' if merged else 'called'} {left.name} now.")


@blueprint.get("/<id:tag_id>/delete")
@require("editor")
def delete_dialog(access: Access, tag_id: str) -> str:
    """Ask before a tag is deleted."""
    tag = access.get(Tag, tag_id)
    number = tagging.counted(access, tag).count
    tags = tagging.all_tags(access)
    return render_template("prompt_templates/delete_tag.html", tags=tags, deleting=tag, number=number)


@blueprint.post("/<id:tag_id>/delete")
@require("editor")
def delete(access: Access, tag_id: str) -> BaseResponse:
    """Delete a tag; the prompt templates stay."""
    tag = access.get(Tag, tag_id)
    number = tagging.remove(access, tag)
    return htmx.go(_address(access), f"{tag.name} is deleted; {count(number, 'prompt template')} had it.")


def _asking(access: Access, tag: Tag, typed: str, errors: dict[str, str]) -> Response:
    behind = {"tags": tagging.all_tags(access), "renaming": tag, "typed": typed, "errors": errors}
    return answer("prompt_templates/rename_tag.html", 422 if errors else 200, **behind)


def _address(access: Access) -> str:
    return url_for("tags.index", workspace=access.workspace.slug)
