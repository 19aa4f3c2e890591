"""The API's preview links: a version shown to people without an account, until the link runs out or is taken back."""

from __future__ import annotations

from typing import Annotated, Literal

from flask import url_for
from flask_openapi3.blueprint import APIBlueprint
from flask_openapi3.models.tag import Tag
from pydantic import Field
from typing_extensions import TypedDict

from aiapp.api.asking import asking, needs
from aiapp.api.idempotency import once
from aiapp.api.locating import creates
from aiapp.api.paging import Listed, PageQuery, in_order
from aiapp.api.prompt_versions import VersionPath
from aiapp.api.shapes import GONE, Gone, Id, OptionalBody, SlugPath, Strict, Time, outside
from aiapp.prompt_templates import library, preview_links
from aiapp.prompt_templates import release_models as rows
from aiapp.wire_values import moment
from aiapp.workspaces.access import missing

prompt_links = APIBlueprint(
    "prompt_links", __name__, abp_tags=[Tag(name="Preview links")], abp_security=[{"token": []}]
)


class LinkPath(SlugPath):
    """A preview link."""

    link_id: Id


class LinkBody(OptionalBody, Strict):
    """How long a link works."""

    lifetime: Literal["1h", "1d", "7d"] = "1d"


class PreviewLink(TypedDict):
    """A link that shows a version to whoever has it."""

    id: Id
    version: Annotated[int, Field(description="the version's number")]
    url: Annotated[str | None, Field(description="in the answer that made it alone")]
    created_by: str | None
    created_at: Time
    expires_at: Time


@prompt_links.get("/prompt-templates/<slug>/preview-links", summary="Preview links")
@needs("editor", "read")
def index(path: SlugPath, query: PageQuery) -> Listed[PreviewLink]:
    """Those that still work, newest first; their addresses are not shown again."""
    access = asking()
    found = preview_links.listed(access, library.find(access, path.slug))
    return in_order(found, lambda row: (-int(row.id, 16),), query, _link)


@prompt_links.post("/prompt-templates/<slug>/versions/<int:number>/preview-links", summary="Make a preview link")
@creates("prompt_links.revoke", id="link_id")
@once(shown_once="url")
@needs("editor", "write")
def create(path: VersionPath, body: LinkBody) -> tuple[PreviewLink, Literal[201]]:
    """The answer holds its address, this once. A draft is shown as it then is."""
    access = asking()
    version = library.version(access, library.find(access, path.slug), path.number)
    link, secret = preview_links.create(access, version, body.lifetime)
    return {**_link(link), "url": outside(url_for("preview.show", secret=secret))}, 201


@prompt_links.delete("/prompt-templates/<slug>/preview-links/<id:link_id>", summary="Take a preview link back")
@needs("editor", "write")
def revoke(path: LinkPath) -> Gone:
    """It stops working at once."""
    access = asking()
    template, link = library.find(access, path.slug), access.get(rows.PreviewLink, path.link_id)
    if link.prompt_version.prompt_template_id != template.id:
        raise missing(rows.PreviewLink)
    preview_links.revoke(access, link)
    return GONE


def _link(row: rows.PreviewLink) -> PreviewLink:
    return {
        "id": row.id,
        "version": row.prompt_version.number,
        "url": None,
        "created_by": row.created_by.name if row.created_by else None,
        "created_at": moment(row.created_at),
        "expires_at": moment(row.expires_at),
    }
