"""What system administrators do for the whole installation; each verb commits once, at its end."""

from __future__ import annotations

import json
from collections.abc import Container, Mapping
from typing import Any

import sqlalchemy as sa

from aiapp import audit
from aiapp.accounts.models import User
from aiapp.errors import Denied, InvalidInput, NotFound
from aiapp.extensions import db, settings
from aiapp.installation.models import ProviderSetting
from aiapp.installation.offers import offers
from aiapp.providers.addresses import check_url, resolve
from aiapp.providers.key_redaction import redact_keys
from aiapp.providers.registry import PROVIDERS
from aiapp.providers.types import ProviderError

FIELDS = ("enabled", "position", "base_url", "default_model", "models", "settings")
MOST_MODELS = 200
LONGEST_SETTINGS = 20_000


def demand_administrator(user: User) -> None:
    """Raise Denied unless this is a system administrator."""
    if not user.is_admin:
        raise Denied(
            "This is for system administrators. Whoever runs the server makes one with: aiapp user create EMAIL --admin"
        )


def set_provider(user: User, kind: str, given: Mapping[str, Any]) -> ProviderSetting:
    """Set what differs for a provider from the registry; what is empty is as there. Raises Denied, NotFound, InvalidInput.

    Ends the caller's transaction before it asks the name service.

    Arguments:
        given: `enabled` (bool), `position` (text or None), `base_url`, `default_model`, `models` (a text with one a line),
            `settings` (the text of a JSON object with `stream` and `extra`).
    """
    demand_administrator(user)
    if kind not in PROVIDERS:
        raise NotFound("There is no such provider.")
    stored = db.session.get(ProviderSetting, kind)
    known = (PROVIDERS[kind].base_url, stored.base_url if stored else None)
    db.session.commit()  # the name service may take seconds, in which others write
    clean = _checked(kind, given, known)
    row = db.session.get(ProviderSetting, kind, populate_existing=True)
    row = row or ProviderSetting(kind=kind, settings={}, enabled=True)
    before = {field: getattr(row, field) for field in FIELDS}
    for field, value in clean.items():
        setattr(row, field, value)
    db.session.add(row)
    changed = [field for field in FIELDS if before[field] != clean[field]]
    if changed:
        audit.record(
            "provider.update",
            PROVIDERS[kind].label,
            actor=user.name,
            actor_id=user.id,
            before={field: _shown(before[field]) for field in changed},
            after={field: _shown(clean[field]) for field in changed},
        )
    db.session.commit()
    return row


def move_provider(user: User, kind: str, direction: str) -> None:
    """Move a provider one place `up` or `down` in the catalogue. Raises Denied, NotFound, InvalidInput.

    Only those before the last one that is out of the registry's order have a place of their own afterwards.
    """
    demand_administrator(user)
    if kind not in PROVIDERS:
        raise NotFound("There is no such provider.")
    if direction not in {"up", "down"}:
        raise InvalidInput(errors=[{"field": "move", "message": "Use up or down."}])
    registered = list(PROVIDERS)
    kinds = list(offers())
    old = kinds.index(kind)
    new = min(max(old + (1 if direction == "down" else -1), 0), len(kinds) - 1)
    if new == old:
        return
    kinds.insert(new, kinds.pop(old))
    placed = len(kinds)
    while placed and kinds[placed - 1 :] == sorted(kinds[placed - 1 :], key=registered.index):
        placed -= 1
    rows = {row.kind: row for row in db.session.scalars(sa.select(ProviderSetting))}
    for place, each in enumerate(kinds):
        row = rows.get(each)
        if row is None and place < placed:
            row = ProviderSetting(kind=each, settings={}, enabled=True)
            db.session.add(row)
        if row is not None:
            row.position = place if place < placed else None
    audit.record(
        "provider.reorder",
        PROVIDERS[kind].label,
        actor=user.name,
        actor_id=user.id,
        before={"place": old + 1},
        after={"place": new + 1},
    )
    db.session.commit()


def _shown(value: Any) -> Any:
    return redact_keys(json.dumps(value)) if isinstance(value, dict) else value


def _checked(kind: str, given: Mapping[str, Any], known: Container[str | None]) -> dict[str, Any]:
    readers = {
        "position": _position,
        "base_url": lambda text: _base_url(kind, text, known),
        "default_model": lambda text: _line(text, 200),
        "models": _models,
        "settings": _settings,
    }
    clean: dict[str, Any] = {"enabled": bool(given.get("enabled"))}
    errors = []
    for field, read in readers.items():
        try:
            clean[field] = read(str(given.get(field) or "").strip())
        except (ValueError, RecursionError) as error:
            errors.append({"field": field, "message": str(error)})
    if errors:
        raise InvalidInput(errors=errors)
    return clean


def _position(text: str) -> int | None:
    if not text:
        return None
    if not text.isascii() or not text.isdigit() or int(text) > 1000:
        raise ValueError("Use a whole number from 0 to 1000, or leave it empty.")
    return int(text)


def _base_url(kind: str, text: str, known: Container[str | None]) -> str | None:
    """Read an address that calls may go to, by how it is written and by where its name leads now; `known` ones are."""
    url = text.rstrip("/")
    if not url:
        return None
    if PROVIDERS[kind].place == "demo":
        raise ValueError("The demo provider has no address.")
    config = settings()
    try:
        parts = check_url(url, config.outbound_allow)
    except ProviderError as error:
        raise ValueError(error.message) from error
    if url in known or parts.authority in config.outbound_allow:
        return url
    try:
        resolve(parts.host, parts.port, config.outbound_allow, seconds=config.connect_timeout)
    except ProviderError as error:
        raise ValueError(f"{error.message.rstrip('.')}, as {parts.authority}.") from error
    return url


def _line(text: str, longest: int) -> str | None:
    if len(text) > longest or not text.isprintable():
        raise ValueError(f"Use at most {longest} characters that can be seen.")
    return text or None


def _models(text: str) -> list[str] | None:
    names = [name for name in (_line(line.strip(), 200) for line in text.splitlines()) if name]
    if len(names) > MOST_MODELS:
        raise ValueError(f"Use at most {MOST_MODELS} models.")
    return list(dict.fromkeys(names)) or None


def _settings(text: str) -> dict[str, Any]:
    if not text:
        return {}
    if len(text) > LONGEST_SETTINGS or "\\u0000" in text:
        raise ValueError(f"Use at most {LONGEST_SETTINGS:,} characters, without NUL.")
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        raise ValueError("This is not JSON.") from None
    if not isinstance(value, dict) or not set(value) <= {"stream", "extra"}:
        raise ValueError("Use an object with `stream` and `extra`.")
    if not isinstance(value.get("stream", True), bool) or not isinstance(value.get("extra", {}), dict):
        raise ValueError("`stream` is true or false, `extra` an object.")
    try:
        json.dumps(value, allow_nan=False, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        raise ValueError("This contains a character that cannot be stored: half of a surrogate pair.") from None
    except ValueError:
        raise ValueError("This contains a number that cannot be stored: NaN or Infinity.") from None
    return value
