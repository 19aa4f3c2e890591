"""The JSON API, /api/v1."""

from __future__ import annotations

from flask_openapi3.blueprint import APIBlueprint

blueprint = APIBlueprint("api", __name__, url_prefix="/api/v1")
