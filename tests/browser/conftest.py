"""The real product, started once, and browsers for its users."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, StorageState, expect
from product import Product
from watching import PATIENCE, Watch, open_page, sign_in


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


@pytest.fixture(autouse=True)
def _patience() -> Iterator[None]:
    expect.set_options(timeout=PATIENCE)
    yield
    expect.set_options(timeout=None)


@pytest.fixture
def watch() -> Iterator[Watch]:
    """Whatever a script, the CSP or the network complained of fails the test."""
    watched = Watch()
    yield watched
    assert watched.complaints == []


@pytest.fixture
def new_page(browser: Browser, watch: Watch) -> Iterator[Callable[..., Page]]:
    """`new_page(java_script_enabled=False)`: a page of a browser of its own, in which nobody has signed in."""
    opened: list[Page] = []

    def new_page(**options: Any) -> Page:
        opened.append(open_page(browser, watch, **options))
        return opened[-1]

    yield new_page
    for page in opened:
        page.context.close()


@pytest.fixture(scope="session")
def demo_state(browser: Browser, product: Product) -> StorageState:
    """The cookies of the demo user, who has signed in once: sign-ins are throttled."""
    page = open_page(browser, Watch())
    sign_in(page, product.address)
    state = page.context.storage_state()
    page.context.close()
    return state
