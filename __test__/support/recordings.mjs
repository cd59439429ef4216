/**
 * The recordings of the real server (`../shared/wire`, see its README), read as data.
 *
 * Nothing here knows a file's name: what a recording holds is found in its request lines.
 */
import { readdirSync, readFileSync } from "node:fs";
import path from "node:path";
import { test } from "node:test";
import { fileURLToPath } from "node:url";

const root = fileURLToPath(new URL("../../", import.meta.url));

/** Where the recordings are looked for: `TRIGGER_NATIVE_WIRE`, else beside the project. */
export const wireDirectory = process.env.TRIGGER_NATIVE_WIRE ?? path.join(root, "..", "shared", "wire");

/**
 * @typedef {object} Exchange One request and its answer, as recorded and taken apart.
 * @property {number} n
 * @property {string} method
 * @property {string} path the path, as on the wire
 * @property {URLSearchParams} query
 * @property {Map<string, string>} headers request headers, names in lower case
 * @property {string} requestBody
 * @property {null | { status: number, headers: [string, string][], contentEncoding: string | null, texts: string[] }} response
 *   null: the client left before an answer, the server was still holding the request
 * @property {string} endedBy `server`, `client-disconnect`, …
 *
 * @typedef {object} Recording
 * @property {string} name only for test names and messages
 * @property {string[]} notes the recorded client's notes, as text
 * @property {Exchange[]} exchanges
 */

/** @returns {Exchange} */
function exchange(raw) {
  const [method, target] = raw.request.line.split(" ");
  const url = new URL(target, "http://recorded.invalid");
  const response = raw.response && {
    status: raw.response.status,
    headers: raw.response.headers,
    contentEncoding: raw.response.contentEncoding ?? null,
    texts: raw.response.chunks.map((chunk) => chunk.text),
  };
  return {
    n: raw.n,
    method,
    path: url.pathname,
    query: url.searchParams,
    headers: new Map(raw.request.headers.map(([name, value]) => [name.toLowerCase(), value])),
    requestBody: raw.request.body ?? "",
    response,
    endedBy: raw.endedBy,
  };
}

/** @returns {Recording[] | null} null when the recordings are not there */
export function recordings() {
  let files;
  try {
    files = readdirSync(wireDirectory).filter((file) => file.endsWith(".json"));
  } catch (error) {
    if (error.code === "ENOENT") return null;
    throw error;
  }
  return files.sort().map((file) => {
    const raw = JSON.parse(readFileSync(path.join(wireDirectory, file), "utf8"));
    const notes = (raw.clientNotes ?? []).map((note) => (typeof note === "string" ? note : JSON.stringify(note)));
    return { name: path.basename(file, ".json"), notes, exchanges: raw.exchanges.map(exchange) };
  });
}

/**
 * Hands the recordings to `define`, which registers tests. Without recordings one test is
 * registered that is skipped and says what was left out; under CI it fails instead: a suite that
 * replays nothing must not look green there.
 *
 * @param {string} what named in the skip, "N cases of …" cannot be counted without the files
 * @param {(recordings: Recording[]) => void} define
 */
export function withRecordings(what, define) {
  const all = recordings();
  if (all !== null && all.length > 0) {
    define(all);
    return;
  }
  const reason = `all ${what} cases left out: ../shared/wire is missing`;
  test(`${what}: recordings are present`, { skip: process.env.CI ? false : reason }, () => {
    throw new Error(reason);
  });
  console.log(reason);
}
