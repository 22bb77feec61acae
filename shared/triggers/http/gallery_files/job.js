// One job: its pictures left; its prompt, cost, changes and commands right. What it did is folded.

import * as address from "./address.js";
import { get, picture, send } from "./api.js";
import { now } from "./glance.js";
import * as list from "./list.js";
import { bar, bytes, button, capital, clock, copying, costs, dayName, fold, icon, link, node, plural, redraw, say, seconds, size, state, usd } from "./nodes.js";
import { saving } from "./pictures.js";
import { COMMANDS, changed, standing } from "./sentences.js";
import { language, viewer } from "./stage.js";
import { zip } from "./zip.js";

const BUSY_MS = 2000;
const IDLE_MS = 5000;
const LONG_PROMPT = 500;
let stage = null;
let job = null;
let shown = "";
// The newest preview of the picture that is being made: its path, version and <img>.
let preview = null;

export const title = () => (job?.job.prompt ?? shown).slice(0, 60);

export async function show(place, { job: id }, overview) {
  const asked = id;
  const found = await get(`/api/jobs/${encodeURIComponent(id)}${overview.links ? "?links=true" : ""}`);
  await refreshPreview(found);
  if (address.read().job !== asked) return IDLE_MS;
  job = found;
  if (shown !== id) {
    shown = id;
    stage = null;
    const viewing = node("div", { class: "viewing" });
    place.replaceChildren(node("div", { class: "job", "data-job": id }, crumbs(), viewing, node("aside", { class: "side", "aria-label": "About this job" })));
  }
  const its = standing(job, { status: job, overview, now: now(overview) });
  const pictures = JSON.stringify(job.images.map((image) => image.blob));
  const viewing = place.querySelector(".viewing");
  // The viewer stays as it is, zoom and all, while its pictures are the same.
  if (job.images.length) {
    redraw(viewing, pictures, () => {
      const note = node("div", { class: "note-place" });
      stage = viewer(job, (image) => drawSaves(place, image));
      return [note, stage.section];
    });
    redraw(viewing.querySelector(".note-place"), JSON.stringify([its, job.state]), () => (job.state === "succeeded" ? [] : [decision(its, "said")]));
  } else redraw(viewing, JSON.stringify([its, job.state, job.run, preview?.version]), () => [job.state === "running" ? waiting(its) : decision(its, "stage ask")]);
  redraw(place.querySelector(".side"), JSON.stringify([job.run, job.state, job.updated_at, job.cancelling, its.word]), () => side(its));
  if (stage) drawSaves(place, stage.current());
  return job.state === "running" ? BUSY_MS : IDLE_MS;
}

async function refreshPreview({ images, tasks }) {
  const path = images.length ? null : tasks.find((task) => task.preview_path)?.preview_path ?? null;
  if (preview?.path !== path) forgetPreview();
  // Before the first preview, and for a moment after the last one, the path answers 404.
  const newer = path && (await picture(path, { had: preview?.version }).catch(() => null));
  if (!newer) return;
  const image = preview?.image ?? node("img", { class: "preview", alt: "Preview of a picture that is not finished yet" });
  URL.revokeObjectURL(image.src);
  image.src = URL.createObjectURL(newer);
  preview = { path, version: newer.version, image };
}

function forgetPreview() {
  if (preview) URL.revokeObjectURL(preview.image.src);
  preview = null;
}

export function leave() {
  forgetPreview();
  shown = "";
  stage = null;
  job = null;
}

function crumbs() {
  return node("div", { class: "crumbs bar-row spread" }, link("All pictures", address.href(), { kind: "quiet slim backlink", sign: "back", name: "all" }),
    node("span", { class: "bar-row" }, node("span", { class: "dim small keys-only" }, node("kbd", {}, "K"), " ", node("kbd", {}, "J"), " newer, older"),
      button("Newer job", () => step(-1), { sign: "back", only: true, name: "newer" }), button("Older job", () => step(1), { sign: "on", only: true, name: "older" })));
}

async function step(by) {
  const to = await list.neighbour(shown, by).catch(() => null);
  if (to) address.go({ job: to });
  else say(by < 0 ? "This is the newest job" : "This is the oldest job");
}

function waiting(its) {
  return node("div", { class: "stage made" }, node("div", { class: "choose", role: "status" }, preview?.image, state(its), node("p", { class: "lead" }, node("strong", {}, its.title)), its.more ? node("p", { class: "dim" }, its.more) : null, its.share === null || its.share === undefined ? null : bar(its.title, [[its.share, "f-work"]], "big")));
}

// What happened, what it means, and what can be done about it, each with its consequence.
function decision(its, kind) {
  const orders = (ORDERS[job.state] ?? []).map((name, index) => order(name, index === 0 && ["parked", "awaiting_review"].includes(job.state)));
  const detail = job.failure && job.failure.message !== its.title ? fold("What the provider said", "said", node("p", { dir: "auto" }, job.failure.message), job.failure.moderation?.categories.length ? node("p", {}, `It names: ${job.failure.moderation.categories.join(", ")}.`) : null) : null;
  if (job.state === "running") return node("div", { class: "panel work-note" }, state(its), " ", node("strong", {}, its.title), its.more ? node("span", { class: "dim" }, ` ${its.more}`) : null);
  return node("div", { class: `${kind} ${its.kind}` }, node("div", { class: "choose" }, icon(its.sign), node("h2", {}, its.title), node("p", {}, its.more), node("ul", { class: "orders" }, changes(its), orders), detail));
}

// Other words, or another picture, may help where the same job would fail again.
const changes = (its) => (its.acts[0] === "words" || its.acts.includes("changes")
  ? node("li", {}, node("span", {}, node("strong", {}, its.acts[0] === "words" ? "Change the words" : "Again with changes"), node("br"), node("span", { class: "dim" }, "A new job. You see what it costs before you make it.")), link("Change it", address.href({ page: "new", from: job.job_id }), { kind: "primary", name: "change" }))
  : null);

const ORDERS = { parked: ["release", "fail", "cancel"], failed: ["replay"], cancelled: ["replay"], running: ["cancel"], awaiting_review: ["approve", "reject"] };

// What a command does, and what it costs.
function consequence(name) {
  const missing = job.tasks.reduce((sum, task) => sum + task.n, 0) - job.images.length;
  const about = job.estimate_usd === null ? "price unknown" : `about ${usd(job.estimate_usd)} for all`;
  switch (name) {
    case "release": return job.failure?.code === "outcome_unknown" ? `Asks for the picture once more, ${about}. It may then be paid twice.` : `Goes on now, ${about}.`;
    case "fail": return "It ends as failed. Nothing more is paid, and it can be made again later.";
    case "cancel": return job.state === "running" ? "Calls under way are waited for, and what they cost is paid." : "It ends as cancelled: programs that wait for it get that event.";
    case "replay": return `Makes what is missing, ${plural(missing, "picture")}, ${about}.`;
    case "approve": return "It ends as done: programs that wait for it get that event.";
    case "reject": return "It ends as failed. The pictures are kept, and nothing more is paid.";
    default: return "";
  }
}

const TITLES = { approve: "Approve", reject: "Reject", replay: "Make again", release: "Try again", fail: "Give up", cancel: "Cancel" };

function order(name, first) {
  const fault = node("p", { class: "fault", role: "alert", hidden: true });
  const act = async () => {
    // Only where work under way would be lost.
    if (name === "cancel" && job.state === "running" && !confirm("Cancel this job? What its calls cost is paid all the same.")) return;
    const { method, path } = COMMANDS[name];
    try {
      await send(method, `/api/jobs/${encodeURIComponent(job.job_id)}${path}?run=${job.run}`);
    } catch (error) {
      fault.textContent = error.message;
      fault.hidden = false;
    }
    window.dispatchEvent(new Event("refresh"));
  };
  return node("li", {}, node("span", {}, node("strong", {}, TITLES[name]), node("br"), node("span", { class: "dim" }, consequence(name))), button(TITLES[name], act, { kind: first ? "primary" : "slim", name }), fault);
}

const original = (file) => file.blob.replaceAll("/", "_");

// All pictures and the overview sheet as one file.
function saveAll() {
  const { job_id: id, images, contact_sheet: sheet } = job;
  const files = [...images, ...(sheet ? [sheet] : [])];
  const told = node("span", { class: "dim", role: "status" }, `${plural(images.length, "picture")}${sheet ? " and the overview sheet" : ""} as a zip, ${bytes(files.reduce((sum, file) => sum + file.bytes, 0))}.`);
  const act = async ({ currentTarget: pressed }) => {
    pressed.disabled = true;
    try {
      const packed = await zip(files.map((file) => [original(file), () => picture(file.path)]), (index) => {
        told.textContent = `Fetching ${index + 1} of ${files.length} …`;
      });
      const url = URL.createObjectURL(packed);
      node("a", { href: url, download: `${id}.zip` }).click();
      setTimeout(() => URL.revokeObjectURL(url), 60000);
      told.textContent = `${id}.zip, ${bytes(packed.size)}.`;
    } catch (error) {
      told.textContent = error.message;
    }
    pressed.disabled = false;
  };
  return node("li", {}, node("span", {}, node("strong", {}, "Save everything"), node("br"), told), button("Save all", act, { kind: "slim", name: "save-all" }));
}

function drawSaves(place, image) {
  const saves = place.querySelector(".acts-1");
  if (saves) redraw(saves, `${image?.path} ${image?.read_url}`, () => deeds(image));
}

function deeds(image) {
  return [
    image ? saving(image.path, image.read_url, original(image), { class: "btn primary", "data-do": "save" }, icon("save"), node("span", {}, "Save this picture")) : null,
    image ? link("Use as input", address.href({ page: "new", from: job.job_id, use: String(image.number) }), { sign: "input", name: "use" }) : null,
    link("Again with changes", address.href({ page: "new", from: job.job_id }), { sign: "again", name: "again" }),
  ];
}

function side(its) {
  const { prompt } = job.job;
  const heading = prompt ? prompt.split(/(?<=[.!?。！？])\s/u)[0] : "The prompt is in a blob";
  const others = job.state === "running" && !job.cancelling ? ["cancel"] : [];
  return [
    node("header", {}, node("h1", { dir: "auto", title: heading }, heading), node("p", { class: "bar-row" }, state(its), node("span", { class: "dim" }, summary()))),
    node("div", { class: "acts-1" }, deeds(job.images[0])),
    node("section", { class: "stack" }, node("h2", {}, "Prompt"), promptOf(job.job)),
    facts(),
    differences(),
    job.possible_duplicate_charge ? node("p", { class: "note" }, icon("info"), node("span", {}, "A call was repeated although the one before may have been paid for.")) : null,
    others.length || job.images.length > 1 ? node("section", { class: "stack" }, node("h2", {}, "More you can do"), node("ul", { class: "orders" }, others.map((name) => order(name)), job.images.length > 1 ? saveAll() : null)) : null,
    node("div", { class: "folds" }, files(), fold("What happened, step by step", "steps", steps()),
      fold("For developers: ids and JSON", "json", node("p", { class: "bar-row" }, copying(job.job_id, "Copy the id"), copying(location.href.split("#")[0] + `#job=${encodeURIComponent(job.job_id)}`, "Copy the link")), node("pre", { tabindex: "0" }, JSON.stringify(job, null, 2)))),
  ];
}

function summary() {
  const count = job.images.length;
  const time = `${dayName(job.accepted_at).toLowerCase()} at ${clock(job.accepted_at)}`;
  const took = job.state === "succeeded" ? ` in ${seconds((Date.parse(ended()) - Date.parse(job.accepted_at)) / 1000)}` : "";
  return `${count || job.state === "succeeded" ? `${plural(count, "picture")}${took}, ` : ""}${time}`;
}

const ended = () => job.events.find((event) => event.type === "image.job.succeeded")?.time ?? job.updated_at;

// A long prompt is folded, so that it does not hide the rest.
function promptOf({ prompt: text, prompt_blob: blob }) {
  if (!text) return node("p", {}, `It is in the blob ${blob}.`);
  const long = text.length > LONG_PROMPT;
  const beginning = long ? `${[...text].slice(0, LONG_PROMPT).join("").replace(/\s+\S{0,40}$/, "")} …` : text;
  const words = node("p", { dir: "auto", class: "prompt" }, beginning);
  const all = long ? button(`All ${text.length.toLocaleString("en")} characters`, ({ currentTarget }) => {
    words.textContent = text;
    currentTarget.remove();
  }, { kind: "slim quiet", name: "whole-prompt" }) : null;
  return [node("div", { class: "copy" }, words, copying(text, "Copy the prompt", { only: true, kind: "quiet", name: "copy-prompt" })), all];
}

function facts() {
  const decided = job.plans.map((plan) => plan.routing.decided);
  const several = (what) => [...new Set(decided.map(what).filter(Boolean))];
  const cost = node("span", { class: "num" }, costs(job));
  const pairs = [
    ["Model", several((each) => each.model).join(", ")],
    ["Size", several((each) => size(`${each.width}x${each.height}`)).join(", ")],
    ["Quality", several((each) => each.quality).join(", ") || "the model’s own"],
    ["Cost", [cost, job.estimate_usd === null ? null : node("span", { class: "dim" }, ` expected ${usd(job.estimate_usd)}`)]],
    ["Batch", job.batch_id && node("a", { href: `#page=batch&batch=${encodeURIComponent(job.batch_id)}` }, job.batch_id)],
    ["Languages", job.job.locales?.map(language).join(", ")],
    ["Tags", Object.entries(job.job.tags ?? {}).map(([name, value]) => `${name}: ${value}`).join(", ")],
  ].filter(([, value]) => value && (value instanceof Node || value.length));
  return node("dl", { class: "facts" }, pairs.map(([name, value]) => node("div", {}, node("dt", {}, name), node("dd", { dir: "auto" }, value))));
}

// Only what differs from what was asked for; a warning is said as it is.
function differences() {
  const told = new Map();
  for (const { routing } of job.plans) {
    for (const adjustment of routing.adjustments) {
      const { title: what, more } = changed(adjustment);
      told.set(what + more, node("li", {}, node("strong", {}, what), node("span", { class: "dim" }, more)));
    }
    for (const warning of routing.warnings) told.set(warning, node("li", { class: "warn" }, node("span", {}, warning)));
  }
  if (!told.size) return node("p", { class: "dim" }, job.images.length ? "Made exactly as asked: nothing was changed." : "Nothing was changed of what was asked.");
  return node("section", { class: "stack" }, node("h2", {}, "What we changed"), node("ul", { class: "changed" }, [...told.values()]));
}

function files() {
  const all = job.images.flatMap((image) => [image, ...image.renditions]);
  if (job.contact_sheet) all.push(job.contact_sheet);
  if (!all.length) return null;
  const name = (file) => (file.kind === "contact_sheet" ? "Overview sheet" : file.kind ? `${file.kind === "thumbnail" ? "Thumbnail" : file.kind === "exact" ? "Exact size" : "Smaller file"}, ${type(file)}${file.path.match(/as=q(\d+)/)?.[1] ? `, quality ${file.path.match(/as=q(\d+)/)[1]}` : ""}` : `Picture ${file.number + 1}, ${type(file)}`);
  return fold(job.contact_sheet ? "Files and overview sheet" : "Files", "files", node("ul", { class: "files" }, all.map((file) =>
    node("li", {}, saving(file.path, file.read_url, original(file), { "data-do": file.path }, name(file)), node("span", { class: "dim num" }, `${file.width} × ${file.height}, ${bytes(file.bytes)}`)))));
}

const type = (file) => file.content_type.replace("image/", "").replace("jpeg", "JPEG").replace("png", "PNG").replace("webp", "WebP").replace("avif", "AVIF");

// What the app did, in order; each with its time.
function steps() {
  const found = [{ at: job.accepted_at, what: "Accepted" }];
  for (const task of job.tasks) {
    const whose = job.tasks.length > 1 ? `Call ${task.index + 1}: ` : "";
    for (const attempt of task.attempts) {
      found.push({ at: attempt.started_at, what: `${whose}${whose ? "asked" : "Asked"} ${attempt.deployment}${task.locale ? ` (${language(task.locale)})` : ""}` });
      if (attempt.ended_at) found.push({ at: attempt.ended_at, what: whose ? `${whose}${outcome(attempt)}` : capital(outcome(attempt)) });
    }
    if (task.state === "pending" && task.unpaid_retries) found.push({ at: job.updated_at, what: `${whose || "The call was "}put back ${plural(task.unpaid_retries, "time")}, the last time for “${task.last_unpaid}”; nothing was paid` });
  }
  for (const event of job.events) found.push({ at: event.time, what: `${event.type} ${event.sent_at ? "published" : "not published yet"}` });
  found.sort((one, other) => Date.parse(one.at) - Date.parse(other.at));
  return node("ol", { class: "steps" }, found.map(({ at, what }) => node("li", {}, node("time", { class: "dim num", datetime: at }, clock(at, { second: "2-digit" })), node("span", {}, what))));
}

function outcome(attempt) {
  const took = seconds((Date.parse(attempt.ended_at) - Date.parse(attempt.started_at)) / 1000);
  const cost = attempt.cost_usd_at_most ? `, ${costs(attempt)}` : "";
  if (attempt.kind === "done") return `made after ${took}${cost}`;
  const why = attempt.message && attempt.message !== attempt.kind ? `: ${attempt.message}` : "";
  return attempt.kind === "unknown" ? `no answer after ${took}${cost}${why}` : `${attempt.kind ?? "ended"} after ${took}${cost}${why}`;
}

export function keys(event) {
  if (event.key === "j" || event.key === "k") step(event.key === "j" ? 1 : -1);
  else if (event.key === "Escape") location.hash = address.href();
  else if ({ s: "save", u: "use", e: "again", c: "copy-prompt" }[event.key]) document.querySelector(`#page [data-do=${{ s: "save", u: "use", e: "again", c: "copy-prompt" }[event.key]}]`)?.click();
  else if (stage?.keys[event.key]) stage.keys[event.key]();
  else return false;
  return true;
}
