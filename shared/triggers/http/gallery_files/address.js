// The address after the #: a page, a job, filters. So all of it can be bookmarked, shared and gone back to.

import { key } from "./api.js";

export const FILTERS = ["state", "model", "tag", "text", "batch", "tenant", "failure"];
const NAMES = ["page", "job", "from", "use", ...FILTERS];

export function read() {
  const said = new URLSearchParams(location.hash.slice(1));
  if (said.has("key")) {
    key.set(said.get("key"));
    said.delete("key");
    history.replaceState(null, "", `#${said}`);
  }
  return Object.fromEntries(NAMES.map((name) => [name, said.get(name) ?? ""]));
}

// Return a link; of what it does not name, only the filters stay.
export function href(change = {}) {
  const now = read();
  const kept = Object.fromEntries(FILTERS.map((name) => [name, now[name]]));
  return `#${new URLSearchParams(Object.entries({ ...kept, ...change }).filter(([, value]) => value))}`;
}

export const job = (id) => href({ job: id });

export function go(change) {
  location.hash = href(change);
}

// Change filters without a step in the history.
export function filter(change) {
  history.replaceState(null, "", href(change));
  window.dispatchEvent(new Event("hashchange"));
}

export const pageOf = (address) => address.page || (address.job ? "job" : "pictures");
