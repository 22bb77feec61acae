// Quota and spend at a glance.

import { node, seconds, usd } from "./nodes.js";

const place = document.getElementById("glance");

export function draw(overview) {
  place.hidden = false;
  place.replaceChildren(...spend(overview), ...waits(overview), ...overview.pools.map(pool));
}

function tile(name, value, more, level = "") {
  return node("div", { class: `tile ${level}` }, node("span", { class: "dim" }, name), node("b", {}, value), more && node("span", { class: "dim" }, more));
}

function spend({ spend }) {
  if (!spend) return [];
  const limit = spend.limit_usd === null ? "no limit" : `of ${usd(spend.limit_usd)}`;
  const full = spend.limit_usd !== null && spend.spent_usd + spend.reserved_usd >= 0.9 * spend.limit_usd;
  const held = spend.reserved_usd ? `, ${usd(spend.reserved_usd)} reserved` : "";
  return [tile("spent today", usd(spend.spent_usd), limit + held, full ? "high" : "")];
}

function waits({ lanes }) {
  const oldest = lanes.filter((lane) => lane.oldest_seconds !== null);
  if (!oldest.length) return [tile("waiting", "nothing", null)];
  return oldest.map((lane) => tile(`lane ${lane.lane}`, seconds(lane.oldest_seconds), "the oldest waits", lane.oldest_seconds > 600 ? "high" : ""));
}

function pool(its) {
  const rate = its.rate_rpm ?? its.quota_rpm;
  const quota = its.quota_rpm ? `quota ${its.quota_rpm} a minute` : "quota not known";
  const state = its.blocked ?? (its.waiting ? `${its.waiting} waiting` : quota);
  return tile(its.pool, rate ? `${Math.round(rate)} rpm` : "–", state, its.blocked ? "high" : "");
}
