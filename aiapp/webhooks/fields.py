"""What can be set of a webhook, and what is wrong with what somebody has sent."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from aiapp.errors import InvalidInput
from aiapp.extensions import db, settings
from aiapp.providers.addresses import check_url, resolve
from aiapp.providers.types import ProviderError
from aiapp.webhooks.models import EVENTS

LONGEST_URL = 500


def checked(values: Mapping[str, Any]) -> dict[str, Any]:
    """Return the values of `url`, `events` and `active` that are there, in the form that is stored. Raises InvalidInput."""
    errors, cleaned = [], {}
    if values.get("url") is not None:
        cleaned["url"] = values["url"].strip(" ")
        if len(cleaned["url"]) > LONGEST_URL:
            errors.append({"field": "url", "message": f"Use at most {LONGEST_URL} characters."})
    if values.get("events") is not None:
        unknown = set(values["events"]) - set(EVENTS)
        cleaned["events"] = [event for event in EVENTS if event in values["events"]]
        if unknown:
            errors.append({"field": "events", "message": f"Use {' and '.join(EVENTS)}."})
        elif not cleaned["events"]:
            errors.append({"field": "events", "message": "Choose at least one."})
    if values.get("active") is not None:
        cleaned["active"] = bool(values["active"])
    if errors:
        raise InvalidInput(errors=errors)
    return cleaned


def demand_all(cleaned: Mapping[str, Any]) -> None:
    """Raise InvalidInput where a new webhook lacks its address or its events."""
    needed = {"url": "Enter the address of the receiver.", "events": "Choose at least one."}
    errors = [{"field": field, "message": words} for field, words in needed.items() if not cleaned.get(field)]
    if errors:
        raise InvalidInput(errors=errors)


def check_address(url: str) -> None:
    """Raise InvalidInput unless calls may go there, by how the address is written and by where its name leads now.

    A name that leads nowhere is refused as one that leads to a private address is, so that nobody learns which names exist in
    our network; those of AIAPP_OUTBOUND_ALLOW need not be known at this moment. Ends the caller's transaction, because the name
    service may take seconds.
    """
    db.session.commit()
    allow, expected = settings().outbound_allow, False
    try:
        parts = check_url(url, allow, query=True)
        expected = parts.authority in allow
        resolve(parts.host, parts.port, allow, seconds=settings().connect_timeout)
    except ProviderError as error:
        if error.error_class == "blocked_address" or not expected:
            raise InvalidInput(errors=[{"field": "url", "message": error.message}]) from error
