// Quota and budget, read from the ledgers. Times use the app's clock, not the browser's.

import { node, rate, seconds, usd } from "./nodes.js";

const place = document.getElementById("glance");
const LONG_WAIT = 600;
const NEARLY = 0.9;

export function draw(overview) {
  const now = Date.parse(overview.time);
  const pools = overview.pools.map((its) => ({ its, level: levelOf(its) })).sort((one, other) => RANK[one.level] - RANK[other.level]);
  // What is unfolded or in focus stays so when the figures change.
  const unfolded = new Set([...place.querySelectorAll("details[open]")].map((each) => each.dataset.of));
  const focused = place.contains(document.activeElement) ? document.activeElement.parentElement.dataset.of : null;
  place.hidden = false;
  place.replaceChildren(...budget(overview), ...waits(overview), ...pools.map(({ its, level }) => pool(its, level, now)));
  for (const each of place.querySelectorAll("details")) {
    each.open = unfolded.has(each.dataset.of);
    if (each.dataset.of === focused) each.firstElementChild.focus();
  }
}

// Whether any call or message waits: then the page refreshes more often.
export const busy = (overview) => overview.pools.some((its) => levelOf(its) !== "idle") || overview.lanes.some((lane) => lane.oldest_seconds !== null);

function tile(level, name, value, ...more) {
  return node("li", { class: `tile ${level}` }, node("span", { class: "dim name" }, name), node("b", {}, value), more.flat().filter(Boolean).map((line) =>
    typeof line === "string" ? node("span", { class: "dim" }, line) : line));
}

function budget({ budget, budget_problem: problem }) {
  if (!budget) return [tile("high", "cost today", "unknown", problem)];
  const { limit_usd: limit, cost_usd_at_most: cost, reserved_usd: reserved, calls } = budget;
  if (cost === null) return [tile("", "cost today", "not tracked", "no daily budget is configured")];
  const hold = reserved ? `${usd(reserved)} reserved for ${calls} ${calls === 1 ? "call" : "calls"}` : "nothing reserved";
  if (limit === null) return [tile("", "cost today", usd(cost), "no limit", hold)];
  const level = cost + reserved >= NEARLY * limit ? "high" : "";
  return [tile(level, "cost today (UTC)", node("span", {}, usd(cost), node("small", {}, ` of ${usd(limit)}`)), bar(limit, cost, reserved), hold)];
}

function bar(limit, cost, reserved) {
  const parts = node("span", { class: "bar", role: "img", "aria-label": `${Math.round((100 * cost) / limit)} % used, ${Math.round((100 * reserved) / limit)} % reserved` }, node("i"), node("i"));
  [cost, reserved].forEach((amount, which) => {
    parts.children[which].style.inlineSize = `${Math.min(100, (100 * amount) / limit)}%`;
  });
  return parts;
}

function waits({ lanes }) {
  const told = lanes.filter((lane) => lane.problem || lane.oldest_seconds !== null);
  return told.map(({ lane, oldest_seconds: oldest, problem }) => problem
    ? tile("high", `lane ${lane}`, "unknown", problem)
    : tile(oldest > LONG_WAIT ? "high" : "", `lane ${lane}`, seconds(oldest), "age of the oldest message"));
}

const RANK = { high: 0, busy: 1, idle: 2 };

function levelOf({ pace }) {
  if (!pace || pace.circuits.length) return "high";
  return pace.waiting || pace.stopped_until ? "busy" : "idle";
}

function pool({ pool: name, quota_rpm: quota, pace, problem }, level, now) {
  if (!pace) return tile(level, name, "unknown", problem);
  const from = (moment) => seconds(Math.max(0, (Date.parse(moment) - now) / 1000));
  const waiting = pace.waiting ? `${pace.waiting} waiting, next call in ${from(pace.next_call_at)}` : level === "idle" ? "no calls waiting" : null;
  return tile(
    level,
    name,
    node("span", {}, `${rate(pace.rate_rpm)} rpm`, pace.rate_rpm === quota ? null : node("small", {}, ` quota ${rate(quota)}`)),
    pace.stopped_until ? `throttled, no calls for ${from(pace.stopped_until)}` : null,
    pace.circuits.map((each) => circuit(name, each, from)),
    waiting,
  );
}

function circuit(pool, { deployment, reason, message, until }, from) {
  const again = until ? `circuit open, next test call in ${from(until)}` : "circuit open, the next call is a test";
  const what = node("summary", { class: "message" }, node("b", {}, reason), `${deployment ? ` ${deployment}` : ""}: ${message}`);
  return node("div", { class: "trouble" }, node("details", { "data-of": `${pool} ${deployment ?? ""}` }, what), node("span", { class: "dim" }, again));
}
