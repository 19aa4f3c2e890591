"""What only a browser can tell of the credential form: the typed key stays where it is, through mistakes and failed tests."""

from __future__ import annotations

import re
import shutil
import threading

import pytest
from playwright.sync_api import expect
from werkzeug.serving import make_server

from aiapp.credentials.models import Credential
from aiapp.extensions import db

pytestmark = pytest.mark.browser

KEY = "sk-canary-4f9a8b7c6d5e4f3a2b1c9x7Z"


@pytest.fixture(scope="session")
def base_url() -> None:
    """The plugin's own fixture of this name warns under pytest 9."""


@pytest.fixture(scope="session")
def browser_type_launch_args(browser_type_launch_args):
    chromium = shutil.which("chromium")
    if chromium is None:
        pytest.skip("no browser here (Debian: chromium)")
    return {**browser_type_launch_args, "executable_path": chromium, "args": ["--no-sandbox"]}


@pytest.fixture
def site(app, team, page):
    """The app on a port of its own, and adam signed in."""
    http = make_server("127.0.0.1", 0, app, threaded=True)
    thread = threading.Thread(target=http.serve_forever)
    thread.start()
    address = f"http://127.0.0.1:{http.server_port}"
    page.goto(f"{address}/login")
    page.fill("[name=email]", "adam@example.com")
    page.fill("[name=password]", team.password)
    page.locator("[name=password]").press("Enter")
    page.wait_for_url(re.compile("/w/acme"))
    yield f"{address}/w/acme/credentials"
    page.close()
    http.shutdown()
    thread.join()
    http.server_close()


def test_a_typed_key_survives_mistakes_and_failed_tests_and_is_sent_nowhere_else(app, site, page, server):
    server.answers["GET /v1/models"] = (401, {"error": {"message": "No.", "code": "invalid_api_key"}})
    asked = []
    page.on("request", lambda request: asked.append(request.url))
    page.goto(f"{site}/new/openai_compatible")
    page.fill("#api_key", KEY)
    page.fill("#base_url", "https://10.0.0.1/v1")
    page.locator("#base_url").press("Tab")
    expect(page.locator("#base_url-check")).to_contain_text("could not be reached")

    save = page.locator(".topbar-actions [name=then][value=test]")
    save.click()
    expect(page.locator("#base_url-error")).to_be_visible()
    expect(page.locator("#api_key")).to_have_value(KEY)

    page.fill("#base_url", server.url)
    save.click()
    expect(page.locator("#test")).to_contain_text("mistyped or revoked")
    expect(page.locator("#test")).to_contain_text("Nothing is saved yet")
    expect(page.locator("#api_key")).to_have_value(KEY)

    server.works()
    page.locator("#test button", has_text="Test again").click()
    expect(page.locator("#test")).to_contain_text("gpt-6-luna answered with 3 tokens")
    assert page.locator("#model-names option").count() == 2
    expect(page.locator("#api_key")).to_have_value(KEY)

    page.keyboard.press("Control+s")
    page.wait_for_url(site)
    expect(page.locator(".toast")).to_contain_text("works with gpt-6-luna")
    assert not [url for url in asked if KEY in url]
    with app.app_context():
        assert db.session.query(Credential).one().key_hint == KEY[-4:]


def test_a_result_opens_beneath_its_row_and_once_only(app, site, page, server, team, openai):
    from aiapp.credentials import actions

    with app.app_context():
        actions.create(team.access("adam"), openai)
    server.works()
    page.goto(site)
    for _ in range(2):
        page.locator("button[aria-label='Test team-key']").click()
        expect(page.locator(".row-detail")).to_have_count(1)
        expect(page.locator(".row-detail")).to_contain_text("gpt-6-luna answered")
    expect(page.locator(".cell-status")).to_have_text("Healthy")
