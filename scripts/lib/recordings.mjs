// The recordings of the real server: the distilled ones of this repository, or those in the folder that
// `TRIGGER_NATIVE_WIRE` names, as they were recorded. Both are read into one form.

import { readdirSync, readFileSync } from "node:fs";
import path from "node:path";
import process from "node:process";
import { root } from "./run.mjs";

/** The distilled recordings (`scripts/distil.mjs` writes them; `README.md` there says what is in one). */
export const distilledDirectory = path.join(root, "__test__", "fixtures", "server");

/** Where the recordings lie as they were recorded, beside a checkout that has them. */
export const originalDirectory = path.join(root, "..", "shared", "wire");

/**
 * @typedef {object} Side
 * @property {[string, string][]} headers in the order of the wire, names as they were written
 * @property {string} body decoded
 *
 * @typedef {object} RawExchange
 * @property {number} n counted from 1
 * @property {number} startedAtMs since the recording began
 * @property {number} durationMs
 * @property {string} endedBy `server`, `client-disconnect`, …
 * @property {Side & { line: string }} request
 * @property {null | (Side & { status: number, contentEncoding: string | null, headersAtMs: number,
 *   chunks: { atMs: number, text: string }[] })} response null: the client left before there was one
 *
 * @typedef {object} RawRecording
 * @property {string} name its file's, without `.json`
 * @property {"native" | "electric"} backend
 * @property {string} recordedAt ISO 8601: when the recording ended
 * @property {string} beganAt ISO 8601: when its time was 0, to the second
 * @property {string} [secretKey] invented
 * @property {any[]} clientNotes what the recorded client said of itself
 * @property {RawExchange[]} exchanges
 */

/** @param {string} directory @returns {string[]} whole paths in order; none when the folder is not there */
export function filesIn(directory) {
  try {
    const names = readdirSync(directory).filter((name) => name.endsWith(".json"));
    return names.sort().map((name) => path.join(directory, name));
  } catch (error) {
    if (error instanceof Error && "code" in error && error.code === "ENOENT") return [];
    throw error;
  }
}

/** Every recording, in the order of their names. @returns {RawRecording[]} */
export function readRecordings() {
  const named = process.env.TRIGGER_NATIVE_WIRE;
  const files = filesIn(named ?? distilledDirectory);
  if (files.length === 0) throw new Error(`there are no recordings in ${named ?? distilledDirectory}`);
  return files.map(named === undefined ? readDistilled : readOriginal);
}

/** A recording as it was recorded. @param {string} file @returns {RawRecording} */
export function readOriginal(file) {
  const raw = JSON.parse(readFileSync(file, "utf8"));
  const exchanges = raw.exchanges.map((/** @type {any} */ exchange) => ({
    ...exchange,
    response: exchange.response && { ...exchange.response, body: whole(exchange.response.chunks) },
  }));
  const name = path.basename(file, ".json");
  const backend = raw.server.includes("Electric backend") ? "electric" : "native";
  return { ...raw, name, backend, beganAt: beganAt(exchanges), clientNotes: raw.clientNotes ?? [], exchanges };
}

/** When a recording's time was 0, by the latest of what the `Date` headers say. @param {RawExchange[]} exchanges */
function beganAt(exchanges) {
  const times = exchanges.flatMap(({ response, startedAtMs }) => {
    const date = response?.headers.find(([name]) => name.toLowerCase() === "date")?.[1];
    return response && date ? [Date.parse(date) - response.headersAtMs - startedAtMs] : [];
  });
  return new Date(Math.max(...times)).toISOString();
}

/** A distilled recording. @param {string} file @returns {RawRecording} */
export function readDistilled(file) {
  const { usual, notes, exchanges, ...rest } = JSON.parse(readFileSync(file, "utf8"));
  return {
    ...rest,
    name: path.basename(file, ".json"),
    clientNotes: notes ?? [],
    exchanges: exchanges.map((/** @type {any} */ exchange) => expand(exchange, usual)),
  };
}

/** @param {any} exchange @param {{ request: string[], response: string[] }} usual @returns {RawExchange} */
function expand({ n, at, took, ended, request, response }, usual) {
  return {
    n,
    startedAtMs: at,
    durationMs: took,
    endedBy: ended ?? "server",
    request: {
      line: `${request.line} HTTP/1.1`,
      headers: headersOf(request, usual.request),
      body: textOf(request.body ?? ""),
    },
    response: response ? expandResponse(response, usual.response) : null,
  };
}

/** @param {any} response @param {string[]} usual */
function expandResponse(response, usual) {
  const chunks = response.chunks.map((/** @type {[number, any]} */ [atMs, text]) => ({ atMs, text: textOf(text) }));
  return {
    status: response.status,
    headers: headersOf(response, usual),
    contentEncoding: response.encoding ?? null,
    headersAtMs: response.at,
    chunks,
    body: whole(chunks),
  };
}

/** @param {{ headers?: string[], without?: string[] }} side @param {string[]} usual @returns {[string, string][]} */
function headersOf({ headers = [], without = [] }, usual) {
  const lines = [...usual.filter((line) => !without.includes(nameOf(line))), ...headers];
  return lines.map((line) => [nameOf(line), line.slice(line.indexOf(": ") + 2)]);
}

/** @param {string} line */
const nameOf = (line) => line.slice(0, line.indexOf(": "));

/** @param {{ text: string }[]} chunks */
const whole = (chunks) => chunks.map(({ text }) => text).join("");

/**
 * @typedef {string | [unit: string, times: number] | [unit: string, first: number, times: number]} Part itself; a unit
 *   repeated; or numbers that count up from `first`, the unit after each
 */

/** @param {Part} part */
function partText(part) {
  if (typeof part === "string") return part;
  if (part.length === 2) return part[0].repeat(part[1]);
  return Array.from({ length: part[2] }, (_, index) => `${part[1] + index}${part[0]}`).join("");
}

/**
 * A text as it is written in a distilled recording: itself, JSON written out, or parts of which some are repeated.
 *
 * @param {string | { json: unknown } | { parts: Part[] }} text
 */
export function textOf(text) {
  if (typeof text === "string") return text;
  if ("json" in text) return JSON.stringify(text.json);
  return text.parts.map(partText).join("");
}
