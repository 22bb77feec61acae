// Batches: the newest ones, and one with its progress, its cost and what was not made, by reason.

import * as address from "./address.js";
import { get, picture, send } from "./api.js";
import { ago, bar, button, clock, copying, dayName, icon, link, node, plural, redraw, say, state, usd } from "./nodes.js";
import { shown } from "./pictures.js";
import { failure } from "./sentences.js";

const BUSY_MS = 4000;
const IDLE_MS = 10000;
const PICTURES = 28;
let older = null;
let loaded = [];
let shownName = "";

export const title = () => shownName || "Batches";

export function leave() {
  [older, loaded, shownName] = [null, [], ""];
}

export async function show(place, { batch }) {
  return batch ? showOne(place, batch) : showAll(place);
}

const nameOf = (batch) => (isPosted(batch) ? `List of ${plural(batch.read, "job")}` : batch.manifest.blob.replace(/\.\w+$/, ""));
const isPosted = ({ manifest }) => manifest.blob.endsWith("/posted.json");
const source = (batch) => (isPosted(batch) ? "a list over HTTP" : batch.manifest.blob);
const isOver = (batch) => batch.state === "completed";
const hrefOf = (batch) => `#page=batch&batch=${encodeURIComponent(batch.batch_id)}`;
const ended = ({ counts }) => counts.succeeded + counts.failed + counts.parked + counts.cancelled + counts.rejected + counts.gone;
const lost = ({ counts }) => counts.failed + counts.parked + counts.cancelled + counts.rejected + counts.gone;

async function showAll(place) {
  const page = await get("/api/batches");
  if (!loaded.length) older = page.next;
  const known = new Map([...loaded, ...page.batches].map((each) => [each.batch_id, each]));
  loaded = [...known.values()].sort((one, other) => (one.created_at < other.created_at ? 1 : -1));
  redraw(place, JSON.stringify([loaded, older]), () => [node("div", { class: "head stack" }, node("h1", {}, "Batches")), loaded.length ? [table(), older ? node("p", { class: "older" }, button("Show older batches", () => more(place), { name: "more" })) : null] : none()]);
  return loaded.some((each) => !isOver(each)) ? BUSY_MS : IDLE_MS;
}

async function more(place) {
  const page = await get(`/api/batches?after=${encodeURIComponent(older)}`);
  loaded = [...loaded, ...page.batches];
  older = page.next;
  delete place.dataset.version;
  await showAll(place);
}

function table() {
  return node("table", { class: "cards" }, node("thead", {}, node("tr", {}, ["Batch", "State"].map((name) => node("th", {}, name)), ["Jobs", "Made", "Not made", "Cost"].map((name) => node("th", { class: "end" }, name)))),
    node("tbody", {}, loaded.map((batch) => {
      const cell = (label, value) => node("td", { "data-label": label, class: "num end" }, value);
      return node("tr", {}, node("td", {}, node("a", { href: hrefOf(batch), "data-do": batch.batch_id, dir: "auto" }, nameOf(batch)), node("br"), node("span", { class: "dim" }, ago(batch.created_at))), node("td", { "data-label": "State" }, state(stateOf(batch))),
        cell("Jobs", batch.read.toLocaleString("en")), cell("Made", batch.counts.succeeded.toLocaleString("en")), cell("Not made", lost(batch).toLocaleString("en")), cell("Cost", batch.counts.cost_usd === null ? "not all known" : usd(batch.counts.cost_usd)));
    })));
}

function stateOf(batch) {
  if (!isOver(batch)) return { kind: "work", sign: "work", word: batch.state === "reading" ? "Reading" : "Being made" };
  return lost(batch) ? { kind: "warn", sign: "warn", word: "Done, not all made" } : { kind: "good", sign: "good", word: "Done" };
}

function none() {
  const text = "image-jobs batch jobs.csv";
  return node("div", { class: "empty" }, node("div", { class: "stack" }, node("h2", {}, "No batches yet"), node("p", { class: "lead" }, "A batch is a CSV or JSONL file with a job in each line. Put it into the container ", node("code", {}, "manifests"), ", or send it.")),
    node("div", { class: "copy" }, node("code", {}, text), copying(text, "Copy")));
}

async function showOne(place, id) {
  const query = `batch=${encodeURIComponent(id)}`;
  const [batch, counts, newest] = await Promise.all([get(`/api/batches/${encodeURIComponent(id)}`), get(`/api/counts?${query}`), get(`/api/jobs?${query}&state=succeeded&limit=${PICTURES}`)]);
  if (address.read().batch !== id || address.read().page !== "batch") return IDLE_MS;
  shownName = nameOf(batch);
  redraw(place, JSON.stringify([batch, counts, newest]), () => node("div", { class: "batch" }, head(batch), meter(batch, counts), money(batch, counts), failures(batch, counts), strip(batch, counts, newest.jobs)));
  return isOver(batch) ? IDLE_MS : BUSY_MS;
}

function head(batch) {
  const time = `${dayName(batch.created_at).toLowerCase()} at ${clock(batch.created_at)}`;
  return node("div", { class: "head" }, node("div", { class: "stack" }, link("All batches", "#page=batches", { kind: "quiet slim backlink", sign: "back", name: "all" }), node("h1", { dir: "auto" }, nameOf(batch)),
    node("p", { class: "dim", dir: "auto" }, `${plural(batch.read, "job")} from ${source(batch)}, started ${time}`)),
  node("div", { class: "acts" }, isOver(batch) ? null : batch.cancel_requested_at ? state({ kind: "", sign: "wait", word: "Being stopped" }) : button("Stop what is not begun", () => stop(batch), { name: "stop" }), batch.results_path ? button("Download results", () => download(batch), { kind: "primary", sign: "save", name: "results" }) : null));
}

async function stop(batch) {
  if (!confirm("Stop this batch? Its running jobs are cancelled. Calls in progress are paid for, and their pictures are kept.")) return;
  try {
    await send("DELETE", `/api/batches/${encodeURIComponent(batch.batch_id)}`);
  } catch (error) {
    say(error.message);
  }
  window.dispatchEvent(new Event("refresh"));
}

async function download(batch) {
  try {
    const url = URL.createObjectURL(await picture(batch.results_path, { types: /^application\/x-ndjson/ }));
    node("a", { href: url, download: `${batch.batch_id}.jsonl` }).click();
    setTimeout(() => URL.revokeObjectURL(url), 60000);
  } catch (error) {
    say(error.message);
  }
}

// Counts of the index are of now; those of the batch include lines with mistakes and jobs that were begun elsewhere.
function sums(batch, counts) {
  const made = Math.max(counts.succeeded, batch.counts.succeeded);
  const rejected = batch.counts.rejected || new Set(batch.faults.map((fault) => fault.entry)).size;
  const not = Math.max(counts.failed + counts.parked + counts.cancelled + rejected, lost(batch));
  const all = Math.max(batch.read, made + not, counts.running + made + not);
  return { made, not, rejected, running: counts.running, all };
}

function meter(batch, counts) {
  const { made, not, running, all } = sums(batch, counts);
  const share = all ? Math.floor((100 * (made + not)) / all) : 0;
  const key = (kind, count, word) => (count ? node("li", {}, node("span", { class: `k ${kind}` }), node("span", {}, node("strong", { class: "num" }, count.toLocaleString("en")), ` ${word}`)) : null);
  const told = isOver(batch) ? "Done" : batch.state === "reading" ? `Reading, ${plural(batch.read, "line")} so far` : `${share}% done`;
  return node("div", { class: "meter", role: "group", "aria-label": "Progress" }, node("p", { class: "bar-row spread" }, node("span", { class: "pct" }, told), node("span", { class: "dim" }, isOver(batch) ? `Completed ${ago(batch.completed_at)}` : "Renewed every few seconds")),
    bar(`${share} % done`, [[made / all || 0, "f-ink"], [not / all || 0, "f-bad"], [running / all || 0, "f-work"]], "big"),
    node("ul", { class: "legend-row" }, key("", made, "made"), key("work", running, "being made or waiting"), key("bad", not, "not made")));
}

function money(batch, counts) {
  const cost = isOver(batch) && batch.counts.cost_usd !== null ? batch.counts.cost_usd : counts.cost_usd;
  const images = Math.max(counts.images, batch.counts.images);
  const fact = (name, value, more) => node("div", {}, node("dt", {}, name), node("dd", {}, value, node("small", {}, more)));
  return node("dl", { class: "three" }, fact(isOver(batch) ? "Cost" : "Cost so far", usd(cost), isOver(batch) ? "" : `about ${usd(cost + counts.estimate_usd)} in the end`), fact("A picture", images ? usd(cost / images) : "–", "on average"),
    fact("Pictures", images.toLocaleString("en"), "stored"), fact("Begun elsewhere", batch.counts.repeated.toLocaleString("en"), "jobs of an earlier batch or message"));
}

// What was not made, by reason; rows with mistakes have no job.
function failures(batch, counts) {
  const { not } = sums(batch, counts);
  const rows = Object.entries(counts.failures).sort(([, one], [, other]) => other - one).map(([code, count]) => {
    const { title: what, more: means } = failure(code);
    return row(what, means, count, link(`Show ${plural(count, "job")}`, address.href({ batch: batch.batch_id, failure: code }), { kind: "slim", name: code }));
  });
  const faulty = batch.faults.map((fault) => `${isPosted(batch) ? `No. ${fault.entry}` : `Line ${fault.line}`}: ${fault.field ? `${fault.field}: ` : ""}${fault.message}`);
  const { rejected } = sums(batch, counts);
  if (rejected) rows.push(row(rejected === 1 ? "The line has a mistake." : "The lines have a mistake.", faulty.slice(0, 3).join(" "), rejected, null));
  const file = batch.file_faults.map((fault) => node("p", { class: "note" }, icon("warn"), node("span", {}, `Line ${fault.line}: ${fault.message}`)));
  if (!rows.length && !file.length) return null;
  return node("section", { class: "stack" }, node("div", { class: "bar-row spread" }, node("h2", {}, `${not.toLocaleString("en")} not made`), node("span", { class: "dim" }, "By reason; the other jobs go on.")), file,
    rows.length ? node("table", { class: "cards why" }, node("thead", {}, node("tr", {}, node("th", {}, "Reason"), node("th", { class: "end" }, "Jobs"), node("th", {}, node("span", { class: "hidden-words" }, "Action")))), node("tbody", {}, rows)) : null);
}

const row = (what, means, count, action) => node("tr", {}, node("td", {}, node("strong", {}, what), node("br"), node("span", { class: "dim", dir: "auto" }, means)), node("td", { "data-label": "Jobs", class: "num end" }, count.toLocaleString("en")), node("td", {}, node("div", { class: "acts" }, action)));

function strip(batch, counts, jobs) {
  const pictured = jobs.filter((job) => job.cover_path);
  if (!pictured.length) return null;
  return node("section", { class: "stack" }, node("div", { class: "bar-row spread" }, node("h2", {}, "Newest pictures"), node("a", { href: address.href({ batch: batch.batch_id, failure: "" }), "data-do": "every" }, `Show all ${plural(counts.succeeded, "job")}`)),
    node("ul", { class: "strip", role: "list" }, pictured.map((job) => node("li", {}, node("a", { href: `#job=${encodeURIComponent(job.job_id)}`, "data-do": job.job_id, title: job.prompt ?? job.job_id }, shown(`${job.cover_path}?as=thumbnail`, job.cover_url, job.prompt ?? job.job_id))))));
}

export function keys(event) {
  if (event.key !== "Escape") return false;
  location.hash = address.read().batch ? "#page=batches" : "";
  return true;
}
