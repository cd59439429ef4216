// The distilled recordings say what the recordings of the real server say, wherever a test depends on it.

import assert from "node:assert/strict";
import path from "node:path";
import { describe, test } from "node:test";
import { differences, distil, written } from "../scripts/distil.mjs";
import {
  distilledDirectory,
  filesIn,
  originalDirectory,
  readDistilled,
  readOriginal,
  textOf,
} from "../scripts/lib/recordings.mjs";

const originals = filesIn(originalDirectory);

/** Headers of the connection are no part of a distilled recording. */
const kept = (/** @type {[string, string][]} */ headers) =>
  headers
    .filter(
      ([name]) =>
        !/^(host|connection|content-length|transfer-encoding|accept-encoding|accept-language|user-agent|referer|cache-control|sec-.*|date|keep-alive|x-request-id)$/i.test(
          name,
        ),
    )
    .map((header) => header.join(": "))
    .sort();

describe("a text in a distilled recording", () => {
  const texts = {
    "a word": "hello",
    nothing: "",
    "JSON with spaces": '{ "a": 1 }',
    "JSON as it is written": '{"a":[1,"é😀",null],"b":"\\u2028 \\" \\\\"}',
    "a number": "12",
    "what repeats": `a${"xyz".repeat(3000)}b`,
    "what counts up": Array.from({ length: 2000 }, (_, index) => `"row ${index + 7} é",`).join(""),
    "what counts up to an end": `${Array.from({ length: 900 }, (_, index) => `${index};`).join("")}900!`,
    "long without repetition": Array.from({ length: 900 }, (_, index) => Math.sin(index)).join(" "),
  };
  for (const [name, text] of Object.entries(texts)) {
    test(`is read as it was written: ${name}`, () => {
      assert.equal(textOf(JSON.parse(JSON.stringify(written(text)))), text);
    });
  }

  test("takes little room where it repeats or counts", () => {
    for (const name of /** @type {const} */ (["what repeats", "what counts up"])) {
      assert.ok(JSON.stringify(written(texts[name])).length < 200, name);
    }
  });
});

test("a distilled recording is read in the form of an original", () => {
  const files = filesIn(distilledDirectory);
  assert.ok(files.length >= 51, `there are ${files.length}`);
  for (const file of files) {
    const { name, exchanges, beganAt } = readDistilled(file);
    assert.ok(exchanges.length > 0 && !Number.isNaN(Date.parse(beganAt)), name);
    for (const { request, response } of exchanges) {
      assert.match(request.line, /^[A-Z]+ \/\S* HTTP\/1\.1$/, name);
      assert.equal(typeof request.body, "string");
      if (!response) continue;
      assert.ok(response.status >= 200, name);
      assert.equal(response.body, response.chunks.map(({ text }) => text).join(""));
      for (const header of response.headers) assert.ok(header[0] && header.length === 2, `${name}: ${header}`);
    }
  }
});

// The comparison needs the originals: `npm test` prints whether they were there.
if (originals.length > 0) {
  test("every distilled recording says what the original says", () => {
    for (const file of originals) {
      const original = readOriginal(file);
      const ours = readDistilled(path.join(distilledDirectory, path.basename(file)));
      const side = (/** @type {any} */ { headers, body, line, status }) => ({
        headers: kept(headers),
        body,
        line,
        status,
      });
      const shown = (/** @type {any} */ { n, startedAtMs, durationMs, endedBy, request, response }) => ({
        ...{ n, startedAtMs, durationMs, endedBy, request: side(request) },
        response: response && {
          ...side(response),
          line: undefined,
          encoding: response.contentEncoding ?? null,
          at: response.headersAtMs,
          chunks: response.chunks.map((/** @type {any} */ { atMs, text }) => [atMs, text]),
        },
      });
      const whole = ({ backend, recordedAt, secretKey, exchanges }) => ({
        ...{ backend, recordedAt, secretKey },
        exchanges: exchanges.map(shown),
      });
      assert.deepEqual(whole(ours), whole(original), original.name);
    }
  });

  test("the distilled recordings are those that the script writes", async () => {
    assert.deepEqual(await differences(originalDirectory), []);
  });
}

test("of a client's notes the statuses are kept, and the states of a page", () => {
  const recording = { recordedAt: "", beganAt: "", backend: /** @type {const} */ ("native"), exchanges: [] };
  const notes = (/** @type {string} */ name, /** @type {any[]} */ clientNotes) =>
    distil({ ...recording, name, clientNotes }).notes;
  assert.deepEqual(notes("run", ["run_1 QUEUED", { status: "TIMED_OUT", output: "x" }]), ["QUEUED", "TIMED_OUT"]);
  assert.deepEqual(notes("browser-x", [{ rendered: { a: 1 }, at: 5 }, { console: "error" }]), [{ rendered: { a: 1 } }]);
});
