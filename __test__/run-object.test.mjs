import assert from "node:assert/strict";
import { createServer } from "node:http";
import { createRequire } from "node:module";
import { after, before, describe, test } from "node:test";

import { TaskRunErrorCodes } from "@trigger.dev/core/v3";
import { createJsonErrorObject } from "@trigger.dev/core/v3/errors";
import { SuperJSON } from "superjson";

import { officialRuns, recordedFeeds } from "./helpers/feeds.mjs";
import { render } from "./helpers/render.mjs";

const require = createRequire(import.meta.url);
const { toRun } = require("../js/run.js");
const { toRunError } = require("../js/run-error.js");
const { Packets } = require("../js/packets.js");

const SCHEMA = JSON.stringify({
  id: { type: "text" },
  ...Object.fromEntries(
    ["createdAt", "updatedAt", "startedAt", "delayUntil", "queuedAt", "expiredAt", "completedAt"].map((name) => [
      name,
      { type: "timestamp" },
    ]),
  ),
  number: { type: "int4" },
  isTest: { type: "bool" },
  usageDurationMs: { type: "int4" },
  costInCents: { type: "float8" },
  baseCostInCents: { type: "float8" },
  runTags: { type: "text", dims: 1 },
  realtimeStreams: { type: "text", dims: 1 },
  error: { type: "jsonb" },
});

const PLAIN = {
  id: "cplain",
  taskIdentifier: "my-task",
  friendlyId: "run_plain",
  status: "EXECUTING",
  createdAt: "2026-11-22T08:24:59.923",
  updatedAt: "2026-11-22T08:24:59.923",
  number: "1",
  isTest: "f",
  usageDurationMs: "0",
  costInCents: "0",
  baseCostInCents: "0",
};

/** A feed of one row: {@link PLAIN} with these columns over it. */
function feedOf(columns, schema = SCHEMA) {
  const body = [
    { key: "k", value: { ...PLAIN, ...columns }, headers: { operation: "insert" } },
    { headers: { control: "up-to-date" } },
  ];
  return { name: JSON.stringify(columns).slice(0, 120), schema, bodies: [JSON.stringify(body)] };
}

/** Ours of one row. */
async function runOf(columns, { packets = new Packets(), schema = SCHEMA } = {}) {
  const [[[rendered]]] = render([feedOf(columns, schema)]);
  return toRun(rendered, packets);
}

// Stored packets: what is stored under a path is decided by the path.
const STORED = {
  "/json": ["application/json", '{"from":"store"}'],
  "/super": ["application/super+json", SuperJSON.stringify({ at: new Date(0), tags: new Set(["a"]) })],
  "/text": ["text/plain", "just text"],
};
let store;
let storeUrl;
before(async () => {
  store = createServer((request, response) => {
    const [type, data] = STORED[request.url] ?? ["text/plain", request.url];
    response.writeHead(200, { "content-type": type, connection: "close" }).end(data);
  });
  await new Promise((listening) => store.listen(0, "127.0.0.1", listening));
  storeUrl = `http://127.0.0.1:${store.address().port}`;
});
after(() => new Promise((closed) => store.close(closed)));

const officialClient = { getRunPacketUrl: async (_run, _field, path) => ({ presignedUrl: `${storeUrl}/${path}` }) };
const fetchPacket = async (_run, _field, path) => {
  const response = await fetch(`${storeUrl}/${path}`);
  return { data: await response.text(), type: response.headers.get("content-type") };
};

/** Compares, after every answer of each feed, the latest object of each run. */
async function compare(feeds) {
  const rendered = render(feeds);
  let compared = 0;
  for (const [place, feed] of feeds.entries()) {
    const packets = new Packets({ fetchPacket });
    const ours = new Map();
    for (const [answer, changes] of rendered[place].entries()) {
      for (const change of changes) {
        const run = await toRun(change, packets);
        ours.set(run.id, run);
      }
      if (!feed.bodies[answer].includes('"up-to-date"')) {
        assert.deepEqual(changes, [], "nothing is published before an up-to-date");
        continue;
      }
      const theirs = await officialRuns(
        { schema: feed.schema, bodies: feed.bodies.slice(0, answer + 1) },
        officialClient,
      );
      assert.deepEqual([...ours.keys()].sort(), [...theirs.keys()].sort(), feed.name);
      for (const [id, run] of theirs) {
        assert.deepEqual(ours.get(id), run, `${feed.name}: ${id}`);
        assert.deepEqual(Object.keys(ours.get(id)), Object.keys(run), "the same keys in the same order");
        compared += 1;
      }
    }
  }
  return compared;
}

describe("the run object equals the official SDK's", () => {
  test("on every recorded run feed, after every answer", async () => {
    const feeds = recordedFeeds();
    assert.ok(feeds.length >= 30, `only ${feeds.length} feeds were found in the recordings`);
    assert.ok((await compare(feeds)) >= feeds.length);
  });

  test("on odd rows", async () => {
    const every = (column, texts) => texts.map((text) => ({ [column]: text }));
    await compare(
      [
        {},
        ...every("createdAt", [
          "2026-11-22 08:24:59.923456",
          "2026-11-22T08:24:59.923999",
          "2026-11-22 08:24:59",
          "2024-02-29T23:59:59.9",
        ]),
        ...every("startedAt", [
          "1969-12-31 23:59:59.999",
          "2026-11-22 08:24:59.9",
          "2026-11-22 08:24:59.92",
          "2026-11-22T08:24",
          "2026-11-22",
        ]),
        ...every("completedAt", ["2026-11-22 08:24:59.1234567"]),
        ...every("runTags", [null, "{}", '{a,"b,c","q\\"q","back\\\\slash",ü,"","NULL","{}","  "}']),
        ...every("realtimeStreams", [null, "{ai,log}"]),
        ...every("usageDurationMs", ["2147483647", "-1"]),
        ...every("costInCents", ["0.0025", "1e-7", "1.5e3", "-0", "0.30000000000000004"]),
        ...every("isTest", ["t", "true", "f", "false"]),
        ...every("idempotencyKey", ["", "key", 'q"\\\n\u2028', null]),
        ...every("status", [
          ...[
            "DELAYED",
            "PENDING",
            "PENDING_VERSION",
            "WAITING_FOR_DEPLOY",
            "DEQUEUED",
            "EXECUTING",
            "RETRYING_AFTER_FAILURE",
          ],
          ...[
            "PAUSED",
            "WAITING_TO_RESUME",
            "COMPLETED_SUCCESSFULLY",
            "COMPLETED_WITH_ERRORS",
            "INTERRUPTED",
            "CANCELED",
          ],
          ...["CRASHED", "SYSTEM_FAILURE", "EXPIRED", "TIMED_OUT"],
        ]),
        { delayUntil: "2026-11-22T08:24:59", queuedAt: "2026-11-22T08:24:59.1", expiredAt: "2026-11-22T08:24:59.12" },
        { number: "7", ttl: "1h", newerColumn: "x" },
      ].map((columns) => feedOf(columns)),
    );
  });

  test("on every kind of packet", async () => {
    const values = {
      date: new Date(1e12),
      map: new Map([["k", new Map([[1, new Date(0)]])]]),
      set: new Set([1, "two", new Date(0)]),
      big: 12345678901234567890n,
      none: undefined,
      nan: Number.NaN,
      infinite: [Infinity, -Infinity, -0],
      pattern: /a+b/gi,
      error: new TypeError("broken"),
      url: new URL("https://example.com/?q=1"),
      bytes: new Uint8Array([1, 2, 3]),
      buffer: { json: [1, 2, 3] },
      list: [1, 2.5, null, true, "text"],
    };
    const cycle = { name: "cycle" };
    cycle.self = cycle;
    const shared = { n: 1 };
    const json = (payload) => ({ payload, payloadType: "application/json" });
    const superjson = (payload) => ({ payload, payloadType: "application/super+json" });
    await compare(
      [
        json("{}"),
        json('{"__proto__":{"x":1},"constructor":1,"a":[1e400,-0,"\\ud83d\\ude00"]}'),
        json('"text"'),
        json("null"),
        json("0"),
        json("false"),
        json(""),
        json(null),
        superjson(SuperJSON.stringify(values)),
        ...Object.values(values).map((value) => superjson(SuperJSON.stringify(value))),
        superjson(SuperJSON.stringify(cycle)),
        superjson(SuperJSON.stringify([shared, shared])),
        superjson('{"json":{"a":1}}'),
        superjson('{"json":[1,2,3],"meta":{"values":[["custom","buffer"]]}}'),
        superjson('{"json":{"file":[104,105]},"meta":{"values":{"file":[["custom","buffer"]]}}}'),
        { payload: "text", payloadType: "text/plain" },
        { payload: '{"a":1}', payloadType: "application/unknown" },
        { payload: '{"a":1}', payloadType: null },
        { payload: '{"a":1}' },
        { output: '{"done":true}', outputType: "application/json", payload: "p", payloadType: "text/plain" },
        { output: null, outputType: "application/json" },
        { metadata: '{"progress":0.5,"$$streams":["ai"]}', metadataType: "application/json" },
        { metadata: SuperJSON.stringify({ at: new Date(0) }), metadataType: "application/super+json" },
        { metadata: '{"a":1}', metadataType: null },
        { payload: "json", payloadType: "application/store", output: "super", outputType: "application/store" },
        { payload: "text", payloadType: "application/store", output: null, outputType: "application/store" },
      ].map((columns) => feedOf(columns)),
    );
  });

  test("on every error, with every internal code and every signal", async () => {
    const thrown = (error) => ({ type: "BUILT_IN_ERROR", name: "Error", message: "m", stackTrace: "at x", ...error });
    const exit = (stackTrace, message = "Unexpected exit with code -1 after signal") =>
      thrown({ name: "UnexpectedExitError", message, stackTrace });
    const signals = [
      "SIGTERM",
      "SIGSEGV",
      "SIGKILL",
      "SIGABRT",
      "SIGHUP",
      "SIGABRT SIGTERM",
      `${"x".repeat(97)}SIGTERM`,
      "",
    ];
    const causes = [{ name: "E", message: "a", stackTrace: "s" }, { message: "b" }];
    const errors = [
      thrown({}),
      thrown({ causes }),
      thrown({ causes: [] }),
      thrown({ message: "MANUAL_OOM_KILL_ERROR" }),
      thrown({ message: "ffmpeg was killed with signal SIGKILL" }),
      thrown({ name: "TypeError", message: "ffmpeg was killed with signal SIGKILL" }),
      thrown({ name: "TriggerApiError", message: "Deadlock detected: a waits for b" }),
      thrown({ name: "TriggerApiError", message: "Deadlock detected: a waits for b", causes }),
      thrown({ name: "TriggerApiError", message: "404 Not found" }),
      exit("SIGTERM", "Unexpected exit with code 1"),
      ...signals.map((signal) => exit(signal)),
      { type: "STRING_ERROR", raw: "text" },
      { type: "CUSTOM_ERROR", raw: '{"code":1}' },
      ...Object.values(TaskRunErrorCodes).map((code) => ({ type: "INTERNAL_ERROR", code })),
      ...Object.values(TaskRunErrorCodes).map((code) => ({
        type: "INTERNAL_ERROR",
        code,
        message: "m",
        stackTrace: "s",
      })),
      ...signals.map((message) => ({
        type: "INTERNAL_ERROR",
        code: "TASK_PROCESS_EXITED_WITH_NON_ZERO_CODE",
        message,
      })),
    ];
    for (const error of errors) {
      const [ours, theirs] = [toRunError(error), createJsonErrorObject(error)];
      assert.deepEqual(ours, theirs, JSON.stringify(error));
      assert.deepEqual(Object.keys(ours), Object.keys(theirs));
    }
    await compare(errors.slice(0, 12).map((error) => feedOf({ error: JSON.stringify(error) })));
    await compare([feedOf({ error: "null" })]);
  });
});

describe("where the official client fails or misleads", () => {
  test("an unknown status is passed through as it is (defect 21)", async () => {
    const run = await runOf({ status: "HIBERNATING" });
    assert.equal(run.status, "HIBERNATING");
    for (const flag of [
      "isQueued",
      "isWaiting",
      "isExecuting",
      "isCompleted",
      "isFailed",
      "isSuccess",
      "isCancelled",
      "isFinished",
    ]) {
      assert.equal(run[flag], false, flag);
    }
  });

  test("isFinished says whether a run is over, and does not show up among the keys (defect 21)", async () => {
    const run = await runOf({ status: "CANCELED" });
    assert.equal(run.isFinished, true);
    assert.equal(run.isCompleted, false);
    assert.ok(!Object.keys(run).includes("isFinished"));
    assert.equal((await runOf({ status: "EXECUTING" })).isFinished, false);
    assert.equal((await runOf({ status: "HIBERNATING", completedAt: "2026-11-22T08:24:59" })).isFinished, true);
  });

  test("what cannot be decoded is named in decodeErrors, and the rest is there (defect 16)", async () => {
    const run = await runOf({
      payload: "{broken",
      payloadType: "application/json",
      output: "path",
      outputType: "application/store",
      metadata: '{"ok":1}',
      metadataType: "application/json",
      runTags: "{a",
      usageDurationMs: "9007199254740993",
      startedAt: "infinity",
      isTest: "perhaps",
      error: "{",
    });
    const failed = ["tags", "durationMs", "isTest", "error", "payload", "output", "startedAt"];
    assert.deepEqual(Object.keys(run.decodeErrors).sort(), failed.sort());
    for (const error of Object.values(run.decodeErrors)) assert.ok(error instanceof Error);
    assert.deepEqual(
      [run.payload, run.output, run.tags, run.durationMs, run.isTest],
      [undefined, undefined, [], 0, false],
    );
    assert.deepEqual(run.metadata, { ok: 1 });
    assert.equal(run.status, "EXECUTING");
    assert.ok(!("decodeErrors" in (await runOf({}))));
  });

  test("a stored packet that cannot be fetched costs its own property only, and is tried again", async () => {
    let attempts = 0;
    const packets = new Packets({
      fetchPacket: async () => {
        attempts += 1;
        if (attempts === 1) throw new Error("404");
        return { data: "7", type: "application/json" };
      },
    });
    const stored = { payload: "path", payloadType: "application/store", output: "1", outputType: "application/json" };
    const first = await runOf(stored, { packets });
    assert.deepEqual([first.payload, first.output], [undefined, 1]);
    assert.match(first.decodeErrors.payload.message, /404/);
    assert.equal(first.decodeErrors.payload.code, "ERR_DECODE");
    const second = await runOf(stored, { packets });
    assert.equal(second.payload, 7);
    assert.ok(!("decodeErrors" in second));
    assert.equal(attempts, 2);
  });

  test("columns that are skipped or null have the official defaults", async () => {
    const skipped = Object.fromEntries(
      ["updatedAt", "number", "isTest", "usageDurationMs", "costInCents", "baseCostInCents"].map((name) => [
        name,
        null,
      ]),
    );
    const run = await runOf(skipped);
    assert.deepEqual(
      [run.updatedAt, run.isTest, run.durationMs, run.costInCents, run.baseCostInCents, run.tags, run.realtimeStreams],
      [undefined, false, 0, 0, 0, [], []],
    );
  });

  test("a NULL in a list is left out, and lists may also come as JSON", async () => {
    assert.deepEqual((await runOf({ runTags: '{a,NULL,"NULL"}' })).tags, ["a", "NULL"]);
    const schema = JSON.stringify({ ...JSON.parse(SCHEMA), runTags: { type: "jsonb" } });
    assert.deepEqual((await runOf({ runTags: '["a","b\\"c"]' }, { schema })).tags, ["a", 'b"c']);
  });

  test("an error of a kind to come is shown by its message", async () => {
    assert.deepEqual((await runOf({ error: '{"type":"REMOTE_ERROR","message":"far away","node":3}' })).error, {
      message: "far away",
    });
    assert.deepEqual((await runOf({ error: '{"type":"INTERNAL_ERROR","code":"TO_COME"}' })).error, {
      message: "trigger.dev internal error (TO_COME)",
    });
    assert.ok("error" in (await runOf({ error: '{"type":"REMOTE_ERROR"}' })).decodeErrors);
  });

  test("a row that is no run is an error of that row alone", () => {
    const [[[rendered]]] = render([feedOf({ friendlyId: null })]);
    assert.match(rendered.error, /friendlyId/);
  });
});

describe("packets of a subscription", () => {
  test("a payload that did not change is the same object as before, and fetched once", async () => {
    let fetched = 0;
    const packets = new Packets({
      fetchPacket: async () => {
        fetched += 1;
        return { data: '{"big":true}', type: "application/json" };
      },
    });
    const stored = {
      payload: "path",
      payloadType: "application/store",
      output: '{"a":1}',
      outputType: "application/json",
    };
    const [first, second] = await Promise.all([runOf(stored, { packets }), runOf(stored, { packets })]);
    const third = await runOf({ ...stored, status: "COMPLETED_SUCCESSFULLY" }, { packets });
    assert.equal(fetched, 1);
    assert.deepEqual(first.payload, { big: true });
    for (const run of [second, third]) {
      assert.equal(run.payload, first.payload);
      assert.equal(run.output, first.output);
    }
    const changed = await runOf({ ...stored, payload: "other" }, { packets });
    assert.equal(fetched, 2);
    assert.notEqual(changed.payload, first.payload);
    packets.forget("run_plain");
    await runOf({ ...stored, payload: "other" }, { packets });
    assert.equal(fetched, 3);
  });

  test("a run without stored or superjson packets needs no promise", () => {
    const [[[rendered]]] = render([feedOf({ payload: "1", payloadType: "application/json" })]);
    assert.ok(!(toRun(rendered, new Packets()) instanceof Promise));
  });
});
