// Run feeds: a server's answers, what `@electric-sql/client` makes of them, and what may differ.

import { Shape, ShapeStream } from "@electric-sql/client";
import { text, value, written } from "./random.mjs";

/** @typedef {import("./random.mjs").Choices} Choices */

/**
 * @typedef {{ key?: any, value?: any, headers: any }} Message
 * @typedef {{ status: number, fails: number, schema: boolean, cutAt?: number, messages: Message[] }} Answer
 * @typedef {{ kind: "shape", generations: Answer[][], spelling: number }} ShapeCase
 */

const SCHEMA = {
  friendlyId: { type: "text" },
  status: { type: "text" },
  payload: { type: "text" },
  runTags: { type: "text", dims: 1 },
  isTest: { type: "bool" },
  usageDurationMs: { type: "int4" },
  costInCents: { type: "float8" },
  error: { type: "jsonb" },
  createdAt: { type: "timestamp" },
};

const UP_TO_DATE = { headers: { control: "up-to-date" } };

/** An array as Postgres writes it. @param {(string | null)[]} list */
function literal(list) {
  const one = (/** @type {string | null} */ item) => {
    if (item === null) return "NULL";
    if (item !== "" && !/[{}",\\\s]/.test(item) && item.toUpperCase() !== "NULL") return item;
    return `"${item.replace(/["\\]/g, "\\$&")}"`;
  };
  return `{${list.map(one).join(",")}}`;
}

/** Text that a database can hold: no lone surrogate, no NUL. @param {Choices} random */
const stored = (random) => text(random).toWellFormed().replaceAll("\0", "");

/** Such a text of up to 20,000 units, which may end where a pair of surrogates is cut. @param {Choices} random */
const long = (random) =>
  stored(random)
    .repeat(1 + random.below(900))
    .slice(0, 20_000)
    .toWellFormed();

/** @param {Choices} random @param {boolean} whole @returns {Record<string, string | null>} */
function row(random, whole) {
  const all = {
    friendlyId: `run_${random.below(3)}`,
    status: random.pick(["PENDING", "EXECUTING", "COMPLETED_SUCCESSFULLY", "CANCELED", "NEW_STATUS"]),
    payload: random.chance(0.2) ? long(random) : stored(random),
    runTags: literal(random.times(3, () => (random.chance(0.1) ? null : stored(random)))),
    isTest: random.pick(["t", "f", "true", "false"]),
    usageDurationMs: String(random.below(100_000) - 50_000),
    costInCents: random.pick(["0", "0.25", "-1.5", "1e-7", "12345678.875"]),
    error: random.chance(0.3) ? null : JSON.stringify(value(random)),
    createdAt: "2026-11-22T08:16:47.097",
  };
  if (whole) return all;
  return Object.fromEntries(Object.entries(all).filter(() => random.chance(0.4)));
}

/** @param {Choices} random @returns {Message} */
function message(random) {
  const key = `"public"."TaskRun"/"c${random.below(4)}"`;
  const kind = random.below(20);
  if (kind < 7) return { key, value: row(random, true), headers: { operation: "insert" } };
  if (kind < 14) return { key, value: row(random, random.chance(0.3)), headers: { operation: "update" } };
  if (kind < 16) return { key, value: {}, headers: { operation: "delete" } };
  if (kind === 16) return { headers: { control: "snapshot-end", xmin: "1", xmax: "2", xip_list: [] } };
  if (kind === 17) return { headers: { control: random.pick(["later-control", "up-to-date"]) } };
  if (kind === 18) return { key, value: row(random, true), headers: { operation: "insert", txids: [7], lsn: "5" } };
  return { key, value: { ...row(random, true), later: stored(random) }, headers: { operation: "insert" } };
}

/** @param {Message} message */
const isUpToDate = (message) => message.headers.control === "up-to-date";

/**
 * Whether no message comes after an up-to-date that is the last of its body: ours keeps it for the next (I5), theirs shows
 * nothing of the whole body.
 *
 * @param {ShapeCase} one
 */
export const isOrdinary = (one) =>
  one.generations
    .flat()
    .every(({ messages }) => !messages.some(isUpToDate) || isUpToDate(messages[messages.length - 1]));

/** @param {Choices} random @returns {ShapeCase} */
export function shapeCase(random) {
  const generations = Array.from({ length: 1 + (random.chance(0.3) ? 1 + random.below(2) : 0) }, () => {
    // Until a request is live, theirs refuses an answer without the schema.
    let isLive = false;
    return Array.from({ length: 1 + random.below(5) }, (_, at) => {
      const messages = random.times(5, () => message(random));
      if (at === 0)
        for (const one of messages) if (one.headers.operation === "update") one.headers.operation = "insert";
      if (at > 0 || random.chance(0.8) || messages.some(isUpToDate)) messages.push(UP_TO_DATE);
      const isEmpty = isLive && random.chance(0.05);
      const schema = !isLive || random.chance(0.5);
      isLive ||= messages.at(-1) === UP_TO_DATE;
      return {
        status: isEmpty ? 204 : 200,
        fails: random.chance(0.05) ? 1 : 0,
        schema,
        messages: isEmpty ? [] : messages,
      };
    });
  });
  return { kind: "shape", generations, spelling: random.below(2 ** 31) };
}

/**
 * What the server says to each request, by handle and offset. After the last answer of a generation comes 409 with the
 * next handle.
 *
 * @param {ShapeCase} one @param {(seed: number) => Choices} choices
 */
export function answersOf(one, choices) {
  const random = choices(one.spelling);
  /** @type {Record<string, { status: number, headers: Record<string, string>, body: string, fails: number }>} */
  const answers = {};
  one.generations.forEach((generation, number) => {
    const handle = `${number}-17953`;
    generation.forEach((answer, at) => {
      /** @type {Record<string, string>} */
      const headers = { "electric-handle": handle, "electric-offset": `${at}_0`, "content-type": "application/json" };
      if (answer.schema) headers["electric-schema"] = JSON.stringify(SCHEMA);
      if (at > 0) headers["electric-cursor"] = String(at);
      const body = answer.status === 204 ? "" : written(random, answer.messages);
      const place = at === 0 ? `${number === 0 ? "" : handle}|-1` : `${handle}|${at - 1}_0`;
      answers[place] = { status: answer.status, headers, body, fails: answer.fails };
    });
    if (number + 1 < one.generations.length) {
      const headers = { "electric-handle": `${number + 1}-17953`, "content-type": "application/json" };
      const body = JSON.stringify([{ headers: { control: "must-refetch" } }]);
      answers[`${handle}|${generation.length - 1}_0`] = { status: 409, headers, body, fails: 0 };
    }
  });
  return answers;
}

/** The line of our program. @param {ReturnType<typeof answersOf>} answers */
export const shapeLine = (answers) => {
  const encoded = Object.entries(answers).map(([place, answer]) => [
    place,
    { ...answer, body: Buffer.from(answer.body).toString("base64") },
  ]);
  return JSON.stringify({ shape: Object.fromEntries(encoded) });
};

/** More requests than any case needs. */
const MOST_CALLS = 300;

let streams = 0;

/** What the published client shows: its rows after each notification. @param {ReturnType<typeof answersOf>} answers */
export async function officialShape(answers) {
  const left = new Map(Object.entries(answers).map(([place, answer]) => [place, answer.fails]));
  const controller = new AbortController();
  let calls = 0;
  /** @type {unknown} */
  let failed;
  // Expired handles are remembered by URL, over all streams.
  const url = `http://server.invalid/feed/${++streams}`;
  const stream = new ShapeStream({
    url,
    signal: controller.signal,
    backoffOptions: { initialDelay: 0, maxDelay: 1, multiplier: 1 },
    onError: (error) => {
      failed = error;
    },
    fetchClient: async (input, init) => {
      calls++;
      const query = new URL(String(input)).searchParams;
      const place = `${query.get("handle") ?? ""}|${query.get("offset")}`;
      const answer = answers[place];
      if (!answer) {
        await new Promise((_, reject) => {
          init?.signal?.addEventListener("abort", () => reject(new DOMException("aborted", "AbortError")));
        });
      }
      const fails = left.get(place) ?? 0;
      left.set(place, fails - 1);
      if (fails > 0) return new Response("[]", { status: 503, headers: answer.headers });
      return new Response(answer.status === 204 ? null : answer.body, answer);
    },
  });
  const shape = new Shape(stream);
  /** @type {Record<string, any>[]} */
  const states = [];
  // After the shape has taken the messages. Its own notification is left out where a body says twice that it is over.
  stream.subscribe((messages) => {
    const isOver = messages.some((message) => "control" in message.headers && message.headers.control === "up-to-date");
    const rows = [...shape.currentValue].map(([key, one]) => [key, { ...one }]);
    if (isOver) states.push(Object.fromEntries(rows));
  });
  // It is done when nothing more is asked. A retry waits for a timer, anything else for turns of the event loop.
  const hasRetries = Object.values(answers).some((answer) => answer.fails > 0);
  for (let quiet = 0, seen = -1; quiet < 6; ) {
    await new Promise((resolve) => (hasRetries ? setTimeout(resolve, 2) : setImmediate(resolve)));
    quiet = calls === seen ? quiet + 1 : 0;
    seen = calls;
    // Theirs asks for ever where nothing moves on (defect 7).
    if (calls > MOST_CALLS) {
      failed = new Error(`${calls} requests`);
      break;
    }
  }
  controller.abort();
  return { states, failed };
}

const dropNulls = (/** @type {Record<string, any>} */ row) =>
  Object.fromEntries(Object.entries(row).filter(([, one]) => one !== null && one !== undefined));

/** Their row in the form of ours: texts where both keep texts, and the run's values where theirs are decoded. */
function comparableTheirs(/** @type {Record<string, any>} */ row) {
  const { runTags, isTest, usageDurationMs, costInCents, error, ...texts } = dropNulls(row);
  // A row without an id or a status is no run of ours: its readers are told of it by an error (defect 16).
  if (texts.friendlyId === undefined || texts.status === undefined) return { texts, run: null };
  // A NULL within tags is left out (docs/protocol.md), and an error that is JSON's null is none.
  const tags = runTags?.filter((/** @type {any} */ tag) => tag !== null);
  return { texts, run: dropNulls({ tags, isTest, durationMs: usageDurationMs, costInCents, error }) };
}

/** @param {{ texts: Record<string, string>, run: string | null }} row */
function comparableOurs({ texts, run }) {
  const { runTags, isTest, usageDurationMs, costInCents, error, ...rest } = texts;
  if (run === null) return { texts: rest, run: null };
  const {
    tags,
    isTest: flag,
    durationMs,
    costInCents: cost,
    error: why,
  } = typeof run === "string" ? JSON.parse(run) : run;
  return { texts: rest, run: dropNulls({ tags, isTest: flag, durationMs, costInCents: cost, error: why }) };
}

const states = (/** @type {any[]} */ list, /** @type {(row: any) => any} */ form) => {
  const shown = list.map((rows) =>
    stable(Object.fromEntries(Object.entries(rows).map(([key, row]) => [key, form(row)]))),
  );
  // A state that repeats the one before is no difference: unchanged rows are not told again (defect 13).
  return shown.filter((one, at) => one !== shown[at - 1]);
};

/** JSON with sorted names, and each number as JavaScript reads it. @param {any} json @returns {string} */
const stable = (json) =>
  JSON.stringify(json, (_, one) =>
    one && typeof one === "object" && !Array.isArray(one)
      ? Object.fromEntries(Object.entries(one).sort(([a], [b]) => (a < b ? -1 : 1)))
      : one,
  );

/** Two states from shortly before where they part: a state may be as long as its texts. @param {string | undefined} ours @param {string | undefined} theirs */
function excerpts(ours = "(none)", theirs = "(none)") {
  let same = 0;
  while (same < ours.length && ours[same] === theirs[same]) same++;
  const [a, b] = [ours, theirs].map((text) => text.slice(Math.max(0, same - 80), same + 400));
  return ` at ${same}\n  ours:   ${a}\n  theirs: ${b}`;
}

/**
 * The first difference, in words; undefined where there is none.
 *
 * @param {{ states: any[], end: string | null, malformed: number }} ours
 * @param {Awaited<ReturnType<typeof officialShape>>} theirs
 */
export function shapeDifference(ours, theirs) {
  // What ends theirs costs ours at most itself (defects 1 and 16): compared is what came before.
  const [mine, other] = [states(ours.states, comparableOurs), states(theirs.states, comparableTheirs)];
  if (theirs.failed)
    return mine.slice(0, other.length).every((state, at) => state === other[at]) ? undefined : "before its end";
  // The empty state before the first row is none that we publish.
  const [a, b] = [mine, other].map((list) => list.filter((one, at) => at > 0 || one !== "{}"));
  const at = a.findIndex((state, index) => state !== b[index]);
  if (at >= 0 || a.length !== b.length) {
    const place = at < 0 ? a.length : at;
    return `state ${place}${excerpts(a[place], b[place])}`;
  }
  return undefined;
}
