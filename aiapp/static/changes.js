/* Pages of changes: from one to the next by a button or its key. After app.js, whose names it uses. Attributes it reads:
   data-step, data-change. */
"use strict";

const CHANGED = ".diff-added, .diff-removed";
const isChanged = (row) => row?.matches(CHANGED) || Boolean(row && find(CHANGED, row));

/* What there is to stop at: the conflicts of a merge, else the first row of each changed place. */
function stops() {
  const marked = all("[data-change]");
  if (marked.length) return marked;
  const rows = new Set(all(".diff .diff-line").filter((line) => line.checkVisibility()).map((line) => line.closest(".diff-split") ?? line));
  return [...rows].filter((row) => isChanged(row) && !isChanged(row.previousElementSibling));
}

on("click", (event) => {
  const button = within(event, "[data-step]");
  if (!button) return;
  const found = stops();
  const at = found.indexOf(find(".current-change"));
  const next = found.at((at < 0 && button.dataset.step < 0 ? 0 : at) + Number(button.dataset.step)) ?? found[0];
  find(".current-change")?.classList.remove("current-change");
  if (!next) return;
  next.classList.add("current-change");
  next.tabIndex = -1;
  next.focus({ preventScroll: true });
  next.scrollIntoView({ block: next.matches("[data-change]") ? "start" : "center" });
});
