/**
 * The recordings of the real server (`scripts/lib/recordings.mjs`), read as data.
 *
 * Nothing here knows a file's name: what a recording holds is found in its request lines.
 */
import assert from "node:assert/strict";
import { test } from "node:test";

import { readRecordings } from "../../scripts/lib/recordings.mjs";

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

/** @returns {Recording[]} */
export function recordings() {
  return readRecordings().map((raw) => ({
    name: raw.name,
    notes: raw.clientNotes.map((note) => (typeof note === "string" ? note : JSON.stringify(note))),
    exchanges: raw.exchanges.map(exchange),
  }));
}

/**
 * Hands the recordings to `define`, which registers tests, and fails where they give few: a suite that replays next to
 * nothing must not look green.
 *
 * @param {string} what named in the test
 * @param {number} atLeast how many cases the recordings give
 * @param {(recordings: Recording[], test: typeof import("node:test").test) => void} define every test that
 *   it registers with the `test` it is given is a case
 */
export function withRecordings(what, atLeast, define) {
  let cases = 0;
  define(recordings(), (...args) => {
    cases += 1;
    return test(...args);
  });
  test(`${what}: the recordings give at least ${atLeast} cases`, () => {
    assert.ok(cases >= atLeast, `there are ${cases}`);
  });
}
