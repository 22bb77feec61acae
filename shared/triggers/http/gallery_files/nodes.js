// Make elements. Text is always set as text: the gallery never parses HTML.

const ICONS = {
  add: "M10 4v12M4 10h12",
  less: "M4 10h12",
  back: "M12.5 4l-6 6 6 6",
  on: "M7.5 4l6 6-6 6",
  close: "M5 5l10 10M15 5L5 15",
  tick: "M4 10.5l4 4 8-9",
  save: "M10 3v9.5M6 9l4 4 4-4M3.5 16.5h13",
  input: "M3 6.5A1.5 1.5 0 0 1 4.5 5h6A1.5 1.5 0 0 1 12 6.5v6a1.5 1.5 0 0 1-1.5 1.5h-6A1.5 1.5 0 0 1 3 12.5zM9 17h6.5a1.5 1.5 0 0 0 1.5-1.5V9",
  again: "M16 6.5A7 7 0 1 0 17 10M16.5 3v4h-4",
  many: "M3 7.5A1.5 1.5 0 0 1 4.5 6h8A1.5 1.5 0 0 1 14 7.5v8a1.5 1.5 0 0 1-1.5 1.5h-8A1.5 1.5 0 0 1 3 15.5zM6.5 3H15a2 2 0 0 1 2 2v8.5",
  copy: "M7 8.5A1.5 1.5 0 0 1 8.5 7H15a1.5 1.5 0 0 1 1.5 1.5V15a1.5 1.5 0 0 1-1.5 1.5H8.5A1.5 1.5 0 0 1 7 15zM13 4.5a1 1 0 0 0-1-1H4.5a1 1 0 0 0-1 1V12a1 1 0 0 0 1 1",
  compare: "M2.5 5a1 1 0 0 1 1-1H8a1 1 0 0 1 1 1v10a1 1 0 0 1-1 1H3.5a1 1 0 0 1-1-1zM11 5a1 1 0 0 1 1-1h4.5a1 1 0 0 1 1 1v10a1 1 0 0 1-1 1H12a1 1 0 0 1-1-1z",
  full: "M3 7V3h4M13 3h4v4M17 13v4h-4M7 17H3v-4",
  work: "M10 2.8a7.2 7.2 0 1 1-6.6 4.3",
  wait: "M2.5 10a7.5 7.5 0 1 0 15 0a7.5 7.5 0 1 0-15 0M10 5.8V10l2.8 2",
  pause: "M2.5 10a7.5 7.5 0 1 0 15 0a7.5 7.5 0 1 0-15 0M8 7.2v5.6M12 7.2v5.6",
  bad: "M2.5 10a7.5 7.5 0 1 0 15 0a7.5 7.5 0 1 0-15 0M7.3 7.3l5.4 5.4M12.7 7.3l-5.4 5.4",
  good: "M2.5 10a7.5 7.5 0 1 0 15 0a7.5 7.5 0 1 0-15 0M6.8 10.2l2.3 2.3 4.2-4.8",
  info: "M2.5 10a7.5 7.5 0 1 0 15 0a7.5 7.5 0 1 0-15 0M10 9v4.5M10 6.3v.1",
  warn: "M10 3l7.5 13.5h-15zM10 8.2v3.6M10 14v.1",
};

export function node(name, properties = {}, ...children) {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(properties)) {
    if (value === null || value === undefined || value === false) continue;
    if (key.startsWith("on")) made.addEventListener(key.slice(2), value);
    else if (key in made && typeof value !== "string") made[key] = value;
    else made.setAttribute(key, value);
  }
  made.append(...children.flat(Infinity).filter((child) => child !== null && child !== undefined && child !== false));
  return made;
}

function drawing(name, properties, ...children) {
  const made = document.createElementNS("http://www.w3.org/2000/svg", name);
  for (const [key, value] of Object.entries(properties)) made.setAttribute(key, value);
  made.append(...children);
  return made;
}

export function icon(name, more = "") {
  return drawing("svg", { class: `ic ${more}`.trim(), viewBox: "0 0 20 20", "aria-hidden": "true" }, drawing("path", { d: ICONS[name] }));
}

// A bar of parts, each a share from 0 to 1 and a class. An SVG needs no inline style.
export function bar(label, parts, more = "") {
  let at = 0;
  const rects = parts.map(([share, name]) => {
    const width = Math.max(0, Math.min(1 - at, share)) * 100;
    const rect = drawing("rect", { x: at * 100, y: 0, width, height: 10, class: name });
    at += width / 100;
    return rect;
  });
  return drawing("svg", { class: `bar ${more}`.trim(), viewBox: "0 0 100 10", preserveAspectRatio: "none", role: "img", "aria-label": label }, ...rects);
}

// A line through values over time, both from 0 to 1.
export function curve(label, points) {
  const places = points.map(([time, value]) => `${(time * 118 + 1).toFixed(1)},${(23 - value * 22).toFixed(1)}`);
  return drawing("svg", { class: "curve", viewBox: "0 0 120 24", role: "img", "aria-label": label }, drawing("polyline", { points: places.join(" ") }));
}

// A shape of these proportions, as high as a line.
export function shape(ratio) {
  const width = Math.max(6, Math.min(28, Math.round(16 * Math.sqrt(ratio))));
  const height = Math.max(6, Math.min(18, Math.round(width / ratio)));
  return drawing("svg", { class: "shape", viewBox: `0 0 ${width + 2} ${height + 2}`, width: width + 2, height: height + 2, "aria-hidden": "true" },
    drawing("rect", { x: 1, y: 1, width, height, rx: 1.5 }));
}

export const state = ({ kind, word, sign }) => node("span", { class: `state ${kind}` }, icon(sign, sign === "work" ? "turn" : ""), word);

export function button(label, act, { kind = "", sign = null, name = null, only = false, ...more } = {}) {
  return node("button", { type: "button", class: `btn ${kind}${only ? " only" : ""}`.trim(), "data-do": name, onclick: act, "aria-label": only ? label : null, title: only ? label : null, ...more },
    sign ? icon(sign) : null, only ? null : node("span", {}, label));
}

export function link(label, href, { kind = "", sign = null, name = null, ...more } = {}) {
  return node("a", { class: `btn ${kind}`.trim(), href, "data-do": name, ...more }, sign ? icon(sign) : null, node("span", {}, label));
}

// A button that copies a text, and says so.
export function copying(text, label, { only = false, kind = "slim", name = null } = {}) {
  const made = button(label, async () => {
    const told = await navigator.clipboard.writeText(text).then(() => "Copied", () => "Select the text to copy it");
    say(told);
    made.classList.add("copied");
    if (!only) made.lastElementChild.textContent = told;
    setTimeout(() => {
      made.classList.remove("copied");
      if (!only) made.lastElementChild.textContent = label;
    }, 2000);
  }, { kind, sign: "copy", only, name });
  return made;
}

// Tell people who do not see the page.
const spoken = node("p", { class: "hidden-words", role: "status", id: "spoken" });
document.body.append(spoken);
export const say = (text) => {
  if (spoken.textContent !== text) spoken.textContent = text;
};

export const fold = (title, name, ...content) =>
  node("details", { class: "fold", "data-do": name }, node("summary", {}, title), ...content);

// Draw a place anew if its version changed; what is unfolded or in focus stays so.
export function redraw(place, version, build) {
  if (place.dataset.version === version) return false;
  const unfolded = [...place.querySelectorAll("details[data-do]")].map((each) => [each.dataset.do, each.open]);
  const focused = place.contains(document.activeElement) ? document.activeElement.dataset.do : null;
  place.dataset.version = version;
  place.replaceChildren(...[build()].flat(Infinity).filter(Boolean));
  for (const [name, open] of unfolded) {
    const found = place.querySelector(`details[data-do="${CSS.escape(name)}"]`);
    if (found) found.open = open;
  }
  if (focused) place.querySelector(`[data-do="${CSS.escape(focused)}"]`)?.focus();
  return true;
}

export function usd(value) {
  if (value === null || value === undefined) return "price unknown";
  if (value >= 0.1 || value === 0) return `$${value.toLocaleString("en", { minimumFractionDigits: 2, maximumFractionDigits: 2 })}`;
  return `$${value.toLocaleString("en", { minimumFractionDigits: 2, maximumSignificantDigits: 2 })}`;
}

// A cost: what is certain and, where it differs, what is possible.
export function costs({ cost_usd: certain, cost_usd_at_most: most }) {
  if (certain === null || certain === most) return usd(certain);
  return certain ? `${usd(certain)} to ${usd(most)}` : `up to ${usd(most)}`;
}

export const capital = (words) => `${words[0].toUpperCase()}${words.slice(1)}`;
export const plural = (count, one, many = `${one}s`) => `${count.toLocaleString("en")} ${count === 1 ? one : many}`;
export const size = (text) => text.replace(/^(\d+)x(\d+)$/, "$1 × $2");
export const rate = (rpm) => rpm.toLocaleString("en", { maximumFractionDigits: rpm < 100 ? 1 : 0 });

export const bytes = (value) =>
  value < 1024 ? `${value} B` : value < 1 << 20 ? `${(value / 1024).toFixed(0)} KiB` : `${(value / (1 << 20)).toFixed(1)} MiB`;

export const clock = (text, more = {}) => new Date(text).toLocaleTimeString([], { hour: "2-digit", minute: "2-digit", ...more });

export function seconds(value) {
  const whole = Math.max(0, Math.round(value));
  if (whole < 90) return `${whole} s`;
  if (whole < 3600) return `${Math.floor(whole / 60)} min${whole < 600 && whole % 60 ? ` ${whole % 60} s` : ""}`;
  return `${Math.floor(whole / 3600)} h${Math.floor((whole % 3600) / 60) ? ` ${Math.floor((whole % 3600) / 60)} min` : ""}`;
}

export function ago(text, now = Date.now()) {
  const passed = Math.max(0, (now - Date.parse(text)) / 1000);
  if (passed < 60) return "just now";
  if (passed < 3600) return `${Math.floor(passed / 60)} min ago`;
  const time = clock(text);
  const days = dayOf(now) - dayOf(text);
  return days === 0 ? `${Math.floor(passed / 3600)} h ago` : days === 1 ? `Yesterday, ${time}` : new Date(text).toLocaleDateString([], { dateStyle: "medium" });
}

const dayOf = (text) => {
  const date = new Date(text);
  return Math.round(new Date(date.getFullYear(), date.getMonth(), date.getDate()).getTime() / 86400000);
};

export function dayName(text) {
  const days = dayOf(Date.now()) - dayOf(text);
  return days <= 0 ? "Today" : days === 1 ? "Yesterday" : new Date(text).toLocaleDateString([], { weekday: "long", day: "numeric", month: "long", ...(days > 300 ? { year: "numeric" } : {}) });
}

export const when = (text) => node("time", { datetime: text, title: new Date(text).toLocaleString() }, ago(text));
