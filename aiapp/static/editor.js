/* The editor of a prompt template's version, beyond HTML and htmx; after app.js, whose names it uses. Its form is #editor; fields
   and buttons that stand elsewhere are tied to it. Attributes it reads: data-saves, data-missing, data-missing-variables,
   data-part. */
"use strict";

/* ---------- the editor of a draft: its header says what is not saved yet, and autosave does not give up ---------- */

let tries = 0; // saves that failed in a row, and are repeated
let trouble; // why the last one failed
let standing; // what the save under way takes along
let saving;
let behind; // whose preview could not be had

const written = () => JSON.stringify([...new FormData(editor)].filter(([name]) => /^(system$|body$|context$|message-|var-)/.test(name)));

function saveIn(wait) {
  clearTimeout(saving);
  saving = setTimeout(() => editor.dispatchEvent(new Event("save-draft")), wait);
}

function notSaved() {
  const header = find("#autosave");
  const words = trouble ?? ["Not saved yet"];
  unsaved.add(editor);
  header.classList.toggle("bad", Boolean(trouble));
  if (header.textContent !== words.map((one) => one.textContent ?? one).join("")) header.replaceChildren(...words);
}

on("submit", (event) => {
  if (event.target !== editor || !tries) return;
  event.preventDefault(); // it would lead to an error page, without what was typed
  saveIn(0);
}, true);
on("input", ({ target }) => {
  if (target.form !== editor || !editor?.matches("[data-saves]")) return;
  notSaved();
  saveIn(1500);
});
on("htmx:config:request", ({ detail: { ctx } }) => {
  const source = ctx.sourceElement;
  ctx.saves = Boolean(editor?.matches("[data-saves]")) && source.matches("[data-saves]") && (source.form ?? source) === editor;
});
on("htmx:before:request", ({ detail: { ctx } }) => {
  if (!ctx.saves) return;
  standing = written();
  if (ctx.request.body.has("lock_version")) ctx.request.body.set("lock_version", find("#lock-version").value); // it may have waited for another save
});
on("htmx:finally:request", ({ detail: { ctx } }) => {
  const status = ctx.response?.status ?? 0;
  const unanswered = !status || status >= 500 || status === 429;
  if (ctx.target?.id === "preview" && !/AbortError/.test(ctx.status)) behind = status && status < 300 ? null : ctx.sourceElement;
  if (!ctx.saves) return;
  const saved = status && status < 300;
  const retried = unanswered || status === 401;
  tries = retried ? tries + 1 : 0;
  trouble = saved || ctx.hx?.renewed ? null : ctx.hx?.trouble ?? [unanswered ? "Not saved: the server does not answer" : "Not saved"];
  if (!saved || written() !== standing) notSaved();
  else unsaved.delete(editor);
  if (retried) saveIn(Math.min(30000, 1000 * 2 ** tries));
  else if (saved && unsaved.has(editor)) saveIn(300);
  if (saved) behind?.dispatchEvent(new Event("change"));
});
const again = () => tries && saveIn(0);
addEventListener("online", again);
addEventListener("focus", again);

/* What the browser has put back after Back is as good as typed. */
const begins = (one) => one.defaultValue ?? ([...one.options].find((option) => option.defaultSelected) ?? one.options[0])?.value;
addEventListener("pageshow", ({ persisted }) => {
  const fields = [...(editor?.elements ?? [])].filter((one) => one.matches("textarea, select, input:not([type=hidden])"));
  if (!persisted) for (const one of fields) if (one.value !== begins(one)) one.dispatchEvent(new Event("input", { bubbles: true }));
});

/* A variable whose name is briefly another one gets back what was typed for it. */
const values = new Map();
const named = new WeakMap();
const inputs = () => all("#variables [name^=var-]");

on("input", ({ target }) => target.matches("#variables [name^=var-]") && values.set(target.name, target.value));
on("htmx:after:swap", () => {
  if (find("#variables[data-filled]")) for (const one of inputs()) values.set(one.name, one.value); // by the server, as was asked
  find("#variables[data-filled]")?.removeAttribute("data-filled");
  for (const one of inputs()) {
    const before = named.get(one);
    named.set(one, one.name);
    const value = values.get(one.name);
    if (before === one.name || value === undefined || value === one.value) continue;
    const was = one.value;
    one.value = value;
    if (one.value !== value) one.value = was; // a choice that is none any more
    else one.dispatchEvent(new Event("input", { bubbles: true }));
  }
});

/* ---------- example messages: added, removed and moved here; the same buttons do it on the server where no script runs ---------- */

const examples = find("#examples");
const exampleList = () => all("[data-part]", examples);

function changedExamples() {
  exampleList().forEach((part, at) => {
    find(".part-name", part).textContent = `Example ${at + 1}`;
    find("select", part).ariaLabel = `Role of example ${at + 1}`;
    for (const button of all("button", part)) {
      const what = button.value.split("-")[0];
      button.value = `${what}-${at + 1}`;
      button.ariaLabel = button.ariaLabel.replace(/\d+$/, at + 1);
      button.disabled = (what === "up" && at === 0) || (what === "down" && at === exampleList().length - 1);
    }
  });
  find("[name=has_messages]").dispatchEvent(new Event("input", { bubbles: true }));
}

function addExample() {
  const added = find("#new-example").content.cloneNode(true).firstElementChild;
  const last = exampleList().at(-1);
  const id = `example-${crypto.getRandomValues(new Uint32Array(1))[0]}`;
  find("textarea", added).id = id;
  find("label", added).htmlFor = id;
  find("select", added).value = last && find("select", last).value === "user" ? "assistant" : "user";
  examples.append(added);
  changedExamples();
  find("textarea", added).focus();
}

on("click", (event) => {
  const button = within(event, "button[name=part]");
  if (!button || !examples) return;
  event.preventDefault();
  const part = button.closest("[data-part]");
  const what = button.value.split("-")[0];
  if (what === "add") return addExample();
  if (what === "remove") {
    const next = part.nextElementSibling ?? part.previousElementSibling;
    part.remove();
    find(next ? "textarea" : "button[value=add]", next ?? document).focus();
  } else if (what === "up") part.previousElementSibling?.before(part);
  else part.nextElementSibling?.after(part);
  changedExamples();
  if (what !== "remove") (button.disabled ? find("textarea", part) : button).focus();
}, true);

let carried; // an example that is being dragged
let carriedFrom; // what it stood before

on("dragstart", (event) => {
  carried = within(event, "#examples .drag-handle")?.closest("[data-part]");
  if (!carried) return;
  carriedFrom = carried.nextElementSibling;
  event.dataTransfer.effectAllowed = "move";
  event.dataTransfer.setDragImage(carried, 0, 0);
  carried.classList.add("dragged");
});
on("dragover", (event) => {
  const over = carried && within(event, "#examples > [data-part]");
  if (!over) return;
  event.preventDefault();
  const { top, height } = over.getBoundingClientRect();
  if (over !== carried) over[event.clientY < top + height / 2 ? "before" : "after"](carried);
});
on("drop", (event) => {
  if (!carried) return;
  event.preventDefault();
  changedExamples();
});
on("dragend", (event) => {
  if (carried && event.dataTransfer.dropEffect === "none") examples.insertBefore(carried, carriedFrom);
  carried = carried?.classList.remove("dragged");
});

/* ---------- the inputs of variables: an empty one is not wrong before somebody has typed in it ---------- */

on("input", ({ target }) => {
  const touched = target.form?.elements.touched;
  const name = target.name?.replace("var-", "");
  if (touched && name !== target.name && !touched.value.split(" ").includes(name)) touched.value += ` ${name}`;
});

/* ---------- the prompt editor's marks: one pass over the text, every character is read once; none where they would make a key slow ---------- */

const MARKED = 20000; // characters
const MOST_MARKS = 500;
const VARIABLE = /\\?\{\{(?:([A-Za-z_]\w*(?:\.[A-Za-z_]\w*)*)|> ?([a-z0-9-]+(?:@\d+)?))\}\}/g;

function paint(area) {
  const frame = area.parentElement;
  const found = area.value.length > MARKED ? null : [...area.value.matchAll(VARIABLE)].filter(([one]) => !one.startsWith("\\"));
  if (frame.classList.toggle("unmarked", !found || found.length > MOST_MARKS)) {
    find("pre", frame).replaceChildren();
    const note = find("#unmarked"); // forms that are no editor have none
    if (note && !frame.nextElementSibling?.matches("[data-unmarked]")) frame.after(note.content.cloneNode(true));
    return;
  }
  if (frame.nextElementSibling?.matches("[data-unmarked]")) frame.nextElementSibling.remove();
  const named = all("[data-missing-variables]").map((one) => one.dataset.missingVariables);
  const missing = new Set((named.length ? named.join(" ") : (frame.dataset.missing ?? "")).split(" "));
  const parts = [];
  let end = 0;
  for (const match of found) {
    const mark = Object.assign(document.createElement("mark"), { textContent: match[0] });
    mark.classList.toggle("missing", missing.has(match[1] ?? `>${match[2]}`));
    parts.push(area.value.slice(end, match.index), mark);
    end = match.index + match[0].length;
  }
  find("pre", frame).replaceChildren(...parts, `${area.value.slice(end)}\n`);
}

const paintAll = () => all(".highlighted-input > textarea").forEach(paint);
on("input", ({ target }) => target.matches(".highlighted-input > textarea") && paint(target));
on("htmx:after:swap", paintAll);

paintAll();
for (const one of inputs()) named.set(one, one.name);
