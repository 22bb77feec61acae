// The gallery: which page is shown, how often it is asked anew, the key, the keyboard.

import * as address from "./address.js";
import { Locked, Problem, key } from "./api.js";
import * as batches from "./batches.js";
import * as form from "./form.js";
import * as glance from "./glance.js";
import * as job from "./job.js";
import * as list from "./list.js";
import { button, clock, copying, icon, link, node, redraw } from "./nodes.js";
import * as status from "./status.js";
import * as wall from "./wall.js";

const PAGES = { pictures: list, job, new: form, batches, batch: batches, status };
const RETRY_MS = 5000;
const THEME = "image-jobs-theme";

const at = (id) => document.getElementById(id);
const [main, top_, pictures, page, door, down, keys] = ["main", "top", "pictures", "page", "door", "down", "keys"].map(at);

let wanted = address.read();
let current = null;
let timer = 0;
let round = 0;
let scrolled = 0;
let lost = null;

function open() {
  const before = current && { name: address.pageOf(wanted), ...wanted };
  wanted = address.read();
  const name = address.pageOf(wanted) in PAGES ? address.pageOf(wanted) : "pictures";
  const same = before && before.name === name && before.job === wanted.job && before.from === wanted.from && (name !== "batch" || before.batch === wanted.batch);
  if (!same) {
    if (before?.name === "pictures") scrolled = scrollY;
    if (current?.leave) current.leave();
    current = PAGES[name];
    delete page.dataset.version;
    page.replaceChildren();
    pictures.hidden = name !== "pictures";
    page.hidden = name === "pictures";
    for (const each of top_.querySelectorAll("nav a")) {
      const its = each.dataset.page === name || (each.dataset.page === "pictures" && name === "job") || (each.dataset.page === "batches" && name === "batch");
      if (its) each.setAttribute("aria-current", "page");
      else each.removeAttribute("aria-current");
    }
    at("menu").open = false;
    if (name === "pictures") requestAnimationFrame(() => scrollTo(0, scrolled));
    else scrollTo(0, 0);
    if (name === "pictures" && before?.job) wall.focus(before.job);
    else if (before) main.focus({ preventScroll: true });
  }
  refresh();
}

async function refresh() {
  clearTimeout(timer);
  const mine = ++round;
  let next = RETRY_MS;
  try {
    const overview = await glance.look();
    glance.draw(overview);
    unlock();
    next = await current.show(current === list ? pictures : page, wanted, overview);
    if (mine !== round) return;
    recover();
  } catch (error) {
    if (mine !== round) return;
    if (error instanceof Locked) return lock(error);
    fail(error);
  }
  document.title = [current.title(), "Image Jobs"].filter(Boolean).join(" · ");
  if (!document.hidden) timer = setTimeout(refresh, next);
}

// What is asked for does not exist, or the app or its store does not answer.
function fail(error) {
  if (error instanceof Problem && error.status === 404) {
    if (!page.hidden) page.replaceChildren(node("div", { class: "empty" }, node("h1", {}, "Not here"), node("p", { class: "lead" }, error.message), node("p", {}, link("All pictures", "#", { sign: "back" }))));
    return;
  }
  if (!(error instanceof Problem || error instanceof TypeError)) console.error(error);
  lost ??= Date.now();
  const store = error instanceof Problem;
  const title = store && error.code === "unavailable" ? "The picture store does not answer." : store ? error.message : "The app does not answer.";
  const more = `Since ${clock(lost)}. Jobs that were accepted are kept and go on by themselves when it is back; new ones cannot be accepted now. This page tries again every ${RETRY_MS / 1000} s.`;
  const details = JSON.stringify({ page: location.origin + location.pathname, since: new Date(lost).toISOString(), status: error.status ?? null, code: error.code ?? null, message: error.message });
  main.hidden = top_.hidden = false;
  redraw(down, `${lost} ${title}`, () => [glance.banner({ title, more, kind: "bad" }, [button("Try now", refresh, { kind: "primary", name: "try" }), copying(details, "Copy details for support", { kind: "" })]),
    node("p", { class: "asof" }, icon("wait"), node("span", {}, `Below is what this page knew at ${clock(lost)}.`))]);
}

function recover() {
  lost = null;
  redraw(down, "", () => []);
}

function lock(error) {
  main.hidden = top_.hidden = true;
  const wrong = Boolean(key.get());
  at("door-fault").textContent = wrong ? error.message : "";
  at("key").toggleAttribute("aria-invalid", wrong);
  if (door.hidden) {
    door.hidden = false;
    at("key").focus();
  }
}

function unlock() {
  main.hidden = top_.hidden = false;
  at("forget").hidden = !key.get();
  door.hidden = true;
}

const KEYS = [
  ["Everywhere", [["/", "Search"], ["N", "New picture"], ["G P", "Go to pictures"], ["G B", "Go to batches"], ["G S", "Go to status"], ["?", "This list"], ["Esc", "Back, close"]]],
  ["Pictures", [["← →", "Picture before, after"], ["↑ ↓", "Row above, below"], ["Enter", "Open"]]],
  ["One job", [["J K", "Older, newer job"], ["← →", "Other picture"], ["+ − 0", "Zoom in, out, fit"], ["X", "Compare"], ["F", "Full screen"], ["S", "Save"], ["U", "Use as input"], ["E", "Again with changes"], ["C", "Copy the prompt"]]],
  ["Form", [["Ctrl Enter", "Make"]]],
];

function showKeys() {
  keys.replaceChildren(node("div", { class: "bar-row spread" }, node("h1", { id: "keys-title" }, "Keyboard"), button("Close", () => keys.close(), { kind: "slim" })),
    node("div", { class: "keymap" }, KEYS.map(([title, its]) => node("section", { class: "stack" }, node("h2", {}, title), node("dl", {}, its.map(([names, words]) => [node("dt", {}, names.split(" ").map((name) => [node("kbd", {}, name), " "])), node("dd", {}, words)]))))));
  keys.showModal();
}

let prefix = 0;
document.addEventListener("keydown", (event) => {
  if (keys.open || !door.hidden) return;
  const typing = event.target.matches("input, select, textarea");
  if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) return void current.keys?.(event);
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  if (typing) {
    if (event.key === "Escape") event.target.blur();
    return;
  }
  if (document.fullscreenElement && event.key === "Escape") return;
  const name = event.key.length === 1 ? event.key.toLowerCase() : event.key;
  const went = Date.now() - prefix < 1500 && { p: "#", b: "#page=batches", s: "#page=status" }[name];
  prefix = 0;
  if (went) location.hash = went;
  else if (name === "g") prefix = Date.now();
  else if (name === "?") showKeys();
  else if (name === "n") location.hash = "#page=new";
  else if (name === "/") {
    if (current !== list) location.hash = address.href();
    setTimeout(() => at("filters").elements.text.focus(), 50);
  } else if (current === list) return void wall.walk(event);
  else if (!current.keys?.({ key: name, ctrlKey: false, metaKey: false })) return;
  event.preventDefault();
});

// The theme of the system, until another one is chosen.
function paint(theme) {
  if (theme) document.documentElement.dataset.theme = theme;
}
paint(localStorage.getItem(THEME));
at("theme").addEventListener("click", () => {
  const dark = document.documentElement.dataset.theme ? document.documentElement.dataset.theme === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
  localStorage.setItem(THEME, dark ? "light" : "dark");
  paint(dark ? "light" : "dark");
});

door.addEventListener("submit", (event) => {
  event.preventDefault();
  key.set(at("key").value.trim());
  at("key").value = "";
  refresh();
});
at("show-key").addEventListener("click", ({ currentTarget }) => {
  const hidden = at("key").type === "password";
  at("key").type = hidden ? "text" : "password";
  currentTarget.textContent = hidden ? "Hide" : "Show";
});
at("forget").addEventListener("click", () => {
  key.forget();
  location.reload();
});
at("show-keys").addEventListener("click", showKeys);
document.addEventListener("click", ({ target }) => {
  if (!target.closest("#menu")) at("menu").open = false;
});
window.addEventListener("hashchange", open);
window.addEventListener("refresh", refresh);
document.addEventListener("visibilitychange", () => {
  if (!document.hidden) refresh();
});
open();
