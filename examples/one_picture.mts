// Submit one job over HTTP, wait for it, and save its picture, with types made from openapi.json.
// `npm run example` makes the types, compiles and runs. HOST and KEY are those of `.dev/env`.
import { writeFile } from "node:fs/promises";
import { setTimeout } from "node:timers/promises";
import type { components } from "./api.js";

async function call(path: string, options: RequestInit = {}): Promise<Response> {
  const headers = { "x-functions-key": process.env.KEY ?? "", ...options.headers };
  const reply = await fetch(process.env.HOST + path, { ...options, headers });
  if (!reply.ok) throw new Error(await reply.text()); // a problem that names each fault
  return reply;
}

const job: components["schemas"]["Job"] = { job_id: crypto.randomUUID(), prompt: "a fox in the snow" };
const headers = { "content-type": "application/json" };
let reply = await call("/api/jobs", { method: "POST", headers, body: JSON.stringify(job) });
let status: components["schemas"]["JobStatus"] = await reply.json();
while (status.state === "running") {
  await setTimeout(1000 * Number(reply.headers.get("retry-after") ?? 1));
  reply = await call(`/api/jobs/${status.job_id}`);
  status = await reply.json();
}
const [image] = status.images;
if (!image) throw new Error(`${status.state}: ${status.failure?.message}`);
const picture = await call(image.path, { headers: { range: "bytes=0-" } });
await writeFile(process.argv[2] ?? "fox.png", Buffer.from(await picture.arrayBuffer()));
console.log(`${image.width}x${image.height}, $${status.cost_usd?.toFixed(4)}`);
