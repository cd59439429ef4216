/** Options: those of subscriptions and streams are refused at the call where they are a slip; null is missing anywhere. */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { ACCESS_TOKEN } from "./support/against.mjs";
import * as answers from "./support/answers.mjs";
import { serveCalls } from "./support/calls-server.mjs";
import { startFaultServer } from "./support/fault-server.mjs";
import { load } from "./support/ours.mjs";
import { completed } from "./support/rows.mjs";
import { DONE, sse } from "./support/sse.mjs";

const { TriggerClient, configure, idempotencyKeys, runs, streams, tasks, wait } = load();

/** The calls that take options, with the arguments before the options. */
const calls = {
  "runs.subscribeToRun": (options) => runs.subscribeToRun("run_1", options),
  "runs.subscribeToRunsWithTag": (options) => runs.subscribeToRunsWithTag("tag", {}, options),
  "runs.subscribeToBatch": (options) => runs.subscribeToBatch("batch_1", options),
  "streams.read": (options) => streams.read("run_1", "ai", options),
  "streams.define().read": (options) => streams.define({ id: "ai" }).read("run_1", options),
  "runs.fetchStream": (options) => runs.fetchStream("run_1", "ai", options),
};

/** Options of all of them that are wrong, and what the error says. */
const wrong = [
  ["ai", /the options must be an object, not a string/],
  [5, /must be an object, not a number/],
  [["ai"], /must be an object, not an array/],
  [new Map(), /must be an object, not a Map/],
  [new AbortController().signal, /must be an object, not an AbortSignal/],
  [{ timeout: 5 }, /unknown option "timeout" in the options, expected one of .*onRetry/],
  [{ toString: 5 }, /unknown option "toString"/],
  [{ onRetry: true }, /onRetry must be a function/],
  [{ signal: {} }, /signal must be an AbortSignal/],
  [{ silenceTimeoutMs: 0.5 }, /silenceTimeoutMs must be a whole number of milliseconds/],
  [{ retry: 3 }, /retry must be an object/],
  [{ retry: { maxAttempts: 3 } }, /unknown option "maxAttempts" in retry, expected one of maxElapsedMs/],
  [{ retry: { minDelayMs: "1" } }, /minDelayMs must be a whole number/],
];

/** What some of them take, or do not. */
const own = [
  ["a misspelt skipColumns", () => runs.subscribeToRun("run_1", { skipColums: ["payload"] }), /"skipColums"/],
  ["skipColumns that is no list", () => runs.subscribeToRun("run_1", { skipColumns: "payload" }), /array of column/],
  ["stopOnCompletion: 'no'", () => runs.subscribeToRun("run_1", { stopOnCompletion: "no" }), /true or false/],
  [
    "skipColumns among the options of a tag",
    () => runs.subscribeToRunsWithTag("tag", {}, { skipColumns: [] }),
    /unknown option "skipColumns"/,
  ],
  ["filters that are none", () => runs.subscribeToRunsWithTag("tag", "1h"), /the filters must be an object/],
  ["a misspelt filter", () => runs.subscribeToRunsWithTag("tag", { createdat: "1h" }), /"createdat" in the filters/],
  ["a period that is none", () => runs.subscribeToRunsWithTag("tag", { createdAt: 60 }), /createdAt must be a period/],
  ["a text for withStreams()", () => runs.subscribeToRun("run_1").withStreams("ai"), /not a string/],
  ["a misspelt option of withStreams()", () => runs.subscribeToRun("run_1").withStreams({ stream: [] }), /"stream"/],
  ["streams that are no list", () => runs.subscribeToRun("run_1").withStreams({ streams: "ai" }), /array of keys/],
];

describe("refused at the call, and nothing is sent", () => {
  configure({ baseURL: "http://127.0.0.1:9", accessToken: ACCESS_TOKEN });
  const refuses = (call, message) =>
    assert.rejects(async () => call(), { name: "TriggerNativeError", code: "ERR_INVALID_OPTIONS", message });
  for (const [name, call] of Object.entries(calls)) {
    test(`wrong options of ${name}`, async () => {
      for (const [options, message] of wrong) await refuses(() => call(options), message);
    });
  }
  for (const [name, call, message] of own) test(name, () => refuses(call, message));
});

async function all(iterable) {
  const values = [];
  for await (const value of iterable) values.push(value);
  return values;
}

test("null is as good as missing of a subscription and a stream", async () => {
  const answer = {
    runs: answers.snapshot(completed()),
    streams: sse({ v2: true, texts: [DONE] }),
  };
  const server = await startFaultServer((request) => answer[request.path.split("/")[3]]);
  try {
    configure({ baseURL: server.url, accessToken: ACCESS_TOKEN });
    const nothing = { signal: null, onRetry: null, onStateChange: null, retry: null, silenceTimeoutMs: null };
    const run = { ...nothing, stopOnCompletion: null, skipColumns: null, onItemError: null, other: null };
    for (const options of [null, run, { retry: { maxElapsedMs: null } }]) {
      const [state] = await all(runs.subscribeToRun("run_1", options));
      assert.equal(state.status, "COMPLETED");
    }
    const filters = { createdAt: null, skipColumns: null };
    for (const options of [null, nothing]) {
      for (const given of [null, filters]) {
        const subscription = runs.subscribeToRunsWithTag("tag", given, options);
        assert.equal((await subscription.next()).value.status, "COMPLETED");
        subscription.close();
      }
    }
    for (const options of [null, { streams: null }]) {
      const parts = await all(runs.subscribeToRun("run_1").withStreams(options));
      assert.deepEqual(
        parts.map(({ type }) => type),
        ["run"],
      );
    }
    for (const options of [null, { ...nothing, timeoutInSeconds: null, startIndex: null, from: null }]) {
      assert.deepEqual(await all(await streams.read("run_1", "ai", options)), []);
    }
    const seconds = server.requests.map(({ headers }) => headers["timeout-seconds"]).filter(Boolean);
    assert.deepEqual(seconds, ["60", "60"], "the default stays the default");
  } finally {
    await server.stop();
  }
});

test("null is as good as missing of a call, and no server is told of it", async (t) => {
  const answer = { id: "run_1", isCached: false, url: "http://127.0.0.1:9", publicAccessToken: "t" };
  const headers = { "x-trigger-jwt": "t" };
  const { url, requests } = await serveCalls(t, () => ({ body: answer, headers }));
  configure({ baseURL: url, accessToken: ACCESS_TOKEN, previewBranch: null, requestOptions: null });
  const options = { tags: null, delay: null, ttl: null, queue: null, concurrency: null, debounce: null };
  const both = async (call, ...given) => {
    const [bare, nulls] = [await call(undefined, undefined), await call(...given)];
    assert.deepEqual(nulls, bare);
    const [first, second] = requests.splice(0).map(({ body }) => body);
    assert.equal(second, first);
  };
  const bounds = { signal: null, timeoutInMs: null, retry: null };
  await both((...given) => tasks.trigger("task", 1, ...given), null, null);
  await both((...given) => tasks.trigger("task", 1, ...given), options, { ...bounds, clientConfig: null });
  await both((...given) => wait.createToken(...given), { timeout: null, tags: null }, bounds);
  assert.ok(new TriggerClient(null).runs);
  assert.equal(await idempotencyKeys.create("a", { scope: null }), await idempotencyKeys.create("a"));
  const response = runs.subscribeToRun("run_1").toResponse(null, { heartbeatInMs: null, headers: null });
  assert.equal(response.status, 200);
  await response.body.cancel();
  await assert.rejects(async () => wait.createToken("1h"), { code: "ERR_INVALID_OPTIONS" });
  assert.equal(requests.length, 0);
});
