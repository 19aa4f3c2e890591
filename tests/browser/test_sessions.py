"""Sessions that end while a page is open."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import expect
from product import EMAIL, PASSWORD
from watching import run_text, sign_in

pytestmark = [pytest.mark.browser, pytest.mark.long, pytest.mark.timeout(180)]


@pytest.fixture
def alone(new_page, product):
    """A page with a session of its own, which the test may end."""
    page = new_page()
    sign_in(page, product.address)
    return page


def sign_in_again(page):
    expect(page).to_have_url(re.compile("/login"))
    page.get_by_label("Email").fill(EMAIL)
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Sign in").click()


def lose_session(page):
    """Take the session's cookie away; an answer that was under way may bring it back, so look once more."""
    for _ in range(20):
        page.context.clear_cookies(name="aiapp_session")
        page.wait_for_timeout(250)
        names = {cookie["name"] for cookie in page.context.cookies()}
        if "aiapp_session" not in names or "/login" in page.url:
            return


def test_signing_out_in_one_tab_ends_what_the_other_one_watches(alone, product, watch):
    watch.expected.add(401)
    run_text(alone, product.address, "demo-slow")
    expect(alone.locator("#stream")).to_contain_text("Tell the story")
    watched = alone.url
    other = alone.context.new_page()
    other.goto(f"{product.address}/w/demo/")
    other.locator(".user-switch").click()
    other.get_by_role("button", name="Sign out").click()
    expect(other).to_have_url(re.compile("/login$"))
    alone.bring_to_front()
    sign_in_again(alone)
    expect(alone).to_have_url(watched)


def test_a_session_that_expired_while_a_list_asks_for_news_leads_to_login_and_back(alone, product, watch):
    watch.expected.add(401)
    run_text(alone, product.address, "demo-overloaded")
    expect(alone.locator("#execution-state")).to_have_text("Retrying")
    alone.goto(f"{product.address}/w/demo/executions?status=pending")
    expect(alone.locator("#execution-rows")).to_contain_text("Retrying")
    lose_session(alone)
    sign_in_again(alone)
    expect(alone).to_have_url(f"{product.address}/w/demo/executions?status=pending")


def test_signing_out_in_one_tab_loses_nothing_that_is_typed_in_the_editor_of_another(alone, product, watch):
    watch.expected |= {400, 401}
    alone.goto(f"{product.address}/w/demo/prompt-templates/new")
    alone.get_by_label("Name", exact=True).fill("Signed out")
    alone.get_by_role("button", name="Create prompt template").click()
    alone.locator("#prompt-body").fill("Before")
    expect(alone.locator("#autosave")).to_have_text(re.compile("^Saved"))
    other = alone.context.new_page()
    other.goto(f"{product.address}/w/demo/")
    other.locator(".user-switch").click()
    other.get_by_role("button", name="Sign out").click()
    expect(other).to_have_url(re.compile("/login$"))
    alone.bring_to_front()
    alone.locator("#prompt-body").fill("After")
    expect(alone.locator("#autosave")).to_contain_text("Not saved: you are signed out")
    sign_in_again(other)
    expect(other).to_have_url(re.compile("/w/demo"))
    alone.locator("#prompt-body").press("Control+s")
    expect(alone.locator("#autosave")).to_have_text(re.compile("^Saved"))
    alone.reload()
    expect(alone.locator("#prompt-body")).to_have_value("After")
