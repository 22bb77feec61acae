// The gallery: newest jobs with their state, filtered, live while jobs run.

import { Locked, get, key } from "./api.js";
import * as cards from "./cards.js";
import * as details from "./details.js";
import * as glance from "./glance.js";
import { node } from "./nodes.js";

const BUSY_MS = 2000;
const IDLE_MS = 4000;
const GLANCE_MS = 10000;
const BUSY_GLANCE_MS = 4000;
const PAGE = 48;

const at = (id) => document.getElementById(id);
const [live, filters, notice, empty, more, door, dialog] = ["live", "filters", "notice", "empty", "more", "door", "details"].map(at);

const jobs = new Map();
let wanted = read();
let next = null;
let overview = null;
let timer = 0;
let glanced = 0;
let round = 0;

// The filters are in the address after the #, so that they can be bookmarked, shared and gone back to.
function read() {
  const said = new URLSearchParams(location.hash.slice(1));
  if (said.has("key")) {
    key.set(said.get("key"));
    said.delete("key");
    history.replaceState(null, "", `#${said}`);
  }
  return Object.fromEntries(["state", "model", "tag", "text", "job"].map((name) => [name, said.get(name) ?? ""]));
}

function write(change, { keep = false } = {}) {
  const said = new URLSearchParams(Object.entries({ ...wanted, ...change }).filter(([, value]) => value));
  if (keep) history.pushState(null, "", `#${said}`);
  else history.replaceState(null, "", `#${said}`);
  apply();
}

function apply() {
  const before = wanted;
  wanted = read();
  for (const name of ["state", "model", "tag", "text"]) {
    if (filters.elements[name] !== document.activeElement) filters.elements[name].value = wanted[name];
  }
  if (before.state !== wanted.state || before.tag !== wanted.tag) {
    jobs.clear();
    next = null;
    refresh();
  }
  draw();
  if (wanted.job) open();
  else details.hide();
}

function path(after) {
  const query = new URLSearchParams({ limit: PAGE });
  if (wanted.state) query.set("state", wanted.state);
  if (/^[A-Za-z_]\w*:./.test(wanted.tag)) query.set("tag", wanted.tag);
  if (after) query.set("after", after);
  if (overview?.links) query.set("links", "true");
  return `/api/jobs?${query}`;
}

function visible() {
  const text = wanted.text.toLowerCase();
  return [...jobs.values()]
    .filter((job) => !wanted.model || job.models.includes(wanted.model))
    .filter((job) => !text || words(job).includes(text))
    .sort((one, other) => (one.accepted_at < other.accepted_at ? 1 : one.accepted_at > other.accepted_at ? -1 : one.job_id < other.job_id ? -1 : 1));
}

function words(job) {
  const tags = Object.entries(job.tags).map(([name, value]) => `${name}:${value}`);
  return [job.job_id, job.prompt, job.state, job.failure, ...job.models, ...job.sizes, ...tags].join(" ").toLowerCase();
}

function draw() {
  const shown = visible();
  cards.draw(shown, (id) => write({ job: id }, { keep: true }));
  more.hidden = !next;
  empty.hidden = shown.length > 0;
  const filtered = Object.values({ ...wanted, job: "" }).some(Boolean);
  at("empty-words").textContent = filtered ? (jobs.size ? "None of the jobs loaded so far matches the filters." : "No job matches the filters.") : "No jobs yet. Send one to the queue, or POST it to /api/jobs.";
  at("clear").hidden = !filtered;
  const running = [...jobs.values()].filter((job) => job.state === "running").length;
  const told = running ? `${running} running` : filtered ? "" : "No jobs running";
  if (live.textContent !== told) live.textContent = told;
  live.classList.toggle("busy", running > 0);
  return running;
}

async function refresh() {
  clearTimeout(timer);
  const mine = ++round;
  try {
    if (Date.now() - glanced > (overview && glance.busy(overview) ? BUSY_GLANCE_MS : GLANCE_MS)) await look();
    const page = await get(path());
    if (mine !== round) return;
    const loaded = jobs.size > page.jobs.length;
    const oldest = page.jobs.at(-1)?.accepted_at ?? "";
    for (const [id, job] of jobs) {
      if (job.accepted_at >= oldest && !page.jobs.some((each) => each.job_id === id)) jobs.delete(id);
    }
    for (const job of page.jobs) jobs.set(job.job_id, job);
    if (!loaded) next = page.next;
    if (wanted.job) await show(wanted.job);
    opened();
  } catch (error) {
    if (mine !== round) return;
    if (error instanceof Locked) return lock(error);
    say(`${error.message}. Retrying.`);
  }
  const running = draw();
  if (!document.hidden) timer = setTimeout(refresh, running ? BUSY_MS : IDLE_MS);
}

async function look() {
  overview = await get("/api/overview");
  glanced = Date.now();
  glance.draw(overview);
  const models = filters.elements.model;
  if (models.options.length === 1) {
    models.append(...overview.models.map((model) => node("option", {}, model)));
    models.value = wanted.model;
  }
}

async function open() {
  try {
    await show(wanted.job);
  } catch (error) {
    if (error instanceof Locked) return lock(error);
    say(error.message);
    write({ job: "" });
  }
}

const show = (id) => details.show(id, walk, { links: overview?.links, wanted: () => wanted.job === id });

function walk(step) {
  const ids = visible().map((job) => job.job_id);
  const to = ids[ids.indexOf(wanted.job) + step];
  if (to) write({ job: to });
}

function say(text) {
  notice.textContent = text;
  notice.hidden = !text;
}

function opened() {
  say("");
  filters.hidden = false;
  at("forget").hidden = !key.get();
  if (door.open) door.close();
}

function lock(error) {
  details.hide();
  at("door-fault").textContent = key.get() ? error.message : "";
  if (!door.open) door.showModal();
}

at("key-form").addEventListener("submit", (event) => {
  event.preventDefault();
  key.set(at("key").value.trim());
  at("key").value = "";
  refresh();
});
at("forget").addEventListener("click", () => {
  key.forget();
  location.reload();
});
door.addEventListener("cancel", (event) => event.preventDefault());
at("clear").addEventListener("click", () => write({ state: "", model: "", tag: "", text: "" }));
filters.addEventListener("submit", (event) => event.preventDefault());
filters.addEventListener("input", () => write(Object.fromEntries(new FormData(filters))));
more.addEventListener("click", async () => {
  more.disabled = true;
  try {
    const page = await get(path(next));
    for (const job of page.jobs) if (!jobs.has(job.job_id)) jobs.set(job.job_id, job);
    next = page.next;
  } catch (error) {
    say(error.message);
  }
  more.disabled = false;
  draw();
});
dialog.addEventListener("close", () => {
  if (!wanted.job) return;
  const id = wanted.job;
  write({ job: "" });
  document.querySelector(`[data-job="${CSS.escape(id)}"] button`)?.focus();
});
dialog.addEventListener("click", (event) => {
  if (event.target === dialog) dialog.close();
});
document.addEventListener("keydown", (event) => {
  const typing = /^(INPUT|SELECT|TEXTAREA)$/.test(event.target.tagName);
  if (event.key === "/" && !typing && !dialog.open) {
    event.preventDefault();
    filters.elements.text.focus();
  }
  if (dialog.open && event.key === "ArrowLeft") walk(-1);
  if (dialog.open && event.key === "ArrowRight") walk(1);
});
window.addEventListener("hashchange", apply);
window.addEventListener("popstate", apply);
document.addEventListener("visibilitychange", () => {
  if (!document.hidden) refresh();
});

for (const name of ["state", "tag", "text"]) filters.elements[name].value = wanted[name];
refresh();
