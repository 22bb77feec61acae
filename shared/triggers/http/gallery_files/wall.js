// The wall of pictures: a tile per job, newest first, day by day; updated in place, so that focus and scroll position stay.

import * as address from "./address.js";
import { bar, button, costs, dayName, icon, link, node, plural, state, usd, when } from "./nodes.js";
import { saving, shown } from "./pictures.js";
import { COMMANDS, standing } from "./sentences.js";

const place = document.getElementById("jobs");
const tiles = new Map();
const days = new Map();

// `told` returns what is known of a job and of the app, `command` sends one. The oldest day may go on in the next page.
export function draw(jobs, { told, command, more }) {
  const byDay = Map.groupBy(jobs, (job) => dayName(job.accepted_at));
  for (const [name, section] of days) {
    if (!byDay.has(name)) {
      section.remove();
      days.delete(name);
    }
  }
  const wanted = new Set(jobs.map((job) => job.job_id));
  for (const [id, tile] of tiles) {
    if (!wanted.has(id)) {
      tile.remove();
      tiles.delete(id);
    }
  }
  let next = place.firstElementChild;
  [...byDay].forEach(([name, its], index) => {
    const section = dayOf(name, index);
    if (section === next) next = next.nextElementSibling;
    else place.insertBefore(section, next);
    const whole = !more || index < byDay.size - 1;
    const sums = section.querySelector(".sums");
    const words = whole ? summary(its) : "";
    if (sums.textContent !== words) sums.textContent = words;
    fill(section.querySelector("ul"), its, told, command);
  });
}

function dayOf(name, index) {
  if (!days.has(name)) {
    const list = node("ul", { class: "wall", role: "list", "aria-label": `${name}, newest first` });
    days.set(name, node("section", {}, node("div", { class: "day" }, node(index ? "h2" : "h1", {}, name), node("span", { class: "dim num sums" })), list));
  }
  return days.get(name);
}

function summary(jobs) {
  const pictures = jobs.reduce((sum, job) => sum + job.images, 0);
  const total = (end) => jobs.reduce((sum, job) => sum + (job[end] ?? 0), 0);
  const cost = { cost_usd: total("cost_usd"), cost_usd_at_most: total("cost_usd_at_most") };
  return pictures ? `${plural(pictures, "picture")}, ${costs(cost)}` : "";
}

function fill(list, jobs, told, command) {
  let next = list.firstElementChild;
  for (const job of jobs) {
    const its = told(job);
    const version = JSON.stringify([job.state, job.run, job.updated_at, job.images, job.cover_path, job.cost_usd, job.cost_usd_at_most, its, when(job.accepted_at).textContent]);
    let tile = tiles.get(job.job_id);
    if (tile?.dataset.version !== version) tile = replaced(tile, job, its, version, command);
    if (tile === next) next = next.nextElementSibling;
    else list.insertBefore(tile, next);
  }
}

function replaced(old, job, its, version, command) {
  const tile = old ?? node("li");
  const focused = tile.contains(document.activeElement) ? document.activeElement.dataset.do : null;
  const picture = Boolean(job.cover_path);
  tile.className = `tile${picture ? "" : ` say ${job.state === "running" ? "live" : its.kind}`}`;
  tile.style.setProperty("--ratio", ratio(job));
  Object.assign(tile.dataset, { version, job: job.job_id, state: job.state });
  const words = job.prompt ?? "The prompt is in a blob";
  const open = address.job(job.job_id);
  const frame = picture ? pictured(job, its, words, open, tile) : speaking(job, its, open, command);
  const cap = node("div", { class: "cap" }, node("a", { href: open, dir: "auto", title: words, "data-do": "open" }, words),
    node("p", {}, when(job.accepted_at), node("span", {}, price(job))));
  tile.replaceChildren(node("div", { class: "frame" }, frame), cap);
  if (focused) tile.querySelector(`[data-do="${focused}"]`)?.focus({ preventScroll: true });
  tiles.set(job.job_id, tile);
  return tile;
}

function price(job) {
  if (job.state === "running") return job.estimate_usd === null ? "" : `about ${usd(job.estimate_usd)}`;
  return job.cost_usd === null ? "" : costs(job);
}

// Of the cover, or else of the first size.
function ratio(job) {
  const [width, height] = job.cover_width ? [job.cover_width, job.cover_height] : (job.sizes[0]?.match(/\d+/g) ?? []).map(Number);
  return width && height ? Math.min(3, Math.max(0.5, width / height)).toFixed(3) : "1.333";
}

function pictured(job, its, words, open, tile) {
  // A picture that is shown already stays: it does not flicker, and is not fetched again.
  const had = tile.querySelector(".pic > img");
  const path = `${job.cover_path}?as=thumbnail`;
  const image = had?.dataset.path === path ? had : shown(path, job.cover_url, words);
  const chip = its.kind === "good" ? null : node("span", { class: `many left ${its.kind}` }, icon(its.sign), its.word);
  const many = job.images > 1 ? node("span", { class: "many" }, icon("many"), String(job.images), node("span", { class: "hidden-words" }, " pictures")) : null;
  return [
    node("a", { class: "pic", href: open, tabindex: "-1" }, image, chip, many),
    node("div", { class: "over" },
      saving(job.cover_path, null, job.job_id, { class: "btn slim only", "aria-label": "Save", title: "Save" }, icon("save")),
      link("", address.href({ page: "new", from: job.job_id, use: "first" }), { kind: "slim only", sign: "input", "aria-label": "Use as input", title: "Use as input" }),
      link("", address.href({ page: "new", from: job.job_id }), { kind: "slim only", sign: "again", "aria-label": "Again with changes", title: "Again with changes" })),
  ];
}

function speaking(job, its, open, command) {
  const content = [state(its), node("strong", {}, its.title), its.more ? node("p", {}, its.more) : null];
  if (job.state === "running") {
    return node("a", { class: "pic", href: open, tabindex: "-1" }, content, its.share === null ? null : bar(its.title, [[its.share, "f-work"]]));
  }
  return node("div", { class: "pic" }, content, node("div", { class: "acts" }, its.acts.map((act, index) => deed(act, job, command, index))));
}

// A command is a button; the others lead to the form or to the status page.
function deed(act, job, command, index) {
  const kind = index ? "slim quiet" : "slim";
  if (act === "status") return link("See the status", "#page=status", { kind, name: act });
  if (act === "words" || act === "changes") return link(act === "words" ? "Change the words" : "Again with changes", address.href({ page: "new", from: job.job_id }), { kind, name: act });
  const name = act === "again" ? "replay" : act;
  return button(COMMANDS[name].label, () => command(job, name), { kind, name });
}

// Arrow keys move through the wall as it is laid out.
export function walk(event) {
  const all = [...place.querySelectorAll(".cap > a")];
  const at = all.indexOf(document.activeElement);
  if (at < 0) return false;
  const box = (link) => link.closest(".tile").getBoundingClientRect();
  const here = box(all[at]);
  const near = (candidates) => candidates.sort((one, other) => distance(box(one), here) - distance(box(other), here))[0];
  const to = {
    ArrowRight: () => all[at + 1],
    ArrowLeft: () => all[at - 1],
    ArrowDown: () => near(row(all, box, all.find((link) => box(link).top > here.bottom - 8))),
    ArrowUp: () => near(row(all, box, all.findLast((link) => box(link).top < here.top - 8))),
    Home: () => all[0],
    End: () => all.at(-1),
  }[event.key]?.();
  if (!to) return false;
  event.preventDefault();
  to.focus();
  return true;
}

const row = (all, box, first) => (first ? all.filter((link) => Math.abs(box(link).top - box(first).top) < 4) : []);
const distance = (one, other) => Math.abs(one.left + one.width / 2 - other.left - other.width / 2);

export const focus = (id) => tiles.get(id)?.querySelector(".cap > a")?.focus();

export function facts(job, status, overview) {
  const now = overview ? Date.parse(overview.time) + (Date.now() - overview.seen) : Date.now();
  return standing(job, { status, overview, now });
}
