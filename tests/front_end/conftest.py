"""Two stages: the real templates without a database, for macros; and the real application with sample pages, for a browser."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import jinja2
import pytest
from flask import Blueprint, Flask, flash, make_response, redirect, render_template, url_for
from playwright.sync_api import Page

import aiapp
from aiapp import filters, htmx
from aiapp.config import Settings
from aiapp.errors import Unavailable
from aiapp.workspaces.access import require

SAMPLES = Path(__file__).parent / "samples"
AXE = Path(aiapp.__file__).parent / "static" / "vendor" / "axe.min.js"


@pytest.fixture(scope="module")
def stage() -> Flask:
    app = Flask("aiapp", root_path=str(Path(aiapp.__file__).parent))
    app.jinja_env.trim_blocks = app.jinja_env.lstrip_blocks = True
    app.secret_key = "sample"
    filters.init_app(app)
    return app


@pytest.fixture
def draw(stage: Flask) -> Callable[..., str]:
    """`draw('{{ ui.tag("x") }}')`: the HTML of a piece of a template."""
    stage.jinja_env.autoescape = True  # a template from a string has no name to tell that it is HTML

    def draw(source: str, **context: Any) -> str:
        with stage.test_request_context():
            return stage.jinja_env.from_string(source).render(context)

    return draw


def samples() -> Blueprint:
    """Pages that use what the shell offers, at /w/<workspace>/samples/…"""
    blueprint = Blueprint("samples", __name__, url_prefix="/w/<workspace>/samples")

    @blueprint.get("/<name>")
    @require()
    def page(access, name):
        return render_template(f"{name}.html")

    @blueprint.post("/<name>")
    @require()
    def act(access, name):
        if name == "down":
            raise Unavailable("The queue did not answer.", retry_after=5)
        if name == "saved":
            return htmx.toast(make_response("Saved"), "Credential saved")
        if name == "autosaved":
            return make_response("", 204, {"HX-Trigger": "aiapp:saved"})
        if name.isdecimal():  # what a proxy in front of us says
            return "<h1>proxy</h1>", int(name)
        flash("Deleted.", "good")
        return redirect(url_for("samples.page", workspace=access.workspace.slug, name="list"), 303)

    @blueprint.get("/_more")
    @require()
    def more(access):
        return htmx.fragment("_more.html")

    return blueprint


@pytest.fixture
def settings(settings: Settings, tmp_path: Path) -> Settings:
    """An app of its own, to which samples are added."""
    return replace(settings, home=tmp_path)


@pytest.fixture
def app(app: Flask) -> Flask:
    """The real application with the samples."""
    app.jinja_loader = jinja2.ChoiceLoader([app.jinja_loader, jinja2.FileSystemLoader(SAMPLES)])
    app.register_blueprint(samples())
    return app


@pytest.fixture
def alice(page: Page, address: str, sign_in: Callable[[str], Any]) -> Iterator[Page]:
    """A browser in which alice has signed in; at its end nothing stands in its console that the CSP or a script complained of."""
    complaints: list[str] = []
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.on("console", lambda message: complaints.append(message.text) if "Content Security" in message.text else None)
    page.set_default_timeout(10_000)
    cookie = sign_in("alice").get_cookie("aiapp_session")
    page.context.add_cookies([{"name": cookie.key, "value": cookie.value, "url": address}])
    yield page
    assert complaints == []


@pytest.fixture
def see(alice: Page, address: str) -> Callable[..., Page]:
    """`see("list", width=390)`: alice looks at that sample page."""

    def see(name: str, width: int = 1440) -> Page:
        alice.set_viewport_size({"width": width, "height": 900})
        alice.goto(f"{address}/w/acme/samples/{name}")
        return alice

    return see


@pytest.fixture
def violations() -> Callable[[Page], list[str]]:
    """What axe-core finds on the page as it stands."""
    if not AXE.exists():
        pytest.skip("axe-core is not installed here (npm)")
    source = AXE.read_text(encoding="utf-8")

    def violations(page: Page) -> list[str]:
        page.evaluate(source)
        found = page.evaluate("axe.run(document, {resultTypes: ['violations']})")
        return [f"{one['id']}: {node['html'][:160]}" for one in found["violations"] for node in one["nodes"]]

    return violations
