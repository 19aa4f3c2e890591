"""Credentials as a file, without their keys: written here, read in another workspace or installation, which asks for each key.

The file is JSON: `{"format": "aiapp.credentials", "version": 1, "credentials": [{…}]}`; a credential has the fields of
FIELDS, and `has_key` true where one belongs to it. Whatever else stands in it is passed over.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Container, Mapping, Sequence
from functools import cache
from time import monotonic
from typing import Any

from aiapp.credentials import destination, draft, keeping, order
from aiapp.credentials.actions import add
from aiapp.credentials.fields import SETTABLE
from aiapp.credentials.models import Credential
from aiapp.errors import FieldErrors, InvalidInput, Unavailable
from aiapp.extensions import db
from aiapp.providers.key_redaction import redact_keys
from aiapp.workspaces.access import Access

FORMAT, VERSION = "aiapp.credentials", 1
# The key stays where it is; the place is the one in the file.
FIELDS = tuple(field for field in SETTABLE if field not in {"api_key", "position"})
MOST = 200
# What the name service is given for all of them together.
SECONDS = 20.0
MOST_BRACKETS = 100_000
# Deeper than any settings that are meant; json.loads is recursive.
DEEPEST = 20


def export(access: Access, scope: str = keeping.WORKSPACE) -> dict[str, Any]:
    """Return the credentials of a scope as a document, in fallback order. Raises InvalidInput, Denied.

    What looks like a key in free text (extra request fields, a system prompt) is cut.
    """
    owner_id = keeping.owner_of(access, scope)
    keeping.demand(access, owner_id)
    rows = order.in_order(access.workspace.id, owner_id)
    return {"format": FORMAT, "version": VERSION, "credentials": [_plain(row) for row in rows]}


def read(text: str | bytes) -> list[dict[str, Any]]:
    """Return the credentials in a file. Raises InvalidInput for the field `file`."""
    data = text.encode(errors="replace") if isinstance(text, str) else text
    if data.count(b"[") + data.count(b"{") > MOST_BRACKETS:
        raise _refused("There is too much in this file.")
    try:
        document = json.loads(data)
    except (ValueError, RecursionError) as error:
        raise _refused("This is not JSON.") from error
    found = listed(document)
    try:
        json.dumps(found, ensure_ascii=False).encode()
    except UnicodeEncodeError as error:
        raise _refused("This contains a character that cannot be stored: half of a surrogate pair.") from error
    return found


def listed(document: Any) -> list[dict[str, Any]]:
    """Return the credentials of a document. Raises InvalidInput for the field `file`."""
    if not isinstance(document, Mapping) or document.get("format", FORMAT) != FORMAT:
        raise _refused("This is not a file of credentials.")
    if document.get("version", VERSION) != VERSION:
        raise _refused("This file is of a newer version.")
    found = document.get("credentials")
    if not isinstance(found, list) or not all(isinstance(one, Mapping) for one in found):
        raise _refused("There are no credentials in this file.")
    if not 1 <= len(found) <= MOST:
        raise _refused(f"A file has 1 to {MOST} credentials.")
    if not all(isinstance(one.get("provider"), str) for one in found):
        raise _refused("A credential in this file names no provider.")
    if any(_depth(one) > DEEPEST for one in found):
        raise _refused("It is nested too deeply.")
    return [{field: one[field] for field in (*FIELDS, "api_key", "has_key") if field in one} for one in found]


def import_all(access: Access, found: Sequence[Mapping[str, Any]], scope: str = keeping.WORKSPACE) -> list[Credential]:
    """Store all of `found`, after what is there, or nothing; a name that is taken is numbered, and there is one default.

    Ends the caller's transaction before it asks the name service. Raises Denied, Conflict `too_many`, Unavailable, and
    InvalidInput whose fields are `credentials.0.api_key` and so on.
    """
    owner_id = keeping.owner_of(access, scope)
    keeping.demand(access, owner_id)
    errors: list[Mapping[str, str]] = []
    checked = []
    refusal = _refusal_in_time()
    for place, values in enumerate(found):
        try:
            checked.append(draft.completed({**values, "is_default": False}, refusal=refusal))
        except InvalidInput as mistakes:
            errors += [{**one, "field": f"credentials.{place}.{one['field']}"} for one in mistakes.errors]
    if errors:
        raise InvalidInput(errors=errors)
    others = order.locked(access.workspace.id, owner_id)
    made = []
    for one in checked:
        name = free_name(one["name"], {row.name for row in others})
        made.append(add(access, {**one, "name": name}, others, owner_id))
    db.session.commit()
    return made


def _refusal_in_time() -> Callable[[destination.Destination], FieldErrors]:
    """Return what says why calls may not go to a destination, each of which it asks for once."""
    late = monotonic() + SECONDS

    @cache
    def refusal(where: destination.Destination) -> FieldErrors:
        if monotonic() > late:
            raise Unavailable("The name service takes too long. Nothing was imported; try again.")
        return destination.refusal(where)

    return refusal


def _plain(row: Credential) -> dict[str, Any]:
    values = {field: getattr(row, field) for field in FIELDS}
    plain = {field: _cut(value) for field, value in values.items() if value not in (None, {}, [])}
    return {**plain, "has_key": True} if row.api_key else plain


def _cut(value: Any) -> Any:
    if isinstance(value, str):
        return redact_keys(value)
    if isinstance(value, Mapping):
        return {name: _cut(inner) for name, inner in value.items()}
    return [_cut(inner) for inner in value] if isinstance(value, list) else value


def free_name(name: str, taken: Container[str]) -> str:
    """Return `name`, with a number behind it where it is taken."""
    free, number = name, 1
    while free in taken:
        number += 1
        free = f"{name[:95]} {number}"
    return free


def _depth(value: Any) -> int:
    """How deeply a value is nested, as far as it matters."""
    level, depth = [value], 0
    while level and depth <= DEEPEST:
        depth += 1
        level = [
            inner
            for outer in level
            if isinstance(outer, Mapping | list)
            for inner in (outer.values() if isinstance(outer, Mapping) else outer)
        ]
    return depth


def _refused(message: str) -> InvalidInput:
    return InvalidInput(errors=[{"field": "file", "message": message}])
