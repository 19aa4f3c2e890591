/* What pages do beyond HTML and htmx. Each part improves something that works without it; nothing is evaluated (CSP).
   Attributes it reads: data-key, data-opens, data-close, data-copy, data-copy-from, data-dismiss, data-autosubmit, data-guard,
   data-order, data-ticks, data-outdates, data-saves, data-once, data-user, data-theme-switch. editor.js goes on for the prompt editor. Events of HX-Trigger: aiapp:toast,
   aiapp:saved, aiapp:close. */
"use strict";

const find = (selector, root = document) => root.querySelector(selector);
const all = (selector, root = document) => [...root.querySelectorAll(selector)];
const on = (type, listener, capture = false) => document.addEventListener(type, listener, capture);
const within = (event, selector) => (event.target instanceof Element ? event.target.closest(selector) : null);

/* ---------- toasts ---------- */

function toast(kind, title, text = "") {
  const template = find(`template[data-toast="${kind}"]`) ?? find('template[data-toast="info"]');
  const copy = template.content.cloneNode(true);
  find(".toast-title", copy).textContent = title;
  if (text) {
    const line = Object.assign(document.createElement("p"), { className: "muted" });
    line.append(...[text].flat());
    find(".toast-body", copy).append(line);
  }
  find("#toasts").append(copy);
}

const titleOf = (one) => find(".toast-title", one)?.textContent;

/* A poll that fails every second must not fill the screen: the newest message of a title replaces the ones before. */
function settle(one) {
  all(".toast", one.parentElement).filter((other) => other !== one && titleOf(other) === titleOf(one)).forEach((other) => other.remove());
  if (one.dataset.kind !== "good" && one.dataset.kind !== "info") return;
  const leave = () => (one.matches(":hover, :focus-within") ? setTimeout(leave, 2000) : one.remove());
  setTimeout(leave, 8000);
}

on("aiapp:toast", ({ detail }) => toast(detail.kind, detail.message));
on("click", (event) => {
  const closed = within(event, "[data-dismiss]")?.closest(".toast, .row-detail");
  if (closed?.matches(".row-detail")) find("button", closed.previousElementSibling)?.focus();
  closed?.remove();
});

/* ---------- requests that fail ---------- */

const NO_ANSWER = "The server did not answer";
const SIGNED_OUT = "You are signed out";
const OUT_OF_REACH = "The server cannot be reached";
const autosaves = (ctx) => ctx.saves && ctx.sourceElement === editor; // (editor.js) nobody asked for it: the editor's header says how it went

on("htmx:after:request", (event) => {
  const { ctx } = event.detail;
  const { status } = ctx.response;
  const over = [status < 500 && NO_ANSWER, status < 500 && OUT_OF_REACH, status < 400 && SIGNED_OUT];
  all(".toast").filter((one) => over.includes(titleOf(one))).forEach((one) => one.remove());
  if (status < 400) {
    if (ctx.request.method !== "GET") renewals = 0;
    return;
  }
  if (outlived(ctx) || (status >= 500 && autosaves(ctx))) {
    event.preventDefault(); // nothing of the answer is for the page
  } else if (ctx.hx.retarget) {
    // our own error message: shown whole, whatever part of a page the element had asked for; the address stays
    ctx.select = ctx.push = ctx.replace = null;
  } else if (status >= 500 || status === 413) {
    ctx.swap = "none"; // a proxy's page, not ours
    toast("bad", NO_ANSWER, `It is being restarted or out of reach (${status}). Try again in a moment.`);
  }
});
on("htmx:error", ({ detail: { ctx } }) => {
  if (ctx && !ctx.response && !autosaves(ctx)) toast("bad", OUT_OF_REACH, "Check the connection; what you typed is still here.");
});
on("htmx:config:request", ({ detail: { ctx } }) => {
  if (!ctx.sourceElement.matches(".filter-bar")) return;
  for (const [name, value] of [...ctx.request.body]) if (!value) ctx.request.body.delete(name); // a short address to share
});

/* ---------- a session that ends while the page is open: what was typed stays, and goes on with the token of the next one ---------- */

const editor = find("#editor"); // of a prompt template
let typed = Boolean(editor); // into something that is sent
let renewals = 0; // in a row: a token that is refused at once again was overtaken by another answer's, but not for ever
let fresh; // the token that has replaced the page's own

on("input", ({ target }) => (typed ||= target.form?.method === "post"));

function signInLink({ hx }) {
  const href = new URL(hx.redirect, location).pathname;
  return Object.assign(document.createElement("a"), { className: "link", href, target: "_blank", rel: "noopener", textContent: "Sign in in a new tab" });
}

/* Whether a refused request was one of a session before this one, and the page can go on without its answer. */
function outlived(ctx) {
  const { status, headers } = ctx.response;
  const token = headers.get("X-CSRFToken");
  if (status === 401 && ctx.hx.redirect && typed) {
    ctx.hx.trouble = ["Not saved: you are signed out. ", signInLink(ctx)];
    if (guarded(ctx.sourceElement)) unsaved.add(guarded(ctx.sourceElement));
    if (!editor?.matches("[data-saves]")) toast("warn", SIGNED_OUT, ["What you typed is still here. ", signInLink(ctx), ", then try again here."]);
    return true;
  }
  // Only for who this page was made for: nobody else sends what somebody typed before them.
  const owner = find("[data-user]")?.dataset.user;
  const overtaken = fresh && ctx.request.headers["X-CSRFToken"] !== fresh; // sent before the token was renewed
  if (!token || !owner || (!overtaken && renewals === 3)) return false;
  if (owner !== headers.get("X-User")) {
    ctx.hx.trouble = ["Not saved: somebody else is signed in by now"];
    return ctx.saves;
  }
  renewals += !overtaken;
  fresh = token;
  document.body.setAttribute("hx-headers:inherited", JSON.stringify({ "X-CSRFToken": token }));
  for (const input of all("input[name=csrf_token]")) input.value = token;
  ctx.hx.renewed = true;
  setTimeout(() => repeat(ctx), 50 * 4 ** renewals); // once this request has given way
  return true;
}

function repeat({ sourceElement, sourceEvent: { type } }) {
  if (type === "submit") sourceElement.requestSubmit();
  else sourceElement.dispatchEvent(new Event(type, { bubbles: true, cancelable: true }));
}

/* ---------- dialogs: #dialog holds the one of this page, or the one that a link brought ---------- */

let dialogIsPage = false; // the page was made for its dialog: closing leads to the page behind
let opener; // has the focus again afterwards

function showPageDialog() {
  const dialog = find("#dialog > dialog:not(:modal)");
  dialog?.removeAttribute("open");
  dialog?.showModal();
}

/* What was refreshed while an answer for it was under way is a new element of the same name: htmx would drop that answer. Where the
   old element asked by itself, as a panel that is polled does, there is somebody new to ask. */
on("htmx:after:request", ({ detail: { ctx } }) => {
  if (ctx.target?.isConnected === false && ctx.target.id && ctx.sourceElement.isConnected) ctx.target = document.getElementById(ctx.target.id) ?? ctx.target;
});
on("htmx:before:swap", ({ detail: { ctx } }) => {
  ctx.title = null; // a part of the page changes, whichever page its text comes from
  if (!document.activeElement.closest("#dialog")) opener = document.activeElement;
});
on("htmx:after:swap", ({ detail: { ctx } }) => {
  if (ctx.sourceElement instanceof Element && !ctx.sourceElement.closest("#dialog")) dialogIsPage = false;
  showPageDialog();
});
on("close", ({ target }) => {
  if (target.parentElement?.id !== "dialog") return;
  const back = find("a[data-close]", target)?.href;
  if (dialogIsPage && back) location.assign(back);
  else target.remove();
  opener?.focus();
}, true);
on("aiapp:close", () => find("#dialog > dialog")?.close());
on("click", (event) => {
  const opens = within(event, "[data-opens]");
  if (opens) {
    const dialog = find(`#${opens.dataset.opens}`);
    if (!dialog.open) dialog.showModal();
    dialog.dispatchEvent(new Event("opened"));
  }
  const closes = within(event, "dialog:modal [data-close]");
  closes?.closest("dialog").close();
  if (opens || closes) event.preventDefault();
  if (event.target.matches?.("#palette, #keys")) event.target.close(); // its backdrop
});

/* ---------- menus and the drawer ---------- */

const closeMenus = (except) => all(".menu[open]").forEach((menu) => (menu.open = menu.contains(except)));

on("click", (event) => {
  const item = within(event, ".menu-items :is(a, button)");
  if (item) find("summary", item.closest(".menu")).focus(); // where the focus returns to from a dialog that the item opens
  closeMenus(item ? null : event.target);
});
on("focusin", ({ target }) => {
  closeMenus(target);
  if (!target.closest("#nav")) drawer(false, false);
});

function drawer(open, moveFocus = true) {
  const nav = find("#nav");
  if (!nav || nav.hasAttribute("data-open") === open) return;
  nav.toggleAttribute("data-open", open);
  if (moveFocus) find(open ? "#nav summary" : ".menu-button").focus();
}

on("click", (event) => {
  const opens = within(event, ".menu-button");
  if (opens) drawer(true);
  else if (within(event, ".nav-close") || !within(event, "#nav")) drawer(false);
  if (opens || within(event, ".nav-close")) event.preventDefault();
});
matchMedia("(min-width: 1140px)").addEventListener("change", () => drawer(false, false));

/* ---------- keys: data-key="g p", "/", "mod+enter" … is clicked, or focused where it is an input ---------- */

let sequence = "";
let forget;
const apple = /Mac|iPhone|iPad/.test(navigator.platform);
const singleKeys = () => localStorage.getItem("aiapp.single-keys") !== "off"; // speech input types letters: they can be turned off

function press(keys, repeated = false) {
  const target = all("[data-key]").find((one) => one.dataset.key === keys && (one.dataset.opens || one.closest("#palette-pages") || one.checkVisibility()));
  if (target?.matches("input")) target.select();
  else if (!repeated) target?.click();
  return Boolean(target);
}

function step(items, by) {
  const next = items[items.indexOf(document.activeElement) + by] ?? (by > 0 ? items[0] : items.at(-1));
  next?.focus();
  return Boolean(next);
}

function handled(event) {
  const { key } = event;
  const dialog = find("dialog:modal");
  const typed = event.getModifierState("AltGraph"); // how some keyboards type [ and ]
  if (!typed && (event.ctrlKey || event.metaKey)) return !event.altKey && !event.shiftKey && press(`mod+${key.toLowerCase()}`, event.repeat);
  if (!typed && event.altKey) return false;
  const arrow = { ArrowDown: 1, ArrowUp: -1 }[key];
  const menu = within(event, ".menu[open]");
  if (arrow && menu) return step(all("summary, a, button", menu).filter((item) => item.checkVisibility()), arrow);
  if (dialog?.id === "palette" && (arrow || key === "Enter" || key === "Escape")) return walkPalette(event, arrow);
  if (key === "Escape" && menu) return void find("summary", menu).focus(), (menu.open = false), true;
  if (key === "Escape" && !dialog) return void drawer(false);
  if (dialog || !singleKeys() || within(event, "input, textarea, select, [contenteditable]")) return false;
  if (key === "j" || key === "k") return step(all("#main .table .cell-title a"), key === "j" ? 1 : -1);
  const keys = sequence + key;
  sequence = key === "g" ? "g " : "";
  clearTimeout(forget);
  forget = setTimeout(() => (sequence = ""), 1500);
  return press(keys);
}

on("keydown", (event) => {
  if (!event.isComposing && !event.defaultPrevented && handled(event)) event.preventDefault();
});
on("change", ({ target }) => {
  if (target.id === "single-keys") localStorage.setItem("aiapp.single-keys", target.checked ? "on" : "off");
});

/* ---------- the palette: it finds pages itself, the server prompt templates; Enter opens what has the focus, or the first hit ---------- */

const palette = find("#palette");
const hits = () => all("a", palette).filter((hit) => !hit.hidden);
let asked; // what the server was last asked for
let waiting = false; // Enter was pressed before there was a hit

function markFirst() {
  for (const hit of all("a", palette)) hit.toggleAttribute("data-first", hit === hits()[0]);
}

function narrow(typed) {
  for (const hit of all("a", palette)) hit.hidden = !hit.textContent.toLowerCase().includes(typed.trim().toLowerCase());
  markFirst();
}

function walkPalette({ key, target }, arrow) {
  if (key === "Escape") palette.close(); // a search field alone would keep the dialog and lose its text
  if (arrow) step([find("input", palette), ...hits()], arrow);
  if (key !== "Enter") return true;
  if (!target.matches("input")) return false;
  waiting = !hits()[0] && palette.hasAttribute("data-searching");
  hits()[0]?.click();
  return true;
}

palette?.addEventListener("opened", () => narrow(""));
palette?.addEventListener("close", () => (find("input", palette).value = ""));
palette?.addEventListener("input", ({ target }) => {
  palette.toggleAttribute("data-searching", true);
  waiting = false;
  narrow(target.value);
});
palette?.addEventListener("htmx:config:request", ({ target }) => (asked = target.value));
palette?.addEventListener("htmx:after:swap", () => {
  if (find("input", palette).value !== asked) return; // more is typed, and will be asked for
  palette.removeAttribute("data-searching");
  markFirst();
  if (waiting) hits()[0]?.click();
});

/* ---------- what is typed stays: a morph changes what an input begins with, and would take its value along ---------- */

htmx.registerExtension("typed", {
  htmx_before_morph_node(old, { newNode }) {
    if (old.matches("input, textarea")) newNode.defaultValue = old.defaultValue;
    if (old.matches("option")) newNode.defaultSelected = old.defaultSelected;
  },
});

/* ---------- copying, the theme, forms that send themselves ---------- */

async function copyText(text) {
  try {
    await navigator.clipboard.writeText(text);
  } catch {
    // plain http has no clipboard
    const area = Object.assign(document.createElement("textarea"), { value: text });
    (find("dialog:modal") ?? document.body).append(area);
    area.select();
    document.execCommand("copy");
    area.remove();
  }
}

on("click", async (event) => {
  const button = within(event, "[data-copy], [data-copy-from]");
  if (!button) return;
  const source = button.dataset.copyFrom && find(button.dataset.copyFrom);
  await copyText(source ? (source.value ?? source.textContent) : button.dataset.copy);
  toast("good", "Copied");
  const image = find("use", button);
  image?.setAttribute("href", image.getAttribute("href").replace(/#.*/, "#check"));
  setTimeout(() => image?.setAttribute("href", image.getAttribute("href").replace(/#.*/, "#copy")), 2000);
});

on("submit", (event) => {
  if (!event.target.matches("[data-theme-switch]")) return;
  event.preventDefault(); // the page stays, with what is typed in it; the answer only sets the cookie
  document.documentElement.dataset.theme = event.submitter.value;
  for (const button of all("button", event.target)) button.ariaPressed = String(button === event.submitter);
  showTheme();
  fetch(event.target.action, { method: "POST", body: new FormData(event.target, event.submitter), redirect: "manual" });
});

on("change", (event) => within(event, "form[data-autosubmit]")?.requestSubmit());

/* A thumb shows as given before the server has said so; what it refuses is taken back. */
on("submit", ({ target, submitter }) => {
  if (!target.matches(".feedback") || submitter?.name !== "rating") return;
  for (const thumb of all("button[aria-pressed]", target)) {
    thumb.dataset.was = thumb.ariaPressed;
    thumb.ariaPressed = String(thumb.value === submitter.value);
  }
});
for (const end of ["htmx:after:request", "htmx:error"]) {
  on(end, ({ detail: { ctx } }) => {
    if (!ctx || ctx.response?.status < 400 || !ctx.sourceElement.matches?.(".feedback")) return;
    for (const thumb of all("[data-was]", ctx.sourceElement)) thumb.ariaPressed = thumb.dataset.was;
  });
}

on("click", (event) => {
  const form = within(event, "[data-ticks]")?.dataset.ticks;
  if (form) for (const one of find(`#${form}`).elements) if (one.type === "checkbox") one.checked = true;
});

/* ---------- rows that are dragged by their handle: form[data-order] names their table and holds what says their order ---------- */

let dragged; // a tbody
let follower; // what it stood before

on("dragstart", (event) => {
  dragged = within(event, ".drag-handle")?.closest("tbody");
  if (!dragged) return;
  follower = dragged.nextElementSibling;
  event.dataTransfer.effectAllowed = "move";
  event.dataTransfer.setDragImage(dragged.rows[0], 0, 0);
  dragged.classList.add("dragged");
});
on("dragover", (event) => {
  const over = dragged && within(event, "tbody");
  if (!over || over.parentElement !== dragged.parentElement) return;
  event.preventDefault();
  const { top, height } = over.getBoundingClientRect();
  if (over !== dragged) over[event.clientY < top + height / 2 ? "before" : "after"](dragged);
});
on("drop", (event) => {
  if (!dragged) return;
  event.preventDefault();
  all("form[data-order]").find((form) => dragged.closest(form.dataset.order))?.requestSubmit();
});
on("dragend", (event) => {
  if (dragged && event.dataTransfer.dropEffect === "none") dragged.parentElement?.insertBefore(dragged, follower);
  dragged = dragged?.classList.remove("dragged");
});

/* ---------- unsaved changes: form[data-guard]; data-saves is the element whose request saves it ---------- */

// What is wrong with a field is said until the field is changed; what is said of the form until none is wrong any more.
on("input", ({ target }) => {
  const said = target.id && find(`#${CSS.escape(target.id)}-error`);
  if (!said?.textContent || !target.form) return;
  target.removeAttribute("aria-invalid");
  said.textContent = "";
  if (!all(".field-error", target.form).some((error) => error.textContent)) find(".notice-bad", target.form)?.remove();
});

// What a test said of a form is of before, once a field is changed: its next result takes the place of the whole.
on("input", ({ target }) => target.form?.dataset.outdates && find(target.form.dataset.outdates)?.classList.add("outdated"));

const unsaved = new Set();
const guarded = (element) => element.closest?.("form[data-guard]") ?? element.form?.closest("form[data-guard]");

on("input", ({ target }) => guarded(target) && unsaved.add(guarded(target)));
on("submit", (event) => event.defaultPrevented || unsaved.delete(event.target));
on("htmx:before:request", ({ detail: { ctx } }) => {
  if (ctx.sourceElement.matches("[data-saves]") && !ctx.saves) unsaved.delete(guarded(ctx.sourceElement));
});
for (const failure of ["htmx:response:error", "htmx:error"]) {
  on(failure, ({ detail: { ctx } }) => {
    const source = ctx?.sourceElement;
    if (source?.matches("[data-saves], [data-guard]") && guarded(source)) unsaved.add(guarded(source));
  });
}
on("aiapp:saved", ({ target }) => (target === document ? unsaved.clear() : unsaved.delete(guarded(target))));
addEventListener("beforeunload", (event) => {
  if ([...unsaved].some((form) => form.isConnected)) event.preventDefault();
});

/* ---------- a run is paid for: pressed twice in a hurry it starts once ---------- */

let started = 0;
let starting = false;

on("htmx:config:request", (event) => {
  const { ctx } = event.detail;
  ctx.starts = ctx.sourceElement.parentElement?.matches("[data-starting]"); // its answer takes its place
  if (!ctx.sourceElement.matches("[data-once]")) return;
  const waits = starting || find("#test-run[data-starting]");
  if (waits || Date.now() - started < 1000) return event.preventDefault();
  started = Date.now();
  starting = true;
});
on("htmx:finally:request", ({ detail: { ctx } }) => {
  const source = ctx.sourceElement;
  const succeeded = ctx.response?.status < 300;
  if (source.parentElement?.matches("[data-starting]")) delete source.parentElement.dataset.starting; // nobody answered it
  if (ctx.starts && !succeeded) started = 0;
  const panel = find("#test-run:not([hidden])"); // under a long prompt nobody would see that something has begun
  if (panel && source.matches("[data-once]") && panel.getBoundingClientRect().top > innerHeight * 0.7) panel.scrollIntoView({ block: "center" });
  if (!source.matches("[data-once]")) return;
  starting = false;
  if (!succeeded) started = 0;
  // Not the one in the panel that hands this very run on: with the next run's name, the next run would be taken for this one.
  else for (const one of all("input[name=once]:not(#test-run *)")) one.value = [...crypto.getRandomValues(new Uint8Array(16))].map((byte) => byte.toString(16).padStart(2, "0")).join("");
});

/* ---------- times that stay true while the page is open: the words of aiapp/filters.py ---------- */

const clock = Number(document.documentElement.dataset.now) * 1000 - Date.now(); // the server's time, whatever this clock says

function relative(seconds) {
  const span = Math.abs(seconds);
  const day = 86400;
  const units = [[365 * day, "y"], [7 * day, "w"], [day, "d"], [3600, "h"], [60, "min"], [1, "s"]];
  const [size, unit] = units.find(([length, name]) => span >= length && (name !== "w" || (span >= 14 * day && seconds > 0))) ?? [];
  if (!unit) return "just now";
  return seconds > 0 ? `${Math.floor(span / size)} ${unit} ago` : `in ${Math.ceil(span / size)} ${unit}`;
}

function refreshTimes() {
  for (const time of all("time[datetime][title]")) {
    const text = relative((Date.now() + clock - Date.parse(time.dateTime)) / 1000);
    if (time.textContent !== text) time.textContent = text;
  }
}

/* ---------- start ---------- */

new MutationObserver((changes) => {
  for (const { addedNodes } of changes) for (const node of addedNodes) if (node.matches?.(".toast")) settle(node);
}).observe(find("#toasts"), { childList: true });
all("#toasts .toast").forEach(settle);
all("[data-keys]").forEach((kbd) => apple && (kbd.textContent = kbd.textContent.replace("Ctrl ", "⌘")));
if (find("#single-keys")) find("#single-keys").checked = singleKeys();
dialogIsPage = Boolean(find("#dialog > dialog"));
showPageDialog();
setInterval(refreshTimes, 15000);
