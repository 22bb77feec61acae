// One job with all there is to tell: pictures, what was decided and why, what it cost, what happened.

import { get, send } from "./api.js";
import { badge, bytes, clock, node, seconds, usd } from "./nodes.js";
import { address, shown } from "./pictures.js";

const dialog = document.getElementById("details");
let drawn = "";

export async function show(id, walk, { links = false } = {}) {
  const job = await get(`/api/jobs/${encodeURIComponent(id)}${links ? "?links=true" : ""}`);
  const version = [job.job_id, job.generation, job.state, job.updated_at].join(" ");
  if (version !== drawn) {
    drawn = version;
    const focused = dialog.contains(document.activeElement) ? document.activeElement.dataset.do : null;
    const top = dialog.scrollTop;
    dialog.replaceChildren(...content(job, walk));
    dialog.scrollTop = top;
    dialog.querySelector(`[data-do="${focused ?? "close"}"]`)?.focus();
  }
  if (!dialog.open) {
    dialog.showModal();
    dialog.scrollTop = 0;
  }
  return job;
}

export function hide() {
  drawn = "";
  if (dialog.open) dialog.close();
}

function content(job, walk) {
  return [
    node(
      "header",
      {},
      node("h2", { id: "details-title" }, job.job_id),
      badge(job.state),
      node("span", { class: "space" }),
      button("previous", "←", "Newer job", () => walk(-1)),
      button("next", "→", "Older job", () => walk(1)),
      button("close", "✕", "Close", () => dialog.close()),
    ),
    actions(job, walk),
    job.failure ? node("p", { class: "notice" }, node("b", {}, job.failure.code), ` ${job.failure.message}`) : null,
    job.possible_duplicate_charge
      ? node("p", { class: "notice" }, "A call was repeated although the one before may have been paid for.")
      : null,
    job.images.length ? node("div", { class: "pictures" }, job.images.map((image) => figure(job, image))) : null,
    node("p", { class: "prompt", dir: "auto" }, job.job.prompt ?? `prompt in ${job.job.prompt_blob}`),
    section("Cost", facts([
      ["cost", job.cost_usd === null ? "unknown" : `${usd(job.cost_usd)}${job.cost_known_by ? ` by ${job.cost_known_by}` : ""}`],
      ["estimate", usd(job.estimate_usd)],
      ["paid calls", job.attempts],
      ["unpaid retries", job.unpaid_retries || null],
      ["output tokens", job.usage?.output_tokens?.toLocaleString()],
    ])),
    job.plans.map((plan, number) => routing(plan, job.plans.length > 1 ? ` ${number + 1} of ${job.plans.length}` : "")),
    section("Timeline", timeline(job)),
    Object.keys(job.job.tags ?? {}).length ? section("Tags", facts(Object.entries(job.job.tags))) : null,
    section("Asked for", node("pre", { tabindex: 0 }, JSON.stringify(job.job, null, 2))),
  ].flat().filter(Boolean);
}

// What may be done to a job in its state; each is asked back, since it may cost or lose something.
const ORDERS = {
  running: [["cancel", "DELETE", "", "Cancel this job? What is being paid for is kept."]],
  parked: [
    ["release", "POST", "/release", "Let this job go on? A call that may have been paid for is made again."],
    ["fail", "POST", "/fail", "End this job as failed?"],
    ["cancel", "DELETE", "", "Cancel this job?"],
  ],
  failed: [["replay", "POST", "/replay", "Make what is missing of this job again? It is paid for."]],
  cancelled: [["replay", "POST", "/replay", "Make what is missing of this job again? It is paid for."]],
};

function actions(job, walk) {
  if (job.cancelling) return node("p", { class: "notice" }, "Cancelled; a call under way is waited for.");
  const orders = ORDERS[job.state] ?? [];
  if (!orders.length) return null;
  const fault = node("span", { class: "fault", role: "alert" });
  const give = async (method, path, question) => {
    if (!confirm(question)) return;
    try {
      await send(method, `/api/jobs/${encodeURIComponent(job.job_id)}${path}?opening=${job.opening}`);
      await show(job.job_id, walk);
    } catch (error) {
      fault.textContent = error.message;
    }
  };
  return node("p", { class: "orders" }, orders.map(([name, method, path, question]) =>
    node("button", { type: "button", "data-do": name, onclick: () => give(method, path, question) }, name)), fault);
}

function button(name, sign, label, act) {
  return node("button", { type: "button", class: "quiet", "data-do": name, "aria-label": label, title: label, onclick: act }, sign);
}

function section(title, ...children) {
  return node("section", {}, node("h3", {}, title), children);
}

function facts(pairs) {
  const known = pairs.filter(([, value]) => value !== null && value !== undefined);
  return node("dl", {}, known.map(([name, value]) => [node("dt", {}, name), node("dd", { dir: "auto" }, `${value}`)]));
}

function figure(job, image) {
  const place = [image.locale, `${image.width}×${image.height}`, bytes(image.bytes)].filter(Boolean).join(" · ");
  const save = node("a", { href: "#", download: image.blob.replaceAll("/", "_") }, "save");
  save.addEventListener("click", (event) => {
    const url = image.read_url ?? address(image.path);
    if (url) save.href = url;
    else event.preventDefault();
  });
  return node(
    "figure",
    {},
    shown(image.path, image.read_url, `${job.job.prompt ?? job.job_id}, picture ${image.number + 1}`),
    node("figcaption", {}, place, " ", save),
  );
}

function routing(plan, which) {
  const { asked, decided, adjustments, reasons, warnings } = plan.routing;
  return section(
    `Routing${which}`,
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
  );
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
        const why = attempt.message ? `: ${attempt.message}` : "";
        steps.push({ at: attempt.ended_at, what: `${whose}${attempt.kind ?? "ended"} after ${seconds(took)}${cost}${why}` });
      }
    }
    if (task.state === "pending" && task.unpaid_retries) {
      steps.push({ at: job.updated_at, what: `${whose}waiting for another turn after ${task.last_unpaid}` });
    }
  }
  for (const event of job.events) {
    steps.push({ at: event.time, what: `${event.type}${event.sent_at ? " announced" : " to be announced"}` });
  }
  steps.sort((one, other) => Date.parse(one.at) - Date.parse(other.at));
  const start = Date.parse(job.accepted_at);
  return node("ol", { class: "timeline" }, steps.map(({ at, what }) =>
    node("li", {}, node("time", { datetime: at }, clock(at)), ` +${seconds(Math.max(0, (Date.parse(at) - start) / 1000))} `, what)));
}
