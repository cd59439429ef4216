// The same calls through both packages, against a server that makes its answers up: same requests, same results.

import assert from "node:assert/strict";
import { createRequire } from "node:module";
import { after, describe, it } from "node:test";
import { parsePacket, stringifyIO } from "@trigger.dev/core/v3/utils/ioSerialization";
import { madeUp } from "./support/calls-answers.mjs";
import { assertSame, assertSameRequests, startBoth } from "./support/calls-both.mjs";
import { lostByTheOfficial, payloads } from "./support/calls-payloads.mjs";
import { random as seeded } from "./support/random.mjs";

const { toPacket } = createRequire(import.meta.url)("../js/calls/payload.js");

const KEY = "tr_dev_fakefakefakefakefakef";
const basis = { baseURL: "$URL", accessToken: KEY };
const once = { ...basis, requestOptions: { retry: { maxAttempts: 1 } } };

const MADE = "a".repeat(64);
const AT = new Date("2026-05-05T01:02:03.004Z");

const options = {
  queue: "my-queue",
  concurrency: ["one", "two"],
  concurrencyKey: "ck",
  delay: AT,
  ttl: 600,
  tags: ["a", "b"],
  maxAttempts: 3,
  metadata: { a: 1, at: AT },
  maxDuration: 60,
  idempotencyKey: ["a", "b"],
  idempotencyKeyTTL: "1h",
  machine: "small-2x",
  priority: 10,
  region: "eu",
  version: "20260505.1",
  externalDeploymentId: " abc ",
  debounce: { key: "d", delay: "5s", mode: "trailing" },
};

const scopes = { read: { runs: ["run_full"], tags: "t" }, write: { waitpoints: true } };

const large = (bytes) => "x".repeat(bytes);

const suites = {
  "payloads of every kind": payloads.map((_, $payload) => ({ name: "tasks.trigger", args: ["hello", { $payload }] })),
  "payloads around the size from which they are uploaded": [
    { name: "tasks.trigger", args: ["hello", large(131_071)] },
    { name: "tasks.trigger", args: ["hello", large(131_072)] },
    { name: "tasks.trigger", args: ["hello", `${large(131_070)}é`] },
    { name: "tasks.trigger", args: ["hello", { big: large(131_072 - 19) }] },
    { name: "tasks.trigger", args: ["hello", { big: large(131_072 - 20) }] },
    {
      name: "batch.trigger",
      args: [
        [
          { id: "a", payload: large(200_000) },
          { id: "b", payload: { big: large(200_000) } },
        ],
      ],
    },
  ],
  "the options of a trigger": [
    { name: "tasks.trigger", args: ["hello", {}, options] },
    ...Object.entries(options).map(([name, value]) => ({
      name: "tasks.trigger",
      args: ["hello", {}, { [name]: value }],
    })),
    {
      name: "tasks.trigger",
      args: ["hello", {}, { concurrency: "one", idempotencyKey: MADE, delay: "1m", tags: "a" }],
    },
    { name: "tasks.trigger", args: ["hello", {}, { idempotencyKey: "", queue: "", externalDeploymentId: null }] },
    { name: "tasks.trigger", args: ["a task: ü", {}] },
  ],
  "tokens signed here, where the server gives claims alone": [
    { name: "tasks.trigger", args: ["hello", {}, {}, { publicAccessToken: { expirationTime: "24h" } }] },
    {
      name: "tasks.batchTrigger",
      args: ["hello", [{ payload: 1 }], {}, { publicAccessToken: { expirationTime: "2 days" } }],
    },
    { name: "wait.createToken", args: [] },
  ],
  "batches from arrays, iterables and streams": [undefined, "key", ["k", "l"], MADE].flatMap((idempotencyKey) => {
    const own = [
      { payload: 1 },
      { payload: "s", options: { ...options } },
      { options: { idempotencyKey: MADE, ttl: "1m" } },
    ];
    const ids = own.map((item, index) => ({ ...item, id: ["b", "a", "b"][index] }));
    const tasks = own.map((item, index) => ({ ...item, task: { id: ["b", "a", "b"][index] } }));
    const how = idempotencyKey && { idempotencyKey, idempotencyKeyTTL: "5m" };
    return [null, "iterable", "stream"].flatMap(($source) => {
      const items = (list) => ($source ? { $source, items: list } : list);
      return [
        { name: "tasks.batchTrigger", args: ["hello", items(own), how] },
        { name: "batch.trigger", args: [items(ids), how] },
        { name: "batch.triggerByTask", args: [items(tasks), how] },
      ];
    });
  }),
  "a batch the server knows already": [
    { name: "tasks.batchTrigger", args: ["hello", [{ payload: 1 }], { idempotencyKey: "cached" }] },
  ],
  "runs in every form": [
    ...["run_full", "run_bare", "run_stored", { id: "run_full" }].map((run) => ({
      name: "runs.retrieve",
      args: [run],
    })),
    { name: "runs.retrieve", args: ["run_full"], use: "response" },
    { name: "runs.cancel", args: ["run_1"], use: "response" },
    { name: "runs.reschedule", args: ["run_1", { delay: AT }] },
    { name: "runs.poll", args: ["run_1"] },
    { name: "runs.replay", args: ["run_1"] },
    { name: "runs.replay", args: ["run_1", {}] },
    { name: "runs.replay", args: ["run_1", { retry: { maxAttempts: 1 } }] },
    { name: "runs.replay", args: ["run_1", { payload: { at: AT }, tags: ["t"], delay: AT }] },
    { name: "runs.replay", args: ["run_1", { payload: "text", queue: "q", version: "v" }] },
    { name: "runs.replay", args: ["run_1", { payload: { a: 1 }, payloadType: "application/json", maxAttempts: 2 }] },
  ],
  "lists, their filters and pages": [
    { name: "runs.list", args: [] },
    { name: "runs.list", args: [{ limit: 1 }], use: "pages" },
    { name: "runs.list", args: [{ tag: ["a", "b"] }], use: "items" },
    {
      name: "runs.list",
      args: [
        {
          status: ["QUEUED", "FAILED"],
          taskIdentifier: ["a", "b"],
          version: "v",
          bulkAction: "bulk_1",
          tag: "a&b=c",
          schedule: "s",
          isTest: false,
          from: AT,
          to: 1_800_000_000_000,
          period: "1h",
          batch: "batch_1",
          queue: [
            { type: "task", name: "q" },
            { type: "custom", name: "r" },
          ],
          machine: ["micro", "large-1x"],
          region: "eu",
          limit: 10,
          after: "c1",
          before: "b1",
        },
      ],
    },
    { name: "runs.list", args: [{ queue: { type: "task", name: "q" } }, { retry: { maxAttempts: 2 } }] },
    { name: "runs.list", args: ["proj_1", { env: ["prod", "dev"], limit: 2 }] },
    { name: "runs.list", args: ["proj_1", { retry: { maxAttempts: 2 } }] },
    { name: "wait.listTokens", args: [{ limit: 1 }], use: "pages" },
    { name: "wait.listTokens", args: [], use: "items" },
    {
      name: "wait.listTokens",
      args: [
        { status: ["WAITING"], idempotencyKey: "k", tags: ["a", "b"], period: "1d", from: AT, to: AT, after: "c1" },
      ],
    },
  ],
  "wait tokens and what they hold": [
    ...["json", "super", "text", "typeless", "store", "late", "waiting"].map((id) => ({
      name: "wait.retrieveToken",
      args: [{ id }],
    })),
    {
      name: "wait.createToken",
      args: [{ timeout: AT, tags: "t", idempotencyKey: "k", idempotencyKeyTTL: "1h" }],
      use: "response",
    },
    { name: "wait.completeToken", args: ["waitpoint_1"] },
    { name: "wait.completeToken", args: [{ id: "waitpoint_1" }, { at: AT, m: new Map([[1, 2]]), u: undefined }] },
    { name: "wait.completeToken", args: ["waitpoint_1", "text"] },
  ],
  "batches looked at": [{ name: "batch.retrieve", args: ["batch_1"] }],
  "idempotency keys": [
    { name: "idempotencyKeys.create", args: ["key"] },
    { name: "idempotencyKeys.create", args: [["a", "b"], { scope: "global" }] },
    { name: "idempotencyKeys.reset", args: ["hello", MADE] },
    { name: "idempotencyKeys.reset", args: ["hello", "key", { scope: "global" }] },
    { name: "idempotencyKeys.reset", args: ["hello", ["a", "b"], { scope: "run", parentRunId: "run_1" }] },
    {
      name: "idempotencyKeys.reset",
      args: ["hello", "key", { scope: "attempt", parentRunId: "run_1", attemptNumber: 2 }],
    },
  ],
  "refusals of every status and form": [400, 401, 402, 403, 404, 405, 408, 409, 413, 422, 429, 500, 503, 504].flatMap(
    (status) =>
      ["text", "object", "fields", "html", "empty", "array"].map((form) => ({
        name: "runs.retrieve",
        args: [`run_status_${status}_${form}`],
        configuration: once,
      })),
  ),
  "public tokens signed here, and calls made with them": [
    { name: "auth.createPublicToken", args: [{ scopes, expirationTime: "1h" }] },
    { name: "auth.createTriggerPublicToken", args: ["hello"] },
    { name: "auth.createTriggerPublicToken", args: [["a", "b"], { expirationTime: "2d", multipleUse: true }] },
    { name: "auth.createBatchTriggerPublicToken", args: ["hello", { realtime: { skipColumns: ["payload"] } }] },
    { name: "auth.createBatchTriggerPublicToken", args: [["a"], { multipleUse: true }], client: { accessToken: KEY } },
    { name: "auth.createTriggerPublicToken", args: ["a"], within: [["withAuth", { previewBranch: "b" }]] },
    { name: "runs.retrieve", args: ["run_full"], within: [["withPublicToken", { scopes }]] },
    { ...call(), within: [["withTriggerPublicToken", "hello", {}]] },
    { ...call(), within: [["withTriggerPublicToken", ["hello", "a"], { multipleUse: true, expirationTime: "1h" }]] },
    {
      name: "batch.trigger",
      args: [[{ id: "hello", payload: 1 }]],
      within: [["withBatchTriggerPublicToken", "hello", {}]],
    },
    { ...call(), within: [["withTriggerPublicToken", "hello", {}]], client: { accessToken: "tr_dev_client" } },
    {
      ...call(),
      within: [["withTriggerPublicToken", "hello", {}]],
      client: { inheritContext: true },
    },
    {
      ...call(),
      within: [
        ["withAuth", { accessToken: "tr_dev_outer" }],
        ["withTriggerPublicToken", "hello", {}],
      ],
    },
    {
      ...call(),
      within: [
        ["withTriggerPublicToken", "hello", {}],
        ["withAuth", { accessToken: "tr_dev_inner" }],
      ],
    },
  ],
  configurations: [
    { ...call(), configuration: { ...basis, baseURL: "$URL/" } },
    { ...call(), configuration: { baseURL: "$URL", secretKey: KEY, previewBranch: "feature/x" } },
    { ...call(), configuration: { ...basis, accessToken: "tr_other", secretKey: KEY } },
    { ...call(), configuration: { ...basis, future: { v2RealtimeStreams: false } } },
    {
      ...call(),
      configuration: {
        ...basis,
        requestOptions: { additionalHeaders: { "x-team": "a", "x-trigger-source": "mine", "trigger-version": "9" } },
      },
    },
    { ...call(), configuration: { ...basis, externalDeploymentId: "from-config" } },
    { ...call({}, { clientConfig: { accessToken: "tr_dev_other", previewBranch: "b" } }), configuration: basis },
    { ...call(), within: [["withAuth", { accessToken: "tr_dev_inner" }]] },
    { ...call(), within: [["withAuth", { previewBranch: "inner", externalDeploymentId: "inner" }]] },
    { ...call(), client: { accessToken: "tr_dev_client" } },
    { ...call(), client: { accessToken: "tr_dev_client", previewBranch: "c", inheritContext: true } },
    { ...call(), client: { accessToken: "tr_dev_client" }, within: [["withAuth", { accessToken: "tr_dev_outer" }]] },
    { name: "auth.createPublicToken", args: [{ scopes: { read: { runs: ["run_1"] } } }], client: { accessToken: KEY } },
  ],
};

function call(options, requestOptions) {
  return { name: "tasks.trigger", args: ["hello", { a: 1 }, options, requestOptions] };
}

const env = { TRIGGER_SECRET_KEY: KEY };

describe("our requests and results are the official SDK's", { concurrency: 1 }, () => {
  const [both, unconfigured] = [startBoth(), startBoth()];
  after(() => Promise.all([both.close(), unconfigured.close()]));

  for (const [name, calls] of Object.entries(suites)) {
    it(name, async () => {
      const all = name === "configurations" ? calls : calls.map((one) => ({ configuration: basis, ...one }));
      const made = await both.make(all, madeUp, { env });
      assertSame(made, all, KEY);
      assertSameRequests(made, { anyOrder: name.includes("uploaded"), key: name.includes("signed") ? KEY : undefined });
    });
  }

  const environments = [
    { TRIGGER_VERSION: "20260101.1" },
    { TRIGGER_EXTERNAL_DEPLOYMENT_ID: "dep" },
    { VERCEL_GIT_COMMIT_SHA: "sha" },
    { VERCEL_GIT_COMMIT_SHA: "sha", TRIGGER_AUTOMATIC_SKEW_VERSION_PROTECTION: "TRUE" },
    { GIT_SHA: " s ", COMMIT_REF: "x".repeat(200), TRIGGER_AUTOMATIC_SKEW_VERSION_PROTECTION: "1" },
    { TRIGGER_PREVIEW_BRANCH: "p", TRIGGER_DEV_BRANCH: "d" },
    { TRIGGER_DEV_BRANCH: "default", TRIGGER_REALTIME_STREAMS_V2: "0" },
  ];
  for (const more of environments) {
    it(`the environment ${JSON.stringify(more).slice(0, 80)}`, async () => {
      const calls = [
        call(),
        call({ version: "v", externalDeploymentId: "e" }),
        call({ externalDeploymentId: null }),
        { ...call(), client: {} },
        { ...call(), client: { inheritContext: true } },
        { ...call(), within: [["withAuth", { accessToken: "tr_dev_inner" }]] },
        { name: "batch.trigger", args: [[{ id: "a", payload: 1 }]] },
      ];
      const made = await unconfigured.make(calls, madeUp, { env: { ...env, ...more } });
      assertSame(made, calls, KEY);
      assertSameRequests(made);
    });
  }

  it("a payload of any kind reaches the task as it was", async () => {
    // As a task's worker reads it.
    const arrived = async (payload) => {
      const { data, type } = await toPacket("tasks.trigger", payload);
      return parsePacket({ data, dataType: type });
    };
    for (const payload of payloads) {
      assert.deepEqual(await arrived(payload), await parsePacket(await stringifyIO(payload)));
    }
    for (const payload of lostByTheOfficial) assert.deepEqual(await arrived(payload), payload);
    const official = await stringifyIO(lostByTheOfficial[0]);
    await assert.rejects(async () => assert.deepEqual(await parsePacket(official), lostByTheOfficial[0]));
  });

  it("options drawn at random", async (t) => {
    const random = seeded(t).next;
    const calls = Array.from({ length: 60 }, () => {
      const chosen = Object.fromEntries(Object.entries(options).filter(() => random() < 0.4));
      const payload = { $payload: Math.floor(random() * payloads.length) };
      return random() < 0.7
        ? { name: "tasks.trigger", args: ["hello", payload, chosen] }
        : {
            name: "tasks.batchTrigger",
            args: ["hello", [{ payload, options: chosen }], random() < 0.5 ? { idempotencyKey: "k" } : {}],
          };
    });
    const all = calls.map((one) => ({ configuration: basis, ...one }));
    const made = await both.make(all, madeUp, { env });
    assertSame(made, all, KEY);
    assertSameRequests(made);
  });
});
