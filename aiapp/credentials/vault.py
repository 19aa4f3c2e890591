"""Keeps secrets: AES-256-GCM under a data key per workspace, which a master key wraps. The only module that knows cryptography.

What a blob holds, byte by byte::

    version     1   1
    key id      4   the key that encrypted it (for a data key: the master key), the first bytes of its SHA-256
    nonce      12   random, new for every encryption
    ciphertext      as long as the text, and a tag of 16 bytes

The tag also covers where the blob belongs (`_place`), so a blob that is copied to another row, field or workspace cannot be read
there. A master key never encrypts a secret itself: rotating it wraps the data keys again and leaves every other row alone.
"""

from __future__ import annotations

import hashlib
import hmac
import os
from dataclasses import dataclass
from functools import lru_cache

import sqlalchemy as sa
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from sqlalchemy.orm.attributes import set_committed_value

from aiapp.extensions import db, settings
from aiapp.workspaces.models import Workspace

VERSION = b"\x01"
HEAD_BYTES, NONCE_BYTES, TAG_BYTES = 5, 12, 16
REWRAP_ROWS = 100
# Opened data keys that a process remembers, in memory alone: a list of fifty executions shall not unwrap one five hundred times.
REMEMBERED = 1024
CLOSED = (
    "The server's master keys do not open this workspace: whoever runs the server sets the right AIAPP_MASTER_KEYS, or gives the "
    "old keys up with: aiapp key reset"
)


class Unreadable(Exception):
    """The blob was made with a key that is not here, for another place, or it was changed."""


@dataclass(frozen=True, slots=True)
class Rewrapped:
    """How many data keys were wrapped anew, how many already were, and whose (by slug) no master key opens."""

    wrapped: int
    current: int
    unreadable: tuple[str, ...]


class DataKey:
    """A workspace's data key, opened, for whoever encrypts many texts under it."""

    __slots__ = ("_cipher", "_hashing", "_id", "_workspace_id")

    def __init__(self, workspace_id: str, key: bytes) -> None:
        self._workspace_id, self._id, self._cipher = workspace_id, _key_id(key), AESGCM(key)
        # a key of its own: what is known of hashes says nothing of the key that encrypts
        self._hashing = hmac.digest(key, b"aiapp: hashes of texts", hashlib.sha256)

    def encrypt(self, row_id: str, field: str, text: str) -> bytes:
        """Return `text` as a blob that only this row and field of the workspace can read."""
        nonce, place = os.urandom(NONCE_BYTES), _place(self._workspace_id, row_id, field)
        return VERSION + self._id + nonce + self._cipher.encrypt(nonce, text.encode(), place)

    def decrypt(self, row_id: str, field: str, blob: bytes) -> str:
        """Return the text of `blob`. Raises Unreadable."""
        return _decrypted({self._id: self._cipher}, blob, _place(self._workspace_id, row_id, field)).decode()

    def keyed_hash(self, what: str, text: str) -> str:
        """Return 64 hex digits that stand for `text` (HMAC-SHA256): alike for alike texts of this workspace, and nobody without
        the key can try texts out. `what` keeps hashes of different things apart.
        """
        return hmac.new(self._hashing, "\0".join((what, text)).encode(), hashlib.sha256).hexdigest()


def data_key(workspace_id: str, wrapped: bytes | None) -> DataKey:
    """Return the opened data key of a workspace, whose `data_key` is `wrapped`. Raises Unreadable."""
    if wrapped is None:
        raise Unreadable("the workspace has no data key")
    return _remembered(workspace_id, wrapped, settings().master_keys)


def make_data_key(workspace: Workspace) -> None:
    """Give the workspace a data key where it has none, in the caller's transaction. Raises Unreadable where it has one that no
    master key opens.
    """
    _data_key(workspace)


def encrypt(workspace: Workspace, row_id: str, field: str, text: str) -> bytes:
    """Return `text` as a blob that only this row and field of this workspace can read.

    The workspace's first secret makes its data key, in the caller's transaction. Raises Unreadable where the workspace has a
    data key that no master key opens.
    """
    return _seal(_data_key(workspace), text.encode(), _place(workspace.id, row_id, field))


def decrypt(workspace: Workspace, row_id: str, field: str, blob: bytes) -> str:
    """Return the text of `blob`. Raises Unreadable."""
    data_key = _unwrap(workspace.id, workspace.data_key)
    return _open({_key_id(data_key): data_key}, blob, _place(workspace.id, row_id, field)).decode()


def rewrap_all() -> Rewrapped:
    """Wrap every workspace's data key with the first master key.

    Commits after every hundred workspaces; what is done stays done, so a run that was killed is continued by the next one.
    """
    first = _key_id(settings().master_keys[0])
    wrapped = current = 0
    unreadable: list[str] = []
    last = ""
    while rows := db.session.execute(_next_rows(last)).all():
        for workspace_id, slug, blob in rows:
            last = workspace_id
            if _key_of(blob) == first:
                current += 1
                continue
            try:
                data_key = _unwrap(workspace_id, blob)
            except Unreadable:
                unreadable.append(slug)
                continue
            change = sa.update(Workspace).where(Workspace.id == workspace_id)
            db.session.execute(change.values(data_key=_wrap(workspace_id, data_key)))
            wrapped += 1
        db.session.commit()
    db.session.commit()
    return Rewrapped(wrapped, current, tuple(unreadable))


def give_up(workspace: Workspace) -> bool:
    """Forget the data key of a workspace that no master key opens, so that new secrets can be stored; commits.

    The old ones stay unreadable for good, also with the right master key. Returns False, and changes nothing, where the data
    key can be read.
    """
    try:
        _unwrap(workspace.id, workspace.data_key)
    except Unreadable:
        workspace.data_key = None
        if workspace.encrypts_texts:
            make_data_key(workspace)
        db.session.commit()
        return True
    return False


def opens(workspace: Workspace) -> bool:
    """Whether the master keys open the workspace's data key, so that its secrets can be stored, and read if they are its own."""
    try:
        _unwrap(workspace.id, workspace.data_key)
    except Unreadable:
        return workspace.data_key is None
    return True


def _next_rows(after: str) -> sa.Select[str, str, bytes | None]:
    return (
        sa.select(Workspace.id, Workspace.slug, Workspace.data_key)
        .where(Workspace.id > after, Workspace.data_key.is_not(None))
        .order_by(Workspace.id)
        .limit(REWRAP_ROWS)
        .with_for_update(key_share=True)
    )


def _data_key(workspace: Workspace) -> bytes:
    if workspace.data_key is None:
        # Two first secrets at once: the second UPDATE waits for the first one's commit and then finds nothing to do.
        db.session.execute(
            sa.update(Workspace)
            .where(Workspace.id == workspace.id, Workspace.data_key.is_(None))
            .values(data_key=_wrap(workspace.id, AESGCM.generate_key(256)))
            .execution_options(synchronize_session=False)
        )
        stored = db.session.scalar(sa.select(Workspace.data_key).where(Workspace.id == workspace.id))
        set_committed_value(workspace, "data_key", stored)
    return _unwrap(workspace.id, workspace.data_key)


@lru_cache(maxsize=REMEMBERED)
def _remembered(workspace_id: str, wrapped: bytes, master_keys: tuple[bytes, ...]) -> DataKey:
    known = {_key_id(key): key for key in master_keys}
    return DataKey(workspace_id, _open(known, wrapped, _place(workspace_id, workspace_id, "data_key")))


def _wrap(workspace_id: str, data_key: bytes) -> bytes:
    return _seal(settings().master_keys[0], data_key, _place(workspace_id, workspace_id, "data_key"))


def _unwrap(workspace_id: str, blob: bytes | None) -> bytes:
    if blob is None:
        raise Unreadable("the workspace has no data key")
    known = {_key_id(key): key for key in settings().master_keys}
    return _open(known, blob, _place(workspace_id, workspace_id, "data_key"))


def _seal(key: bytes, secret: bytes, place: bytes) -> bytes:
    nonce = os.urandom(NONCE_BYTES)
    return VERSION + _key_id(key) + nonce + AESGCM(key).encrypt(nonce, secret, place)


def _open(keys: dict[bytes, bytes], blob: bytes, place: bytes) -> bytes:
    return _decrypted({known: AESGCM(key) for known, key in keys.items()}, blob, place)


def _decrypted(ciphers: dict[bytes, AESGCM], blob: bytes, place: bytes) -> bytes:
    nonce, ciphertext = blob[HEAD_BYTES : HEAD_BYTES + NONCE_BYTES], blob[HEAD_BYTES + NONCE_BYTES :]
    if not blob.startswith(VERSION) or len(ciphertext) < TAG_BYTES:
        raise Unreadable("this is not a blob of the vault")
    cipher = ciphers.get(_key_of(blob))
    if cipher is None:
        raise Unreadable("the key that encrypted this is not here")
    try:
        return cipher.decrypt(nonce, ciphertext, place)
    except InvalidTag as error:
        raise Unreadable("this was encrypted for another place, or changed since") from error


def _place(workspace_id: str, row_id: str, field: str) -> bytes:
    # Ids and names of fields hold no NUL, so no two places read alike.
    return VERSION + "\0".join((workspace_id, row_id, field)).encode()


def _key_id(key: bytes) -> bytes:
    return hashlib.sha256(key).digest()[: HEAD_BYTES - 1]


def _key_of(blob: bytes | None) -> bytes:
    return (blob or b"")[1:HEAD_BYTES]
