// Requests to the app. The key is in a header, never in an address. ETags make unchanged answers cheap.

const KEY = "image-jobs-key";
const known = new Map();

export class Locked extends Error {}
export class Problem extends Error {
  constructor(status, document) {
    super(document?.detail ?? `The app returned status ${status}`);
    this.status = status;
    this.code = document?.code ?? "";
    this.faults = document?.faults ?? [];
  }
}

export const key = {
  get: () => sessionStorage.getItem(KEY) ?? "",
  set: (value) => sessionStorage.setItem(KEY, value),
  forget: () => {
    sessionStorage.removeItem(KEY);
    known.clear();
  },
};

// After the function key and a space, the reader may enter a key of a caller (`CALLERS`).
function headers(more = {}) {
  const [host, caller] = key.get().split(/\s+/);
  return { ...(host ? { "x-functions-key": host } : {}), ...(caller ? { "x-image-jobs-key": caller } : {}), ...more };
}

async function checked(reply) {
  const isRefusal = reply.status === 403 && (reply.headers.get("content-type") ?? "").includes("json");
  if (reply.status === 401 || (reply.status === 403 && !isRefusal)) throw new Locked("This key is not accepted. Check that all of it was copied, or ask for a new one.");
  if (!reply.ok) {
    const type = reply.headers.get("content-type") ?? "";
    throw new Problem(reply.status, type.includes("json") ? await reply.json() : null);
  }
  return reply;
}

// Return the document at a path: the same object as the last time if nothing changed.
export async function get(path, { signal } = {}) {
  const had = known.get(path);
  const reply = await fetch(path, {
    headers: headers(had ? { "if-none-match": had.version } : {}),
    cache: "no-store",
    signal,
  });
  if (reply.status === 304 && had) return had.document;
  const document = await (await checked(reply)).json();
  const version = reply.headers.get("etag");
  if (version) {
    known.set(path, { version, document });
    if (known.size > 200) known.delete(known.keys().next().value);
  }
  return document;
}

export async function send(method, path, body, more = {}) {
  const type = body === undefined ? {} : { "content-type": "application/json" };
  const reply = await fetch(path, { method, headers: headers({ ...type, ...more }), body: body === undefined ? undefined : JSON.stringify(body) });
  return (await checked(reply)).json();
}

const PICTURES = /^image\/(png|jpeg|webp|avif)$/;

// Return a picture, or a file of another type, as a Blob with its version, fetched in parts: one response has at most a
// few MiB. Null: it is still the version that the caller `had`.
export async function picture(path, { signal, types = PICTURES, had = null } = {}) {
  const parts = [];
  let at = 0;
  let total = 1;
  let type = "";
  let version = null;
  while (at < total) {
    const known = had && !at ? { "if-none-match": had } : {};
    const reply = await fetch(path, { headers: headers({ range: `bytes=${at}-`, ...known }), cache: "no-store", signal });
    if (reply.status === 304) return null;
    const part = await (await checked(reply)).blob();
    if (at && reply.headers.get("etag") !== version) throw new Problem(reply.status, { detail: "The picture was replaced meanwhile" });
    version = reply.headers.get("etag");
    type = reply.headers.get("content-type") ?? "";
    total = Number(reply.headers.get("content-range")?.split("/")[1] ?? at + part.size);
    if (!part.size) throw new Problem(reply.status, { detail: "The picture is incomplete" });
    parts.push(part);
    at += part.size;
  }
  if (!types.test(type)) throw new Problem(200, { detail: `${type} is not the type of this file` });
  return Object.assign(new Blob(parts, { type }), { version });
}
