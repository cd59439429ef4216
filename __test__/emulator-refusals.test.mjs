// The emulator refuses what the real server refuses: for bodies of calls its judge are the schemas that the published
// client has of them, elsewhere what was seen of the server.

import assert from "node:assert/strict";
import { createRequire } from "node:module";
import path from "node:path";
import { after, before, describe, it } from "node:test";
import { startEmulator } from "../emulator.js";
import { TriggerClient } from "../index.js";

const require = createRequire(import.meta.url);
const core = path.dirname(require.resolve("@trigger.dev/core/package.json"));
const schemas = require(path.join(core, "dist/commonjs/v3/schemas/api.js"));

const KEY = "tr_dev_emulatornotasecret";
const LONG_KEY = "k".repeat(2_049);

let emulator;
before(async () => {
  emulator = await startEmulator({ secretKey: KEY, tasks: { task: { steps: [{ output: { done: true } }] } } });
});
after(() => emulator.stop());

async function call(method, target, body, headers = {}) {
  const response = await fetch(`${emulator.url}${target}`, {
    method,
    headers: { authorization: `Bearer ${KEY}`, "content-type": "application/json", ...headers },
    body: body === undefined || typeof body === "string" ? body : JSON.stringify(body),
  });
  const text = await response.text();
  return { status: response.status, text, json: text.startsWith("{") ? JSON.parse(text) : undefined };
}

const OPTIONS = [
  ...[-1, 0, 1.5, 60, "1h", "", true, null].map((ttl) => ({ ttl })),
  ...["a", ["a", "b"], 5, [5], ["a", null], { a: 1 }, "x".repeat(128), "x".repeat(129)].map((tags) => ({ tags })),
  ...["micro", "huge", 5, { preset: "small-1x" }, { preset: "huge" }].map((machine) => ({ machine })),
  ...[3, -1, 1.5, "3", null].map((maxAttempts) => ({ maxAttempts })),
  ...["k", LONG_KEY, LONG_KEY.slice(1), 5].map((idempotencyKey) => ({ idempotencyKey })),
  ...[{ name: "q" }, { name: 5 }, {}, "q"].map((queue) => ({ queue })),
  ...[10, "10"].map((maxDuration) => ({ maxDuration })),
  ...[1, "high"].map((priority) => ({ priority })),
  ...[true, "yes"].map((test) => ({ test })),
  ...["text/plain", 5].map((payloadType) => ({ payloadType })),
  ...["eu", 5].map((region) => ({ region })),
  ...["1.0", 5].map((lockToVersion) => ({ lockToVersion })),
  { idempotencyKey: "k2", idempotencyKeyTTL: 5 },
  { delay: "soon", unknown: [1], concurrencyKey: 5, metadata: { a: 1 } },
];

describe("the emulator refuses what the server's schema refuses, and takes the rest", () => {
  const shown = (given) => JSON.stringify(given).slice(0, 60);

  it("of a trigger", async () => {
    for (const options of OPTIONS) {
      const body = { payload: "{}", options };
      const { success } = schemas.TriggerTaskRequestBody.safeParse(body);
      const { status, json } = await call("POST", "/api/v1/tasks/task/trigger", body);
      assert.equal(status, success ? 200 : 400, `${shown(options)}: ${JSON.stringify(json)}`);
      if (!success) assert.match(json.error, /^Validation error: .* at "options\./);
    }
    for (const options of [null, "x", []]) {
      assert.equal((await call("POST", "/api/v1/tasks/task/trigger", { options })).status, 400, shown(options));
    }
  });

  it("of a wait token", async () => {
    const bodies = [
      {},
      ...["1h", "nonsense"].map((timeout) => ({ timeout })),
      ...["a", ["a"], 5, [5], "x".repeat(129)].map((tags) => ({ tags })),
      ...["w", LONG_KEY, 5].map((idempotencyKey) => ({ idempotencyKey })),
      { idempotencyKeyTTL: 5 },
    ];
    for (const body of bodies) {
      const { success } = schemas.CreateWaitpointTokenRequestBody.safeParse(body);
      const { status, text } = await call("POST", "/api/v1/waitpoints/tokens", body);
      assert.equal(status, success ? 200 : 400, `${shown(body)}: ${text}`);
    }
    const { status, json } = await call("POST", "/api/v1/waitpoints/tokens", { tags: Array(11).fill("a") });
    assert.equal(status, 422);
    assert.match(json.error, /10 tags.*set 11/);
  });

  it("of a batch", async () => {
    for (const idempotencyKey of [LONG_KEY, 5, "b"]) {
      const body = { runCount: 1, idempotencyKey };
      const { success } = schemas.CreateBatchRequestBody.safeParse(body);
      const { status } = await call("POST", "/api/v3/batches", body);
      assert.equal(status, success ? 202 : 400, shown(body));
    }
  });
});

describe("the emulator answers as the server was seen to", () => {
  it("for tags that cannot be tags, before it looks at scopes", async () => {
    for (const tags of ["a,", "a,,b", ",", 'a"', "a\\", "a\nb"]) {
      const { status } = await call("GET", `/realtime/v1/runs?offset=-1&tags=${encodeURIComponent(tags)}`);
      assert.equal(status, 400, JSON.stringify(tags));
    }
  });

  it("with all runs for empty tags, and of tags given twice with the last", async () => {
    const { json } = await call("POST", "/api/v1/tasks/task/trigger", { payload: "{}", options: { tags: ["twice"] } });
    for (const [query, sees] of [
      ["tags=", true],
      ["tags=nobody&tags=twice", true],
      ["tags=twice&tags=nobody", false],
    ]) {
      const { status, text } = await call("GET", `/realtime/v1/runs?offset=-1&${query}`);
      assert.equal(status, 200);
      assert.equal(text.includes(json.id), sees, query);
    }
  });

  it("for a list of runs or of wait tokens with an unknown status", async () => {
    for (const target of ["/api/v1/runs", "/api/v1/waitpoints/tokens"]) {
      const { status, json } = await call("GET", `${target}?filter%5Bstatus%5D=COMPLETED,NOPE`);
      assert.deepEqual([status, json.details?.[0]?.message], [400, "Invalid status values: NOPE"], target);
      assert.equal((await call("GET", `${target}?filter%5Bstatus%5D=COMPLETED`)).status, 200, target);
    }
  });

  it("for a wait token without a timeout, or with one that cannot be read: it never times out", async () => {
    for (const [body, timesOut] of [
      [{}, false],
      [{ timeout: "soon" }, false],
      [{ timeout: "1h" }, true],
    ]) {
      const { json } = await call("POST", "/api/v1/waitpoints/tokens", body);
      const token = (await call("GET", `/api/v1/waitpoints/tokens/${json.id}`)).json;
      assert.equal(token.status, "WAITING");
      assert.deepEqual(
        [typeof token.timeoutAt, typeof token.completedAfter],
        timesOut ? ["string", "string"] : ["undefined", "undefined"],
      );
    }
  });

  it("for a body that is empty, and one that is no JSON", async () => {
    for (const target of ["/api/v1/tasks/task/trigger", "/api/v1/waitpoints/tokens", "/api/v3/batches"]) {
      for (const [body, error] of [
        ["", "Request body is empty"],
        ["{oops", "Invalid JSON"],
      ]) {
        const answer = await call("POST", target, body);
        assert.deepEqual([answer.status, answer.json?.error], [400, error], target);
      }
    }
  });

  it("for a wrong key", async () => {
    for (const target of ["/api/v1/tasks/task/trigger", "/api/v1/waitpoints/tokens", "/api/v3/batches"]) {
      const { status, json } = await call("POST", target, {}, { authorization: "Bearer tr_dev_wrong" });
      assert.deepEqual([status, json.error], [401, "Invalid API key"], target);
    }
  });

  it("where clients of before call", async () => {
    const made = await call("POST", "/api/v3/batches", { runCount: 1 });
    const item = `${JSON.stringify({ index: 0, task: "task", payload: "{}" })}\n`;
    await call("POST", `/api/v3/batches/${made.json.id}/items`, item, { "content-type": "application/x-ndjson" });
    const batch = await call("GET", `/api/v1/batches/${made.json.id}`);
    assert.equal(batch.status, 200);
    assert.deepEqual([batch.json.id, batch.json.runCount, batch.json.runs.length], [made.json.id, 1, 1]);
    assert.ok(!("processing" in batch.json));

    const run = await call("POST", "/api/v1/tasks/task/trigger", { options: { metadata: { step: 1 } } });
    const metadata = await call("GET", `/api/v1/runs/${run.json.id}/metadata`);
    assert.deepEqual([metadata.status, metadata.json], [200, { metadata: { step: 1 } }]);
    assert.ok(schemas.UpdateMetadataResponseBody.safeParse(metadata.json).success);
    assert.equal((await call("GET", "/api/v1/runs/run_none/metadata")).status, 404);

    const packet = await call("PUT", "/api/v1/packets/some/payload.json");
    assert.equal(packet.status, 200);
    assert.equal((await fetch(packet.json.presignedUrl, { method: "PUT", body: "1" })).status, 200);
  });

  it("for an input without data: it is taken", async () => {
    const run = await call("POST", "/api/v1/tasks/waits/trigger", { payload: "{}", options: { delay: "1h" } });
    const { status, json } = await call("POST", `/realtime/v1/streams/${run.json.id}/input/approval`, {});
    assert.deepEqual([status, json], [200, { ok: true }]);
  });
});

describe("the emulator lets a token trigger what the server lets it trigger", () => {
  const allowed = [
    // scopes, a trigger, a batch of that task, a batch of whatever
    [{ trigger: { tasks: ["task"] } }, 200, 403, 403],
    [{ batchTrigger: { tasks: ["task"] } }, 403, 202, 403],
    [{ write: { tasks: ["task"] } }, 200, 202, 403],
    [{ write: { tasks: true } }, 200, 202, 202],
    [{ write: { batch: true } }, 403, 202, 202],
    [{ read: { tasks: true } }, 403, 403, 403],
  ];
  for (const [scopes, trigger, batch, anyBatch] of allowed) {
    it(`with ${JSON.stringify(scopes)}`, async () => {
      const client = new TriggerClient({ baseURL: emulator.url, accessToken: KEY });
      const authorization = `Bearer ${await client.auth.createPublicToken({ scopes })}`;
      const status = async (target, body) => (await call("POST", target, body, { authorization })).status;
      assert.equal(await status("/api/v1/tasks/task/trigger", { payload: "{}" }), trigger);
      assert.equal(await status("/api/v3/batches", { runCount: 1, taskIdentifiers: ["task"] }), batch);
      assert.equal(await status("/api/v3/batches", { runCount: 1 }), anyBatch);
    });
  }
});
