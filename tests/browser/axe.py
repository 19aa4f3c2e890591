"""axe-core on a page, and no pair of colours looked at twice.

Contrast is most of axe's work, and it depends on nothing but how a text is drawn: its own colour, size and weight, and the
backgrounds behind it. So it is asked only about texts whose look it has not passed yet in the same run of the tests.
"""

from __future__ import annotations

from pathlib import Path

from playwright.sync_api import BrowserContext, Page

import aiapp

AXE = Path(aiapp.__file__).parent / "static" / "vendor" / "axe.min.js"

# Frames are left out: what models write is not ours.
STRUCTURE = """async () => {
  const found = await axe.run(document, {
    rules: {"color-contrast": {enabled: false}, "link-in-text-block": {enabled: false}},
    resultTypes: ["violations"],
    iframes: false,
  });
  return found.violations.flatMap(({id, nodes}) => nodes.map(({html}) => `${id}: ${html.slice(0, 200)}`));
}"""
CONTRAST = """async known => {
  const passed = new Set(known), looks = new Map();
  const see = (one) => {
    const style = getComputedStyle(one);
    const parts = [one.tagName, one.type, style.color, style.fontSize, style.fontWeight, style.textShadow];
    if (one.tagName === "A") {  // beside other words it must differ from them by more than its colour
      let block = one.parentElement;
      while (getComputedStyle(block).display.startsWith("inline")) block = block.parentElement;
      const linked = [...block.querySelectorAll("a")].map((link) => link.textContent).join("");
      const amongWords = block.textContent.length > linked.length;
      parts.push(style.textDecorationLine, style.borderBottom, amongWords, getComputedStyle(block).color);
    }
    parts.push(!!one.closest("[disabled], [aria-disabled=true]"), !!one.control?.disabled);
    for (let up = one; up; up = up.parentElement) {
      const {backgroundColor, backgroundImage, opacity, position, filter, mixBlendMode} = getComputedStyle(up);
      const behind = [backgroundColor, backgroundImage, opacity, filter, mixBlendMode].join();
      if (behind !== "rgba(0, 0, 0, 0),none,1,none,normal") parts.push(behind);
      if (position !== "static" && position !== "relative") parts.push(position, up.className);  // it may lie over anything
    }
    return [...parts.join("|")].reduce((hash, letter) => (hash * 33 + letter.charCodeAt(0)) % 2 ** 47, 5381);
  };
  for (const one of document.body.querySelectorAll("*")) {
    const words = [...one.childNodes].some((node) => node.nodeType === 3 && node.data.trim());
    const says = words || one.matches("input, select, textarea");
    if (!says || !one.checkVisibility()) continue;
    const look = see(one);
    if (!passed.has(look)) looks.set(one, look);
  }
  if (!looks.size) return {violations: [], passed: []};
  const found = await axe.run({include: [...looks.keys()]}, {
    runOnly: ["color-contrast", "link-in-text-block"],
    resultTypes: ["violations", "passes"],
    elementRef: true,
    iframes: false,
  });
  const fine = found.passes.filter(({id}) => id === "color-contrast").flatMap(({nodes}) => nodes.map(({element}) => element));
  const wrong = new Set(found.violations.flatMap((rule) => rule.nodes.map((node) => looks.get(node.element))));
  return {
    violations: found.violations.flatMap(({id, nodes}) => nodes.map(({html}) => `${id}: ${html.slice(0, 200)}`)),
    passed: [...new Set(fine.map((one) => looks.get(one)))].filter((look) => look && !wrong.has(look)),
  };
}"""


class Axe:
    """Looks at the pages of the contexts that it was given; `passed` are the looks that it need not look at again."""

    def __init__(self) -> None:
        self.passed: set[int] = set()

    def over(self, context: BrowserContext) -> None:
        context.add_init_script(path=AXE)

    def structure(self, page: Page) -> list[str]:
        """What is wrong on the page as it stands, but for its colours: the rule and the element."""
        found: list[str] = page.evaluate(STRUCTURE)
        return found

    def colours(self, page: Page) -> list[str]:
        """The texts of the page as it stands whose colours are too alike, and links that only a colour tells from the text."""
        found = page.evaluate(CONTRAST, list(self.passed))
        self.passed.update(found["passed"])
        violations: list[str] = found["violations"]
        return violations
