"""Pages of saved views of the list and of its columns."""

from __future__ import annotations

from typing import Any
from urllib.parse import parse_qsl, urlencode

from flask import redirect, render_template, request, url_for
from werkzeug.wrappers import Response

from aiapp import htmx
from aiapp.errors import Conflict, InvalidInput
from aiapp.executions.lists import list_query, saved_views
from aiapp.executions.lists.list_columns import COLUMNS, DEFAULT, known
from aiapp.executions.lists.view_models import SavedView
from aiapp.executions.pages.list_views import address
from aiapp.executions.pages.routes import blueprint
from aiapp.extensions import db
from aiapp.workspaces.access import Access, require


@blueprint.get("/w/<workspace>/executions/views/new")
@require()
def new_view(access: Access) -> str:
    """Ask for the name under which the filters of the address are kept."""
    return render_template("executions/view_new.html", **_keeping(access, request.args))


@blueprint.post("/w/<workspace>/executions/views")
@require()
def create_view(access: Access) -> Response:
    """Keep filters and columns as a view."""
    given = dict(parse_qsl(request.form.get("query", "")))
    columns = known(request.form.get("columns", "").split(",")) or None
    name, shared = request.form.get("name", ""), bool(request.form.get("shared"))
    try:
        view = saved_views.create(access, name, list_query.read(given).given, columns, shared=shared)
    except (InvalidInput, Conflict) as refused:
        db.session.rollback()
        shown = _keeping(access, given) | {"name": name, "shared": shared, "error": _said(refused)}
        return Response(render_template("executions/view_new.html", **shown), 422, mimetype="text/html")
    return htmx.go(address(access, view.query, view.id), f"Saved as {view.name}.")


@blueprint.get("/w/<workspace>/executions/views/<id:view_id>")
@require()
def open_view(access: Access, view_id: str) -> Response:
    """Lead to the list as the view has it."""
    view = saved_views.find(access, view_id)
    return redirect(address(access, view.query, view.id), 302)


@blueprint.get("/w/<workspace>/executions/views/<id:view_id>/rename")
@require()
def rename_view(access: Access, view_id: str) -> str:
    """Ask for another name, and whose the view is."""
    return render_template("executions/view_rename.html", **_renaming(access, saved_views.find(access, view_id)))


@blueprint.post("/w/<workspace>/executions/views/<id:view_id>/rename")
@require()
def save_name(access: Access, view_id: str) -> Response:
    """Rename a view, share it, or take it back."""
    view = saved_views.find(access, view_id)
    name, shared = request.form.get("name", ""), bool(request.form.get("shared"))
    changes = {"name": name, **({"shared": shared} if access.allows("editor") else {})}
    try:
        saved_views.update(access, view, changes)
    except (InvalidInput, Conflict) as refused:
        db.session.rollback()
        shown = _renaming(access, saved_views.find(access, view_id)) | {"name": name, "shared": shared}
        page = render_template("executions/view_rename.html", **shown, error=_said(refused))
        return Response(page, 422, mimetype="text/html")
    return htmx.go(address(access, view.query, view.id), "Saved.")


@blueprint.post("/w/<workspace>/executions/views/<id:view_id>/update")
@require()
def update_view(access: Access, view_id: str) -> Response:
    """Keep other filters and columns under the view's name."""
    view = saved_views.find(access, view_id)
    columns = known(request.form.get("columns", "").split(",")) or None
    given = list_query.read(dict(parse_qsl(request.form.get("query", "")))).given
    try:
        saved_views.update(access, view, {"query": given, "columns": columns})
    except InvalidInput as refused:
        db.session.rollback()
        kept = {**given, "columns": ",".join(columns)} if columns else given  # the list is the form
        return htmx.go(address(access, kept, view_id), f"The view stays as it was. {_said(refused)}", "bad")
    return htmx.go(address(access, view.query, view.id), f"{view.name} is updated.")


@blueprint.get("/w/<workspace>/executions/views/<id:view_id>/delete")
@require()
def ask_delete_view(access: Access, view_id: str) -> str:
    """Ask before a view is deleted."""
    return render_template("executions/view_delete.html", view=saved_views.find(access, view_id))


@blueprint.post("/w/<workspace>/executions/views/<id:view_id>/delete")
@require()
def delete_view(access: Access, view_id: str) -> Response:
    """Delete a view."""
    saved_views.delete(access, saved_views.find(access, view_id))
    return htmx.go(url_for("executions.index", workspace=access.workspace.slug, view="all"), "The view is deleted.")


@blueprint.post("/w/<workspace>/executions/views/first")
@require()
def open_with(access: Access) -> Response:
    """Let one's list open with a view (`view`), or with all executions."""
    wanted = request.form.get("view", "")
    view = saved_views.find(access, wanted) if wanted else None
    saved_views.prefer_view(access, view)
    message = f"Your list opens with {view.name}." if view else "Your list opens with all executions."
    return htmx.go(address(access, view.query, view.id) if view else address(access, {}, "all"), message)


@blueprint.get("/w/<workspace>/executions/columns")
@require()
def columns(access: Access) -> str:
    """Choose the columns and their order."""
    chosen = known(request.args.get("columns", "").split(","))
    if not chosen:
        chosen = saved_views.columns_of(None, saved_views.preference(access))
    return render_template("executions/columns.html", **_choosing(access, chosen, request.args))


@blueprint.post("/w/<workspace>/executions/columns")
@require()
def save_columns(access: Access) -> Response:
    """Keep the columns for all of one's lists, or for the view that is open; `up` and `down` only move one, for now."""
    given = dict(parse_qsl(request.form.get("query", "")))
    order = known(request.form.getlist("order")) or tuple(COLUMNS)
    ticked = [name for name in order if name in request.form.getlist("column")]
    for way, by in (("up", -1), ("down", 1)):
        if moved := request.form.get(way):
            shown = _choosing(access, tuple(ticked), given) | {"focus": f"move-{way}-{moved}"}
            shown["order"] = _moved(list(order), moved, by)
            return Response(render_template("executions/columns.html", **shown), mimetype="text/html")
    if request.form.get("usual"):
        saved_views.prefer_columns(access, None)
        return htmx.go(address(access, list_query.read(given).given, given.get("view", "")), "The usual columns again.")
    try:
        if request.form.get("keep") == "view" and given.get("view"):
            saved_views.update(access, saved_views.find(access, given["view"][:32]), {"columns": ticked})
        else:
            saved_views.prefer_columns(access, ticked)
    except InvalidInput as refused:
        db.session.rollback()
        shown = _choosing(access, tuple(ticked), given) | {"order": order, "error": _said(refused)}
        return Response(render_template("executions/columns.html", **shown), 422, mimetype="text/html")
    return htmx.go(address(access, list_query.read(given).given, given.get("view", "")), "Saved.")


def _moved(order: list[str], name: str, by: int) -> tuple[str, ...]:
    if name in order:
        place = order.index(name)
        order.insert(max(0, place + by), order.pop(place))
    return tuple(order)


def _keeping(access: Access, given: Any) -> dict[str, Any]:
    asked = list_query.read(given)
    return {
        "query": urlencode(asked.given),
        "columns": request.values.get("columns", ""),
        "told": [list_query.in_words(name, value, {}) for name, value in asked.given.items() if len(value) < 32],
        "back": address(access, asked.given, given.get("view", "")),
        "may_share": access.allows("editor"),
    }


def _renaming(access: Access, view: SavedView) -> dict[str, Any]:
    if not saved_views.changeable(access, view):
        access.demand("editor")
    return {
        "view": view,
        "name": view.name,
        "shared": view.shared,
        "may_share": access.allows("editor"),
        "back": address(access, view.query, view.id),
    }


def _choosing(access: Access, chosen: tuple[str, ...], given: Any) -> dict[str, Any]:
    asked = list_query.read(given)
    view = next((one for one in saved_views.listed(access) if one.id == given.get("view")), None)
    kept = {**asked.given, **({"view": given["view"]} if given.get("view") else {})}
    return {
        "order": (*chosen, *(name for name in COLUMNS if name not in chosen)),
        "chosen": chosen,
        "names": COLUMNS,
        "usual": DEFAULT,
        "query": urlencode(kept),
        "view": view if view is not None and saved_views.changeable(access, view) else None,
        "of_view": bool(view and view.columns),
        "back": address(access, asked.given, given.get("view", "")),
    }


def _said(refused: InvalidInput | Conflict) -> str:
    return str(refused.errors[0]["message"]) if isinstance(refused, InvalidInput) else refused.detail
