// The grid: one card per job, newest first, updated in place so that focus and scroll position stay.

import { badge, node, usd, when } from "./nodes.js";
import { shown } from "./pictures.js";

const grid = document.getElementById("jobs");
const cards = new Map();

export function draw(jobs, open) {
  const wanted = new Set(jobs.map((job) => job.job_id));
  for (const [id, card] of cards) {
    if (!wanted.has(id)) {
      card.remove();
      cards.delete(id);
    }
  }
  let place = grid.firstElementChild;
  for (const job of jobs) {
    let card = cards.get(job.job_id);
    const version = JSON.stringify([job.state, job.updated_at, job.images, job.cover_path, job.cost_usd]);
    if (card?.dataset.version !== version) card = replaced(card, job, version, open);
    if (card === place) place = place.nextElementSibling;
    else grid.insertBefore(card, place);
  }
}

function replaced(old, job, version, open) {
  const focused = old?.contains(document.activeElement);
  const inside = content(job);
  const card = old ?? node("li", {}, node("button", { type: "button", class: "card", onclick: () => open(job.job_id) }));
  card.dataset.version = version;
  card.dataset.job = job.job_id;
  card.dataset.state = job.state;
  card.firstElementChild.replaceChildren(...inside);
  cards.set(job.job_id, card);
  if (focused) card.firstElementChild.focus();
  return card;
}

function content(job) {
  const words = job.prompt ?? "The prompt is in a blob";
  const image = job.cover_path
    ? shown(`${job.cover_path}?as=thumbnail`, job.cover_url, words)
    : node("span", { class: "blank" }, job.state === "running" ? "No picture yet" : job.failure ?? "No picture");
  return [
    node("span", { class: "frame" }, image, job.images > 1 ? node("span", { class: "count" }, `${job.images}`) : null),
    node("span", { class: "line" }, badge(job.state), when(job.accepted_at)),
    node("span", { class: "words", dir: "auto" }, words),
    node("span", { class: "line dim" }, said(job.models, "models"), job.cost_usd ? node("span", {}, usd(job.cost_usd)) : null),
    node("span", { class: "line dim" }, said(job.sizes.map((size) => size.replace("x", "×")), "sizes")),
  ];
}

const said = (all, name) => node("span", { class: "cut", title: all.join(", ") }, all.length === 1 ? all[0] : `${all.length} ${name}`);

// Arrow keys move through the grid as it is laid out.
grid.addEventListener("keydown", (event) => {
  const all = [...grid.querySelectorAll(".card")];
  const at = all.indexOf(document.activeElement);
  if (at < 0) return;
  const top = all[0].getBoundingClientRect().top;
  const columns = all.filter((card) => card.getBoundingClientRect().top === top).length || 1;
  const step = { ArrowRight: 1, ArrowLeft: -1, ArrowDown: columns, ArrowUp: -columns }[event.key];
  const to = event.key === "Home" ? 0 : event.key === "End" ? all.length - 1 : step && at + step;
  if (to === undefined || !all[to]) return;
  event.preventDefault();
  all[to].focus();
});
