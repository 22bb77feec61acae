// A new job, or one again with changes: a form whose estimate is live. The price is on the button.

import * as address from "./address.js";
import { Problem, get, send } from "./api.js";
import { button, fold, icon, link, node, plural, redraw, seconds, shape, size, usd } from "./nodes.js";
import { shown } from "./pictures.js";
import { changed } from "./sentences.js";

const CALM_MS = 400;
const IDLE_MS = 60000;
const SIZES = [["1:1", "Square"], ["16:9", "Wide 16:9"], ["3:2", "Photo 3:2"], ["2:3", "Tall 2:3"], ["9:16", "Story 9:16"], ["4k 16:9", "4K wide"]];
const QUALITIES = [["auto", "As usual", "chosen for the size"], ["low", "Draft", "low"], ["medium", "Good", "medium"], ["high", "Best", "high"]];
const SHOWN_MODELS = 4;
// Of a job that is made again, these are asked for anew.
const OWN = ["job_id", "traceparent", "deadline"];
const LISTED = ["prompt", "prompt_blob", "model", "models", "size", "quality", "n", "locales", "inputs", "tags", "max_cost_usd", "format", "background", "priority"];

let filled = "";
let from = null;
let form = null;
let estimated = null;
let asked = 0;
let attempt = "";

export const title = () => (from ? "Again with changes" : "New picture");

export async function show(place, { page, from: id, use }, overview) {
  const wanted = `${page} ${id} ${use}`;
  if (filled === wanted) return IDLE_MS;
  const source = id ? await get(`/api/jobs/${encodeURIComponent(id)}`) : null;
  const now = address.read();
  if (`${now.page} ${now.from} ${now.use}` !== wanted) return IDLE_MS;
  filled = wanted;
  from = source;
  attempt = crypto.randomUUID();
  const original = source ? Object.fromEntries(Object.entries(source.job).filter(([name]) => !OWN.includes(name))) : {};
  const picture = use && source ? (use === "first" ? source.images[0] : source.images.find((image) => String(image.number) === use)) : null;
  if (picture) Object.assign(original, { inputs: [`/${picture.container}/${picture.blob}`], prompt: "", prompt_blob: undefined, mask: undefined });
  build(place, original, picture, overview);
  if (original.prompt) estimate();
  form.elements.prompt.focus();
  return IDLE_MS;
}

export function leave() {
  filled = "";
  from = form = estimated = null;
  asked += 1;
}

function build(place, job, picture, overview) {
  const known = job.size === undefined ? [] : [job.size].flat();
  const sizes = [...SIZES, ...known.filter((each) => each !== "auto" && !SIZES.some(([value]) => value === each)).map((each) => [each, size(each)])];
  const models = job.models ?? (job.model && job.model !== "auto" ? [job.model] : []);
  const ordered = [...overview.models].sort((one, other) => models.includes(other) - models.includes(one));
  const kept = Object.fromEntries(Object.entries(job).filter(([name, value]) => !LISTED.includes(name) && value !== undefined));
  const chip = (name, type, value, checked, ...content) => node("label", { class: "chip" }, node("input", { type, name, value, checked }), content, icon("tick", "tick"));
  const group = (legend, hint, name, ...content) => node("fieldset", { "data-field": name }, node("legend", { class: "legend" }, legend, hint ? node("span", { class: "dim" }, ` (${hint})`) : null), content, fault(name));
  const text = (name, label, value, hint, more = {}) => node("label", { class: "field", "data-field": name }, node("span", {}, label), node("input", { type: "text", name, value: value ?? "", autocomplete: "off", spellcheck: "false", ...more }), hint ? node("small", {}, hint) : null, fault(name));
  const choice = (name, label, options, value) => node("label", { class: "field", "data-field": name }, node("span", {}, label), node("select", { name }, options.map(([its, words]) => node("option", { value: its, selected: its === (value ?? options[0][0]) }, words))), fault(name));
  const input = (name) => node("li", {}, name === inputOf(picture) ? shown(picture.path, null, "The picture to start from") : node("span", { class: "file" }, name), node("input", { type: "hidden", name: "inputs", value: name }),
    button("Remove this picture", ({ currentTarget }) => {
      currentTarget.closest("li").remove();
      estimateSoon();
    }, { sign: "close", only: true, kind: "slim" }));

  form = node("form", { class: "again", novalidate: true },
    node("header", {}, link(from ? "Back to the job" : "All pictures", from ? `#job=${encodeURIComponent(from.job_id)}` : "#", { kind: "quiet slim backlink", sign: "back", name: "back" }),
      node("h1", {}, picture ? "From a picture" : title()), node("p", { class: "dim" }, from ? "A new job. The pictures you have stay as they are." : "One job; you see what it costs before you make it.")),
    node("div", { class: "form" },
      node("div", { class: "stack", "data-field": "prompt" }, node("label", { class: "field" }, node("span", { class: "legend" }, picture ? "What should change?" : "What should it show?"), node("textarea", { name: "prompt", rows: "4", dir: "auto" }, job.prompt ?? "")),
        job.prompt_blob ? node("p", { class: "small dim" }, `Left empty, the text in the blob ${job.prompt_blob} is used.`, node("input", { type: "hidden", name: "prompt_blob", value: job.prompt_blob })) : null, fault("prompt")),
      job.inputs?.length ? group("Start from a picture", null, "inputs", node("ul", { class: "inputs" }, job.inputs.map(input))) : null,
      group("Sizes", "more than one makes each", "size", node("div", { class: "chips" }, sizes.map(([value, words]) => chip("size", "checkbox", value, known.includes(value), shape(ratioOf(value)), node("span", {}, words)))),
        node("label", { class: "field other" }, node("span", { class: "hidden-words" }, "Other size"), node("input", { type: "text", name: "other", placeholder: "Other size, as 1536x1024 or 4:5", autocomplete: "off" }))),
      group("Quality", null, "quality", node("div", { class: "qual" }, [...QUALITIES, ...(job.quality && !QUALITIES.some(([value]) => value === job.quality) ? [[job.quality, job.quality, ""]] : [])].map(([value, words, more]) =>
        chip("quality", "radio", value, (job.quality ?? "auto") === value, node("span", {}, words, node("small", {}, more)))))),
      group("Models", "more than one makes each; none: the cheapest that can", "model", node("div", { class: "chips models" }, ordered.map((model, index) => {
        const made = chip("model", "checkbox", model, models.includes(model), node("span", {}, model));
        made.hidden = index >= Math.max(SHOWN_MODELS, models.length);
        return made;
      }), ordered.length > SHOWN_MODELS ? button(`${ordered.length - Math.max(SHOWN_MODELS, models.length)} more`, ({ currentTarget }) => {
        for (const each of currentTarget.parentElement.children) each.hidden = false;
        currentTarget.remove();
      }, { kind: "quiet", sign: "add" }) : null)),
      node("div", { class: "pair" }, group("How many of each", null, "n", stepper(job.n ?? 1)),
        group("Languages", "if you like", "locales", node("input", { type: "text", name: "locales", value: (job.locales ?? []).join(", "), placeholder: "ja, ko, de", autocomplete: "off", spellcheck: "false", "aria-label": "Languages, as tags" }), node("small", { class: "hint" }, "Tags with commas between. Words in the picture are written in each language."))),
      node("div", { class: "folds" }, fold("More: highest cost, tags, file type", "rest", node("div", { class: "grid" },
        text("max_cost_usd", "Refuse it if it would cost more than ($)", job.max_cost_usd === undefined ? "" : String(job.max_cost_usd), "It is refused before anything is paid.", { inputmode: "decimal" }),
        text("tags", "Tags", Object.entries(job.tags ?? {}).map(([name, value]) => `${name}:${value}`).join(", "), "As campaign:winter, with commas between."),
        choice("format", "File type", [["png", "PNG"], ["jpeg", "JPEG"]], job.format),
        choice("background", "Background", [["auto", "As usual"], ["opaque", "Opaque"], ["transparent", "Transparent"]], job.background),
        choice("priority", "Priority", [["normal", "Normal"], ["low", "Low: others go first"]], job.priority))),
        Object.keys(kept).length ? fold("Also taken from the job", "kept", node("pre", {}, JSON.stringify(kept, null, 2))) : null)),
    node("aside", { class: "sum panel", "aria-label": "What it will cost", "aria-live": "polite" }),
    node("div", { class: "buy" }, node("p", { class: "buy-price" }), node("button", { type: "submit", class: "btn primary", disabled: true }, "Make")));
  form.kept = kept;
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    make();
  });
  form.addEventListener("input", estimateSoon);
  place.replaceChildren(form);
  draw(null);
}

const inputOf = (picture) => picture && `/${picture.container}/${picture.blob}`;
const fault = (name) => node("p", { class: "fault", "data-fault": name, hidden: true });

function stepper(value) {
  const input = node("input", { type: "text", inputmode: "numeric", name: "n", value: String(value), "aria-label": "Pictures of each" });
  const by = (step) => () => {
    input.value = String(Math.max(1, (Number(input.value) || 1) + step));
    estimateSoon();
  };
  return node("div", { class: "step" }, button("One less", by(-1), { sign: "less", only: true }), input, button("One more", by(1), { sign: "add", only: true }));
}

function ratioOf(text) {
  const [, width, height] = text.match(/(\d+)[x:](\d+)/) ?? [null, 1, 1];
  return width / height;
}

const split = (text) => text.split(",").map((each) => each.trim()).filter(Boolean);

// Return the job that the form asks for; what is left open is left out.
function read() {
  const data = new FormData(form);
  const job = { ...form.kept };
  const prompt = data.get("prompt").trim();
  if (prompt) job.prompt = prompt;
  else if (data.get("prompt_blob")) job.prompt_blob = data.get("prompt_blob");
  const sizes = [...data.getAll("size"), ...split(data.get("other"))];
  if (sizes.length) job.size = sizes.length === 1 ? sizes[0] : sizes;
  const models = data.getAll("model");
  if (models.length === 1) [job.model] = models;
  if (models.length > 1) job.models = models;
  if (data.get("quality") !== "auto") job.quality = data.get("quality");
  const count = data.get("n").trim();
  if (count !== "1") job.n = /^\d+$/.test(count) ? Number(count) : count;
  if (data.get("locales").trim()) job.locales = split(data.get("locales"));
  if (data.getAll("inputs").length) job.inputs = data.getAll("inputs");
  if (data.get("max_cost_usd").trim()) job.max_cost_usd = Number(data.get("max_cost_usd").replace("$", ""));
  const tags = split(data.get("tags"));
  if (tags.length) job.tags = Object.fromEntries(tags.map((tag) => [tag.split(":")[0].trim(), tag.split(":").slice(1).join(":").trim()]));
  for (const [name, usual] of [["format", "png"], ["background", "auto"], ["priority", "normal"]]) if (data.get(name) !== usual) job[name] = data.get(name);
  return job;
}

let timer = 0;
function estimateSoon() {
  clearTimeout(timer);
  timer = setTimeout(estimate, CALM_MS);
}

async function estimate() {
  const mine = ++asked;
  attempt = crypto.randomUUID();
  const job = read();
  if (!job.prompt && !job.prompt_blob) return draw(null);
  try {
    const found = await send("POST", "/api/estimate", job);
    if (mine === asked) draw(found, job);
  } catch (error) {
    if (mine === asked) draw(null, job, error);
  }
}

const picturesOf = (job, plans) => plans.length * (Number(job.n) || 1) * Math.max(1, job.locales?.length ?? 0);

function draw(found, job = null, error = null) {
  estimated = found;
  blame(error);
  const count = found ? picturesOf(job, found.plans) : 0;
  const price = found?.estimate_usd === null ? "price unknown" : found ? usd(found.estimate_usd) : "";
  const label = found ? `Make ${plural(count, "picture")} for ${price}` : "Make";
  const time = found ? seconds(Math.max(...found.plans.map((plan) => plan.expected_seconds))) : "";
  const submit = () => node("button", { type: "submit", class: "btn primary wide", disabled: !found, "data-do": "make" }, label);
  redraw(form.querySelector(".sum"), JSON.stringify([found, label, error?.message]), () => (found ? [
    node("div", {}, node("p", { class: "dim" }, "This will cost about"), node("p", { class: "price" }, price), node("p", {}, `${plural(count, "picture")}, each in about ${time}`)),
    node("table", {}, node("caption", { class: "hidden-words" }, "Cost by model and size"), node("thead", {}, node("tr", {}, node("th", {}, job.locales?.length > 1 ? `${job.locales.length} languages each` : "Model"), node("th", {}, "Size"), node("th", { class: "end" }, "Cost"))),
      node("tbody", {}, found.plans.map(({ routing: { decided }, estimate_usd: cost }) => node("tr", {}, node("td", {}, decided.model), node("td", { class: "nowrap" }, size(`${decided.width}x${decided.height}`)), node("td", { class: "end num" }, usd(cost)))))),
    found.plans.flatMap(({ routing }) => [...routing.adjustments.map((each) => `${routing.decided.model}: ${lower(changed(each))}`), ...routing.warnings]).map((words) => node("p", { class: "note" }, icon("info"), node("span", {}, words))),
    submit(),
    node("p", { class: "dim small keys-only" }, node("kbd", {}, "Ctrl"), " ", node("kbd", {}, "Enter"), " from anywhere"),
  ] : [node("p", { class: "dim" }, error ? error.message : "Write what the picture should show. The price appears here."), submit()]));
  form.querySelector(".buy-price").replaceChildren(node("strong", { class: "num" }, price || "–"), node("br"), node("span", { class: "dim small" }, found ? `${plural(count, "picture")}, ${time}` : "no price yet"));
  const buy = form.querySelector(".buy button");
  buy.disabled = !found;
  buy.textContent = found ? `Make ${plural(count, "picture")}` : "Make";
}

const lower = ({ title: what, more }) => `${what[0].toLowerCase()}${what.slice(1)}. ${more}`;

// Say at each field what is wrong with it; what has no field here is said beside the price.
function blame(error) {
  const faults = error instanceof Problem ? error.faults : [];
  for (const place of form.querySelectorAll("[data-fault]")) {
    const its = faults.filter(({ field }) => field.split(/[.[]/)[0] === place.dataset.fault || (place.dataset.fault === "model" && field.startsWith("models")));
    place.hidden = !its.length;
    place.textContent = its.map(({ message }) => message).join(" ");
    for (const input of place.parentElement.querySelectorAll("input[type=text], textarea, select")) input.toggleAttribute("aria-invalid", its.length > 0);
  }
}

async function make() {
  if (!estimated || form.dataset.sending) return;
  const job = read();
  form.dataset.sending = "true";
  try {
    // A second click, or one after a lost answer, is the same job.
    const made = await send("POST", "/api/jobs", job, { "idempotency-key": attempt });
    address.go({ ...Object.fromEntries(address.FILTERS.map((name) => [name, ""])), job: made.job_id });
  } catch (error) {
    draw(null, job, error);
  }
  if (form) delete form.dataset.sending;
}

export function keys(event) {
  if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) make();
  else if (event.key === "Escape") location.hash = from ? `#job=${encodeURIComponent(from.job_id)}` : "";
  else return false;
  return true;
}
