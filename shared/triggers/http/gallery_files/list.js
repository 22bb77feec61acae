// The list of jobs: loaded a page at a time, filtered, live while jobs run.

import * as address from "./address.js";
import { get, send } from "./api.js";
import * as glance from "./glance.js";
import { button, copying, link, node, redraw, say } from "./nodes.js";
import { COMMANDS, failure } from "./sentences.js";
import * as wall from "./wall.js";

const BUSY_MS = 2000;
const IDLE_MS = 4000;
const PAGE = 48;
// Running jobs of which the whole is asked for, to say what each is at.
const TOLD = 24;
const COUNT_MS = 8000;
const TAG = /^[A-Za-z_]\w*:./;

const at = (id) => document.getElementById(id);
const [filters, notice, empty, more, states, tagFault] = ["filters", "notice", "empty", "more", "states", "tag-fault"].map(at);

const jobs = new Map();
const statuses = new Map();
let asked = null;
let counted = 0;
let next = null;
let overview = null;
let wanted = address.read();

export async function show(place, address_, app) {
  overview = app;
  place.hidden = false;
  reflect(address_);
  count();
  const path = pathOf();
  const page = await get(path);
  // What is shown stays until the jobs of other filters are there.
  if (pathOf() !== path) return IDLE_MS;
  if (asked !== path) clear();
  asked = path;
  const longer = jobs.size > page.jobs.length;
  const oldest = page.jobs.at(-1)?.accepted_at ?? "";
  for (const [id, job] of jobs) {
    if (job.accepted_at >= oldest && !page.jobs.some((each) => each.job_id === id)) jobs.delete(id);
  }
  for (const job of page.jobs) jobs.set(job.job_id, job);
  if (!longer) next = page.next;
  const running = visible().filter((job) => job.state === "running");
  await Promise.all(running.slice(0, TOLD).map(async ({ job_id: id }) => {
    const status = await get(`/api/jobs/${encodeURIComponent(id)}`).catch(() => null);
    if (status) statuses.set(id, status);
  }));
  filters.hidden = false;
  draw();
  return running.length ? BUSY_MS : IDLE_MS;
}

// How many jobs are in each state, of all jobs: asked for less often than the jobs.
async function count() {
  if (Date.now() - counted < COUNT_MS) return;
  counted = Date.now();
  const counts = await get("/api/counts").catch(() => null);
  if (!counts) return;
  glance.count(counts.running);
  for (const each of states.children) {
    if (!["running", "parked", "failed", "awaiting_review"].includes(each.dataset.state)) continue;
    const number = counts[each.dataset.state];
    each.querySelector(".count")?.remove();
    if (number) each.append(node("span", { class: "count" }, number.toLocaleString("en")));
  }
}

function clear() {
  jobs.clear();
  statuses.clear();
  next = null;
}

function reflect(change) {
  wanted = change;
  for (const name of ["model", "tag", "text"]) {
    if (filters.elements[name] !== document.activeElement) filters.elements[name].value = wanted[name];
  }
  for (const each of states.children) each.setAttribute("aria-pressed", String(each.dataset.state === wanted.state));
  const wrong = wanted.tag && !TAG.test(wanted.tag);
  const also = [wanted.batch && `of the batch ${wanted.batch}`, wanted.tenant && `of the tenant ${wanted.tenant}`, wanted.failure && `not made: ${failure(wanted.failure).title}`].filter(Boolean);
  redraw(at("also"), also.join(), () => also.length ? [node("span", {}, `Only jobs ${also.join(", ")}`), button("Show all", () => address.filter({ batch: "", tenant: "", failure: "" }), { kind: "slim", sign: "close" })] : []);
  at("also").hidden = !also.length;
  tagFault.hidden = !wrong;
  tagFault.textContent = wrong ? "Write the name of a tag, a colon and its value, as campaign:winter." : "";
  filters.elements.tag.toggleAttribute("aria-invalid", Boolean(wrong));
  const models = filters.elements.model;
  if (overview && models.options.length === 1) {
    models.append(...overview.models.map((model) => node("option", {}, model)));
    models.value = wanted.model;
  }
}

function pathOf(after) {
  const query = new URLSearchParams({ limit: PAGE });
  if (wanted.state) query.set("state", wanted.state);
  if (TAG.test(wanted.tag)) query.set("tag", wanted.tag);
  for (const name of ["model", "text", "batch", "tenant", "failure"]) if (wanted[name]) query.set(name, wanted[name]);
  if (after) query.set("after", after);
  if (overview?.links) query.set("links", "true");
  return `/api/jobs?${query}`;
}

function visible() {
  return [...jobs.values()]
    .sort((one, other) => (one.accepted_at < other.accepted_at ? 1 : one.accepted_at > other.accepted_at ? -1 : one.job_id < other.job_id ? -1 : 1));
}

function draw() {
  const shown = visible();
  wall.draw(shown, { told: (job) => wall.facts(job, job.state === "running" ? statuses.get(job.job_id) : null, overview), command, more: Boolean(next) });
  more.hidden = !next;
  const tags = [...new Set([...jobs.values()].flatMap((job) => Object.entries(job.tags).map(([name, value]) => `${name}:${value}`)))].sort().slice(0, 100);
  const known = at("tags");
  if (known.children.length !== tags.length) known.replaceChildren(...tags.map((value) => node("option", { value })));
  const filtered = address.FILTERS.some((name) => wanted[name]);
  empty.hidden = shown.length > 0;
  const kind = shown.length ? "" : filtered ? `none ${Boolean(next)}` : "first";
  if (empty.dataset.kind !== kind) {
    empty.dataset.kind = kind;
    empty.replaceChildren(...(kind === "" ? [] : filtered ? none() : first()));
  }
  filters.classList.toggle("unused", kind === "first");
}

function none() {
  const told = next ? "None of the newest jobs matches the filters. Older ones may." : "No job matches the filters.";
  return [node("div", { class: "empty" }, node("div", { class: "stack" }, node("h1", {}, "Nothing found"), node("p", { class: "lead", role: "status" }, told)),
    node("p", {}, button("Clear the filters", () => address.filter(Object.fromEntries(address.FILTERS.map((name) => [name, ""]))), { name: "clear" })))];
}

// No job at all: what to do first.
function first() {
  const command = (title, text) => node("section", { class: "stack" }, node("h2", {}, title), node("div", { class: "copy" }, node("code", {}, text), copying(text, "Copy")));
  return [node("div", { class: "empty" },
    node("div", { class: "ghosts", "aria-hidden": "true" }, node("span"), node("span"), node("span"), node("span")),
    node("div", { class: "stack" }, node("h1", {}, "No pictures yet"), node("p", { class: "lead" }, "Make the first one here, or send one from a program. It appears on this page while it is being made.")),
    node("p", {}, link("Make a picture", "#page=new", { kind: "primary", sign: "add" })),
    command("From a terminal", "image-jobs submit \"a fox in the snow\" --size 16:9"),
    command("From any program", `curl "${location.origin}/api/jobs" -H "x-functions-key: $KEY" \\\n  --json '{"prompt": "a fox in the snow", "size": "16:9"}'`),
    node("p", { class: "dim" }, "Many at once? Put a CSV or JSONL file into the container ", node("code", {}, "manifests"), "."))];
}

async function command(job, name) {
  const { method, path } = COMMANDS[name];
  try {
    await send(method, `/api/jobs/${encodeURIComponent(job.job_id)}${path}?run=${job.run}`);
    say("Done");
    counted = 0;
  } catch (error) {
    tell(error.message);
  }
  window.dispatchEvent(new Event("refresh"));
}

function tell(text) {
  notice.textContent = text;
  notice.hidden = !text;
}

// The job before or after another in the list as it is filtered; null at its end. A job that was opened by a link
// has no list yet, and the last job that is loaded may have older ones.
export async function neighbour(id, step) {
  if (!jobs.size) {
    wanted = address.read();
    asked = pathOf();
    await load();
  }
  const at = () => visible().findIndex((job) => job.job_id === id) + step;
  if (at() >= jobs.size && next) await load(next);
  return visible().some((job) => job.job_id === id) ? (visible()[at()]?.job_id ?? null) : null;
}

async function load(after) {
  const page = await get(pathOf(after));
  for (const job of page.jobs) if (!jobs.has(job.job_id)) jobs.set(job.job_id, job);
  next = page.next;
}

export const title = () => "Pictures";

filters.addEventListener("submit", (event) => event.preventDefault());
// Words are searched for when the typing pauses.
let typing = 0;
filters.addEventListener("input", ({ target }) => {
  clearTimeout(typing);
  typing = setTimeout(() => address.filter(Object.fromEntries(new FormData(filters))), target.tagName === "SELECT" ? 0 : 300);
});
states.addEventListener("click", ({ target }) => {
  const chosen = target.closest("[data-state]");
  if (chosen) address.filter({ state: chosen.dataset.state });
});
at("more-filters").addEventListener("click", ({ currentTarget }) => currentTarget.setAttribute("aria-expanded", String(filters.classList.toggle("all"))));
more.addEventListener("click", async () => {
  more.disabled = true;
  try {
    tell("");
    await load(next);
  } catch (error) {
    tell(error.message);
  }
  more.disabled = false;
  draw();
});
