// The pictures of a job: one of them or two side by side, zoomed together, and all of them small below.

import { button, icon, node, size } from "./nodes.js";
import { shown } from "./pictures.js";

const STEP = 1.25;
const MOST = 8;

// Return the viewer of a job's pictures; `changed` is called with the picture that is shown.
export function viewer(job, changed) {
  const { images } = job;
  const at = { left: 0, right: Math.min(1, images.length - 1), two: false, zoom: null };
  const name = naming(images);
  const heading = node("h2", {});
  const stage = node("div", { class: "stage", tabindex: "0", role: "group", "aria-label": "Picture, full size by zooming" });
  const film = images.length > 1 ? filmstrip(images, name, pick) : null;
  const views = node("div", { class: "seg", role: "group", "aria-label": "View" },
    toggle("One", null, () => compare(false), "one"), toggle("Compare", "compare", () => compare(true), "two"));
  const zooms = node("div", { class: "seg zoom", role: "group", "aria-label": "Zoom" },
    toggle("Smaller", "less", () => zoom(1 / STEP), "out"), toggle("Fit", null, () => fit(null), "fit"), toggle("100%", null, () => fit(1), "whole"), toggle("Larger", "add", () => zoom(STEP), "in"));
  const hint = node("p", { class: "dim small keys-only", hidden: true }, "Both zoom and move together. Click below for the left picture, Shift and click for the right.");
  const section = node("section", { class: "viewer", "aria-label": "Pictures" },
    node("div", { class: "bar-row spread" }, heading, node("div", { class: "bar-row" }, images.length > 1 ? views : null, zooms, button("Full screen", full, { sign: "full", only: true, name: "full", "aria-keyshortcuts": "F" }))),
    stage, hint, film);

  function pick(index, right = false) {
    if (right && !at.two) compare(true);
    if (at.two && right) at.right = index;
    else at.left = index;
    draw();
  }

  function compare(two) {
    at.two = two && images.length > 1;
    if (at.right === at.left) at.right = (at.left + 1) % images.length;
    draw();
  }

  function full() {
    if (document.fullscreenElement) document.exitFullscreen();
    else stage.requestFullscreen?.().catch(() => {});
  }

  function zoom(factor) {
    const image = stage.querySelector("img");
    const { width, height } = images[at.left];
    const now = at.zoom ?? Math.min(image.clientWidth / width, image.clientHeight / height);
    fit(Math.min(MOST, Math.max(0.05, now * factor)));
  }

  function fit(factor) {
    at.zoom = factor;
    size_();
  }

  // Zoomed pictures keep the point in the middle where it was.
  function size_() {
    for (const pane of stage.querySelectorAll(".pane")) {
      const image = pane.querySelector("img");
      const [x, y] = [(pane.scrollLeft + pane.clientWidth / 2) / pane.scrollWidth, (pane.scrollTop + pane.clientHeight / 2) / pane.scrollHeight];
      pane.classList.toggle("zoomed", at.zoom !== null);
      if (image) image.style.inlineSize = at.zoom === null ? "" : `${Number(image.getAttribute("width")) * at.zoom}px`;
      pane.scrollLeft = x * pane.scrollWidth - pane.clientWidth / 2;
      pane.scrollTop = y * pane.scrollHeight - pane.clientHeight / 2;
    }
    for (const [key, on] of [["fit", at.zoom === null], ["whole", at.zoom === 1]]) zooms.querySelector(`[data-do=${key}]`).setAttribute("aria-pressed", String(on));
  }

  function pane(index, which) {
    const image = images[index];
    const drawn = shown(image.path, image.read_url, `${job.job.prompt ?? job.job_id}, ${name(image)}`, { width: image.width, height: image.height });
    const choice = which && node("label", {}, node("span", { class: "hidden-words" }, which === "left" ? "Left picture" : "Right picture"),
      node("select", { onchange: ({ target }) => pick(Number(target.value), which === "right") }, images.map((each, place) => node("option", { value: String(place), selected: place === index }, name(each)))));
    return node("figure", {}, choice ? node("figcaption", {}, choice) : null, node("div", { class: "pane" }, drawn));
  }

  function draw() {
    const current = images[at.left];
    heading.replaceChildren(...(images.length > 1
      ? [at.two ? "Compare " : `${name(current)} `, node("span", { class: "dim num" }, at.two ? `2 of ${images.length}` : `${at.left + 1} of ${images.length}`)]
      : [size(`${current.width}x${current.height}`)]));
    stage.classList.toggle("two", at.two);
    stage.replaceChildren(...(at.two ? [pane(at.left, "left"), pane(at.right, "right")] : [pane(at.left)]),
      ...(images.length > 1 && !at.two ? [turn("Previous picture", "back", -1), turn("Next picture", "on", 1)] : []));
    pan(stage);
    hint.hidden = !at.two;
    views.firstElementChild.setAttribute("aria-pressed", String(!at.two));
    views.lastElementChild.setAttribute("aria-pressed", String(at.two));
    for (const small of film?.querySelectorAll("button") ?? []) small.toggleAttribute("aria-current", [at.left, at.two ? at.right : at.left].includes(Number(small.dataset.index)));
    size_();
    changed(current);
  }

  const turn = (label, sign, step) => button(label, () => move(step), { kind: sign === "back" ? "prev" : "next", sign, only: true, name: sign });
  const move = (step) => pick((at.left + step + images.length) % images.length);

  draw();
  return {
    section,
    current: () => images[at.left],
    keys: { ArrowLeft: () => move(-1), ArrowRight: () => move(1), "+": () => zoom(STEP), "=": () => zoom(STEP), "-": () => zoom(1 / STEP), 0: () => fit(null), x: () => compare(!at.two), f: full },
  };
}

const toggle = (label, sign, act, name) =>
  node("button", { type: "button", "data-do": name, "aria-pressed": "false", "aria-label": sign && name !== "two" ? label : null, onclick: act }, sign ? icon(sign) : null, sign && name !== "two" ? null : label);

// Drag to move; panes side by side move together.
function pan(stage) {
  const panes = [...stage.querySelectorAll(".pane")];
  for (const pane of panes) {
    pane.addEventListener("scroll", () => {
      for (const other of panes) {
        if (other !== pane) Object.assign(other, { scrollLeft: pane.scrollLeft, scrollTop: pane.scrollTop });
      }
    });
    pane.addEventListener("pointerdown", (down) => {
      if (down.pointerType !== "mouse" || !pane.classList.contains("zoomed")) return;
      down.preventDefault();
      const [left, top] = [pane.scrollLeft, pane.scrollTop];
      const move = (event) => pane.scrollTo(left + down.clientX - event.clientX, top + down.clientY - event.clientY);
      pane.setPointerCapture(down.pointerId);
      pane.addEventListener("pointermove", move);
      pane.addEventListener("pointerup", () => pane.removeEventListener("pointermove", move), { once: true });
    });
  }
}

const LANGUAGES = new Intl.DisplayNames("en", { type: "language" });

export function language(locale) {
  try {
    return LANGUAGES.of(locale) ?? locale;
  } catch {
    return locale;
  }
}

const distinct = (images, what) => [...new Set(images.map(what))];
const measure = (image) => `${image.width}x${image.height}`;

// What tells a picture from the others: its language, model, size, number, where they differ.
function naming(images) {
  const facets = [(each) => each.locale && language(each.locale), (each) => each.model, (each) => size(measure(each))].filter((what) => distinct(images, what).length > 1);
  const known = (image) => facets.map((what) => what(image)).filter(Boolean).join(", ");
  return (image) => {
    const same = images.filter((each) => known(each) === known(image));
    const number = same.length > 1 ? `${known(image) ? ", no. " : "No. "}${same.indexOf(image) + 1}` : "";
    return `${known(image)}${number}` || `Picture ${images.indexOf(image) + 1}`;
  };
}

// A matrix of parts and languages is shown as one; else the pictures are a row.
function filmstrip(images, name, pick) {
  const small = (image) => node("button", { type: "button", "data-index": String(images.indexOf(image)), "aria-label": name(image), title: name(image), onclick: (event) => pick(images.indexOf(image), event.shiftKey) },
    shown(thumbnail(image), null, "", { width: image.width, height: image.height }));
  const parts = distinct(images, (each) => each.part);
  const locales = distinct(images, (each) => each.locale);
  const label = `The ${images.length} pictures of this job`;
  const grid = parts.length > 1 && locales.length > 1 && images.length === parts.length * locales.length;
  if (!grid) return node("div", { class: "film row-only", role: "group", "aria-label": label }, images.map(small));
  const models = distinct(images, (each) => each.model).length > 1;
  const made = node("div", { class: "film", role: "group", "aria-label": label }, node("span", { class: "corner" }), locales.map((each) => node("span", { class: "col" }, each ? language(each) : "")),
    parts.map((part) => {
      const its = images.filter((each) => each.part === part);
      return [node("span", { class: "small dim row" }, models ? node("span", {}, its[0].model, node("br")) : null, size(measure(its[0]))), locales.map((locale) => its.filter((each) => each.locale === locale).map(small))];
    }));
  made.style.setProperty("--columns", String(locales.length));
  return made;
}

const thumbnail = (image) => image.renditions.find((each) => each.kind === "thumbnail")?.path ?? image.path;
