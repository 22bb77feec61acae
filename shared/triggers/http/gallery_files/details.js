// The details of one job: pictures, decisions with their reasons, cost and timeline.

import { get, send } from "./api.js";
import { badge, bytes, clock, node, seconds, usd } from "./nodes.js";
import { saving, shown } from "./pictures.js";

const LONG_PROMPT = 500;
const dialog = document.getElementById("details");
let drawn = "";
let whose = "";

// `wanted` returns whether this job is still the one to show when it has loaded.
export async function show(id, walk, { links = false, wanted }) {
  const job = await get(`/api/jobs/${encodeURIComponent(id)}${links ? "?links=true" : ""}`);
  if (!wanted()) return;
  const version = [job.job_id, job.run, job.state, job.updated_at].join(" ");
  if (version !== drawn) {
    drawn = version;
    // If the job is the same as before, keep scroll position, unfolded parts and focus.
    const top = whose === id ? dialog.scrollTop : 0;
    const unfolded = whose === id ? [...dialog.querySelectorAll("details[open]")].map((each) => each.dataset.do) : [];
    const focused = dialog.contains(document.activeElement) ? document.activeElement.dataset.do : null;
    whose = id;
    dialog.replaceChildren(...content(job, walk));
    for (const name of unfolded) dialog.querySelector(`details[data-do="${name}"]`)?.setAttribute("open", "");
    dialog.scrollTop = top;
    dialog.querySelector(`[data-do="${focused ?? "close"}"]`)?.focus();
  }
  if (!dialog.open) dialog.showModal();
}

export function hide() {
  drawn = whose = "";
  if (dialog.open) dialog.close();
}

function content(job, walk) {
  return [
    node(
      "header",
      {},
      node("h2", { id: "details-title", title: job.job_id }, job.job_id),
      badge(job.state),
      button("previous", "←", "Newer job", () => walk(-1)),
      button("next", "→", "Older job", () => walk(1)),
      button("close", "✕", "Close", () => dialog.close(), { autofocus: true }),
    ),
    actions(job, walk),
    job.failure ? node("p", { class: `notice ${job.state === "failed" ? "bad" : ""}` }, node("b", {}, job.failure.code), ` ${job.failure.message}`) : null,
    job.possible_duplicate_charge
      ? node("p", { class: "notice" }, "A call was repeated although the one before may have been paid for.")
      : null,
    job.images.length ? node("div", { class: "pictures" }, job.images.map((image) => figure(job, image))) : null,
    job.contact_sheet ? section("Contact sheet", node("div", { class: "pictures sheet" }, sheet(job))) : null,
    prompt(job.job),
    section("Cost", facts([
      ["cost", job.cost_usd === null ? "unknown" : `${usd(job.cost_usd)}${job.cost_known_by ? ` by ${job.cost_known_by}` : ""}`],
      ["estimate", usd(job.estimate_usd)],
      ["paid calls", job.attempts],
      ["unpaid retries", job.unpaid_retries || null],
      ["output tokens", job.usage?.output_tokens?.toLocaleString()],
    ])),
    job.plans.length > 1 ? section("Routing", job.plans.map(folded)) : section("Routing", routing(job.plans[0])),
    section("Timeline", timeline(job)),
    Object.keys(job.job.tags ?? {}).length ? section("Tags", facts(Object.entries(job.job.tags))) : null,
    section("Request", node("pre", { tabindex: 0 }, JSON.stringify(job.job, null, 2))),
  ].flat().filter(Boolean);
}

// The commands that each state allows. Each needs a confirmation, because it may cost money or lose work.
const COMMANDS = {
  running: [["cancel", "DELETE", "", "Cancel this job? Pictures of calls in progress are kept."]],
  parked: [
    ["release", "POST", "/release", "Release this job? A call that may have been paid for is repeated."],
    ["fail", "POST", "/fail", "Fail this job?"],
    ["cancel", "DELETE", "", "Cancel this job?"],
  ],
  failed: [["replay", "POST", "/replay", "Replay this job? The missing pictures are made again and paid for."]],
  cancelled: [["replay", "POST", "/replay", "Replay this job? The missing pictures are made again and paid for."]],
};

function actions(job, walk) {
  if (job.cancelling) return node("p", { class: "notice" }, "Cancelled. The app waits for a call in progress.");
  const commands = COMMANDS[job.state] ?? [];
  if (!commands.length) return null;
  const fault = node("span", { class: "fault", role: "alert" });
  const give = async (method, path, question) => {
    if (!confirm(question)) return;
    try {
      await send(method, `/api/jobs/${encodeURIComponent(job.job_id)}${path}?run=${job.run}`);
      await show(job.job_id, walk, { wanted: () => whose === job.job_id });
    } catch (error) {
      fault.textContent = error.message;
    }
  };
  return node("p", { class: "commands" }, commands.map(([name, method, path, question]) =>
    node("button", { type: "button", "data-do": name, onclick: () => give(method, path, question) }, name)), fault);
}

function button(name, sign, label, act, more = {}) {
  return node("button", { type: "button", class: "quiet", "data-do": name, "aria-label": label, title: label, onclick: act, ...more }, sign);
}

// A long prompt is folded, so that it does not hide the rest.
function prompt({ prompt: text, prompt_blob: blob }) {
  const whole = node("p", { class: "prompt", dir: "auto" }, text ?? `Prompt in the blob ${blob}`);
  if (!text || text.length <= LONG_PROMPT) return whole;
  const beginning = `${[...text].slice(0, LONG_PROMPT).join("").replace(/\s+\S{0,40}$/, "")} …`;
  return node("details", { class: "prompt", "data-do": "prompt" },
    node("summary", {}, node("span", { dir: "auto", class: "beginning" }, beginning), node("span", { class: "more" }, `All ${text.length.toLocaleString()} characters`)), whole);
}

function section(title, ...children) {
  return node("section", {}, node("h3", {}, title), children);
}

function facts(pairs) {
  const known = pairs.filter(([, value]) => value !== null && value !== undefined);
  return node("dl", {}, known.map(([name, value]) => [node("dt", {}, name), node("dd", { dir: "auto" }, `${value}`)]));
}

function figure(job, image) {
  return node(
    "figure",
    {},
    shown(image.path, image.read_url, `${job.job.prompt ?? job.job_id}, picture ${image.number + 1}`),
    node(
      "figcaption",
      {},
      node("span", {}, [...several(job, image), measured(image)].join(" · "), " ", save(image, "save")),
      image.renditions.length ? node("ul", { class: "made" }, image.renditions.map((made) => node("li", {}, save(made, named(made)), ` ${measured(made)}`))) : null,
    ),
  );
}

// What distinguishes a picture from the others of its job.
function several(job, image) {
  const differs = (what) => new Set(job.images.map(what)).size > 1;
  return [image.locale, differs((each) => each.model) ? image.model : null].filter(Boolean);
}

function sheet(job) {
  const made = job.contact_sheet;
  return node("figure", {}, shown(made.path, made.read_url, `Contact sheet of ${job.job_id}`),
    node("figcaption", {}, node("span", {}, measured(made), " ", save(made, "save"))));
}

const measured = (picture) => `${picture.width}×${picture.height} · ${bytes(picture.bytes)}`;
const save = (picture, ...text) => saving(picture.path, picture.read_url, picture.blob.replaceAll("/", "_"), text);

function named(made) {
  const type = made.content_type.replace("image/", "");
  return made.kind === "rendition" ? `${type} ${made.path.match(/as=(q\d+)/)?.[1] ?? ""}` : `${made.kind} ${type}`;
}

// One of several plans, as a line that unfolds.
function folded(plan, number) {
  const { decided, adjustments, warnings } = plan.routing;
  const told = [decided.model, `${decided.width}×${decided.height}`, decided.quality, usd(plan.estimate_usd)];
  const changed = adjustments.length + warnings.length;
  return node("details", { class: "plan", "data-do": `plan-${number}` },
    node("summary", {}, told.filter(Boolean).join(" · "), changed ? node("span", { class: "dim" }, ` · ${changed} changed`) : null), routing(plan));
}

function routing(plan) {
  const { asked, decided, adjustments, reasons, warnings } = plan.routing;
  return [
    facts([
      ["model", arrow(asked.model, decided.model)],
      ["size", arrow(asked.size, `${decided.width}x${decided.height}`)],
      ["quality", arrow(asked.quality, decided.quality ?? "the model's own")],
      ["lane", decided.lane],
      ["tier, bucket", [decided.tier, decided.bucket].filter(Boolean).join(", ") || null],
      ["deployments", plan.deployments.join(", ")],
      ["estimate", usd(plan.estimate_usd)],
    ]),
    adjustments.length ? node("ul", { class: "changes" }, adjustments.map((made) =>
      node("li", {}, node("b", {}, made.field), `: ${made.asked ?? "not given"} → ${made.decided}; ${made.reason}`))) : null,
    node("ul", {}, reasons.map((reason) => node("li", {}, reason))),
    warnings.length ? node("ul", { class: "warnings" }, warnings.map((warning) => node("li", {}, warning))) : null,
  ];
}

const arrow = (asked, decided) => (asked === decided ? decided : `${asked} → ${decided}`);

function timeline(job) {
  const steps = [{ at: job.accepted_at, what: "accepted" }];
  for (const task of job.tasks) {
    const whose = job.tasks.length > 1 ? `call ${task.index + 1}: ` : "";
    for (const attempt of task.attempts) {
      steps.push({ at: attempt.started_at, what: `${whose}called ${attempt.deployment}` });
      if (attempt.ended_at) {
        const took = (Date.parse(attempt.ended_at) - Date.parse(attempt.started_at)) / 1000;
        const cost = attempt.cost_usd === null ? "" : `, ${usd(attempt.cost_usd)}`;
        const why = attempt.message && attempt.message !== attempt.kind ? `: ${attempt.message}` : "";
        steps.push({ at: attempt.ended_at, what: `${whose}${attempt.kind ?? "ended"} after ${seconds(took)}${cost}${why}` });
      }
    }
    if (task.state === "pending" && task.unpaid_retries) {
      steps.push({ at: job.updated_at, what: `${whose}waiting to retry after ${task.last_unpaid}` });
    }
  }
  for (const event of job.events) {
    steps.push({ at: event.time, what: `${event.type}${event.sent_at ? " published" : " not published yet"}` });
  }
  steps.sort((one, other) => Date.parse(one.at) - Date.parse(other.at));
  const start = Date.parse(job.accepted_at);
  return node("ol", { class: "timeline" }, steps.map(({ at, what }) =>
    node("li", {}, node("time", { datetime: at }, clock(at)), ` +${seconds(Math.max(0, (Date.parse(at) - start) / 1000))} `, what)));
}
