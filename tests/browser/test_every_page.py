"""Every page: axe-core finds nothing in light and in dark, and nothing scrolls sideways on a phone."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from places import PLACES, Stage
from playwright.sync_api import Browser, Page, StorageState
from product import Product
from watching import DESKTOP, PHONE, Watch, open_page

import aiapp

pytestmark = pytest.mark.browser

AXE = Path(aiapp.__file__).parent / "static" / "vendor" / "axe.min.js"
EVERYTHING: dict[str, Any] = {}
COLOURS = {"runOnly": ["color-contrast", "link-in-text-block"]}  # all that another theme can change


@pytest.fixture(scope="module")
def stage(browser: Browser, product: Product, demo_state: StorageState) -> Iterator[Stage]:
    made = Stage(browser, product, demo_state)
    yield made
    made.close()


@pytest.fixture(scope="module")
def look(browser: Browser, stage: Stage) -> Iterator[Callable[[str], tuple[Page, Watch]]]:
    """`look("viewer")`: the page of this person, the same for all tests, and what watches over it."""
    opened: dict[str, tuple[Page, Watch]] = {}

    def look(who: str) -> tuple[Page, Watch]:
        if who not in opened:
            watch = Watch()
            opened[who] = open_page(browser, watch, storage_state=stage.states[who]), watch
        return opened[who]

    yield look
    for page, _ in opened.values():
        page.context.close()


def violations(page: Page, options: dict[str, Any]) -> list[str]:
    """What axe-core finds on the page as it stands. Frames are left out: what models write is not ours."""
    found = page.evaluate(
        "options => axe.run(document, {resultTypes: ['violations'], iframes: false, ...options})", options
    )
    return [f"{one['id']}: {node['html'][:200]}" for one in found["violations"] for node in one["nodes"]]


@pytest.mark.parametrize("place", PLACES, ids=lambda place: place.name)
def test_axe_finds_nothing_and_nothing_scrolls_sideways(place, stage, look):
    if not AXE.exists():
        pytest.skip("axe-core is not installed here (make install-test)")
    page, watch = look(place.who)
    watch.expected, watch.complaints = {place.status}, []
    page.set_viewport_size(DESKTOP)
    assert stage.visit(page, place) == place.status
    page.evaluate(AXE.read_text(encoding="utf-8"))
    assert violations(page, EVERYTHING) == []
    page.evaluate("document.documentElement.classList.add('dark')")
    assert violations(page, COLOURS) == [], "dark"
    page.evaluate("document.documentElement.classList.remove('dark')")
    page.set_viewport_size(PHONE)
    assert page.evaluate("document.documentElement.scrollWidth - innerWidth") <= 0
    assert watch.complaints == []
