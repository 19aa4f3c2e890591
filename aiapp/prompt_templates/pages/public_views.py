"""The public page behind a preview link: a version, read-only, for whoever has the link."""

from __future__ import annotations

from flask import Blueprint, Response, make_response, render_template

from aiapp.extensions import limiter
from aiapp.prompt_templates import preview_links, workbench

blueprint = Blueprint("preview", __name__)

# A person reloads; a program that guesses would need longer than the links live.
per_client = limiter.limit("60 per minute")


@blueprint.get("/preview/<secret>")
@per_client
def show(secret: str) -> Response:
    """A version as it was written, and filled with its samples."""
    version = preview_links.find(secret)
    page = make_response(
        render_template(
            "prompt_templates/shared.html",
            version=version,
            template=version.prompt_template,
            parts=workbench.written(version),
            bench=workbench.build(version, touched=()),
        )
    )
    # Its address is its key: it goes into no index, no cache and no other site's log.
    page.headers["X-Robots-Tag"] = "noindex, nofollow, noarchive"
    page.headers["Cache-Control"] = "no-store"
    page.headers["Referrer-Policy"] = "no-referrer"
    return page
