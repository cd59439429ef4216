import assert from "node:assert/strict";
import { createServer } from "node:http";
import { createRequire } from "node:module";
import { after, before, describe, test } from "node:test";

import { TaskRunErrorCodes } from "@trigger.dev/core/v3";
import { createJsonErrorObject } from "@trigger.dev/core/v3/errors";
import { SuperJSON } from "superjson";

import { officialRuns, recordedFeeds } from "./helpers/feeds.mjs";
import { render } from "./helpers/render.mjs";
import { feedOf } from "./helpers/run-rows.mjs";
import { KNOWN } from "./support/model.mjs";
import { withRecordings } from "./support/recordings.mjs";

const require = createRequire(import.meta.url);
const { toRun } = require("../js/runs/run.js");
const { toRunError } = require("../js/runs/error.js");
const { Packets } = require("../js/calls/packets.js");

// Stored packets: the path decides the content.
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
  withRecordings("run object", 1, (_, test) => {
    test("on every recorded run feed, after every answer", async () => {
      const feeds = recordedFeeds();
      assert.ok(feeds.length >= 30, `only ${feeds.length} feeds were found in the recordings`);
      assert.ok((await compare(feeds)) >= feeds.length);
    });
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
        ...every("status", [...KNOWN]),
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
