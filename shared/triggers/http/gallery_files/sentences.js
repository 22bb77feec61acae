// What states and codes mean for a reader, and what the reader can do. Codes themselves are never shown.

import { capital, clock, costs, plural, seconds, usd } from "./nodes.js";

// `title` says what happened, `more` what it means; `acts` are in the order of preference.
const FAILURES = {
  content_refused: ["The safety filter refused this prompt.", "Other words may pass.", ["words"]],
  outcome_unknown: ["We may have paid for this one, and it never arrived.", "The connection broke while it was being made.", ["again"]],
  over_budget: ["Too little is left of today’s budget.", "It goes on at midnight UTC.", ["again"]],
  over_cost_limit: ["It would cost more than you allowed.", "One more call could exceed the limit of this job.", ["again"]],
  fewer_images: ["Some pictures are missing.", "The others are kept.", ["again"]],
  input_changed: ["A picture to start from was changed or removed.", "Choose another one.", ["changes"]],
  prompt_missing: ["The text of this job is gone.", "Its file was removed before the picture was made.", ["changes"]],
  record_damaged: ["What we know of this job is damaged.", "Someone who runs the app must look.", ["status"]],
  deadline_exceeded: ["It was not ready in time.", "Its deadline passed, or it waited for too long.", ["again"]],
  misconfigured: ["No model takes our requests.", "Someone who runs the app must look.", ["status", "again"]],
  provider_rejected: ["The provider could not make this one.", "It refused the request.", ["again", "changes"]],
  no_image: ["The provider sent no picture.", "It reported success, so it may have been paid for.", ["again"]],
  picture_linked: ["The picture is paid for, but could not be fetched.", "The provider sent a link that we could not follow.", ["again"]],
  finish_failed: ["The smaller versions could not be made.", "The pictures themselves are kept.", ["again"]],
  poisoned: ["We could not finish it.", "It was given up after repeated crashes.", ["again"]],
  unclassified: ["We could not finish it.", "", ["again"]],
  cancelled: ["Cancelled.", "", ["again", "changes"]],
  not_approved: ["The pictures were not approved.", "They are kept.", ["changes"]],
};

export const failure = (code) => {
  const [title, more, acts] = FAILURES[code] ?? FAILURES.unclassified;
  return { title, more, acts };
};

// The commands: what each asks of the API, what it is called, and what follows.
export const COMMANDS = {
  release: { label: "Try again", method: "POST", path: "/release" },
  fail: { label: "Give up", method: "POST", path: "/fail" },
  cancel: { label: "Cancel", method: "DELETE", path: "" },
  replay: { label: "Make again", method: "POST", path: "/replay" },
  approve: { label: "Approve", method: "POST", path: "/approve" },
  reject: { label: "Reject", method: "POST", path: "/reject" },
};

// What a job is at: `kind` is the colour, `word` the state, `title` and `more` say the rest, `acts` what can be done.
// `status` is the whole job, once it is loaded, and `overview` the state of the app.
export function standing(job, { status = null, overview = null, now = Date.now() } = {}) {
  if (job.state === "running") return live(job, status, overview, now);
  if (job.state === "succeeded") return { kind: "good", sign: "good", word: "Done", title: "Done", more: "", acts: [] };
  if (job.state === "awaiting_review") return { kind: "warn", sign: "pause", word: "To review", title: "Are these pictures good?", more: "Programs that wait for this job get it when someone approves.", acts: ["approve", "reject"] };
  const code = job.failure?.code ?? job.failure;
  const { title, more, acts } = failure(job.state === "cancelled" ? "cancelled" : code);
  if (job.state === "parked") return { kind: "warn", sign: "pause", word: "Needs you", title, more, acts: ["release", "fail"] };
  const { cost_usd: certain, cost_usd_at_most: most } = job;
  const paid = most === 0 ? "Nothing was paid." : certain === null ? "" : certain === most ? `${usd(most)} was paid.` : `${capital(costs(job))} may have been paid.`;
  const told = [paid, more].filter(Boolean).join(" ");
  if (job.state === "cancelled") return { kind: "", sign: "close", word: "Cancelled", title: "You cancelled this one.", more: told, acts };
  return { kind: "bad", sign: "bad", word: "Failed", title, more: told, acts };
}

function live(job, status, overview, now) {
  const waiting = { kind: "", sign: "wait", word: "Waiting", more: "", acts: [], share: null };
  if (status?.cancelling) return { ...waiting, title: "It ends when the call under way has ended." };
  const calls = status?.tasks ?? [];
  const called = calls.filter((call) => call.state === "calling");
  const ended = calls.filter((call) => !["calling", "pending"].includes(call.state));
  const share = calls.length > 1 ? ended.length / calls.length : null;
  const so = share ? `${ended.length} of ${calls.length} calls are done. ` : "";
  if (called.length) {
    const since = Math.min(...called.map((call) => Date.parse(call.attempts.at(-1)?.started_at ?? status.updated_at)));
    const usual = Math.max(...status.plans.map((plan) => plan.expected_seconds));
    const passed = (now - since) / 1000;
    const left = usual - passed;
    const title = left > 1 ? `About ${seconds(left)} left` : `Usually takes ${seconds(usual)}`;
    return { kind: "work", sign: "work", word: "Being made", title, more: `${so}Under way for ${seconds(passed)}.`, acts: [], share: share || Math.min(0.97, passed / usual) };
  }
  if (calls.length && ended.length === calls.length) return { ...waiting, kind: "work", sign: "work", word: "Being made", title: "Making the smaller versions", share: null };
  return { ...waiting, share, title: so + reason(status, overview, now), more: since(job, status, now) };
}

// Why a job waits, by the ledger of the pool that it waits for.
function reason(status, overview, now) {
  const plans = status?.plans ?? [];
  const pools = (overview?.pools ?? []).filter((pool) => plans.some((plan) => pool.deployments.includes(plan.deployments[0])));
  for (const { pool, pace } of pools) {
    const told = pace && trouble(pool, pace, now);
    if (told) return told;
  }
  const budget = overview?.budget;
  if (budget?.left_usd === 0) return "Until midnight UTC: nothing is left of today’s budget.";
  const told = status?.wait && line(status.wait, now);
  if (told) return told;
  const busy = pools.find(({ pace }) => pace && Date.parse(pace.next_call_at) - now > 1500);
  if (busy) return `About ${seconds((Date.parse(busy.pace.next_call_at) - now) / 1000)}: ${busy.pool} is busy, ${plural(busy.pace.waiting, "call waits", "calls wait")}.`;
  const retried = status?.tasks.find((task) => task.state === "pending" && task.unpaid_retries);
  return retried ? "The provider was busy. We ask again in a moment." : "It begins in a moment.";
}

// Why the next call of a job is later, and when it is expected; null if it is due.
function line({ reason: why, until, ahead, call_at: called, pool }, now) {
  if (why === "not_before") return `Until ${moment(until)}: you asked for no call before.`;
  if (!called || Date.parse(called) - now < 1500) return null;
  return `About ${seconds((Date.parse(called) - now) / 1000)}: ${ahead ? `${plural(ahead, "call comes", "calls come")} first in the line of ${pool}` : `it is the next call of ${pool}`}.`;
}

// A time of today, or with its day.
const moment = (text) => (new Date(text).toDateString() === new Date().toDateString() ? clock(text) : new Date(text).toLocaleString([], { weekday: "short", hour: "2-digit", minute: "2-digit" }));

// Waiting since, and done when.
function since(job, status, now) {
  if (!status) return "";
  const passed = now - Date.parse(job.accepted_at);
  const done = status.wait?.done_at;
  return [passed > 2000 ? `Waiting for ${seconds(passed / 1000)}.` : "", done && Date.parse(done) > now ? `Done at about ${moment(done)}.` : ""].filter(Boolean).join(" ");
}

// Why nothing is called in a pool at the moment; null if calls are made.
export function trouble(pool, pace, now) {
  const circuit = pace.circuits.find((each) => each.deployment === null || each.deployment === pool) ?? pace.circuits[0];
  if (circuit) {
    const until = circuit.until && Date.parse(circuit.until) > now ? `Until ${clock(circuit.until)}` : "For a moment";
    return `${until}: ${circuit.deployment ?? pool} ${circuit.reason === "blocked" ? "is blocked by the provider" : "does not take our requests"}.`;
  }
  if (pace.stopped_until && Date.parse(pace.stopped_until) > now) return `About ${seconds((Date.parse(pace.stopped_until) - now) / 1000)}: the provider slowed ${pool} down.`;
  return null;
}

// What was changed of what was asked, as a sentence and its reason.
export function changed({ field, asked, decided, reason: why }) {
  const given = asked === null || asked === undefined ? "" : `You asked for ${String(asked).replace(/^(\d+)x(\d+)$/, "$1 × $2")}. `;
  return { title: `${FIELDS[field] ?? field} is ${String(decided).replace(/^(\d+)x(\d+)$/, "$1 × $2")}`, more: `${given}${sentence(why)}` };
}

const FIELDS = { size: "The size", quality: "The quality", model: "The model", format: "The file type", background: "The background", compression: "The compression" };
const sentence = (text) => (text ? `${text[0].toUpperCase()}${text.slice(1)}${/[.!?]$/.test(text) ? "" : "."}` : "");

export const WORDS = { running: "Being made", succeeded: "Done", failed: "Failed", parked: "Needs you", cancelled: "Cancelled", awaiting_review: "To review" };
