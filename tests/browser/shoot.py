"""Takes a picture of every page, for people to look at: `python tests/browser/shoot.py FOLDER [NAME …]`."""

from __future__ import annotations

import shutil
import sys
import tempfile
from pathlib import Path

from places import PLACES, Stage
from playwright.sync_api import Browser, sync_playwright
from product import Product
from watching import DESKTOP, PHONE, Watch, open_page, sign_in


def main(folder: Path, names: list[str]) -> None:
    """Write `<name>.png`, `<name>-dark.png` (1440 px wide) and `<name>-390.png` of the places of these names, or of all."""
    folder.mkdir(parents=True, exist_ok=True)
    product = Product(Path(tempfile.mkdtemp(prefix="aiapp-shoot-")) / "home")
    try:
        with sync_playwright() as playwright:
            browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"])
            shoot(browser, product, folder, names)
            browser.close()
    finally:
        product.stop()


def shoot(browser: Browser, product: Product, folder: Path, names: list[str]) -> None:
    entrance = open_page(browser, Watch())
    sign_in(entrance, product.address)
    stage = Stage(browser, product, entrance.context.storage_state())
    pages = {who: open_page(browser, Watch(), storage_state=state) for who, state in stage.states.items()}
    for place in PLACES:
        if names and place.name not in names:
            continue
        page = pages[place.who]
        page.set_viewport_size(DESKTOP)
        stage.visit(page, place)
        page.screenshot(path=folder / f"{place.name}.png", full_page=True)
        page.evaluate("document.documentElement.classList.add('dark')")
        page.screenshot(path=folder / f"{place.name}-dark.png", full_page=True)
        page.evaluate("document.documentElement.classList.remove('dark')")
        page.set_viewport_size(PHONE)
        page.screenshot(path=folder / f"{place.name}-390.png", full_page=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2:])
