// Show pictures: fetch them when they come into view, a few at a time, and release them later.

import { picture } from "./api.js";
import { node, say } from "./nodes.js";

const AT_ONCE = 4;
const KEPT = 120;
const waiting = [];
const urls = new Map();
let running = 0;

const seen = new IntersectionObserver(
  (entries) => {
    for (const { isIntersecting, target } of entries) {
      if (!isIntersecting) continue;
      seen.unobserve(target);
      waiting.push(target);
    }
    next();
  },
  { rootMargin: "300px" },
);

// Return an <img> that loads itself, from a link if there is one, else through the app.
export function shown(path, link, description, { width = null, height = null } = {}) {
  const image = node("img", { alt: description, decoding: "async", class: "waiting", width: width && String(width), height: height && String(height) });
  image.addEventListener("load", () => image.classList.remove("waiting"));
  image.dataset.path = path;
  if (link) image.src = link;
  else if (urls.has(path)) image.src = urls.get(path);
  else seen.observe(image);
  return image;
}

async function next() {
  while (running < AT_ONCE && waiting.length) {
    const image = waiting.shift();
    if (!image.isConnected) continue;
    running += 1;
    load(image).finally(() => {
      running -= 1;
      next();
    });
  }
}

async function load(image) {
  const { path } = image.dataset;
  try {
    image.src = await kept(path);
  } catch (error) {
    image.classList.remove("waiting");
    image.replaceWith(node("span", { class: "lost" }, `Picture not loaded: ${error.message}`));
  }
}

function keep(path, url) {
  urls.set(path, url);
  if (urls.size > KEPT) {
    const [oldest, its] = urls.entries().next().value;
    urls.delete(oldest);
    if (!document.querySelector(`img[src="${its}"]`)) URL.revokeObjectURL(its);
  }
}

// Return a link that saves a picture. The click fetches it, because the key is in a header and never in a link.
export function saving(path, link, name, properties, ...content) {
  const anchor = node("a", { href: link ?? "#", download: name, target: link ? "_blank" : null, rel: "noopener", ...properties }, content);
  anchor.addEventListener("click", async (event) => {
    if (link || anchor.href.startsWith("blob:")) return;
    event.preventDefault();
    anchor.setAttribute("aria-busy", "true");
    try {
      anchor.href = await kept(path);
      anchor.click();
      anchor.href = "#";
    } catch (error) {
      say(error.message);
      anchor.after(node("span", { class: "fault" }, ` ${error.message}`));
    }
    anchor.removeAttribute("aria-busy");
  });
  return anchor;
}

async function kept(path) {
  if (!urls.has(path)) keep(path, URL.createObjectURL(await picture(path)));
  return urls.get(path);
}
