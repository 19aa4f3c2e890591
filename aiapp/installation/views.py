"""Pages of system administrators: the providers of this installation."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from flask import Blueprint, make_response, render_template, request, url_for
from flask_login import current_user
from werkzeug.wrappers import Response as BaseResponse

from aiapp import htmx
from aiapp.errors import InvalidInput, NotFound
from aiapp.installation import actions
from aiapp.installation.access import administrators
from aiapp.installation.offers import Offer, offer, offers

blueprint = Blueprint("installation", __name__, url_prefix="/admin")


@blueprint.get("", strict_slashes=False)
@administrators
def index() -> BaseResponse:
    """Whoever types the beginning of the address finds the first of its pages."""
    return htmx.go(url_for("installation.providers"))


@blueprint.get("/providers")
@administrators
def providers() -> str:
    """Every provider, as this installation offers it."""
    return render_template("installation/providers.html", offers=list(offers().values()))


@blueprint.post("/providers/_order")
@administrators
def move_provider() -> BaseResponse:
    """Move one provider (`kind`) `up` or `down`."""
    actions.move_provider(current_user, request.form.get("kind", ""), request.form.get("move", ""))
    if not htmx.wanted():
        return htmx.go(url_for("installation.providers"))
    return htmx.fragment("installation/_providers.html", offers=list(offers().values()))


@blueprint.get("/providers/<kind>")
@administrators
def provider(kind: str) -> str:
    """What is set for one provider."""
    found = _known(kind)
    return render_template("installation/provider.html", offer=found, shown=_shown(found), errors={})


@blueprint.post("/providers/<kind>")
@administrators
def set_provider(kind: str) -> BaseResponse:
    """Set it."""
    found = _known(kind)
    try:
        actions.set_provider(current_user, kind, request.form)
    except InvalidInput as refusal:
        errors = {one["field"]: one["message"] for one in refusal.errors}
        page = render_template("installation/provider.html", offer=found, shown=request.form, errors=errors)
        return make_response(page, 422)
    return htmx.go(url_for("installation.providers"), f"{found.provider.label} is set.")


def _known(kind: str) -> Offer:
    found = offer(kind)
    if found is None:
        raise NotFound("There is no such provider.")
    return found


def _shown(found: Offer) -> Mapping[str, Any]:
    row = found.setting
    if row is None:
        return {"enabled": "1"}
    return {
        "enabled": "1" if row.enabled else "",
        "position": "" if row.position is None else str(row.position),
        "base_url": row.base_url or "",
        "default_model": row.default_model or "",
        "models": "\n".join(row.models or ()),
        "settings": json.dumps(row.settings, indent=2, ensure_ascii=False) if row.settings else "",
    }
