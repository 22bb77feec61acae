// How the app stands, in one line, from its ledgers; trouble is a sentence above it. Times use the app's clock.

import { get } from "./api.js";
import { bar, clock, costs, icon, link, node, plural, redraw, seconds, usd } from "./nodes.js";

const IDLE_MS = 10000;
const BUSY_MS = 4000;
const LONG_WAIT = 600;
export const HISTORY_MS = 30 * 60 * 1000;
// What this page has seen of each pool's pace: [time, calls a minute]. The app keeps no history.
const paces = new Map();
const line = document.getElementById("line");
const banners = document.getElementById("trouble");
let overview = null;
let running = 0;

// Return the state of the app; asked for anew when it is old.
export async function look() {
  if (overview && Date.now() - overview.seen < (busy(overview) ? BUSY_MS : IDLE_MS)) return overview;
  overview = { ...(await get("/api/overview")), seen: Date.now() };
  remember(overview);
  return overview;
}

function remember({ pools, seen }) {
  for (const { pool, pace } of pools.filter((each) => each.pace)) {
    const kept = paceOf(pool).filter(([at]) => seen - at < HISTORY_MS);
    // Of three equal values in a row, the one between tells nothing.
    if (kept.length > 1 && kept.at(-1)[1] === pace.rate_rpm && kept.at(-2)[1] === pace.rate_rpm) kept.pop();
    paces.set(pool, [...kept, [seen, pace.rate_rpm]]);
  }
}

export const paceOf = (pool) => paces.get(pool) ?? [];

// How many jobs run, of all jobs: then the line does not say that nothing waits.
export function count(jobs) {
  running = jobs;
  if (overview) draw(overview);
}

// Let the state be asked for anew.
export function forget() {
  overview = null;
}

export const now = (app = overview) => (app ? Date.parse(app.time) + Date.now() - app.seen : Date.now());

const busy = (app) => app.pools.some(({ pace }) => !pace || pace.waiting || pace.stopped_until || pace.circuits.length) || app.oldest_task_seconds !== null;

export function draw(app) {
  const found = troubles(app);
  redraw(banners, JSON.stringify(found), () => found.map((each) => banner(each, [link("See the status", "#page=status", { kind: "primary" })])));
  const phone = matchMedia("(max-width: 640px)").matches;
  const unfolded = line.querySelector("details")?.open;
  redraw(line, JSON.stringify([running, { ...app, time: "", seen: "", stores: "" }]), () => whole(app, found.length > 0));
  const details = line.querySelector("details");
  // It unfolds by itself only when trouble begins, and not on a phone: there the banner says it.
  if (line.dataset.trouble !== String(found.length > 0)) details.open = found.length > 0 && !phone;
  else if (unfolded !== undefined) details.open = unfolded;
  line.dataset.trouble = String(found.length > 0);
}

export const banner = ({ title, more, kind = "", quote = "" }, acts = []) =>
  node("section", { class: `banner ${kind}`, role: kind === "bad" ? "alert" : "status" }, icon(kind === "bad" ? "bad" : "warn"),
    node("div", { class: "stack" }, node("h2", {}, title), node("p", {}, more), quote ? node("p", { class: "quote dim" }, `“${quote}”`) : null),
    acts.length ? node("div", { class: "acts" }, acts) : null);

// What is wrong, as sentences: what, since when, what it means, when it heals by itself.
export function troubles(app) {
  const found = [];
  for (const { pool, pace } of app.pools) {
    for (const circuit of pace?.circuits ?? []) {
      const name = circuit.deployment ?? pool;
      const waits = pace.waiting ? ` ${plural(pace.waiting, "call waits", "calls wait")} for it.` : "";
      const title = `${name} ${circuit.reason === "blocked" ? "is blocked by the provider" : "does not take our requests"}.${waits}`;
      const why = circuit.reason === "blocked" ? "It believes that a prompt broke its rules." : "Its address, its key or its permissions are wrong.";
      const again = circuit.until && Date.parse(circuit.until) > now(app) ? `We try again at ${clock(circuit.until)}.` : "The next call is a test.";
      found.push({ title, more: `Since ${clock(circuit.since)}. ${why} Your jobs are safe and cost nothing while they wait. ${again}`, quote: circuit.message, pool, deployment: circuit.deployment });
    }
  }
  const { budget } = app;
  if (budget?.left_usd === 0) {
    found.push({ title: `Nothing is left of today’s budget of ${usd(budget.limit_usd)}.`, more: "New pictures wait until midnight UTC, when a new day begins. Someone who runs the app can raise the budget." });
  }
  const unread = [app.budget_problem, app.waiting.problem, ...app.pools.map((each) => each.problem), ...app.stores.map((each) => each.problem)].filter(Boolean);
  if (unread.length) found.push({ title: "The app cannot read all of its own state.", more: `${[...new Set(unread)].join(" ")} The figures below are incomplete.` });
  return found;
}

// `level` of each pool: high needs somebody, busy works or waits, idle is ready.
export function levelOf({ pace }) {
  if (!pace) return "unknown";
  if (pace.circuits.length) return "blocked";
  if (pace.stopped_until) return "slowed";
  return pace.waiting ? "busy" : "idle";
}

function whole(app, troubled) {
  const calls = app.pools.reduce((sum, { pace }) => sum + (pace?.waiting ?? 0), 0);
  const names = app.pools.flatMap((pool) => pool.deployments);
  const noun = names.length === app.models.length ? "model" : "deployment";
  const out = app.pools.flatMap(({ deployments, pace }) => (pace ? deployments.filter((name) => pace.circuits.some((each) => each.deployment === null || each.deployment === name)) : []));
  const unknown = app.pools.filter((pool) => !pool.pace).length;
  const oldest = app.oldest_task_seconds ?? 0;
  const late = oldest > LONG_WAIT;
  const parts = [
    node("span", {}, node("b", {}, out.length ? `${out.length} of ${plural(names.length, noun)} ${out.length === 1 ? "takes" : "take"} no calls` : unknown ? `${plural(unknown, "pool")} unknown` : `${plural(names.length, noun)} ready`)),
    out.length ? node("span", {}, node("b", {}, String(names.length - out.length)), " ready") : null,
    running ? node("span", {}, node("b", {}, running.toLocaleString("en")), " in work") : null,
    calls ? node("span", {}, node("b", {}, String(calls)), " waiting") : running ? null : node("span", {}, "nothing waits"),
    late ? node("span", {}, node("b", {}, seconds(oldest)), " the oldest") : null,
    money(app.budget),
  ].filter(Boolean);
  // With the last part, so that it is never alone in a line.
  parts.at(-1).append(node("span", { class: "caret", "aria-hidden": "true" }));
  return node("details", { class: `line${troubled || late ? " off" : ""}`, "data-do": "line" },
    node("summary", { "data-do": "line-summary" }, icon(troubled || late ? "warn" : "good", "dot"), parts),
    node("div", {}, node("section", { class: "stack" }, node("h2", {}, "Models"), table(app)), node("section", { class: "stack" }, node("h2", {}, "Money today"), sums(app), node("p", {}, node("a", { href: "#page=status" }, "See everything on the status page")))));
}

function money(budget) {
  if (!budget) return node("span", {}, "cost unknown");
  if (budget.cost_usd === null) return null;
  return node("span", {}, node("b", { class: "num" }, costs(budget)), budget.limit_usd === null ? null : node("span", { class: "wide-only" }, ` of ${usd(budget.limit_usd)}`), " today");
}

// The pools that do something, and a line for the others.
function table(app) {
  const active = app.pools.filter((pool) => levelOf(pool) !== "idle");
  const idle = app.pools.length - active.length;
  const row = (name, what, queue) => node("tr", {}, node("td", {}, name), node("td", { "data-label": "Now" }, what), node("td", { "data-label": "Queue", class: "end nowrap" }, queue));
  return node("table", { class: "cards" }, node("thead", {}, node("tr", {}, node("th", {}, "Model"), node("th", {}, "Now"), node("th", { class: "end" }, "Queue"))),
    node("tbody", {}, active.map((pool) => row(pool.pool, doing(pool, app), pool.pace?.waiting ? `${pool.pace.waiting} wait` : "none waits")),
      idle ? row(active.length ? `${idle} other ${idle === 1 ? "model" : "models"}` : plural(idle, "model"), "Ready", "none waits") : null));
}

export function doing(pool, app) {
  const { pace, problem } = pool;
  const from = (moment) => seconds((Date.parse(moment) - now(app)) / 1000);
  switch (levelOf(pool)) {
    case "unknown": return problem;
    case "blocked": return pace.circuits[0].until ? `Takes no calls, tried again at ${clock(pace.circuits[0].until)}` : "Takes no calls, the next one is a test";
    case "slowed": return `Slowed down by the provider for ${from(pace.stopped_until)}`;
    case "busy": return `Working, next call in ${from(pace.next_call_at)}`;
    default: return "Ready";
  }
}

export function sums({ budget, budget_problem: problem }) {
  if (!budget) return node("p", {}, problem);
  const { limit_usd: limit, cost_usd_at_most: cost, reserved_usd: reserved, left_usd: left } = budget;
  if (cost === null) return node("p", { class: "dim" }, "No daily budget is set, so costs are not added up.");
  const tenants = budget.tenants.map((each) => node("p", { class: "bar-row spread" }, node("a", { href: `#tenant=${encodeURIComponent(each.tenant)}` }, each.tenant), node("span", { class: "num" }, costs(each), each.limit_usd === null ? null : node("span", { class: "dim" }, ` of ${usd(each.limit_usd)}, ${usd(each.left_usd)} left`))));
  if (limit === null) return [node("p", {}, node("b", { class: "num" }, costs(budget)), node("span", { class: "dim" }, " without a limit")), ...tenants];
  const midnight = Date.parse(`${budget.day}T00:00:00Z`) + 86400000;
  return [
    node("p", { class: "bar-row spread" }, node("span", {}, "All jobs"), node("span", { class: "num" }, costs(budget), node("span", { class: "dim" }, ` of ${usd(limit)}, ${usd(left)} left`))),
    bar(`${Math.round((100 * cost) / limit)} % used, ${Math.round((100 * reserved) / limit)} % set aside`, [[cost / limit, cost >= 0.9 * limit ? "f-warn" : "f-ink"], [reserved / limit, "f-dim"]]),
    ...tenants,
    node("p", { class: "small dim" }, `Solid: what ended calls may have cost. Grey: set aside for pictures being made. A new day begins at midnight UTC, in ${seconds((midnight - now()) / 1000)}.`),
  ];
}
