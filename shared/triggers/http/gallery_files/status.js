// How the app stands: its models, who waits, money, storage.

import { HISTORY_MS, forget, now, banner, doing, levelOf, paceOf, sums, troubles } from "./glance.js";
import { send } from "./api.js";
import { button, clock, curve, node, plural, rate, redraw, say, seconds, state } from "./nodes.js";

const MS = 4000;
const LEVELS = {
  unknown: { kind: "bad", sign: "bad", word: "Unknown" },
  blocked: { kind: "warn", sign: "warn", word: "Blocked" },
  slowed: { kind: "warn", sign: "wait", word: "Slowed" },
  busy: { kind: "work", sign: "work", word: "Working" },
  idle: { kind: "good", sign: "good", word: "Ready" },
};
const ORDER = Object.keys(LEVELS);

export const title = () => "Status";

export async function show(place, address, overview) {
  redraw(place, `${overview.seen}`, () => [
    node("div", { class: "head stack" }, node("h1", {}, "Status"), node("p", {}, summary(overview), " ", node("span", { class: "dim" }, `As of ${clock(overview.time, { second: "2-digit" })}.`))),
    troubles(overview).map((each) => node("div", { class: "cause" }, banner(each, each.pool ? [button("Try now", () => probe(each.pool), { name: `probe ${each.pool}` })] : []))),
    node("section", { class: "panel" }, node("h2", {}, "Models"), models(overview)),
    node("div", { class: "halves" }, node("section", { class: "panel" }, node("h2", {}, "Queues"), queues(overview)), node("section", { class: "panel" }, node("h2", {}, "Storage"), stores(overview)), node("section", { class: "panel stack" }, node("h2", {}, "Money today"), sums(overview))),
  ]);
  return MS;
}

function summary({ pools }) {
  const ready = pools.filter((pool) => ["busy", "idle"].includes(levelOf(pool))).length;
  const waiting = pools.reduce((sum, { pace }) => sum + (pace?.waiting ?? 0), 0);
  return `${ready} of ${plural(pools.length, "pool")} ${ready === 1 ? "takes" : "take"} work. ${waiting ? `${plural(waiting, "call waits", "calls wait")}.` : "No call waits."}`;
}

function models(overview) {
  const pools = [...overview.pools].sort((one, other) => ORDER.indexOf(levelOf(one)) - ORDER.indexOf(levelOf(other)));
  return node("table", { class: "cards models" }, node("thead", {}, node("tr", {}, ["Model", "State", "Now"].map((name) => node("th", {}, name)), ["Calls a minute", "Last 30 min", "Queue", "Next call"].map((name) => node("th", { class: "end" }, name)))),
    node("tbody", {}, pools.map((pool) => {
      const { pace } = pool;
      const left = pace ? (Date.parse(pace.next_call_at) - now(overview)) / 1000 : 0;
      return node("tr", {}, node("td", {}, pool.pool), node("td", { "data-label": "State" }, state(LEVELS[levelOf(pool)])), node("td", { "data-label": "Now", class: "dim" }, levelOf(pool) === "idle" ? "" : doing(pool, overview)),
        node("td", { "data-label": "Calls a minute", class: "num end" }, pace ? `${rate(pace.rate_rpm)} of ${rate(pool.quota_rpm)}` : "unknown"),
        node("td", { "data-label": "Last 30 min", class: "end" }, history(pool, overview.seen)),
        node("td", { "data-label": "Queue", class: "nowrap end" }, pace?.waiting ? `${pace.waiting} wait` : "none waits"), node("td", { "data-label": "Next call", class: "num end" }, !pace ? "unknown" : left > 1 ? `in ${seconds(left)}` : "now"));
    })));
}

// The pace since this page was opened, of at most half an hour; the top is the quota.
function history({ pool, quota_rpm: quota }, seen) {
  const paces = paceOf(pool);
  if (!paces.length) return "unknown";
  const top = Math.max(quota, ...paces.map(([, rpm]) => rpm)) || 1;
  const lowest = Math.min(...paces.map(([, rpm]) => rpm));
  return curve(`${pool}: at least ${rate(lowest)} calls a minute since ${clock(new Date(paces[0][0]))}`, paces.map(([at, rpm]) => [1 - (seen - at) / HISTORY_MS, rpm / top]));
}

// Jobs that wait for a pool try it at their time; the next new call tries it at once.
async function probe(pool) {
  try {
    await send("POST", `/api/pools/${encodeURIComponent(pool)}/probe`);
    say(`The next call of ${pool} is a test.`);
  } catch (error) {
    say(error.message);
  }
  forget();
  window.dispatchEvent(new Event("refresh"));
}

const STORES = { records: "Jobs and records", pictures: "Pictures", queues: "Queues" };

function stores({ stores: all }) {
  return node("ul", { class: "health" }, all.map(({ store, milliseconds, problem }) =>
    node("li", { class: problem ? "warn" : "" }, state(problem ? { kind: "bad", sign: "bad", word: "No answer" } : LEVELS.idle), node("span", {}, node("strong", {}, STORES[store]), node("br"), node("span", { class: "dim" }, problem ?? "Read a moment ago")), node("span", { class: "num dim" }, problem ? "" : `${Math.round(milliseconds)} ms`))));
}

function waits({ tasks, late_seconds: late, problem }) {
  const slow = late > 120;
  const told = problem ?? (tasks ? `${plural(tasks, "call")}${slow ? `, late by ${seconds(late)}` : ""}` : "No call waits");
  return node("li", { class: problem || slow ? "warn" : "" }, state(problem ? LEVELS.unknown : slow ? LEVELS.slowed : LEVELS.idle), node("span", {}, node("strong", {}, "Calls that wait for their time"), node("br"), node("span", { class: "dim" }, told)));
}

function queues({ oldest_task_seconds: oldest, stores: all, waiting }) {
  const { problem } = all.find(({ store }) => store === "queues");
  return node("ul", { class: "health" }, waits(waiting),
    node("li", { class: problem || oldest > 600 ? "warn" : "" }, state(problem ? LEVELS.unknown : oldest > 600 ? LEVELS.slowed : LEVELS.idle), node("span", {}, node("strong", {}, "Tasks"), node("br"), node("span", { class: "dim" }, problem ?? (oldest === null ? "No task waits" : `The oldest waits for ${seconds(oldest)}`)))));
}
