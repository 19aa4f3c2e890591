"""The blueprint that the pages of prompt templates hang on, and what several of them need."""

from __future__ import annotations

from typing import Any

from flask import Blueprint, Response, make_response, render_template, url_for
from markupsafe import Markup

from aiapp.prompt_templates import (
    approvals,
    events,
    favourites,
    labels,
    library,
    publishing_rules,
    releases,
    revisions,
    versioning,
)
from aiapp.prompt_templates.models import PromptTemplate, PromptVersion
from aiapp.prompt_templates.telling import tell
from aiapp.workspaces.access import Access

blueprint = Blueprint("prompt_templates", __name__, url_prefix="/w/<workspace>/prompt-templates")

RAIL = 30  # versions beside the prompt; the page of all versions has the rest
HISTORY = 500


def address(version: PromptVersion, endpoint: str = "show", **values: Any) -> str:
    """Return the URL of a page of this version."""
    path: dict[str, Any] = {
        "workspace": values.pop("workspace"),
        "slug": version.prompt_template.slug,
        "version": version.number,
    }
    return url_for(f"prompt_templates.{endpoint}", **path, **values)


def shell(access: Access, template: PromptTemplate, version: PromptVersion, tab: str) -> dict[str, Any]:
    """Return what the frame of a template's page needs: the tabs, the version rail, what may be done.

    Arguments:
        tab: prompt, settings, executions, feedback or api.
    """
    rail = library.versions(access, template, RAIL, texts=False)
    if all(one.id != version.id for one in rail):
        rail.append(version)
    at = [one.id for one in rail].index(version.id)
    path: dict[str, Any] = {"workspace": access.workspace.slug, "slug": template.slug}
    here = {**path, "version": version.number}
    pages = [
        ("prompt", "Prompt", url_for("prompt_templates.show", **here)),
        ("settings", "Settings", url_for("prompt_templates.settings", **here)),
        ("executions", "Executions", url_for("prompt_templates.executions", **path)),
        ("feedback", "Feedback", url_for("prompt_templates.feedback", **path)),
        ("api", "API", url_for("prompt_templates.api", **path)),
    ]
    published = next((one for one in rail if one.status == "published"), None) or library.published(access, template)
    return {
        "template": template,
        "favourite": favourites.is_one(access, template),
        "version": version,
        "path": path,
        "here": here,
        "versions": rail,
        "writers": revisions.writers(access, [*rail, *([published] if published else [])]),
        "newer": rail[at - 1] if at > 0 else None,
        "older": rail[at + 1] if at + 1 < len(rail) else None,
        "published": published,
        "release": released(access, template, published),
        "tabs": [(text, href, name == tab) for name, text, href in pages],
        "writes": access.allows("editor"),
        "open": version.status in versioning.OPEN,
    }


def released(access: Access, template: PromptTemplate, published: PromptVersion | None) -> dict[str, Any]:
    """Return what the pages say of a template's releases: labels by version, who agreed, what was before, what waits."""
    return {
        "labels": labels.by_version(access, template),
        "has_labels": bool(labels.of_workspace(access)),
        "approver": approvals.approver_of(access, published) if published else None,
        "before": releases.published_before(access, template) if published else None,
        "waiting": approvals.listed(access, template),
        "asks": publishing_rules.approval_needed(access),
    }


def with_way_back(access: Access, version: PromptVersion, done: str) -> str:
    """Return what the toast says after `version` was published, with a link to the version before, where there is one."""
    before = releases.published_before(access, version.prompt_template)
    if before is None:
        return done
    href = address(before, "rollback_dialog", workspace=access.workspace.slug)
    return Markup('{} <a class="link" href="{}">Publish v{} again</a>').format(done, href, before.number)


def history(access: Access, template: PromptTemplate) -> dict[str, Any]:
    """Return what the table of all versions needs, and what else happened to the template."""
    found = library.versions(access, template, HISTORY, texts=False)
    return {
        "all_versions": found,
        "by_id": {one.id: one for one in found},
        "all_writers": revisions.writers(access, found),
        "happened": events.listed(access, template),
        "tell": tell,
    }


def answer(page: str, status: int = 200, /, **context: Any) -> Response:
    """Return a page, or the fragment of one that a form swaps in, with a status."""
    response = make_response(render_template(page, **context), status)
    response.headers["Vary"] = "HX-Request"
    return response
