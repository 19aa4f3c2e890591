"""A stage for macros: the real templates and filters, without a database."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from flask import Flask

import aiapp
from aiapp import filters


@pytest.fixture(scope="module")
def stage() -> Flask:
    app = Flask("aiapp", root_path=str(Path(aiapp.__file__).parent))
    app.jinja_env.trim_blocks = app.jinja_env.lstrip_blocks = True
    app.jinja_env.globals["csrf_token"] = lambda: "the-token"
    filters.init_app(app)
    return app


@pytest.fixture
def draw(stage: Flask) -> Callable[..., str]:
    """`draw('{{ ui.tag("x") }}')`: the HTML of a piece of a template."""

    def draw(source: str, **context: Any) -> str:
        return stage.jinja_env.from_string(source).render(context)

    # a template from a string has no name to tell that it is HTML
    stage.jinja_env.autoescape = True
    return draw
