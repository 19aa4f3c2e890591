"""Views of the list that are kept by name: somebody's own, or the workspace's, which its editors change."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import sqlalchemy as sa

from aiapp.errors import Conflict, InvalidInput
from aiapp.executions.lists import list_query
from aiapp.executions.lists.list_columns import DEFAULT, known
from aiapp.executions.lists.view_models import NAME, ListPreference, SavedView
from aiapp.extensions import db, insert
from aiapp.workspaces.access import Access, missing

MOST = 50


def listed(access: Access) -> list[SavedView]:
    """Return the views that the asking person has: the workspace's, then their own, each by name."""
    query = access.select(SavedView).where(_known_to(access))
    return list(db.session.scalars(query.order_by(SavedView.owner_id.is_not(None), SavedView.name, SavedView.id)))


def find(access: Access, view_id: str) -> SavedView:
    """Return a view that the asking person has. Raises NotFound, for somebody else's own too."""
    found = db.session.scalar(access.select(SavedView).where(SavedView.id == view_id, _known_to(access)))
    if found is None:
        raise missing(SavedView)
    return found


def changeable(access: Access, view: SavedView) -> bool:
    """Whether the asking person may change or delete a view that they have."""
    return not view.shared or access.allows("editor")


def create(
    access: Access, name: str, query: Mapping[str, Any], columns: Iterable[str] | None = None, *, shared: bool = False
) -> SavedView:
    """Keep filters and columns under a name; None stands for the reader's own columns. Raises InvalidInput, Denied, Conflict."""
    if shared:
        access.demand("editor")
    owner = None if shared else access.user.id
    _demand_room(access, owner)
    view = SavedView(workspace_id=access.workspace.id, owner_id=owner, name=_checked_name(access, name, owner))
    view.query, view.columns = _checked_query(query), _checked_columns(columns)
    db.session.add(view)
    _audit(access, "saved_view.create", view, after=_told(view))
    _commit()
    return view


def update(access: Access, view: SavedView, changes: Mapping[str, Any]) -> SavedView:
    """Change `name`, `query`, `columns` or `shared` of a view; what is left out stays. Raises InvalidInput, Denied, Conflict."""
    _demand(access, view)
    before = _told(view)
    was_shared = view.shared
    if changes.get("shared", was_shared) != was_shared:
        access.demand("editor")
        owner = None if changes["shared"] else access.user.id
        _demand_room(access, owner)
        view.owner_id = owner
    with db.session.no_autoflush:
        name = changes.get("name", view.name)
        if name != before["name"] or view.shared != was_shared:
            view.name = _checked_name(access, name, view.owner_id, view)
    if "query" in changes:
        view.query = _checked_query(changes["query"])
    if "columns" in changes:
        view.columns = _checked_columns(changes["columns"])
    if was_shared or view.shared:
        access.audit("saved_view.update", f"saved view {view.name}", before=before, after=_told(view))
    _commit()
    return view


def delete(access: Access, view: SavedView) -> None:
    """Delete a view; lists that opened with it open with all executions again. Raises Denied, NotFound."""
    _demand(access, view)
    _audit(access, "saved_view.delete", view, before=_told(view))
    access.delete(view)
    db.session.commit()


def preference(access: Access) -> ListPreference | None:
    """Return what the asking person's list looks like; None while they chose nothing."""
    return db.session.get(ListPreference, (access.workspace.id, access.user.id), populate_existing=True)


def prefer_view(access: Access, view: SavedView | None) -> None:
    """Let the asking person's list open with a view, None with all executions."""
    _prefer(access, view_id=view.id if view else None)


def prefer_columns(access: Access, columns: Iterable[str] | None) -> None:
    """Keep the asking person's own columns; None are the usual ones."""
    _prefer(access, columns=_checked_columns(columns))


def columns_of(view: SavedView | None, chosen: ListPreference | None) -> tuple[str, ...]:
    """Return the columns of a list: the view's, else the person's own, else the usual ones."""
    for columns in (view.columns if view else None, chosen.columns if chosen else None):
        if columns:
            return known(columns)
    return DEFAULT


def _prefer(access: Access, **values: Any) -> None:
    key = {"workspace_id": access.workspace.id, "user_id": access.user.id}
    # two windows may choose at once: the later choice stays
    statement = insert(ListPreference).values(**key, **values)
    db.session.execute(statement.on_conflict_do_update(index_elements=list(key), set_=values))
    db.session.commit()


def _known_to(access: Access) -> sa.ColumnElement[bool]:
    return sa.or_(SavedView.owner_id.is_(None), SavedView.owner_id == access.user.id)


def _owned_by(owner_id: str | None) -> sa.ColumnElement[bool]:
    return SavedView.owner_id.is_(None) if owner_id is None else SavedView.owner_id == owner_id


def _demand_room(access: Access, owner_id: str | None) -> None:
    theirs = access.select(SavedView).where(_owned_by(owner_id))
    if (db.session.scalar(sa.select(sa.func.count()).select_from(theirs.subquery())) or 0) >= MOST:
        raise Conflict(f"There are {MOST} saved views already. Delete one first.", code="too_many")


def _demand(access: Access, view: SavedView) -> None:
    if not changeable(access, view):
        access.demand("editor")


def _checked_name(access: Access, name: str, owner: str | None, but: SavedView | None = None) -> str:
    name = " ".join(name.split())
    message = ""
    if not name:
        message = "Give it a name."
    elif len(name) > NAME:
        message = f"Use at most {NAME} characters."
    elif not name.isprintable():
        message = "This contains a character that cannot be shown."
    else:
        alike = access.select(SavedView).where(_owned_by(owner), SavedView.name == name)
        other = db.session.scalar(alike)
        if other is not None and other is not but:
            message = "There is a view with this name already."
    if message:
        raise InvalidInput(errors=[{"field": "name", "message": message}])
    return name


def _checked_query(query: Mapping[str, Any]) -> dict[str, str]:
    asked = list_query.read(query)
    unknown = [name for name in query if name not in list_query.WORDS]
    problems = {**asked.problems, **dict.fromkeys(unknown, "There is no such filter.")}
    if asked.filters.nowhere:
        problems["query"] = "This contains a character that cannot be stored."
    if problems:
        raise InvalidInput(errors=[{"field": name, "message": message} for name, message in problems.items()])
    return asked.given


def _checked_columns(columns: Iterable[str] | None) -> list[str] | None:
    if columns is None:
        return None
    names = list(columns)
    chosen = known(names)
    if len(chosen) != len(names) or not chosen:
        message = "Choose at least one column, each once, of those that there are."
        raise InvalidInput(errors=[{"field": "columns", "message": message}])
    return list(chosen)


def _told(view: SavedView) -> dict[str, Any]:
    # words that are looked for may be a text's own, and the audit trail is neither encrypted nor erased
    query = {name: value for name, value in view.query.items() if name != "q"}
    return {"name": view.name, "query": query, "columns": view.columns, "shared": view.shared}


def _audit(access: Access, action: str, view: SavedView, **what: Any) -> None:
    if view.shared:  # what people keep for themselves is nobody else's to read
        access.audit(action, f"saved view {view.name}", **what)


def _commit() -> None:
    try:
        db.session.commit()
    except sa.exc.IntegrityError as error:  # somebody else took the name at the same moment
        db.session.rollback()
        raise InvalidInput(errors=[{"field": "name", "message": "There is a view with this name already."}]) from error
