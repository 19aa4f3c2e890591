"""What people do with credentials; each verb commits once, at its end. Who may is demanded here (see keeping)."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from aiapp.columns import new_id
from aiapp.credentials import breakers, destination, draft, keeping, order, vault
from aiapp.credentials.destination import mistake
from aiapp.credentials.fields import MOST_CREDENTIALS, hint_of
from aiapp.credentials.models import Credential
from aiapp.errors import Conflict
from aiapp.extensions import db
from aiapp.providers.key_redaction import redact_keys
from aiapp.workspaces.access import Access, missing
from aiapp.workspaces.models import Workspace

# What an audit event shows of a change; of the key only that it changed.
_AUDITED = (
    "provider",
    "name",
    "base_url",
    "preferred_model",
    "temperature",
    "max_tokens",
    "system_prompt",
    "allowed_models",
    "settings",
    "is_default",
    "active",
    "key_hint",
)


def create(access: Access, values: Mapping[str, Any]) -> Credential:
    """Store a credential of the values of fields.SETTABLE and `scope`; the first one is the default one of its scope.

    Ends the caller's transaction before it asks the name service. Raises InvalidInput, Denied, Conflict `too_many`.
    """
    cleaned, owner_id = draft.new(access, values)
    credential = add(access, cleaned, order.locked(access.workspace.id, owner_id), owner_id)
    db.session.commit()
    return credential


def add(access: Access, cleaned: Mapping[str, Any], others: list[Credential], owner_id: str | None) -> Credential:
    """Add a credential of checked fields to `others` and to the session, uncommitted. Raises InvalidInput, Conflict `too_many`.

    Arguments:
        others: the locked credentials of this scope, in order.
    """
    if len(others) >= MOST_CREDENTIALS:
        raise Conflict(f"There are at most {MOST_CREDENTIALS} credentials.", code="too_many")
    draft.check_name(others, cleaned["name"])
    fields = dict(cleaned)
    key, position = fields.pop("api_key", None), fields.pop("position", len(others))
    default = fields.pop("is_default", False)
    credential = Credential(id=new_id(), workspace_id=access.workspace.id, owner_id=owner_id, **fields)
    _set_key(access.workspace, credential, key)
    db.session.add(credential)
    others.insert(position, credential)
    order.number(others)
    if default or len(others) == 1:
        order.make_default(others, credential)
    access.audit("credential.create", _named(credential), after=_facts(credential))
    return credential


def update(access: Access, credential_id: str, values: Mapping[str, Any]) -> Credential:
    """Change the given fields of fields.SETTABLE; an `api_key` of None takes the key away.

    Another provider or base URL needs the key again (PROMISES 16): a stored key never goes where it was not entered for. A new
    key, provider or base URL makes the health unknown. Ends the caller's transaction before it asks the name service.
    Raises InvalidInput (`key_required`), NotFound.
    """
    credential = keeping.kept(access, credential_id)
    cleaned = draft.changed(access, credential, values)
    rows = order.locked(access.workspace.id, credential.owner_id)
    credential = _one(rows, credential_id)
    draft.refuse(draft.clashes(credential, cleaned, rows))  # somebody may have changed one of them meanwhile
    where = destination.after_change(credential, cleaned)
    before, new_key = _facts(credential), "api_key" in cleaned
    if new_key or where != (credential.provider, credential.base_url):
        credential.health, credential.health_reason, credential.health_since = "unknown", None, None
        credential.last_test = credential.last_tested_at = credential.models = credential.models_at = None
        breakers.forget(credential.id)
    cleaned["provider"], cleaned["base_url"] = where
    if new_key:
        _set_key(access.workspace, credential, cleaned.pop("api_key"))
    if "position" in cleaned:
        rows.remove(credential)
        rows.insert(cleaned.pop("position"), credential)
        order.number(rows)
    if cleaned.pop("is_default", False):
        order.make_default(rows, credential)
    for field, value in cleaned.items():
        setattr(credential, field, value)
    _audit_change(access, credential, before, new_key=new_key)
    db.session.commit()
    return credential


def move(access: Access, credential_id: str, direction: str) -> Credential:
    """Move a credential one place `up` or `down` in the fallback order. The default one stays first. Raises NotFound."""
    owner_id = keeping.kept(access, credential_id).owner_id
    if direction not in {"up", "down"}:
        raise mistake("move", "Use up or down.")
    rows = order.locked(access.workspace.id, owner_id)
    credential = _one(rows, credential_id)
    old = rows.index(credential)
    first = 1 if rows[0].is_default else 0
    new = max(first, old - 1) if direction == "up" else min(len(rows) - 1, old + 1)
    if old >= first and new != old:
        rows.insert(new, rows.pop(old))
        order.number(rows)
        access.audit("credential.reorder", _named(credential), before={"place": old + 1}, after={"place": new + 1})
    db.session.commit()
    return credential


def reorder(access: Access, ids: Sequence[str], scope: str = keeping.WORKSPACE) -> list[Credential]:
    """Put the credentials of a scope in this order; the default one stays first whatever its place in the list.

    Raises Conflict where `ids` are not exactly the credentials that there are: somebody added or deleted one.
    """
    owner_id = keeping.owner_of(access, scope)
    keeping.demand(access, owner_id)
    rows = {row.id: row for row in order.locked(access.workspace.id, owner_id)}
    if sorted(ids) != sorted(rows):
        raise Conflict("The list has changed meanwhile. Reload the page and order it again.")
    before = [row.name for row in rows.values()]
    after = [rows[credential_id] for credential_id in ids]
    order.number(after)
    names = [row.name for row in after]
    if names != before and owner_id is None:
        access.audit("credential.reorder", "Credentials", before={"order": before}, after={"order": names})
    db.session.commit()
    return order.in_order(access.workspace.id, owner_id)


def set_default(access: Access, credential_id: str) -> Credential:
    """Make this credential the one that is tried first, and no other. Raises NotFound."""
    return update(access, credential_id, {"is_default": True})


def set_active(access: Access, credential_id: str, active: bool) -> Credential:
    """Let executions use the credential, or no longer. Raises NotFound."""
    return update(access, credential_id, {"active": active})


def delete(access: Access, credential_id: str) -> str:
    """Delete the credential with its key and return its name; where it was the default, the next one is. Raises NotFound."""
    rows = order.locked(access.workspace.id, keeping.kept(access, credential_id).owner_id)
    name = _delete(access, rows, _one(rows, credential_id))
    db.session.commit()
    return name


def delete_all(access: Access, ids: Sequence[str]) -> int:
    """Delete several credentials, all or none, and return how many. Raises NotFound, Denied."""
    chosen = [keeping.kept(access, credential_id) for credential_id in dict.fromkeys(ids)]
    for owner_id in {row.owner_id for row in chosen}:
        rows = order.locked(access.workspace.id, owner_id)
        for row in [row for row in chosen if row.owner_id == owner_id]:
            _delete(access, rows, _one(rows, row.id))
    db.session.commit()
    return len(chosen)


def set_all_active(access: Access, ids: Sequence[str], active: bool) -> int:
    """Let executions use several credentials, or no longer, all or none; return how many changed. Raises NotFound, Denied."""
    changed = [row for row in [keeping.kept(access, one) for one in dict.fromkeys(ids)] if row.active is not active]
    for row in changed:
        row.active = active
        access.audit("credential.update", _named(row), before={"active": not active}, after={"active": active})
    db.session.commit()
    return len(changed)


def _delete(access: Access, rows: list[Credential], credential: Credential) -> str:
    rows.remove(credential)
    access.audit("credential.delete", _named(credential), before=_facts(credential))
    if credential.is_default and rows:
        order.make_default(rows, next((row for row in rows if row.active), rows[0]))
    db.session.delete(credential)
    order.number(rows)
    return credential.name


def _set_key(workspace: Workspace, credential: Credential, key: str | None) -> None:
    try:
        credential.api_key = vault.encrypt(workspace, credential.id, "api_key", key) if key else None
    except vault.Unreadable as error:
        raise mistake("api_key", f"No key can be stored. {vault.CLOSED}") from error
    credential.key_hint = hint_of(key)


def _named(credential: Credential) -> str:
    return credential.name if credential.owner_id is None else "Personal credential"


def _facts(credential: Credential) -> dict[str, Any]:
    """Return what the audit trail may show; extra settings are free text, so whatever looks like a key is taken out.

    Of a personal credential admins may know that it exists, and no more.
    """
    if credential.owner_id is not None:
        return {}
    facts = {field: getattr(credential, field) for field in _AUDITED}
    return {
        field: redact_keys(value if isinstance(value, str) else json.dumps(value, ensure_ascii=False))
        if field in {"settings", "system_prompt"} and value
        else value
        for field, value in facts.items()
        if value not in (None, {})
    }


def _audit_change(access: Access, credential: Credential, before: Mapping[str, Any], *, new_key: bool) -> None:
    facts = _facts(credential)
    changed = [field for field in _AUDITED if before.get(field) != facts.get(field)]
    after = {field: facts.get(field) for field in changed}
    if new_key:
        after["api_key"] = "replaced" if credential.api_key else "removed"
    if after:
        known = {field: before.get(field) for field in changed}
        access.audit("credential.update", _named(credential), before=known, after=after)


def _one(rows: Sequence[Credential], credential_id: str) -> Credential:
    for row in rows:
        if row.id == credential_id:
            return row
    raise missing(Credential)
