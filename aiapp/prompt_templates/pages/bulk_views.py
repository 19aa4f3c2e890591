"""What is done to all prompt templates of the list that were ticked."""

from __future__ import annotations

from flask import request, url_for
from werkzeug.wrappers import Response as BaseResponse

from aiapp import htmx
from aiapp.errors import Conflict, InvalidInput, NotFound
from aiapp.filters import count
from aiapp.prompt_templates import bulk
from aiapp.prompt_templates.pages.lifecycle_views import archive_question, list_of
from aiapp.prompt_templates.pages.routes import blueprint
from aiapp.workspaces.access import Access, require


@blueprint.post("/_chosen")
@require("editor")
def change_chosen(access: Access) -> BaseResponse:
    """Add or remove (`change` tag, untag) the `tags`, archive or unarchive those whose `slug` is given."""
    back = list_of(access, request.form.get("list", ""))
    slugs, change = request.form.getlist("slug"), request.form.get("change", "")
    if not slugs:
        return htmx.go(back, "Tick the prompt templates first.", "warn")
    try:
        done = _change(access, slugs, change)
    except InvalidInput as error:
        return htmx.go(back, " ".join(one["message"] for one in error.errors), "bad")
    except Conflict:
        again = url_for(".change_chosen", workspace=access.workspace.slug)
        fields = {"list": request.form.get("list", ""), "change": change}
        return archive_question(access, bulk.find_all(access, slugs), again, back, fields)
    except NotFound:
        return htmx.go(back, "One of those ticked is not there any more. Nothing has changed.", "bad")
    return htmx.go(back, done)


def _change(access: Access, slugs: list[str], change: str) -> str:
    found = bulk.find_all(access, slugs)
    tags = [tag for tag in request.form.get("tags", "").split(",") if tag.strip()]
    if change == "tag":
        return f"{_number(bulk.add_tags(access, found, tags))} tagged."
    if change == "untag":
        return f"{_number(bulk.remove_tags(access, found, tags))} changed."
    if change in ("archive", "unarchive"):
        changed = bulk.set_active(access, found, change == "unarchive", force="force" in request.form)
        return f"{_number(changed)} {change}d."
    raise InvalidInput(errors=[{"field": "change", "message": "Use tag, untag, archive or unarchive."}])


def _number(changed: int) -> str:
    return count(changed, "prompt template")
