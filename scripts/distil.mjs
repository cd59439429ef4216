// Distils the recordings of the real server into the fixtures of this repository (`__test__/fixtures/server`): what the
// tests depend on, and nothing else.
//
// `node scripts/distil.mjs [folder]` writes them from the originals in `folder`, by default `../shared/wire`;
// `--check` writes nothing and fails where they differ from what would be written.

import { mkdir, readFile, rm, writeFile } from "node:fs/promises";
import path from "node:path";
import process from "node:process";
import { distilledDirectory, filesIn, originalDirectory, readOriginal, textOf } from "./lib/recordings.mjs";
import { isMain, StepError, script } from "./lib/run.mjs";

/** Request headers of a client's connection and browser: no answer depends on them. */
const UNIMPORTANT_REQUEST =
  /^(host|connection|content-length|transfer-encoding|accept-encoding|accept-language|user-agent|referer|cache-control|sec-.*)$/i;

/** Response headers of a connection, and of when it was. */
const UNIMPORTANT_RESPONSE = /^(date|connection|keep-alive|transfer-encoding|x-request-id)$/i;

/** Headers that this share of a recording's exchanges has are written once, for all of it. */
const USUAL_SHARE = 0.7;

/** The statuses of runs; of a client's notes, these words are kept. */
const STATUS = /\b(?:[A-Z]+(?:_[A-Z]+)+|[A-Z]{4,})\b/g;

/**
 * The distilled form of a recording.
 *
 * @param {import("./lib/recordings.mjs").RawRecording} recording
 */
export function distil(recording) {
  const { name, backend, recordedAt, beganAt, secretKey, clientNotes, exchanges } = recording;
  const sides = exchanges.map(({ request, response }) => ({
    request: lines(request.headers, UNIMPORTANT_REQUEST),
    response: response && lines(response.headers, UNIMPORTANT_RESPONSE),
  }));
  const usual = {
    request: usualOf(sides.map(({ request }) => request)),
    response: usualOf(sides.flatMap(({ response }) => (response ? [response] : []))),
  };
  return {
    backend,
    recordedAt,
    beganAt,
    ...(secretKey !== undefined && { secretKey }),
    notes: notesOf(name, clientNotes),
    usual,
    exchanges: exchanges.map((exchange, index) => ({
      n: exchange.n,
      at: exchange.startedAtMs,
      took: exchange.durationMs,
      ...(exchange.endedBy !== "server" && { ended: exchange.endedBy }),
      request: {
        line: exchange.request.line.replace(/ HTTP\/1\.1$/, ""),
        ...besides(sides[index].request, usual.request),
        ...(exchange.request.body && { body: written(exchange.request.body) }),
      },
      ...(exchange.response && {
        response: {
          status: exchange.response.status,
          ...besides(sides[index].response ?? [], usual.response),
          ...(exchange.response.contentEncoding && { encoding: exchange.response.contentEncoding }),
          at: exchange.response.headersAtMs,
          chunks: exchange.response.chunks.map(({ atMs, text }) => [atMs, written(text)]),
        },
      }),
    })),
  };
}

/** @param {[string, string][]} headers @param {RegExp} unimportant */
const lines = (headers, unimportant) =>
  headers.filter(([name]) => !unimportant.test(name)).map(([name, value]) => `${name}: ${value}`);

/** The lines that most of `all` have. @param {string[][]} all */
function usualOf(all) {
  /** @type {Map<string, number>} */
  const counts = new Map();
  for (const line of all.flat()) counts.set(line, (counts.get(line) ?? 0) + 1);
  return [...counts].filter(([, count]) => count >= all.length * USUAL_SHARE).map(([line]) => line);
}

/** What an exchange has besides the usual lines, and which of those it lacks. @param {string[]} own @param {string[]} usual */
function besides(own, usual) {
  const headers = own.filter((line) => !usual.includes(line));
  const without = usual.filter((line) => !own.includes(line)).map((line) => line.slice(0, line.indexOf(": ")));
  return { ...(headers.length > 0 && { headers }), ...(without.length > 0 && { without }) };
}

/**
 * The kept part of a client's notes: of a browser's, each state that the page showed; of any other's, the statuses.
 *
 * @param {string} name @param {any[]} notes
 */
function notesOf(name, notes) {
  if (name.startsWith("browser-")) return notes.flatMap(({ rendered }) => (rendered ? [{ rendered }] : []));
  return notes.flatMap((note) => (typeof note === "string" ? note : JSON.stringify(note)).match(STATUS) ?? []);
}

/** A text in its shortest form: JSON written out, or with repetitions counted. @param {string} text */
export function written(text) {
  const json = parsed(text);
  if (json !== undefined && JSON.stringify(json) === text && text.length < LONG) return { json };
  const parts = text.length < LONG ? [text] : partsOf(text);
  return parts.length === 1 && typeof parts[0] === "string" ? text : { parts };
}

/** @param {string} text */
function parsed(text) {
  try {
    const value = JSON.parse(text);
    return typeof value === "object" ? value : undefined;
  } catch {
    return undefined;
  }
}

/** Longer texts are looked through for repetitions, in characters. */
const LONG = 4096;
/** The longest unit that is looked for, and how much of it makes a repetition, in characters. */
const UNIT = 64;
const REPEATED = 512;

/** @typedef {import("./lib/recordings.mjs").Part} Part */

/** @param {string} text @returns {Part[]} */
function partsOf(text) {
  /** @type {Part[]} */
  const parts = [];
  let [from, at] = [0, 0];
  while (at < text.length) {
    const found = repetitionAt(text, at) ?? countAt(text, at);
    if (!found) {
      at += 1;
      continue;
    }
    if (at > from) parts.push(text.slice(from, at));
    parts.push(found);
    at += textOf({ parts: [found] }).length;
    from = at;
  }
  if (from < text.length) parts.push(text.slice(from));
  return parts;
}

/** @param {string} text @param {number} at @returns {[string, number] | undefined} */
function repetitionAt(text, at) {
  for (let unit = 1; unit <= UNIT; unit += 1) {
    let end = at + unit;
    while (end < text.length && text[end] === text[end - unit]) end += 1;
    const times = Math.floor((end - at) / unit);
    if (times > 1 && times * unit >= REPEATED) return [text.slice(at, at + unit), times];
  }
  return undefined;
}

/**
 * Numbers that count up, with the same text after each.
 *
 * @param {string} text @param {number} at @returns {[string, number, number] | undefined}
 */
function countAt(text, at) {
  const first = Number.parseInt(text.slice(at, at + 9), 10);
  if (Number.isNaN(first) || !text.startsWith(String(first), at) || /\d/.test(text[at - 1] ?? "")) return undefined;
  const start = at + String(first).length;
  const unit = text.slice(start, text.indexOf(String(first + 1), start));
  let [end, times] = [at, 0];
  while (text.startsWith(`${first + times}${unit}`, end)) {
    end += `${first + times}${unit}`.length;
    times += 1;
  }
  return unit.length <= UNIT && end - at >= REPEATED ? [unit, first, times] : undefined;
}

/** One exchange a line: a change of one is one line in a difference. @param {ReturnType<typeof distil>} recording */
function format({ exchanges, ...head }) {
  const start = JSON.stringify(head, null, 1).slice(0, -2);
  return `${start},\n "exchanges": [\n${exchanges.map((exchange) => `  ${JSON.stringify(exchange)}`).join(",\n")}\n ]\n}\n`;
}

/** Every file that there should be, by its path. @param {string} from the originals' folder */
export function distilled(from) {
  const files = filesIn(from);
  if (files.length === 0) throw new StepError(`there are no recordings in ${from}`);
  return new Map(
    files.map((file) => [path.join(distilledDirectory, path.basename(file)), format(distil(readOriginal(file)))]),
  );
}

/** The differences between the fixtures and those that `from` would give. @param {string} from */
export async function differences(from) {
  const should = distilled(from);
  const found = [];
  for (const [file, text] of should) {
    if ((await readFile(file, "utf8").catch(() => undefined)) !== text) found.push(path.basename(file));
  }
  for (const file of filesIn(distilledDirectory)) if (!should.has(file)) found.push(path.basename(file));
  return found;
}

if (isMain(import.meta.url)) {
  await script(async () => {
    const [first, ...rest] = process.argv.slice(2);
    const from = path.resolve(first === "--check" ? (rest[0] ?? originalDirectory) : (first ?? originalDirectory));
    if (first === "--check") {
      const found = await differences(from);
      if (found.length > 0) throw new StepError(`not as distilled from ${from}: ${found.join(", ")}`);
      return;
    }
    await mkdir(distilledDirectory, { recursive: true });
    const should = distilled(from);
    for (const file of filesIn(distilledDirectory)) if (!should.has(file)) await rm(file);
    for (const [file, text] of should) await writeFile(file, text);
    console.error(`${should.size} recordings distilled`);
  });
}
