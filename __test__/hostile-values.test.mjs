// Values that no program means to send, and some user of one does: each is what the official SDK makes of it, whole, or an
// error of its own that says so. None ends another's feed, and no prototype is changed.

import assert from "node:assert/strict";
import { createServer } from "node:http";
import { createRequire } from "node:module";
import { after, afterEach, before, describe, test } from "node:test";
import { parsePacket, stringifyIO } from "@trigger.dev/core/v3/utils/ioSerialization";
import { officialRuns } from "./helpers/feeds.mjs";
import { SCHEMA } from "./helpers/run-rows.mjs";
import { COLUMNS, LEVELS, nested, PACKETS, payloads, TEXTS } from "./support/hostile.mjs";

const require = createRequire(import.meta.url);
const sdk = require("../index.js");
const { decode } = require("../js/calls/packets.js");
const { toPacket } = require("../js/calls/payload.js");

const PROTOTYPES = [Object.prototype, Array.prototype, Function.prototype];
const names = PROTOTYPES.map((prototype) => Reflect.ownKeys(prototype).length);
afterEach(() =>
  assert.deepEqual(
    PROTOTYPES.map((prototype) => Reflect.ownKeys(prototype).length),
    names,
  ),
);

/** What `work` gives, or its error. */
async function outcome(work) {
  try {
    return { value: await work() };
  } catch (error) {
    return { error };
  }
}

/** A server whose answers a test sets: `feed` is the body of a snapshot, `stream` the events of a stream. */
let server;
const answers = { feed: "", stream: "", version: undefined };

before(async () => {
  server = createServer((request, response) => {
    const { pathname, searchParams } = new URL(request.url, "http://server");
    if (pathname.includes("/streams/")) {
      const version = answers.version ? { "x-stream-version": answers.version } : {};
      response.writeHead(200, { "content-type": "text/event-stream", ...version }).end(answers.stream);
    } else if (!searchParams.has("live")) {
      const headers = { "electric-handle": "h", "electric-offset": "0_0", "electric-cursor": "1" };
      response.writeHead(200, { "content-type": "application/json", "electric-schema": SCHEMA, ...headers });
      response.end(answers.feed);
    }
  });
  await new Promise((listening) => server.listen(0, "127.0.0.1", listening));
  sdk.configure({ baseURL: `http://127.0.0.1:${server.address().port}`, accessToken: "tr_dev_hostilenotasecret" });
});
after(() => {
  server.closeAllConnections();
  server.close();
  sdk.configure({});
});

const row = (columns) => ({
  id: "c1",
  taskIdentifier: "t",
  friendlyId: "run_1",
  status: "COMPLETED_SUCCESSFULLY",
  createdAt: "2026-01-01T00:00:00.123",
  updatedAt: "2026-01-01T00:00:00.123",
  number: "1",
  isTest: "f",
  usageDurationMs: "0",
  costInCents: "0",
  baseCostInCents: "0",
  payloadType: "application/json",
  outputType: "application/json",
  metadataType: "application/json",
  ...columns,
});

/** The first run of a feed of one row with these columns, once each of its properties was read. */
async function runOf(columns) {
  const change = { key: "k", value: row(columns), headers: { operation: "insert" } };
  answers.feed = JSON.stringify([change, { headers: { control: "up-to-date" } }]);
  for await (const run of sdk.runs.subscribeToRun("run_1", { stopOnCompletion: false })) {
    for (const name of Object.keys(run)) void run[name];
    return run;
  }
}

describe("hostile values", { timeout: 300_000 }, () => {
  test("a payload of any shape arrives as the official SDK sends it, whole, or is refused", async () => {
    const arrived = async ({ data, type }) => parsePacket({ data, dataType: type });
    for (const [name, make, whole] of payloads) {
      // What the official SDK loses when it reads, ours reads.
      const read = whole ? decode : arrived;
      const ours = await outcome(async () => read(await toPacket("tasks.trigger", make())));
      const official = await outcome(async () => parsePacket(await stringifyIO(make())));
      if (ours.error) {
        assert.equal(ours.error.code, "ERR_INVALID_PAYLOAD", `${name}: ${ours.error}`);
        assert.ok(official.error, `${name}: the official SDK sends it`);
      } else if (whole) {
        assert.deepEqual(ours.value, whole, name);
      } else {
        assert.deepEqual(dated(ours.value), dated(official.value), name);
      }
    }
  });

  test("a packet of any content is the official SDK's value, or an error of its own", async () => {
    for (const [name, type, data, whole] of PACKETS) {
      const official = await outcome(() => parsePacket({ data, dataType: type }));
      for (const field of ["payload", "output", "metadata"]) {
        const run = await runOf({ [field]: data, [`${field}Type`]: type });
        const what = `${field} ${name}`;
        if (run.decodeErrors) {
          assert.equal(run.decodeErrors[field]?.code, "ERR_DECODE", what);
          assert.ok(official.error, `${what}: the official SDK reads it: ${run.decodeErrors[field]?.message}`);
        } else if (official.error) {
          // Where JavaScript's stack holds more of ours than of theirs.
          assert.ok(/call stack/.test(official.error.message), `${what}: ${official.error.message}`);
        } else if (name.startsWith("deep")) {
          assert.equal(depth(run[field]), depth(official.value), what);
        } else {
          assert.deepEqual(dated(run[field]), dated(whole ?? official.value), what);
        }
      }
    }
  });

  test("a column of any content is the official SDK's value, or an error of its own", async () => {
    for (const [column, texts] of Object.entries(COLUMNS)) {
      for (const text of texts) {
        const what = `${column}: ${String(text).slice(0, 40)}`;
        const columns = { [column]: text };
        const run = await runOf(columns);
        if (run.decodeErrors) {
          for (const error of Object.values(run.decodeErrors)) assert.equal(error.code, "ERR_DECODE", what);
          continue;
        }
        const feed = {
          name: what,
          schema: SCHEMA,
          bodies: [answers.feed.replace('"id":"c1",', `"id":"c1",${MISSING}`)],
        };
        const { value: theirs, error } = await outcome(async () => [...(await officialRuns(feed)).values()][0]);
        // A row that the official SDK gives up on, with all that follow it.
        if (error) continue;
        assert.deepEqual({ ...run, ...LENIENT[column] }, { ...theirs, ...LENIENT[column] }, what);
      }
    }
  });

  test("a value on the wire that Rust cannot hold costs its own run, and the others of the feed come", async () => {
    const deep = nested(LEVELS);
    for (const [name, columns] of [
      ["an unpaired surrogate", '"taskIdentifier":"a\\ud800b"'],
      ["a name with one", '"\\udc00":"a"'],
      ["a number above all doubles", '"costInCents":1e400'],
      ["a number below", '"more":-1e400'],
      ["an array as deep", `"payload":${deep}`],
      ["an object as deep", `"more":${nested(LEVELS, '{"a":', "1", "}")}`],
    ]) {
      const other = { key: "k2", value: row({ friendlyId: "run_2" }), headers: { operation: "insert" } };
      const first = `{"key":"k","value":{"friendlyId":"run_1","status":"EXECUTING",${columns}},"headers":{"operation":"insert"}}`;
      answers.feed = `[${first},${JSON.stringify(other)},{"headers":{"control":"up-to-date"}}]`;
      const errors = [];
      const feed = sdk.runs.subscribeToRunsWithTag("t", {}, { onItemError: (error) => errors.push(error.code) });
      const { value } = await feed.next();
      assert.equal(value.id, "run_2", name);
      assert.deepEqual(errors, ["ERR_INVALID_ROW"], name);
      feed.close();
    }
    // What can be held is.
    for (const columns of [
      '"number":9007199254740993',
      '"more":123456789012345678901234567890',
      '"costInCents":-0',
      `"${"k".repeat(4 << 20)}":"1"`,
      Array.from({ length: 5_000 }, (_, at) => `"c${at}":"1"`).join(),
      '"__proto__":"x","constructor":"y","prototype":"z"',
      '"taskIdentifier":"a\\u0000b"',
    ]) {
      answers.feed = `[{"key":"k","value":{"friendlyId":"run_1","status":"EXECUTING",${columns}},"headers":{"operation":"insert"}},{"headers":{"control":"up-to-date"}}]`;
      const feed = sdk.runs.subscribeToRunsWithTag("t");
      assert.equal((await feed.next()).value.id, "run_1", columns.slice(0, 40));
      feed.close();
    }
  });

  test("a million tags are all there", async () => {
    const tags = Array.from({ length: 1_000_000 }, (_, at) => `t${at}`);
    const run = await runOf({ runTags: `{${tags}}` });
    assert.equal(run.tags.length, tags.length);
    assert.equal(run.tags.at(-1), tags.at(-1));
  });

  for (const version of ["v1", "v2"]) {
    test(`a chunk of a stream of any content is the value that was written (${version})`, async () => {
      answers.version = version === "v2" ? "v2" : undefined;
      for (const [name, text] of TEXTS) {
        const records = [`{"data":${text},"id":"a"}`, '{"data":"end","id":"b"}'].map((body, seq) => ({
          seq_num: seq,
          timestamp: 1,
          body,
        }));
        answers.stream =
          version === "v2"
            ? `event: batch\ndata: ${JSON.stringify({ records })}\n\n`
            : `id: 1-0\ndata: ${text}\n\nid: 1-1\ndata: "end"\n\n`;
        const chunks = [];
        for await (const chunk of await sdk.streams.read("run_1", "ai")) {
          chunks.push(chunk);
          if (chunks.length === 2) break;
        }
        if (name.startsWith("deep")) assert.equal(depth(chunks[0]), LEVELS, name);
        else assert.deepEqual(chunks[0], JSON.parse(text), name);
        assert.equal(chunks[1], "end", name);
      }
    });
  }
});

/** The columns that the official SDK needs to be there. */
const MISSING = ["payload", "output", "metadata", "runTags", "error", "realtimeStreams", "ttl", "idempotencyKey"]
  .concat(["startedAt", "delayUntil", "queuedAt", "expiredAt", "completedAt"])
  .map((name) => `"${name}":null,`)
  .join("");

/** Where the two differ on purpose: an unknown status is told as it is, an empty time is none. */
const LENIENT = { status: { status: 0, isQueued: 0 }, startedAt: { startedAt: 0 } };

/** With the texts of dates: no invalid one equals another. */
function dated(value) {
  if (value instanceof Date) return String(value);
  if (typeof value !== "object" || value === null || Object.getPrototypeOf(value) !== Object.prototype) return value;
  if (value.self === value) return value;
  return Object.fromEntries(Object.entries(value).map(([name, inner]) => [name, dated(inner)]));
}

/** How many levels a value has, without recursion. */
function depth(value) {
  let levels = 0;
  for (let at = value; typeof at === "object" && at !== null; at = Object.values(at)[0]) levels += 1;
  return levels;
}
