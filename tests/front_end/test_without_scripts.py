"""Everything works while no script runs."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import expect

pytestmark = pytest.mark.browser


@pytest.fixture(scope="session")
def browser_context_args(browser_context_args):
    return {**browser_context_args, "java_script_enabled": False}


def test_menus_the_theme_and_signing_out_work(see):
    page = see("list")
    page.click(".user-switch")
    page.click("button[value=dark]")
    expect(page).to_have_url(re.compile("/samples/list"))
    expect(page.locator("html")).to_have_class("dark")
    page.click(".workspace-switch")
    page.click("text=All workspaces")
    expect(page.get_by_role("link", name=re.compile("Acme"))).to_be_visible()
    see("list")
    page.click(".user-switch")
    page.click("text=Sign out")
    see("list")
    expect(page).to_have_url(re.compile("/login"))


def test_the_drawer_opens_and_closes_by_links(see):
    page = see("list", width=390)
    page.get_by_label("Open menu").click()
    expect(page.locator("#nav")).to_be_visible()
    page.click("text=Close menu")
    expect(page.locator("#nav")).not_to_be_visible()


def test_filters_are_a_form_and_more_is_a_link(see):
    page = see("list")
    page.fill("#main [name=q]", "Triage")
    page.click("text=Show")
    expect(page.locator("#rows tr")).to_have_count(1)
    page.click("#more")
    expect(page).to_have_url(re.compile(r"cursor=2"))


def test_a_dialog_is_a_page_with_a_form(see):
    page = see("list")
    page.click(".topbar >> text=Delete")
    expect(page).to_have_url(re.compile("/samples/delete"))
    page.click("text=Cancel")
    expect(page).to_have_url(re.compile("/samples/list"))
    page.click(".topbar >> text=Delete")
    page.get_by_role("button", name="Delete it").click()
    expect(page.locator(".toast")).to_contain_text("Deleted.")


def test_nothing_is_shown_that_only_a_script_could_do(see):
    page = see("list")
    expect(page.get_by_role("button", name="Copy")).not_to_be_visible()
    page.click(".user-switch")
    expect(page.get_by_role("button", name="Keyboard shortcuts")).not_to_be_visible()


def test_a_prompt_can_be_read_while_it_is_written(see):
    page = see("fields")
    body = page.locator("#body")
    body.fill("Hello {{name}}")
    assert body.is_visible()
    expect(page.locator(".highlighted-input pre")).not_to_be_visible()
