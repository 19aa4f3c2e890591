"""The list of executions: filtered, in the columns that somebody chose, and as a file."""

from __future__ import annotations

import re
from typing import Any

from flask import Response as StreamedResponse
from flask import abort, redirect, render_template, request, stream_with_context, url_for
from werkzeug.wrappers import Response

from aiapp import htmx
from aiapp.errors import InvalidInput
from aiapp.executions import actions, batch_rows, pauses
from aiapp.executions.lists import exporting, list_options, list_query, saved_views
from aiapp.executions.lists.filters import FINER, SEARCHED
from aiapp.executions.lists.list_columns import COLUMNS, known
from aiapp.executions.lists.list_query import Asked
from aiapp.executions.lists.listing import COUNTED, Page, count_executions, some
from aiapp.executions.lists.view_models import SavedView
from aiapp.executions.models import STATUSES, Execution
from aiapp.executions.pages.routes import blueprint
from aiapp.workspaces.access import Access, require

ALL = "all"  # instead of a view's id: all executions, also for whom the list opens with a view
POLLED = 50


@blueprint.get("/w/<workspace>/executions")
@require()
def index(access: Access) -> str | Response:
    """The list, newest first; without any field in its address as its reader wants it to open."""
    views, chosen = saved_views.listed(access), saved_views.preference(access)
    if not request.args and chosen and (first := _of(views, chosen.view_id)):
        return redirect(address(access, first.query, first.id), 302)
    asked, view = list_query.read(request.args), _of(views, request.args.get("view"))
    columns = known(request.args.get("columns", "").split(",")) or saved_views.columns_of(view, chosen)
    too_long = ""
    try:
        found = _found(access, asked)
        total = _counted(access, asked, found)
    except InvalidInput as error:
        if error.errors[0]["field"] != "q":
            raise
        found, total, too_long = Page([], None), 0, error.errors[0]["message"]
    options = list_options.offered(access)
    names = {name: dict(pairs) for name, pairs in options.items()}
    kept = {**asked.counted, **_view(request.args.get("view"))}
    return render_template(
        "executions/index.html",
        **_shown(access, found, columns, kept),
        asked=asked,
        views=views,
        view=view,
        opens_with=chosen.view_id if chosen else None,
        changed=view is not None
        and (view.query != asked.counted or bool(view.columns and columns != known(view.columns))),
        may_change=view is not None and saved_views.changeable(access, view),
        total=total,
        too_long=too_long,
        pauses=[(pauses.told(one), one.reason) for one in pauses.of_executions(found.rows)],
        counted=COUNTED,
        searched=SEARCHED,
        most=exporting.MOST,
        chips=[(name, *list_query.in_words(name, value, names)) for name, value in asked.counted.items()],
        options=options,
        statuses=[(status, status.capitalize()) for status in (*STATUSES, *FINER)],
        periods=list(list_query.PERIODS.items()),
        sources=list(list_query.SOURCES.items()),
        attempts=list(list_query.ATTEMPTS.items()),
        ratings=list(list_query.RATINGS.items()),
    )


@blueprint.get("/w/<workspace>/executions/_more")
@require()
def more(access: Access) -> Response:
    """The next rows of the list."""
    asked = list_query.read(request.args)
    kept = {**asked.counted, **_view(request.args.get("view"))}
    return htmx.fragment("executions/_more.html", **_shown(access, _found(access, asked), _columns(access), kept))


@blueprint.get("/w/<workspace>/executions/_status")
@require()
def status(access: Access) -> Response:
    """The rows that were under way, as they are now (`?ids=a,b`): one poll for the whole list."""
    ids = [part for part in request.args.get("ids", "").split(",") if re.fullmatch("[0-9a-f]{32}", part)][:POLLED]
    rows = some(access, ids)
    shown = _shown(access, Page(rows, None), _columns(access), {})
    return htmx.fragment("executions/_status.html", changed=rows, **shown)


@blueprint.get("/w/<workspace>/executions/export.<kind>")
@require()
def export(access: Access, kind: str) -> StreamedResponse:
    """The executions of the list as a file, csv or jsonl: the newest exporting.MOST. No file has more than was asked for."""
    if kind not in exporting.KINDS:
        abort(404)
    asked = list_query.read(request.args)
    if asked.problems:
        raise InvalidInput(errors=[{"field": name, "message": said} for name, said in asked.problems.items()])
    lines = exporting.stream(access, asked.filters, kind)
    attached = {"Content-Disposition": f"attachment; filename=executions.{kind}"}
    return StreamedResponse(stream_with_context(lines), mimetype=exporting.KINDS[kind], headers=attached)


def address(access: Access, given: dict[str, str], view: str = "") -> str:
    """Return the address of the list with these filters, as a view where one is named."""
    fields: dict[str, Any] = {**given, **_view(view)}
    return url_for("executions.index", workspace=access.workspace.slug, **fields)


def _view(view: str | None) -> dict[str, str]:
    return {"view": view} if view and re.fullmatch(f"[0-9a-f]{{32}}|{ALL}", view) else {}


def _of(views: list[SavedView], view_id: str | None) -> SavedView | None:
    return next((view for view in views if view.id == view_id), None)


def _columns(access: Access) -> tuple[str, ...]:
    """Return the columns in the address, which parts of a page always have."""
    return known(request.args.get("columns", "").split(",")) or saved_views.columns_of(
        None, saved_views.preference(access)
    )


def _found(access: Access, asked: Asked) -> Page:
    return actions.list_executions(access, asked.filters, cursor=request.args.get("cursor"), texts=False, openings=True)


def _counted(access: Access, asked: Asked, found: Page) -> int | None:
    """Return how many executions the list has, of which `found` is a page; None on its later pages."""
    if request.args.get("cursor"):
        return None
    return len(found.rows) if found.next_cursor is None else count_executions(access, asked.filters)


def _shown(access: Access, found: Page, columns: tuple[str, ...], kept: dict[str, str]) -> dict[str, Any]:
    """Return what the rows' templates need; `kept` are the fields of the address."""
    rows = found.rows
    trying = [row for row in rows if not row.finished and not row.model]
    return {
        "tried": list_options.attempts_of(rows if "attempts" in columns else trying),
        "labels": list_options.labels_of(rows) if "label" in columns else {},
        "places": batch_rows.places(access, rows) if "batch" in columns else {},
        "executions": rows,
        "next_cursor": found.next_cursor,
        "unfinished": _unfinished(rows),
        "columns": columns,
        "column_names": COLUMNS,
        "thumbs": list_options.thumbs_of(rows) if "feedback" in columns else {},
        "sources_told": list_query.SOURCES,
        "filters": kept,
        "next_fields": {**kept, "columns": ",".join(columns), "cursor": found.next_cursor},
    }


def _unfinished(rows: list[Execution]) -> list[str]:
    return [row.id for row in rows if not row.finished]
