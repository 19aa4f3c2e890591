"""Pages and fragments of prompt templates."""

from __future__ import annotations

from flask import Blueprint

blueprint = Blueprint("prompt_templates", __name__)
