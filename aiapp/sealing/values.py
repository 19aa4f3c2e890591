"""How a sealed value looks, and who seals and opens it.

A value says of itself that it is sealed, so that rows of before and after a change of the setting are read alike::

    a text   MARK + "1:" + base64 of the vault's blob; a text that begins like that itself is stored as MARK + "0:" + the text
    JSON     {KEY: base64 of the blob of its JSON};  a value that looks like that itself is stored as {KEY: [the value]}

Empty values stay as they are: that there is nothing is no secret.
"""

from __future__ import annotations

import json
from base64 import b64decode, b64encode
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

import sqlalchemy as sa

from aiapp.credentials import vault
from aiapp.errors import Conflict
from aiapp.extensions import db
from aiapp.workspaces.models import Workspace

MARK = "\x1aaiapp:"
SEALED, AS_IT_IS = MARK + "1:", MARK + "0:"
KEY = "\x1aaiapp"
EMPTY: tuple[Any, ...] = (None, "", [], {})
_KNOWN = "aiapp.sealers"


class Unsealable(Conflict):
    """A text is to be encrypted, and the server's master keys do not open the workspace."""

    code, title = "unsealable", "Nothing can be stored in this workspace"


@dataclass(frozen=True, slots=True)
class Sealer:
    """Writes the values of a workspace; without a key it writes them as they are."""

    key: vault.DataKey | None

    def text(self, row_id: str, place: str, text: str) -> str:
        """Return a text as it is stored."""
        if text in EMPTY:
            return text
        if self.key is None:
            return AS_IT_IS + text if text.startswith(MARK) else text
        return SEALED + b64encode(self.key.encrypt(row_id, place, text)).decode()

    def json(self, row_id: str, place: str, value: Any) -> Any:
        """Return a value of a JSON column as it is stored."""
        if value in EMPTY:
            return value
        if self.key is None:
            return {KEY: [value]} if is_marked(value) else value
        return {KEY: b64encode(self.key.encrypt(row_id, place, json.dumps(value, ensure_ascii=False))).decode()}


@dataclass(slots=True)
class _Known:
    """What a transaction has asked for: the setting may change, and a key be given up, so that the next one asks anew."""

    transaction: Any
    sealers: dict[str, Sealer] = field(default_factory=dict)
    keys: dict[str, vault.DataKey] = field(default_factory=dict)


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


def passing_sealer(workspace_id: str) -> Sealer | None:
    """Return what encrypts for the workspace whether or not it wants its texts encrypted, None where no master key opens it.

    For what only passes through, such as an answer that is streamed: turning encryption on shall not find it in the clear.
    Makes the workspace's data key where it has none, in the caller's transaction.
    """
    with suppress(vault.Unreadable):
        wrapped = db.session.connection().execute(_WRAPPED, {"b_id": workspace_id}).scalar()
        if wrapped is None:
            workspace = db.session.get_one(Workspace, workspace_id)
            vault.make_data_key(workspace)
            wrapped = workspace.data_key
        return Sealer(vault.data_key(workspace_id, wrapped))
    return None


def is_sealed(value: Any) -> bool:
    """Whether a stored value is encrypted."""
    if isinstance(value, str):
        return value.startswith(SEALED)
    return is_marked(value) and isinstance(value[KEY], str)


def open_value(workspace_id: str, row_id: str, place: str, value: Any) -> Any:
    """Return a stored value as it was before. Raises vault.Unreadable."""
    if not is_marked(value):
        return value
    if isinstance(value, str):
        if value.startswith(AS_IT_IS):
            return value[len(AS_IT_IS) :]
        return open_text(key_of(workspace_id), row_id, place, value)
    inside = value[KEY]
    if isinstance(inside, list):
        return inside[0] if inside else None
    return json.loads(_decrypted(key_of(workspace_id), row_id, place, inside))


def key_of(workspace_id: str) -> vault.DataKey:
    """Return what opens the values of a workspace, looked up once a transaction. Raises vault.Unreadable."""
    connection = db.session.connection()
    keys = _known(connection).keys
    if workspace_id not in keys:
        # past the ORM, because this may be in the midst of one of its loads
        wrapped = connection.execute(_WRAPPED, {"b_id": workspace_id}).scalar()
        keys[workspace_id] = vault.data_key(workspace_id, wrapped)
    return keys[workspace_id]


def open_text(key: vault.DataKey, row_id: str, place: str, text: str) -> str:
    """Return a text that was sealed under this key, for who has the key already. Raises vault.Unreadable."""
    return _decrypted(key, row_id, place, text.removeprefix(SEALED))


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


def is_marked(value: Any) -> bool:
    """Whether a stored value is sealed, or looks so and is not."""
    if isinstance(value, str):
        return value.startswith(MARK)
    return isinstance(value, dict) and len(value) == 1 and KEY in value


def _known(connection: sa.Connection) -> _Known:
    here = connection.get_transaction()
    known: _Known | None = connection.info.get(_KNOWN)
    if known is None or known.transaction is not here:
        known = connection.info[_KNOWN] = _Known(here)
    return known


def _decrypted(key: vault.DataKey, row_id: str, place: str, text: str) -> str:
    try:
        blob = b64decode(text, validate=True)
    except ValueError as error:
        raise vault.Unreadable("this is not a blob of the vault") from error
    return key.decrypt(row_id, place, blob)
