"""Two ways to use a page: with a pointer, and with the keyboard alone."""

from __future__ import annotations

from playwright.sync_api import Locator, Page, expect

MOST_TABS = 120

# The focus is shown by an outline: of the element itself, or of what stands for it (a label, the box around a textarea).
FOCUS = """element => {
  const outlined = (one) => getComputedStyle(one).outlineStyle !== "none" && parseFloat(getComputedStyle(one).outlineWidth) > 0;
  const box = element.getBoundingClientRect();
  return {
    shown: [element, element.parentElement, element.parentElement.parentElement].some(outlined),
    inSight: box.bottom > 0 && box.top < innerHeight && box.right > 0 && box.left < innerWidth,
  };
}"""


class Pointer:
    """Clicks and types."""

    name = "pointer"

    def __init__(self, page: Page) -> None:
        self.page = page

    def press(self, target: Locator) -> None:
        """Press a button or follow a link."""
        target.click()

    def write(self, target: Locator, text: str) -> None:
        """Replace what stands in a field, as who pastes does; the keyboard's user types."""
        target.fill(text)

    def go(self, place: str, keys: str) -> None:
        """Go to a page of the navigation."""
        self.page.locator("#nav").get_by_role("link", name=place, exact=True).click()

    def shortcut(self, button: Locator, keys: str) -> None:
        """Press a button that has a shortcut."""
        button.click()


class Keyboard:
    """Tab, Enter, typing and shortcuts; whatever has the focus must show it and be in sight."""

    name = "keyboard"

    def __init__(self, page: Page) -> None:
        self.page = page

    def press(self, target: Locator) -> None:
        self.reach(target)
        self.page.keyboard.press("Enter")

    def write(self, target: Locator, text: str) -> None:
        self.reach(target)
        self.page.keyboard.press("Control+a")
        self.page.keyboard.type(text)

    def go(self, place: str, keys: str) -> None:
        for key in keys:
            self.page.keyboard.press(key)

    def shortcut(self, button: Locator, keys: str) -> None:
        expect(button).to_be_visible()
        self.page.keyboard.press(keys)

    def reach(self, target: Locator) -> None:
        """Tab until `target` has the focus."""
        expect(target).to_be_visible()
        for _ in range(MOST_TABS):
            if target.evaluate("element => element === document.activeElement"):
                break
            self.page.keyboard.press("Tab")
        else:
            raise AssertionError(f"Tab does not lead to {target}")
        state = target.evaluate(FOCUS)
        assert state["shown"], f"nothing shows that {target} has the focus"
        assert state["inSight"], f"{target} has the focus out of sight"
