"""Two versions of a prompt template beside each other."""

from __future__ import annotations

from typing import Any

from flask import Response, redirect, render_template, request, url_for
from werkzeug.wrappers import Response as BaseResponse

from aiapp import htmx
from aiapp.errors import NotFound
from aiapp.prompt_templates import library, releases
from aiapp.prompt_templates.comparing.changes import TITLES, changes_between, hunk
from aiapp.prompt_templates.pages.routes import blueprint, shell
from aiapp.workspaces.access import Access, require

HUNK = 1_000  # lines of a fold that are fetched at once


@blueprint.get("/<slug>/compare")
@require()
def choose(access: Access, slug: str) -> BaseResponse:
    """Go to the comparison that the two selects name; without them, of what was before the current version with it.

    Before a draft is what everybody gets now, before a published version what they had before it; else what it was made from.
    """
    template = library.find(access, slug)
    now = library.current(access, template)
    published = library.published(access, template)
    before = releases.published_before(access, template) if published and published.id == now.id else published
    before = before or now.parent or now
    old = request.args.get("from", type=int, default=before.number)
    new = request.args.get("to", type=int, default=now.number)
    library.version(access, template, old)
    library.version(access, template, new)
    path: dict[str, Any] = {"workspace": access.workspace.slug, "slug": slug, "old": old, "new": new}
    if request.args.get("view") == "unified":
        path["view"] = "unified"
    return redirect(url_for("prompt_templates.compare", **path))


@blueprint.get("/<slug>/compare/<int:old>...<int:new>")
@require()
def compare(access: Access, slug: str, old: int, new: int) -> str:
    """What changed from one version to another."""
    template = library.find(access, slug)
    before, after = library.version(access, template, old), library.version(access, template, new)
    split = request.args.get("view") != "unified"
    return render_template(
        "prompt_templates/compare.html",
        **shell(access, template, after, ""),
        before=before,
        after=after,
        split=split,
        changes=changes_between(before, after, split=split),
        merges=after.branch or before.branch,
        choices=[
            (str(one.number), f"v{one.number} · {one.status}" + (f" on {one.branch}" if one.branch else ""))
            for one in library.versions(access, template, texts=False)
        ],
        pair={"old": old, "new": new},
    )


@blueprint.get("/<slug>/compare/<int:old>...<int:new>/_hunk")
@require()
def hunk_fragment(access: Access, slug: str, old: int, new: int) -> Response:
    """Lines of a long fold."""
    template = library.find(access, slug)
    before, after = library.version(access, template, old), library.version(access, template, new)
    field, split = request.args.get("part", ""), request.args.get("view") != "unified"
    first, count = request.args.get("first", 0, type=int), request.args.get("count", 0, type=int)
    if field not in TITLES or first < 1 or count < 1:
        raise NotFound
    path: dict[str, Any] = {"workspace": access.workspace.slug, "slug": slug}
    more = {"part": field, "first": first + HUNK, "count": count - HUNK} if count > HUNK else None
    return htmx.fragment(
        "prompt_templates/_hunk.html",
        more_url={
            "page": url_for("prompt_templates.show", version=new, **path),
            "hunk": url_for(
                "prompt_templates.hunk_fragment",
                old=old,
                new=new,
                part=field,
                view=None if split else "unified",
                **path,
            ),
        },
        lines=hunk(before, after, field, first, min(count, HUNK)),
        split=split,
        more=more,
    )
