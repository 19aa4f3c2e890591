"""Pages that change by themselves: an answer as it is written, forms that send what was chosen."""

from __future__ import annotations

import time

import pytest
from playwright.sync_api import expect
from watching import run_text

pytestmark = [pytest.mark.browser, pytest.mark.long, pytest.mark.timeout(180)]


@pytest.fixture
def demo(new_page, demo_state):
    """A page of the demo user."""
    return new_page(storage_state=demo_state)


def test_a_run_that_falls_back_is_streamed_once_for_each_attempt_that_the_page_shows(demo, product):
    """What the stream repeats from before the page is no news: it must not make the page look again, for ever."""
    demo.goto(f"{product.address}/w/demo/credentials")
    demo.get_by_role("link", name="expired key", exact=True).click()
    reset = demo.get_by_role("button", name="Reset")
    if reset.is_visible():  # another execution was refused a moment ago: this one is to ask it first again
        reset.click()
        expect(demo.locator("#circuit")).to_contain_text("Closed")
    asked = []
    demo.on("request", lambda request: asked.append(request.url))
    demo.goto(f"{product.address}/w/demo/prompt-templates/support-reply/versions/1")
    demo.locator(".topbar").get_by_role("button", name="Run").click()
    expect(demo.locator("#test-run .status").first).to_have_text("Completed")
    expect(demo.locator("#test-run .attempts li")).to_have_count(2)
    streams = [url.partition("/_stream")[2] for url in asked if "/_stream" in url]
    assert len(streams) == len(set(streams)) <= 2
    assert all("?attempt=" in query for query in streams)


def test_two_tabs_show_an_answer_while_it_is_written_and_both_see_it_stopped(demo, product):
    run_text(demo, product.address, "demo-slow")
    expect(demo.locator("#stream")).to_contain_text("Tell the story")
    other = demo.context.new_page()
    other.goto(demo.url)
    expect(other.locator("#stream")).to_contain_text("Tell the story")
    other.locator(".topbar").get_by_role("button", name="Cancel").click()
    expect(other.locator("#execution-state")).to_have_text("Cancelled")
    expect(demo.locator("#execution-state")).to_have_text("Cancelled")
    expect(demo.locator("#output")).to_contain_text("Tell the story")


def test_an_answer_streams_however_late_the_script_for_it_arrives(demo, product):
    def arrive_late(route):
        time.sleep(0.5)
        route.continue_()

    demo.route("**/hx-sse.min.js", arrive_late)
    run_text(demo, product.address, "demo-slow")
    expect(demo.locator("#stream")).to_contain_text("Tell the story")
    demo.locator(".topbar").get_by_role("button", name="Cancel").click()


def test_a_role_is_changed_by_choosing_it(demo, new_page, product):
    demo.goto(f"{product.address}/w/demo/settings/invitations")
    demo.get_by_label("Email").fill("mika@example.com")
    demo.get_by_role("button", name="Create invitation").click()
    guest = new_page()
    guest.goto(demo.locator("#invitation-link").inner_text())
    guest.get_by_label("Name").fill("Mika")
    guest.get_by_label("Password").fill("a door with seven locks")
    guest.get_by_role("button", name="Make an account and join").click()
    expect(guest.locator(".workspace-switch")).to_contain_text("Viewer")
    demo.goto(f"{product.address}/w/demo/settings/members")
    demo.get_by_label("Role of Mika").select_option("editor")
    expect(demo.locator(".toast")).to_be_visible()
    guest.reload()
    expect(guest.locator(".workspace-switch")).to_contain_text("Editor")
