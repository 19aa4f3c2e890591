"""Pages and fragments of feedback."""

from __future__ import annotations

from flask import Blueprint

blueprint = Blueprint("feedback", __name__)
