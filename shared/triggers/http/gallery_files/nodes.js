// Make elements. Text is always set as text: the gallery never parses HTML.

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

export const usd = (value) =>
  value === null || value === undefined ? "price unknown" : `$${value.toFixed(value < 1 ? 4 : 2)}`;

export const rate = (rpm) => rpm.toLocaleString("en", { maximumFractionDigits: rpm < 100 ? 1 : 0 });

export const bytes = (value) =>
  value < 1024 ? `${value} B` : value < 1 << 20 ? `${(value / 1024).toFixed(0)} KiB` : `${(value / (1 << 20)).toFixed(1)} MiB`;

export const clock = (text) =>
  new Date(text).toLocaleTimeString([], { hour: "2-digit", minute: "2-digit", second: "2-digit" });

export function seconds(value) {
  if (value < 90) return `${value.toFixed(value < 10 ? 1 : 0)} s`;
  if (value < 5400) return `${Math.round(value / 60)} min`;
  return `${(value / 3600).toFixed(1)} h`;
}

export function ago(text, now = Date.now()) {
  const passed = Math.max(0, (now - Date.parse(text)) / 1000);
  if (passed < 60) return "just now";
  if (passed < 3600) return `${Math.floor(passed / 60)} min ago`;
  if (passed < 86400) return `${Math.floor(passed / 3600)} h ago`;
  return new Date(text).toLocaleDateString([], { dateStyle: "medium" });
}

export const when = (text) =>
  node("time", { datetime: text, title: new Date(text).toLocaleString() }, ago(text));

export const badge = (state) => node("span", { class: `badge ${state}` }, state);
