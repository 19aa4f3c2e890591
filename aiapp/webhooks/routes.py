"""The blueprint of webhooks, and what every template of them knows."""

from __future__ import annotations

from typing import Any

from flask import Blueprint

from aiapp.webhooks import wording
from aiapp.webhooks.models import EVENTS

blueprint = Blueprint("webhooks", __name__, url_prefix="/w/<workspace>/settings/webhooks")


@blueprint.context_processor
def words() -> dict[str, Any]:
    """Give the templates the words for states and events."""
    return {"wording": wording, "event_options": [(event, wording.EVENT_WORDS[event]) for event in EVENTS]}
