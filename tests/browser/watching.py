"""Browsers that complain when a page does."""

from __future__ import annotations

import re
from typing import Any

from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Page, expect
from product import EMAIL, PASSWORD

PATIENCE = 15_000  # ms: for a machine that has other things to do
DESKTOP, PHONE = {"width": 1440, "height": 900}, {"width": 390, "height": 844}


class Watch:
    """What the browsers of one test complained of. A status that it means to see is no complaint: `watch.expected.add(404)`."""

    def __init__(self) -> None:
        self.expected: set[int] = set()
        self.complaints: list[str] = []

    def over(self, context: BrowserContext) -> None:
        context.on("console", self._said)
        context.on("weberror", lambda error: self.complaints.append(str(error.error)))

    def _said(self, message: ConsoleMessage) -> None:
        status = re.match(r".* (?:status of|with status) (\d+)", message.text)
        if status and int(status[1]) in self.expected:
            return
        if message.type in ("error", "warning"):
            self.complaints.append(f"{message.text} ({message.location['url']})")


def open_page(browser: Browser, watch: Watch, **options: Any) -> Page:
    """A page of a browser of its own: cookies, cache and all. `options` are those of Browser.new_context."""
    context = browser.new_context(**{"viewport": DESKTOP, "reduced_motion": "reduce", **options})
    context.set_default_timeout(PATIENCE)
    watch.over(context)
    return context.new_page()


def sign_in(page: Page, address: str, email: str = EMAIL, password: str = PASSWORD) -> None:
    page.goto(f"{address}/login")
    page.fill("[name=email]", email)
    page.fill("[name=password]", password)
    page.click("button[type=submit]")
    page.wait_for_url("**/w/**")


def run_text(page: Page, address: str, model: str) -> None:
    """Run a long text in the demo workspace and look at its execution."""
    page.goto(f"{address}/w/demo/executions/new")
    page.get_by_label("Text", exact=True).fill("Tell the story of one word. " * 30)
    page.get_by_label("Provider").select_option(label="Demo")
    page.get_by_label("Model").fill(model)
    page.get_by_role("main").get_by_role("button", name="Run").click()
    expect(page.locator("#execution-state")).to_be_visible()
