"""Pages and fragments of executions."""

from __future__ import annotations

from flask import Blueprint

blueprint = Blueprint("executions", __name__)
