"""The rows whose texts are sealed: which columns of which tables, by the ORM and past it."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import sqlalchemy as sa
from sqlalchemy import event
from sqlalchemy.orm import QueryContext
from sqlalchemy.orm.attributes import set_committed_value

from aiapp.credentials import vault
from aiapp.sealing.values import EMPTY, Sealer, is_marked, is_sealed, open_value, sealer

# What stands where a text cannot be read.
UNREADABLE = "This text cannot be read: the server's master keys do not open it."
_PLAIN = "aiapp.plain"


@dataclass(frozen=True, slots=True)
class Kind:
    """What is sealed of a table.

    fields: the columns, each with what stands there once it is erased.
    row: the columns that name a row to the vault: a value that is copied to another row cannot be read there.
    execution: the column with the id of the execution that the texts belong to: they are erased with it; None: there is none.
    erased: further columns that change with the erasing.
    read_as: attributes that are read from one of `fields` and are no column.
    ended: an indexed column with the moment from which on the texts can be erased, as an execution's that ended then, also where
        their own has not.
    counted: of those of `fields` that are lists of words, the words that the database counts: they are neither sealed nor erased.
    """

    model: type[Any]
    fields: Mapping[str, Any]
    row: tuple[str, ...]
    execution: str | None
    erased: Mapping[str, Any]
    read_as: Mapping[str, str]
    ended: str | None = None
    counted: Mapping[str, Collection[str]] = field(default_factory=dict)
    json: frozenset[str] = field(default_factory=frozenset)

    def place(self, name: str) -> str:
        """Return the field's name for the vault."""
        return f"{self.model.__tablename__}.{name}"

    def row_id(self, values: Mapping[str, Any]) -> str:
        """Return a row's name for the vault."""
        return "/".join(str(values[name]) for name in self.row)

    def seal(self, writes: Sealer, row_id: str, name: str, value: Any) -> Any:
        """Return the value of a column as it is stored."""
        if name in self.counted and isinstance(value, list):
            return [
                word if word in self.counted[name] else writes.text(row_id, self.place(name), word) for word in value
            ]
        write = writes.json if name in self.json else writes.text
        return write(row_id, self.place(name), value)

    def is_marked(self, name: str, value: Any) -> bool:
        """Whether a stored value of a column has to be opened before it is read."""
        if name in self.counted and isinstance(value, list):
            return any(is_marked(word) for word in value)
        return is_marked(value)

    def fits(self, name: str, value: Any, writes: Sealer) -> bool:
        """Whether a stored value is one that `writes` could have written."""
        if value in EMPTY:
            return True
        on = writes.key is not None
        if name in self.counted and isinstance(value, list):
            return all(is_sealed(word) == on for word in value if word not in self.counted[name])
        return is_sealed(value) == on


KINDS: dict[type[Any], Kind] = {}


def register(
    model: type[Any],
    fields: Mapping[str, Any],
    *,
    row: tuple[str, ...] = ("id",),
    execution: str | None,
    erased: Mapping[str, Any] | None = None,
    read_as: Mapping[str, str] | None = None,
    ended: str | None = None,
    counted: Mapping[str, Collection[str]] | None = None,
) -> None:
    """Have the ORM seal and open `fields` of `model`, which has a `workspace_id`. The arguments are those of Kind."""
    columns = sa.inspect(model).columns
    as_json = frozenset(name for name in fields if isinstance(columns[name].type, sa.JSON))
    kind = KINDS[model] = Kind(
        model, fields, row, execution, erased or {}, read_as or {}, ended, counted or {}, as_json
    )

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


def sealed(model: type[Any], workspace_id: str, row_id: str, values: Mapping[str, Any]) -> dict[str, Any]:
    """Return columns of a row as they are stored.

    Arguments:
        row_id: the values of Kind.row, with "/" between them.
        values: any columns; those that are not registered are returned as they are.

    Raises Unsealable.
    """
    kind, found = KINDS[model], dict(values)
    given = [name for name in kind.fields if name in found and found[name] not in EMPTY]
    if given:
        writes = sealer(workspace_id)
        found |= {name: kind.seal(writes, row_id, name, found[name]) for name in given}
    return found


def opened(
    model: type[Any], workspace_id: str, row_id: str, values: Mapping[str, Any], *, strict: bool = False
) -> dict[str, Any]:
    """Return columns of a row as they were before they were sealed; arguments as for `sealed`.

    What cannot be read is UNREADABLE, or empty where it was JSON; if `strict` is set, it raises vault.Unreadable.
    """
    kind, found = KINDS[model], dict(values)
    for name, value in values.items():
        if name in kind.fields and kind.is_marked(name, value):
            found[name] = _opened(kind, name, workspace_id, row_id, value, strict)
    return found


def readable(row: Any) -> bool:
    """Whether every text that was loaded of a row can be read."""
    return not any(value is UNREADABLE for value in sa.inspect(row).dict.values())


def _opened(kind: Kind, name: str, workspace_id: str, row_id: str, value: Any, strict: bool = False) -> Any:
    if isinstance(value, list):
        return [_opened_word(kind, name, workspace_id, row_id, word, strict) for word in value]
    try:
        return open_value(workspace_id, row_id, kind.place(name), value)
    except vault.Unreadable:
        if strict:
            raise
        return kind.fields[name] if name in kind.json else UNREADABLE


def _opened_word(kind: Kind, name: str, workspace_id: str, row_id: str, word: str, strict: bool) -> str:
    try:
        text: str = open_value(workspace_id, row_id, kind.place(name), word)
    except vault.Unreadable:
        if strict:
            raise
        return UNREADABLE
    return text


def _open_loaded(kind: Kind, target: Any) -> None:
    values = sa.inspect(target).dict
    for name in (*kind.fields, *kind.read_as):
        value = values.get(name)
        if kind.is_marked(name, value):
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
        and state.dict[name] not in EMPTY
        and (not state.has_identity or name in state.committed_state)
    ]
    if not changed:
        return
    writes, row_id = sealer(target.workspace_id, connection), kind.row_id(_identified(kind, target))
    plain = {name: state.dict[name] for name in changed}
    state.dict.update({name: kind.seal(writes, row_id, name, plain[name]) for name in changed})
    state.info[_PLAIN] = plain


def _identified(kind: Kind, target: Any) -> Mapping[str, Any]:
    """Return what names the row; an id that only the flush would give is given now."""
    for name in kind.row:
        if getattr(target, name) is None:
            column = sa.inspect(type(target)).columns[name]
            setattr(target, name, column.default.arg(None))
    return {name: getattr(target, name) for name in kind.row}


def _show_again(target: Any) -> None:
    state = sa.inspect(target)
    state.dict.update(state.info.pop(_PLAIN, {}))
