"""The API reference for people: complete, public, in the shell for members, readable on a phone and without scripts."""

from __future__ import annotations

import re

import pytest
from described import PREFIX, every
from playwright.sync_api import Browser, Page

DOCS = f"{PREFIX}/docs"


@pytest.fixture(autouse=True)
def _somebody(team) -> None:
    """The cast is there."""


def wider_than_the_window(page: Page) -> bool:
    return page.evaluate("document.documentElement.scrollWidth > window.innerWidth")


def test_everybody_reads_every_operation(app, visitor):
    page = visitor().get(DOCS).get_data(as_text=True)
    for one in every(app):
        assert one.path.replace("<", "&lt;") in page
        assert f'id="{one.id}"' in page


def test_a_member_reads_it_in_the_shell(sign_in):
    bob = sign_in("bob")
    bob.get("/w/acme/")
    page = bob.get(DOCS)
    assert 'class="app-nav"' in page.get_data(as_text=True)
    assert page.headers["Cache-Control"] == "no-store"


def test_a_visitor_reads_it_without_the_shell(visitor):
    page = visitor().get(DOCS).get_data(as_text=True)
    assert 'class="app-nav"' not in page
    assert page.count("<h1") == 1


def test_fields_are_named_with_their_types_and_meaning(visitor):
    page = " ".join(visitor().get(DOCS).get_data(as_text=True).split())
    assert re.search(r"<code>lock_version</code></dt> <dd> integer, required", page)
    assert "string, header" in page
    assert "Role admin, scope admin." in page
    assert "Answer 202" in page
    assert "Answer 200, a list of" in page
    assert "time or null" in page
    assert re.search(r'id="Attempt".*<code>first_token_ms</code></dt> <dd> integer or null', page)


@pytest.mark.browser
def test_it_fits_a_phone_without_scripts(browser: Browser, address: str):
    context = browser.new_context(viewport={"width": 390, "height": 800}, java_script_enabled=False)
    page = context.new_page()
    page.goto(address + DOCS)
    assert not page.get_by_text("not wider than the asking token's").is_visible()
    page.get_by_text("/api/v1/tokens", exact=True).nth(1).click()
    assert page.get_by_text("not wider than the asking token's").is_visible()
    context.close()


@pytest.mark.browser
def test_nothing_scrolls_sideways_on_a_phone(browser: Browser, address: str):
    context = browser.new_context(viewport={"width": 390, "height": 800})
    page = context.new_page()
    page.goto(address + DOCS)
    assert not wider_than_the_window(page)
    page.evaluate("document.querySelectorAll('details').forEach(one => { one.open = true })")
    assert not wider_than_the_window(page)
    context.close()
