"""What happened to a prompt template, in words that follow the name of who did it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from aiapp.prompt_templates.release_models import PromptEvent

_ORDER = ("name", "slug", "description", "tags", "task")
_DECIDED = {"approved": "approved", "rejected": "rejected", "withdrawn": "took back"}


def tell(event: PromptEvent) -> str:
    """Return what somebody did: `published v4 (2.1.0) in place of v3`."""
    before, after = event.before or {}, event.after or {}
    if event.action == "publish":
        return _published(before, after)
    if event.action == "label":
        return _moved(str(event.label), before.get("version"), after.get("version"))
    if event.action == "approval":
        return _approval(event.label, after)
    if event.action == "archive":
        return "took it out of the archive" if after.get("active") else "archived it"
    if event.action == "details":
        return "; ".join(_details(before, after))
    return event.action


def _published(before: Mapping[str, Any], after: Mapping[str, Any]) -> str:
    words = f"published v{after['published']}"
    if after.get("semver"):
        words += f" ({after['semver']})"
    if after.get("restored"):
        words += f", which says what v{after['restored']} said,"
    if before.get("published"):
        words += f" in place of v{before['published']}"
    if after.get("requested_by"):
        words += f", asked for by {after['requested_by']}"
    return words.removesuffix(",")


def _moved(label: str, old: int | None, new: int | None) -> str:
    if new is None:
        return f"took the label {label} off v{old}"
    return f"moved the label {label} from v{old} to v{new}" if old is not None else f"put the label {label} on v{new}"


def _approval(label: str | None, after: Mapping[str, Any]) -> str:
    wish = f"publish v{after['version']}" if label is None else f"move the label {label} to v{after['version']}"
    if after.get("takes_off"):
        wish = f"take the label {label} off v{after['version']}"
    if after["state"] == "asked":
        return f"asked to {wish}"
    return f"{_DECIDED.get(after['state'], after['state'])} the request to {wish}"


def _details(before: Mapping[str, Any], after: Mapping[str, Any]) -> Iterator[str]:
    # PostgreSQL keeps no order of the fields of JSON.
    for field in sorted(after, key=lambda one: _ORDER.index(one) if one in _ORDER else len(_ORDER)):
        old, new = before.get(field), after[field]
        if field == "name":
            yield f"renamed it from {old} to {new}"
        elif field == "tags":
            yield f"changed its tags from {', '.join(old or ()) or 'none'} to {', '.join(new) or 'none'}"
        elif field == "description":
            yield "changed its description" if old and new else "removed its description" if old else "described it"
        else:
            yield f"changed its {field} from {old or 'none'} to {new or 'none'}"
