/* Names that the prompt editor offers while one is typed: after "{{" the variables of this prompt and the fetchers. Up and down choose,
   Enter and Tab take, Escape closes. After editor.js, whose names it uses. The list is #completions, the fetchers stand in #fetchers. */
"use strict";

const completions = find("#completions");
const MOST = 40;
let completed; // the textarea whose name is completed
let began; // where that name begins in it
let chosen = 0;

const fetched = () => all("#fetchers [data-name]").map((one) => [one.dataset.name, one.dataset.gives]);

function known() {
  const used = all(".highlighted-input > textarea").flatMap((area) => [...area.value.matchAll(VARIABLE)].map(([, name]) => name));
  const names = [...inputs().map((one) => one.name.replace("var-", "")), ...used.filter((name) => name && !name.includes("."))];
  return [...[...new Set(names)].map((name) => [name, "variable"]), ...fetched()];
}

function closeCompletions() {
  if (!completed) return;
  completed.removeAttribute("aria-activedescendant");
  completed.removeAttribute("aria-controls");
  completed = null;
  completions.hidden = true;
  completions.replaceChildren();
}

/* Where a place in the text is on the page: the copy of the text that carries the marks lies exactly under it. */
function placeOf(area, at) {
  const copy = find("pre", area.parentElement);
  const walker = document.createTreeWalker(copy, NodeFilter.SHOW_TEXT);
  for (let node = walker.nextNode(), left = at; node; left -= node.length, node = walker.nextNode()) {
    if (left > node.length) continue;
    const range = document.createRange();
    range.setStart(node, left);
    range.collapse(true);
    return range.getClientRects()[0] ?? range.getBoundingClientRect();
  }
  return { left: area.getBoundingClientRect().left, bottom: area.getBoundingClientRect().bottom };
}

function choose(number) {
  const options = all("[role=option]", completions);
  chosen = (number + options.length) % options.length;
  options.forEach((option, at) => option.setAttribute("aria-selected", at === chosen));
  completed.setAttribute("aria-activedescendant", options[chosen].id);
  options[chosen].scrollIntoView({ block: "nearest" });
}

function offer(area) {
  const before = area.value.slice(Math.max(0, area.selectionStart - 200), area.selectionStart);
  const typing = area.selectionStart === area.selectionEnd && /(?:^|[^\\])\{\{([A-Za-z_][\w.]*)?$/.exec(before);
  const typed = (typing && typing[1]) ?? "";
  const fits = typing ? known().filter(([name]) => name !== typed && name.toLowerCase().includes(typed.toLowerCase())) : [];
  fits.sort(([one], [other]) => other.startsWith(typed) - one.startsWith(typed));
  if (!fits.length) return closeCompletions();
  completed = area;
  began = area.selectionStart - typed.length;
  completions.replaceChildren(...fits.slice(0, MOST).map(([name, gives], at) => {
    const option = Object.assign(document.createElement("li"), { id: `completion-${at}` });
    option.role = "option";
    option.dataset.name = name;
    option.append(Object.assign(document.createElement("code"), { textContent: name }), Object.assign(document.createElement("span"), { textContent: gives }));
    return option;
  }));
  const part = area.closest(".prompt-part");
  part.append(completions);
  completions.hidden = false;
  const frame = part.getBoundingClientRect();
  const place = placeOf(area, began);
  completions.style.left = `${Math.max(0, Math.min(place.left - frame.left, frame.width - completions.offsetWidth))}px`;
  completions.style.top = `${place.bottom - frame.top + 4}px`;
  area.setAttribute("aria-controls", "completions");
  choose(0);
}

function take(name) {
  const area = completed;
  const open = name.endsWith("."); // the rest is still to be typed
  const behind = /^[\w.]*(?:\}\})?/.exec(area.value.slice(area.selectionStart))[0].length;
  closeCompletions();
  area.focus();
  area.setSelectionRange(began, area.selectionStart + behind);
  const text = open ? name : `${name}}}`;
  if (!document.execCommand("insertText", false, text)) { // which can be undone
    area.setRangeText(text, area.selectionStart, area.selectionEnd, "end");
    area.dispatchEvent(new Event("input", { bubbles: true }));
  }
}

if (completions) {
  on("input", ({ target }) => target.matches(".highlighted-input > textarea") && offer(target));
  on("keydown", (event) => {
    if (event.target !== completed || event.isComposing) return;
    const { key } = event;
    if (key === "ArrowDown" || key === "ArrowUp") choose(chosen + (key === "ArrowDown" ? 1 : -1));
    else if ((key === "Enter" || key === "Tab") && !event.ctrlKey && !event.metaKey && !event.shiftKey) take(all("[role=option]", completions)[chosen].dataset.name);
    else if (key === "Escape") closeCompletions();
    else return key.startsWith("Arrow") || key === "Home" || key === "End" ? closeCompletions() : undefined;
    event.preventDefault();
    event.stopPropagation();
  }, true);
  on("pointerdown", (event) => {
    const option = within(event, "#completions [role=option]");
    if (!option) return closeCompletions();
    event.preventDefault(); // the focus stays in the text
    take(option.dataset.name);
  });
  on("focusout", ({ target }) => target === completed && closeCompletions());
}
