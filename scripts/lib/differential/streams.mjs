// Streams of runs: the body of one answer, what the client of `@trigger.dev/core` yields of it, and what may differ.

import { createRequire } from "node:module";
import path from "node:path";
import { root } from "../run.mjs";
import { text, value, written } from "./random.mjs";

/** @typedef {import("./random.mjs").Choices} Choices */

// The package exports no such path, so it is loaded by its file.
const core = path.join(root, "node_modules", "@trigger.dev", "core", "dist", "commonjs", "v3");
const { SSEStreamSubscription } = createRequire(import.meta.url)(path.join(core, "apiClient", "runStream.js"));

/** @typedef {{ kind: "stream", v2: boolean, parts: string[], cuts: number }} StreamCase */

/** @param {Choices} random */
const lineEnd = (random) => (random.chance(0.9) ? "\n" : random.pick(["\r\n", "\r"]));

/** An event of v1. @param {Choices} random @param {{ ms: number }} log */
function v1Event(random, log) {
  if (random.chance(0.1)) return `: ${random.pick(["ping", "", "data: no"])}\n\n`;
  if (random.chance(0.6)) log.ms += random.below(3);
  const end = lineEnd(random);
  const data = random.chance(0.7) ? written(random, value(random), true) : text(random);
  const lines = data.split(/\r\n|\n|\r/).map((line) => `data:${random.chance(0.8) ? " " : ""}${line}`);
  const id = random.chance(0.95) ? [`id: ${log.ms}-${random.below(2)}`] : [];
  const extra = random.chance(0.05) ? [random.pick(["retry: 10", "event: later", "unknown: 1", "nocolon"])] : [];
  return [...id, ...extra, ...lines, "", ""].join(end);
}

/** An event of v2. @param {Choices} random @param {{ seq: number }} log */
function v2Event(random, log) {
  const kind = random.below(12);
  if (kind === 0) return `event: ping\ndata: ${JSON.stringify({ timestamp: 1, tail: { seq_num: log.seq } })}\n\n`;
  if (kind === 1) return `event: ${random.pick(["later", "message"])}\ndata: ${JSON.stringify(text(random))}\n\n`;
  const records = random.times(4, () => {
    const seq_num = log.seq++;
    const record = { seq_num, timestamp: 1_795_335_617_541 + seq_num };
    const which = random.below(12);
    if (which === 0) return { ...record, headers: [["", "trim"]], body: "AAAA" };
    if (which === 1) return { ...record, headers: [["trigger-control", "turn-complete"]] };
    if (which === 2) return { ...record, body: random.pick(["", "no json", "5", "null", "[]", '"text"']) };
    const envelope = { data: value(random), id: `part${random.below(log.seq + 3)}` };
    if (which === 3) delete envelope.data;
    if (which === 4) envelope.id = "";
    return { ...record, body: written(random, envelope), headers: random.chance(0.2) ? [["name", "x"]] : undefined };
  });
  const tail = random.chance(0.5) ? { seq_num: log.seq, timestamp: 1 } : undefined;
  return `event: batch\nid: ${log.seq},${log.seq},9\ndata: ${written(random, { records, tail }, true)}\n\n`;
}

/** @param {Choices} random @returns {StreamCase} */
export function streamCase(random) {
  const v2 = random.chance(0.5);
  const log = { ms: 1_795_335_551_785, seq: random.pick([0, 5]) };
  const parts = Array.from({ length: 1 + random.below(8) }, () => (v2 ? v2Event(random, log) : v1Event(random, log)));
  return { kind: "stream", v2, parts, cuts: random.below(2 ** 31) };
}

/** The bytes in pieces. @param {StreamCase} one @param {(seed: number) => Choices} choices */
export function piecesOf(one, choices) {
  // Their parser keeps an event whose last line ends in CR until the byte after it comes.
  const bytes = Buffer.from([...one.parts, ": the end\n\n"].join(""));
  const random = choices(one.cuts);
  const pieces = [];
  for (let at = 0; at < bytes.length; ) {
    const size = 1 + random.below(random.chance(0.5) ? 7 : 4_096);
    pieces.push(bytes.subarray(at, at + size));
    at += size;
  }
  return pieces;
}

/** The line of our program. @param {StreamCase} one @param {Buffer[]} pieces */
export const streamLine = (one, pieces) =>
  JSON.stringify({ stream: { v2: one.v2, pieces: pieces.map((piece) => piece.toString("base64")) } });

/** What the published client yields. @param {StreamCase} one @param {Buffer[]} pieces */
export async function officialStream(one, pieces) {
  /** @type {{ id: string, chunk: unknown }[]} */
  const parts = [];
  const body = new ReadableStream({
    start(controller) {
      for (const piece of pieces) controller.enqueue(new Uint8Array(piece));
      controller.close();
    },
  });
  /** @type {Record<string, string>} */
  const headers = { "content-type": "text/event-stream", ...(one.v2 ? { "x-stream-version": "v2" } : {}) };
  const reader = new SSEStreamSubscription("http://server.invalid/stream", {
    headers: {},
    maxRetries: 0,
    fetchClient: async () => new Response(body, { headers }),
  });
  let failed = false;
  try {
    const stream = await reader.subscribe();
    const from = stream.getReader();
    for (let next = await from.read(); !next.done; next = await from.read()) parts.push(next.value);
  } catch {
    failed = true;
  }
  return { parts, failed };
}

/**
 * The first difference, in words; undefined where there is none.
 *
 * @param {{ values: (string | null)[], failed: boolean }} ours
 * @param {Awaited<ReturnType<typeof officialStream>>} theirs
 */
export function streamDifference(ours, theirs) {
  // A record without a value is one that their readers pass over; a value left undefined likewise.
  const defined = theirs.parts.map((part) => part.chunk).filter((chunk) => chunk !== undefined);
  const b = defined.map((chunk) => JSON.stringify(chunk));
  const a = ours.values.filter((json) => json !== null).map((json) => JSON.stringify(JSON.parse(String(json))));
  const at = a.findIndex((one, index) => one !== b[index]);
  if (at >= 0 || a.length !== b.length) {
    const place = at < 0 ? a.length : at;
    return `value ${place}\n  ours:   ${a[place]}\n  theirs: ${b[place]}`;
  }
  return ours.failed === theirs.failed ? undefined : `ours ${ours.failed ? "fails" : "goes on"}, theirs does not`;
}
