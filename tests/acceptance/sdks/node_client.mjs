// One request by a client of OpenAI's API for Node: a JSON document in, one out.

import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";

import { createOpenAI } from "@ai-sdk/openai";
import { createOpenAICompatible } from "@ai-sdk/openai-compatible";
import { generateImage } from "ai";
import OpenAI, { AzureOpenAI, toFile } from "openai";

const asked = JSON.parse(readFileSync(0, "utf8"));
const given = (asked.images ?? []).map((each) => Buffer.from(each, "base64"));
const digest = (bytes) => createHash("sha256").update(bytes).digest("hex");
const baseURL = `${asked.host}/api/openai/v1`;

async function byOpenAI() {
  const options = { apiKey: asked.key, maxRetries: asked.retries ?? 2, timeout: (asked.timeout ?? 60) * 1000 };
  const client =
    asked.client === "node-azure"
      ? new AzureOpenAI({ ...options, endpoint: `${asked.host}/api`, apiVersion: "2025-04-01-preview" })
      : new OpenAI({ ...options, baseURL });
  const files = await Promise.all(given.map((each, place) => toFile(each, `${place}.png`)));
  const image = files.length === 1 ? files[0] : files;
  const made = await (files.length
    ? client.images.edit({ ...asked.params, image })
    : client.images.generate(asked.params));
  if (asked.params.stream) {
    const events = [];
    for await (const each of made)
      events.push({
        type: each.type,
        picture: digest(Buffer.from(each.b64_json, "base64")),
        tokens: each.usage.total_tokens,
      });
    return { events };
  }
  const bytes = made.data.filter((each) => each.b64_json).map((each) => Buffer.from(each.b64_json, "base64"));
  return { pictures: bytes.map(digest), urls: made.data.map((each) => each.url).filter(Boolean) };
}

async function byVercel() {
  const { model, prompt, quality, ...rest } = asked.params;
  const provider =
    asked.client === "ai"
      ? createOpenAI({ baseURL, apiKey: asked.key })
      : createOpenAICompatible({ name: "jobs", baseURL, apiKey: asked.key });
  const made = await generateImage({
    ...rest,
    model: provider.imageModel(model),
    prompt: given.length ? { text: prompt, images: given } : prompt,
    providerOptions: { openai: { quality }, jobs: { quality } },
    maxRetries: asked.retries ?? 2,
  });
  return { pictures: made.images.map((each) => digest(Buffer.from(each.uint8Array))), urls: [] };
}

try {
  console.log(JSON.stringify(await (asked.client.startsWith("ai") ? byVercel() : byOpenAI())));
} catch (error) {
  const { constructor, status = error.statusCode, code, param, message } = error;
  console.log(JSON.stringify({ error: constructor.name, status, code, param, message }));
}
