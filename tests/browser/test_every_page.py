"""Every page: axe-core finds nothing in light and in dark, and nothing scrolls sideways on a phone."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
from axe import AXE, Axe
from places import PLACES, Stage
from playwright.sync_api import Browser, Page, StorageState
from product import Product
from watching import DESKTOP, PHONE, Watch, open_page

pytestmark = [pytest.mark.browser, pytest.mark.long]


@pytest.fixture(scope="module")
def stage(browser: Browser, product: Product, demo_state: StorageState) -> Iterator[Stage]:
    made = Stage(browser, product, demo_state)
    yield made
    made.close()


@pytest.fixture(scope="module")
def axe() -> Axe:
    if not AXE.exists():
        pytest.skip("axe-core is not installed here (make install-test)")
    return Axe()


@pytest.fixture(scope="module")
def look(browser: Browser, axe: Axe, stage: Stage) -> Iterator[Callable[[str], tuple[Page, Watch]]]:
    """`look("viewer")`: the page of this person, the same for all tests, and what watches over it."""
    opened: dict[str, tuple[Page, Watch]] = {}

    def look(who: str) -> tuple[Page, Watch]:
        if who not in opened:
            watch = Watch()
            opened[who] = open_page(browser, watch, storage_state=stage.states[who]), watch
            axe.over(opened[who][0].context)
        return opened[who]

    yield look
    for page, _ in opened.values():
        page.context.close()


@pytest.mark.parametrize("place", PLACES, ids=lambda place: place.name)
def test_axe_finds_nothing_and_nothing_scrolls_sideways(place, stage, axe, look):
    page, watch = look(place.who)
    watch.expected, watch.complaints = {place.status}, []
    page.set_viewport_size(DESKTOP)
    assert stage.visit(page, place) == place.status
    assert axe.structure(page) == []
    assert axe.colours(page) == []
    page.evaluate("document.documentElement.classList.add('dark')")
    assert axe.colours(page) == [], "dark"
    page.evaluate("document.documentElement.classList.remove('dark')")
    page.set_viewport_size(PHONE)
    assert page.evaluate("document.documentElement.scrollWidth - innerWidth") <= 0
    assert watch.complaints == []
