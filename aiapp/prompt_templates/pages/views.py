"""Pages of the library: the list, a new prompt template, its details, what it is used for; the other pages are imported."""

from __future__ import annotations

from typing import Any

from flask import Response, current_app, render_template, request, url_for
from werkzeug.wrappers import Response as BaseResponse

from aiapp import htmx
from aiapp.errors import Conflict, InvalidInput
from aiapp.extensions import settings as app_settings
from aiapp.prompt_templates import actions, approvals, library, listing, starters, tasks, workbench
from aiapp.prompt_templates.filters import EVERYTHING, Filter, as_text, filter_of, query_of
from aiapp.prompt_templates.pages import (
    branch_views,
    bulk_views,
    compare_views,
    context_views,
    editor_views,
    forms,
    label_views,
    lifecycle_views,
    merge_views,
    preview_link_views,
    publish_views,
    revision_views,
    run_views,
    settings_views,
    try_views,
)
from aiapp.prompt_templates.pages.routes import address, blueprint, shell
from aiapp.prompt_templates.pages.routes import history as versions_table
from aiapp.prompt_templates.pages.snippets import snippets
from aiapp.prompt_templates.tagging import tags_in_use
from aiapp.prompt_templates.uses import COUNTED, activity
from aiapp.providers.output_formats import CHOICES
from aiapp.workspaces.access import Access, require

__all__ = [
    "blueprint",
    "branch_views",
    "bulk_views",
    "compare_views",
    "context_views",
    "editor_views",
    "label_views",
    "lifecycle_views",
    "merge_views",
    "preview_link_views",
    "publish_views",
    "revision_views",
    "run_views",
    "settings_views",
    "try_views",
]

PAGE = 50


@blueprint.get("")
@require()
def index(access: Access) -> str:
    """The library."""
    wanted = filter_of(request.args)
    rows = _rows(access, wanted)
    total = listing.count_templates(access, Filter(status=EVERYTHING))
    return render_template(
        "prompt_templates/index.html",
        **rows,
        wanted=wanted,
        found=listing.count_templates(access, wanted),
        total=total,
        waiting=approvals.count_open(access),
        tags=list(dict.fromkeys([*wanted.tags, *tags_in_use(access, 12)])),
        tasks=[("", "Any task"), *((task, task) for task in tasks.offered(access))],
        formats=[("", "Any format"), *CHOICES],
    )


@blueprint.get("/_more")
@require()
def more(access: Access) -> Response:
    """The next rows of the library."""
    return htmx.fragment("prompt_templates/_more.html", **_rows(access, filter_of(request.args)))


@blueprint.get("/new")
@require("editor")
def new(access: Access) -> str:
    """The form that makes a prompt template."""
    return _new(access, {"starter": request.args.get("starter", "")}, {})


@blueprint.post("")
@require("editor")
def create(access: Access) -> BaseResponse:
    """Make a prompt template, empty or from a starter."""
    given = forms.details()
    starter = starters.find(request.form.get("starter", ""))
    if starter:
        del starter["slug"]  # one is made of the name that is typed, and is free
        given = {**starter, **{field: value for field, value in given.items() if value not in ("", [""])}}
    try:
        template = actions.create(access, given)
    except (InvalidInput, Conflict) as error:
        return Response(_new(access, request.form.to_dict(), forms.errors_of(error)), 422)
    return htmx.go(
        url_for("prompt_templates.show", workspace=access.workspace.slug, slug=template.slug),
        f"{template.name} is ready to be written.",
    )


@blueprint.post("/<slug>")
@require("editor")
def update(access: Access, slug: str) -> BaseResponse:
    """Change the details of a prompt template."""
    template = library.find(access, slug)
    try:
        actions.update(access, template, forms.details())
    except (InvalidInput, Conflict) as error:
        return settings_views.details_page(access, library.find(access, slug), error)
    number = forms.typed_number("version") or library.current(access, template).number
    version = library.version(access, template, number)
    return htmx.go(address(version, "settings", workspace=access.workspace.slug), "Saved.")


@blueprint.get("/<slug>/executions")
@require()
def executions(access: Access, slug: str) -> str:
    """The tab that shows what was executed."""
    return _tab(access, slug, "executions")


@blueprint.get("/<slug>/feedback")
@require()
def feedback(access: Access, slug: str) -> str:
    """The tab that shows how executions were rated."""
    return _tab(access, slug, "feedback")


@blueprint.get("/<slug>/api")
@require()
def api(access: Access, slug: str) -> str:
    """The tab with calls to paste."""
    template = library.find(access, slug)
    version = library.published(access, template) or library.current(access, template)
    base = app_settings().base_url or request.host_url
    calls = snippets(base.rstrip("/"), slug, workbench.sample_context(version))
    return _tab(access, slug, "api", snippets=calls)


@blueprint.get("/<slug>/versions")
@require()
def history(access: Access, slug: str) -> str:
    """All versions."""
    return _tab(access, slug, "", **versions_table(access, library.find(access, slug)))


def _rows(access: Access, wanted: Filter) -> dict[str, Any]:
    page = listing.list_templates(access, wanted, cursor=request.args.get("cursor"), limit=PAGE)
    query = query_of(wanted)
    return {
        "rows": page.rows,
        "activity": activity(access, [row.template for row in page.rows]),
        "cursor": page.next_cursor,
        "query": query,
        "here": as_text(wanted),
        "counted": COUNTED,
        "exports": "prompt_files.export" in current_app.view_functions,
    }


def _new(access: Access, values: dict[str, Any], errors: dict[str, str]) -> str:
    offered = [
        ("", "An empty page", "Write it yourself."),
        *((one.slug, one.name, one.description) for one in starters.offered(values.get("starter", ""))),
    ]
    return render_template(
        "prompt_templates/new.html", values=values, errors=errors, starters=offered, tasks=tasks.offered(access)
    )


def _tab(access: Access, slug: str, tab: str, **more: Any) -> str:
    template = library.find(access, slug)
    frame = shell(access, template, library.current(access, template), tab)
    return render_template(f"prompt_templates/{tab or 'history'}.html", **frame, **more)
