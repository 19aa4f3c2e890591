"""The real product, started once, and browsers that complain when a page does."""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Page, StorageState, expect
from product import EMAIL, PASSWORD, Product

import aiapp

AXE = Path(aiapp.__file__).parent / "static" / "vendor" / "axe.min.js"
PATIENCE = 15_000  # ms: for a machine that has other things to do
CHROMIUM = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update"]
CHROMIUM += ["--disable-sync", "--no-first-run"]


@pytest.fixture(scope="session")
def base_url() -> None:
    """Addresses are given whole. (The plugin's own fixture of this name warns under pytest 9.)"""


@pytest.fixture(scope="session")
def browser_type_launch_args(browser_type_launch_args: dict[str, Any]) -> dict[str, Any]:
    chromium = shutil.which("chromium")
    if chromium is None:
        pytest.skip("no browser here (Debian: chromium)")
    return {**browser_type_launch_args, "executable_path": chromium, "args": CHROMIUM}


@pytest.fixture(scope="session")
def product(browser: Browser, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Product]:
    """`aiapp up --demo`. It asks for the browser first: without one there is nothing to start it for."""
    started = Product(tmp_path_factory.mktemp("product") / "home")
    try:
        yield started
        assert started.stop() == 0, started.output()
        assert started.processes() == {}
        assert "Traceback" not in started.output(), started.output()
    finally:
        started.kill()


class Watch:
    """What browsers complained of. A status that a test means to see is no complaint: `watch.expected.add(404)`."""

    def __init__(self) -> None:
        self.expected: set[int] = set()
        self.complaints: list[str] = []

    def over(self, context: BrowserContext) -> None:
        context.on("console", self._said)
        context.on("weberror", lambda error: self.complaints.append(str(error.error)))

    def _said(self, message: ConsoleMessage) -> None:
        status = re.match(r"Failed to load resource: .* status of (\d+)", message.text)
        if status and int(status[1]) in self.expected:
            return
        if message.type in ("error", "warning"):
            self.complaints.append(f"{message.text} ({message.location['url']})")


@pytest.fixture
def watch() -> Iterator[Watch]:
    """Whatever a script, the CSP or the network complained of fails the test."""
    watched = Watch()
    yield watched
    assert watched.complaints == []


@pytest.fixture
def new_page(new_context: Callable[..., BrowserContext], watch: Watch) -> Iterator[Callable[..., Page]]:
    """`new_page(java_script_enabled=False)`: a page of a browser of its own, in which nobody has signed in."""

    def new_page(**options: Any) -> Page:
        context = new_context(**{"viewport": {"width": 1440, "height": 900}, "reduced_motion": "reduce", **options})
        context.set_default_timeout(PATIENCE)
        watch.over(context)
        return context.new_page()

    expect.set_options(timeout=PATIENCE)
    yield new_page
    expect.set_options(timeout=None)


def sign_in(page: Page, address: str, email: str = EMAIL, password: str = PASSWORD) -> None:
    page.goto(f"{address}/login")
    page.fill("[name=email]", email)
    page.fill("[name=password]", password)
    page.click("button[type=submit]")
    page.wait_for_url("**/w/**")


@pytest.fixture(scope="session")
def demo_state(browser: Browser, product: Product) -> StorageState:
    """The cookies of the demo user, who has signed in once: sign-ins are throttled."""
    context = browser.new_context()
    sign_in(context.new_page(), product.address)
    state = context.storage_state()
    context.close()
    return state


@pytest.fixture
def demo(new_page: Callable[..., Page], demo_state: StorageState) -> Page:
    """A page of a browser in which the demo user has signed in."""
    return new_page(storage_state=demo_state)
