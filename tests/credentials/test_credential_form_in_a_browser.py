"""What only a browser can tell of the credential form: the typed key stays where it is, through mistakes and failed tests."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import expect

from aiapp.credentials.models import Credential
from aiapp.extensions import db

pytestmark = pytest.mark.browser

KEY = "sk-canary-4f9a8b7c6d5e4f3a2b1c9x7Z"


@pytest.fixture
def site(address, team, page):
    """The credentials of a workspace of which adam, an admin, has just signed in."""
    page.goto(f"{address}/login")
    page.fill("[name=email]", "adam@example.com")
    page.fill("[name=password]", team.password)
    page.locator("[name=password]").press("Enter")
    page.wait_for_url(re.compile("/w/acme"))
    yield f"{address}/w/acme/credentials"
    page.close()


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

    expect(page.locator("#credential-form .notice-bad")).to_be_visible()
    page.fill("#base_url", server.url)
    expect(page.locator("#base_url-error")).to_be_empty()
    expect(page.locator("#credential-form .notice-bad")).to_have_count(0)
    save.click()
    expect(page.locator("#test")).to_contain_text("mistyped or revoked")
    expect(page.locator("#test")).to_contain_text("Nothing is saved yet")
    expect(page.locator("#api_key")).to_have_value(KEY)

    server.works()
    page.locator("#test button", has_text="Test again").click()
    expect(page.locator("#test")).to_contain_text("gpt-6-luna answered with 3 tokens")
    expect(page.locator(".outdated-note")).to_be_hidden()
    page.fill("#name", "Another name")
    expect(page.locator(".outdated-note")).to_be_visible()
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
