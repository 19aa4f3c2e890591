"""Seals the texts of rows: what a workspace that wants it so writes down is encrypted with its data key.

A sealed value says of itself that it is one, so that rows of before and after a change of the setting are read alike::

    a text   MARK + "1:" + base64 of the vault's blob; a text that begins like that itself is stored as MARK + "0:" + the text
    JSON     {KEY: base64 of the blob of its JSON};  a value that looks like that itself is stored as {KEY: [the value]}

`register` makes the ORM seal what it writes and open what it reads. Statements that go past it (Core, bulk inserts, selected
columns) call `sealed` and `opened`. Empty values stay as they are: that there is nothing is no secret.
"""

from __future__ import annotations

import json
from base64 import b64decode, b64encode
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import sqlalchemy as sa
from sqlalchemy import event
from sqlalchemy.orm import QueryContext
from sqlalchemy.orm.attributes import set_committed_value

from aiapp.credentials import vault
from aiapp.errors import Conflict
from aiapp.extensions import db
from aiapp.workspaces.models import Workspace

MARK = "\x1aaiapp:"
SEALED, AS_IT_IS = MARK + "1:", MARK + "0:"
KEY = "\x1aaiapp"
# What stands where a text cannot be read.
UNREADABLE = "This text cannot be read: the server's master keys do not open it."
_EMPTY: tuple[Any, ...] = (None, "", [], {})
_KNOWN = "aiapp.sealers"


class Unsealable(Conflict):
    """A text is to be encrypted, and the server's master keys do not open the workspace."""

    code, title = "unsealable", "Nothing can be stored in this workspace"


@dataclass(frozen=True, slots=True)
class Kind:
    """What is sealed of a table.

    fields: the columns, each with what stands there once it is erased.
    row: the columns that name a row to the vault: a value that is copied to another row cannot be read there.
    execution: the column with the id of the execution that the texts belong to: they are erased with it.
    erased: further columns that change with the erasing.
    read_as: attributes that are read from one of `fields` and are no column.
    """

    model: type[Any]
    fields: Mapping[str, Any]
    row: tuple[str, ...]
    execution: str
    erased: Mapping[str, Any]
    read_as: Mapping[str, str]
    json: frozenset[str] = field(default_factory=frozenset)

    def place(self, name: str) -> str:
        """Return the field's name for the vault."""
        return f"{self.model.__tablename__}.{name}"

    def row_id(self, values: Mapping[str, Any]) -> str:
        """Return a row's name for the vault."""
        return "/".join(str(values[name]) for name in self.row)


@dataclass(frozen=True, slots=True)
class Sealer:
    """Writes the values of a workspace; without a key it writes them as they are."""

    key: vault.DataKey | None

    def text(self, row_id: str, place: str, text: str) -> str:
        """Return a text as it is stored."""
        if text in _EMPTY:
            return text
        if self.key is None:
            return AS_IT_IS + text if text.startswith(MARK) else text
        return SEALED + b64encode(self.key.encrypt(row_id, place, text)).decode()

    def json(self, row_id: str, place: str, value: Any) -> Any:
        """Return a value of a JSON column as it is stored."""
        if value in _EMPTY:
            return value
        if self.key is None:
            return {KEY: [value]} if _marked(value) else value
        return {KEY: b64encode(self.key.encrypt(row_id, place, json.dumps(value, ensure_ascii=False))).decode()}


@dataclass(slots=True)
class _Known:
    """What a transaction has asked for: the setting may change, and a key be given up, so that the next one asks anew."""

    transaction: Any
    sealers: dict[str, Sealer] = field(default_factory=dict)
    keys: dict[str, vault.DataKey] = field(default_factory=dict)


KINDS: dict[type[Any], Kind] = {}


def register(
    model: type[Any],
    fields: Mapping[str, Any],
    *,
    row: tuple[str, ...] = ("id",),
    execution: str,
    erased: Mapping[str, Any] | None = None,
    read_as: Mapping[str, str] | None = None,
) -> None:
    """Have the ORM seal and open `fields` of `model`, which has a `workspace_id`. The arguments are those of Kind."""
    columns = sa.inspect(model).columns
    as_json = frozenset(name for name in fields if isinstance(columns[name].type, sa.JSON))
    kind = KINDS[model] = Kind(model, fields, row, execution, erased or {}, read_as or {}, as_json)

    @event.listens_for(model, "load")
    def on_load(target: Any, context: QueryContext) -> None:
        _open_loaded(kind, target)

    @event.listens_for(model, "refresh")
    def on_refresh(target: Any, context: QueryContext, names: Iterable[str] | None) -> None:
        _open_loaded(kind, target)

    for moment in ("before_insert", "before_update"):
        event.listen(model, moment, lambda mapper, connection, target: _seal_written(kind, connection, target))
    for moment in ("after_insert", "after_update"):
        event.listen(model, moment, lambda mapper, connection, target: _show_again(target))


def is_on(workspace_id: str) -> bool:
    """Whether texts of the workspace are encrypted when they are written now."""
    return bool(db.session.connection().execute(_ON, {"b_id": workspace_id}).scalar())


def sealer(workspace_id: str, connection: sa.Connection | None = None) -> Sealer:
    """Return what writes the values of the workspace in this transaction. Raises Unsealable."""
    connection = connection if connection is not None else db.session.connection()
    known = _known(connection)
    if workspace_id not in known.sealers:
        known.sealers[workspace_id] = _sealer(connection, workspace_id)
    return known.sealers[workspace_id]


def sealed(model: type[Any], workspace_id: str, row_id: str, values: Mapping[str, Any]) -> dict[str, Any]:
    """Return columns of a row as they are stored.

    Arguments:
        row_id: the values of Kind.row, with "/" between them.
        values: any columns; those that are not registered are returned as they are.

    Raises Unsealable.
    """
    kind, found = KINDS[model], dict(values)
    given = [name for name in kind.fields if name in found and found[name] not in _EMPTY]
    if given:
        writes = sealer(workspace_id)
        for name in given:
            seal = writes.json if name in kind.json else writes.text
            found[name] = seal(row_id, kind.place(name), found[name])
    return found


def opened(
    model: type[Any], workspace_id: str, row_id: str, values: Mapping[str, Any], *, strict: bool = False
) -> dict[str, Any]:
    """Return columns of a row as they were before they were sealed; arguments as for `sealed`.

    What cannot be read is UNREADABLE, or empty where it was JSON; if `strict` is set, it raises vault.Unreadable.
    """
    kind, found = KINDS[model], dict(values)
    for name, value in values.items():
        if name in kind.fields and _marked(value):
            found[name] = _opened(kind, name, workspace_id, row_id, value, strict)
    return found


def is_sealed(value: Any) -> bool:
    """Whether a stored value is encrypted."""
    if isinstance(value, str):
        return value.startswith(SEALED)
    return _marked(value) and isinstance(value[KEY], str)


def readable(row: Any) -> bool:
    """Whether every text that was loaded of a row can be read."""
    return not any(value is UNREADABLE for value in sa.inspect(row).dict.values())


def open_value(workspace_id: str, row_id: str, place: str, value: Any) -> Any:
    """Return a stored value of no registered table, such as one in Redis. Raises vault.Unreadable."""
    if not _marked(value):
        return value
    if isinstance(value, str):
        if value.startswith(AS_IT_IS):
            return value[len(AS_IT_IS) :]
        return _decrypted(workspace_id, row_id, place, value.removeprefix(SEALED))
    inside = value[KEY]
    if isinstance(inside, list):
        return inside[0] if inside else None
    return json.loads(_decrypted(workspace_id, row_id, place, inside))


_ON = sa.select(sa.or_(Workspace.seals_texts, sa.not_(Workspace.keeps_texts))).where(
    Workspace.id == sa.bindparam("b_id")
)
_HOW = _ON.add_columns(Workspace.data_key)
_WRAPPED = sa.select(Workspace.data_key).where(Workspace.id == sa.bindparam("b_id"))


def _sealer(connection: sa.Connection, workspace_id: str) -> Sealer:
    row = connection.execute(_HOW, {"b_id": workspace_id}).first()
    if row is None or not row[0]:
        return Sealer(None)
    try:
        return Sealer(vault.data_key(workspace_id, row[1]))
    except vault.Unreadable as error:
        raise Unsealable(
            "Its texts are encrypted, and the server's master keys do not open it. Ask whoever runs the server."
        ) from error


def _marked(value: Any) -> bool:
    if isinstance(value, str):
        return value.startswith(MARK)
    return isinstance(value, dict) and len(value) == 1 and KEY in value


def _known(connection: sa.Connection) -> _Known:
    here = connection.get_transaction()
    known: _Known | None = connection.info.get(_KNOWN)
    if known is None or known.transaction is not here:
        known = connection.info[_KNOWN] = _Known(here)
    return known


def _decrypted(workspace_id: str, row_id: str, place: str, text: str) -> str:
    connection = db.session.connection()
    keys = _known(connection).keys
    if workspace_id not in keys:
        # past the ORM, because this may be in the midst of one of its loads
        wrapped = connection.execute(_WRAPPED, {"b_id": workspace_id}).scalar()
        keys[workspace_id] = vault.data_key(workspace_id, wrapped)
    try:
        blob = b64decode(text, validate=True)
    except ValueError as error:
        raise vault.Unreadable("this is not a blob of the vault") from error
    return keys[workspace_id].decrypt(row_id, place, blob)


def _opened(kind: Kind, name: str, workspace_id: str, row_id: str, value: Any, strict: bool = False) -> Any:
    try:
        return open_value(workspace_id, row_id, kind.place(name), value)
    except vault.Unreadable:
        if strict:
            raise
        return kind.fields[name] if name in kind.json else UNREADABLE


def _open_loaded(kind: Kind, target: Any) -> None:
    values = sa.inspect(target).dict
    for name in (*kind.fields, *kind.read_as):
        value = values.get(name)
        if _marked(value):
            column = kind.read_as.get(name, name)
            text = _opened(kind, column, values["workspace_id"], kind.row_id(values), value)
            set_committed_value(target, name, text)


def _seal_written(kind: Kind, connection: sa.Connection, target: Any) -> None:
    """Put the sealed values where the flush takes them from; _show_again puts the plain ones back."""
    state = sa.inspect(target)
    changed = [
        name
        for name in kind.fields
        if name in state.dict
        and state.dict[name] not in _EMPTY
        and (not state.has_identity or name in state.committed_state)
    ]
    if not changed:
        return
    writes, row_id = sealer(target.workspace_id, connection), kind.row_id(_identified(kind, target))
    plain = {name: state.dict[name] for name in changed}
    for name in changed:
        seal = writes.json if name in kind.json else writes.text
        state.dict[name] = seal(row_id, kind.place(name), plain[name])
    state.info[_KNOWN] = plain


def _identified(kind: Kind, target: Any) -> Mapping[str, Any]:
    """Return what names the row; an id that only the flush would give is given now."""
    for name in kind.row:
        if getattr(target, name) is None:
            column = sa.inspect(type(target)).columns[name]
            setattr(target, name, column.default.arg(None))
    return {name: getattr(target, name) for name in kind.row}


def _show_again(target: Any) -> None:
    state = sa.inspect(target)
    state.dict.update(state.info.pop(_KNOWN, {}))
