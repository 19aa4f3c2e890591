"""What the pages of feedback share."""

from __future__ import annotations

from flask import Blueprint

blueprint = Blueprint("feedback", __name__)
