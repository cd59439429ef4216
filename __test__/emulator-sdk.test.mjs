// The official SDK, as it is, on the emulator.

import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";

import { auth, batch, configure, runs, streams, tasks, wait } from "@trigger.dev/sdk";

import { startEmulatorProcess } from "./support/emulator-process.mjs";

// A failsafe only: every test ends by what the emulator answers.
const limits = { timeout: 60_000 };

describe("the official SDK on the emulator", limits, () => {
  let emulator;

  before(async () => {
    emulator = await startEmulatorProcess({
      speed: 4,
      additionalKeys: [{ key: "tr_dev_sk_emulatorscopedkey0000001", scopes: ["read:runs", "trigger:tasks:echo"] }],
      tasks: {
        never: { queued: null },
        typed: { steps: [{ output: "$payload" }] },
        twice: { steps: [{ output: ["$payload", "$payload"] }] },
        slowstream: {
          steps: [
            { wait: 1000 },
            { stream: { key: "ai", chunks: ["one", { two: 2 }, [3]], every: 400 } },
            { metadata: { announced: true } },
            { wait: 1500 },
          ],
        },
        waiter: { steps: [{ waitToken: { tokenId: "$payload.tokenId" } }, { output: "$result" }] },
      },
    });
    configure({ baseURL: emulator.url, accessToken: emulator.secretKey });
  });

  after(() => emulator.stop());

  /** Follows a run to its end and returns every state that was seen. */
  async function follow(id, accessToken) {
    const states = [];
    const iterate = async () => {
      for await (const run of runs.subscribeToRun(id)) states.push(run);
    };
    await (accessToken ? auth.withAuth({ accessToken }, iterate) : iterate());
    return states;
  }

  test("a run is triggered and followed to its success", async () => {
    const handle = await tasks.trigger("hello", { a: 1, at: new Date("2026-05-05T00:00:00Z") }, { tags: ["life"] });
    assert.match(handle.id, /^run_c[0-9a-z]{24}$/);
    const states = await follow(handle.id, handle.publicAccessToken);
    const last = states.at(-1);
    assert.equal(last.status, "COMPLETED");
    assert.deepEqual(last.output, { ok: true, echo: { a: 1, at: "2026-05-05T00:00:00.000Z" } });
    assert.deepEqual(last.payload, { a: 1, at: new Date("2026-05-05T00:00:00Z") });
    assert.deepEqual(last.tags, ["life", "added-by-run"]);
    assert.deepEqual(last.metadata, { progress: 99, log: ["step 1", "step 2", "step 3"] });
    assert.ok(last.finishedAt >= last.startedAt && last.durationMs > 0);
    const progress = states.map((run) => run.metadata?.progress ?? 0);
    assert.deepEqual(
      progress,
      [...progress].sort((a, b) => a - b),
      "progress never goes back",
    );
    const order = ["QUEUED", "DEQUEUED", "EXECUTING", "COMPLETED"];
    const seen = states.map((run) => order.indexOf(run.status));
    assert.ok(!seen.includes(-1));
    assert.deepEqual(
      seen,
      [...seen].sort((a, b) => a - b),
      "statuses come in order",
    );
  });

  test("a payload with types comes back with its types", async () => {
    const payload = {
      when: new Date(0),
      map: new Map([["k", 1n]]),
      set: new Set([1]),
      nothing: undefined,
      pattern: /x/g,
    };
    const handle = await tasks.trigger("typed", payload);
    const last = (await follow(handle.id)).at(-1);
    assert.deepEqual(last.output, payload);
  });

  test("a run that throws ends with its error", async () => {
    const handle = await tasks.trigger("failing", {});
    const last = (await follow(handle.id)).at(-1);
    assert.equal(last.status, "FAILED");
    assert.equal(last.error.name, "TypeError");
    assert.equal(last.error.message, "boom from the task");
    assert.match(last.error.stackTrace, /^TypeError: boom from the task\n {4}at run/);
  });

  test("a running run is cancelled", async () => {
    const handle = await tasks.trigger("slow", {});
    const states = [];
    for await (const run of runs.subscribeToRun(handle.id)) {
      states.push(run);
      if (run.status === "EXECUTING" && states.filter((state) => state.status === "EXECUTING").length === 1) {
        assert.deepEqual(await runs.cancel(handle.id), { id: handle.id });
      }
    }
    assert.equal(states.at(-1).status, "CANCELED");
    assert.equal(states.at(-1).error.message, "Canceled by user");
    assert.ok(states.at(-1).finishedAt);
    assert.equal((await runs.retrieve(handle.id)).status, "CANCELED");
  });

  test("a run cancelled while delayed has no end time, as on the server (defect 22)", async () => {
    const handle = await tasks.trigger("hello", {}, { delay: "1h" });
    const states = [];
    for await (const run of runs.subscribeToRun(handle.id)) {
      states.push(run);
      if (run.status === "DELAYED") await runs.cancel(handle.id);
      if (run.status === "CANCELED") break; // The official loop would poll for ever.
    }
    assert.deepEqual([states[0].status, states.at(-1).status], ["DELAYED", "CANCELED"]);
    assert.equal(states.at(-1).finishedAt, undefined);
    assert.ok(states[0].delayedUntil - Date.now() > 3_500_000);
  });

  test("a delayed run starts when its delay is over", async () => {
    const handle = await tasks.trigger("echo", { d: 1 }, { delay: "1s" });
    const states = await follow(handle.id);
    assert.equal(states[0].status, "DELAYED");
    assert.equal(states.at(-1).status, "COMPLETED");
    assert.ok(states.at(-1).startedAt >= states[0].delayedUntil);
  });

  test("a run that nobody takes expires", async () => {
    const handle = await tasks.trigger("never", {}, { ttl: "1s" });
    const last = (await follow(handle.id)).at(-1);
    assert.equal(last.status, "EXPIRED");
    assert.ok(last.expiredAt);
  });

  test("retrieving a run shows what the feed showed", async () => {
    const handle = await tasks.trigger("echo", { n: 1 }, { metadata: { user: "u1" }, tags: ["one", "two"] });
    await follow(handle.id);
    const run = await runs.retrieve(handle.id);
    assert.equal(run.status, "COMPLETED");
    assert.deepEqual(
      [run.payload, run.output, run.metadata, run.tags],
      [{ n: 1 }, { n: 1 }, { user: "u1" }, ["one", "two"]],
    );
    assert.equal(run.isSuccess, true);
    assert.ok(run.createdAt instanceof Date && run.finishedAt >= run.startedAt);
  });

  test("the same idempotency key is the same run", async () => {
    const options = { idempotencyKey: "only-once" };
    const first = await tasks.trigger("echo", {}, options);
    const second = await tasks.trigger("echo", {}, options);
    assert.deepEqual([first.isCached, second.isCached, second.id], [false, true, first.id]);
  });

  test("a public token follows the run it names and no other", async () => {
    const [mine, other] = [await tasks.trigger("echo", {}), await tasks.trigger("echo", {})];
    const token = await auth.createPublicToken({ scopes: { read: { runs: [mine.id] } } });
    assert.equal((await follow(mine.id, token)).at(-1).status, "COMPLETED");
    await auth.withAuth({ accessToken: token }, async () => {
      await assert.rejects(runs.retrieve(other.id), { status: 403 });
      await assert.rejects(tasks.trigger("echo", {}), { status: 403 });
    });
  });

  test("a token that leaves out columns leaves them out", async () => {
    const handle = await tasks.trigger("echo", { secret: 1 });
    const token = await auth.createPublicToken({
      scopes: { read: { runs: [handle.id] } },
      realtime: { skipColumns: ["payload", "output"] },
    });
    const last = (await follow(handle.id, token)).at(-1);
    assert.deepEqual([last.status, last.payload, last.output], ["COMPLETED", undefined, undefined]);
  });

  test("a one-time token triggers once", async () => {
    const token = await auth.createTriggerPublicToken("echo");
    await auth.withAuth({ accessToken: token }, async () => {
      await tasks.trigger("echo", {});
      await assert.rejects(tasks.trigger("echo", {}), {
        status: 422,
        message: /Cannot trigger echo with a one-time use token as it has already been used\./,
      });
    });
  });

  test("an additional key mints within its scopes", async () => {
    await auth.withAuth({ accessToken: "tr_dev_sk_emulatorscopedkey0000001" }, async () => {
      const handle = await tasks.trigger("echo", {});
      const token = await auth.createPublicToken({ scopes: { read: { runs: [handle.id] } } });
      assert.equal((await follow(handle.id, token)).at(-1).status, "COMPLETED");
      await assert.rejects(auth.createPublicToken({ scopes: { write: { tags: ["x"] } } }), { status: 403 });
    });
  });

  test("a wrong key is told so", async () => {
    await auth.withAuth({ accessToken: "tr_dev_wrong" }, async () => {
      await assert.rejects(tasks.trigger("echo", {}), { status: 401, message: /Invalid API key/ });
    });
  });

  /** Takes `count` parts of an async iterable, or all of them. */
  async function take(iterable, count = Number.POSITIVE_INFINITY) {
    const parts = [];
    for await (const part of iterable) {
      parts.push(part);
      if (parts.length >= count) break;
    }
    return parts;
  }

  test("runs are followed by a tag until all have ended", async () => {
    const tag = "by-tag";
    const handles = [];
    for (const n of [1, 2]) handles.push(await tasks.trigger("echo", { n }, { tags: [tag, `n${n}`] }));
    await tasks.trigger("echo", {}, { tags: ["another"] });
    const seen = new Map();
    for await (const run of runs.subscribeToRunsWithTag(tag)) {
      seen.set(run.id, run);
      if (handles.length === 2 && seen.size === 2) handles.push(await tasks.trigger("echo", { n: 3 }, { tags: [tag] }));
      if (seen.size === 3 && [...seen.values()].every((one) => one.status === "COMPLETED")) break;
    }
    assert.deepEqual([...seen.keys()].sort(), handles.map((handle) => handle.id).sort());
    assert.deepEqual([...seen.values()].map((run) => run.output.n).sort(), [1, 2, 3]);
  });

  test("several tags are all asked of a run, and columns can be left out", async () => {
    const both = await tasks.trigger("never", { secret: 1 }, { tags: ["x-one", "x-two"] });
    await tasks.trigger("never", {}, { tags: ["x-one"] });
    const feed = runs.subscribeToRunsWithTag(["x-one", "x-two"], { createdAt: "1h", skipColumns: ["payload"] });
    const [run] = await take(feed, 1);
    assert.deepEqual([run.id, run.payload], [both.id, undefined]);
  });

  test("a batch is triggered, followed and retrieved", async () => {
    const handle = await tasks.batchTrigger("echo", [{ payload: { i: 0 } }, { payload: { i: 1 } }]);
    assert.equal(handle.runCount, 2);
    const ended = new Map();
    await auth.withAuth({ accessToken: handle.publicAccessToken }, async () => {
      for await (const run of runs.subscribeToBatch(handle.batchId)) {
        if (run.status === "COMPLETED") ended.set(run.id, run.output.i);
        if (ended.size === 2) break;
      }
    });
    assert.deepEqual([...ended.values()].sort(), [0, 1]);
    const retrieved = await batch.retrieve(handle.batchId);
    assert.equal(retrieved.status, "COMPLETED");
    assert.deepEqual(retrieved.runs.toSorted(), [...ended.keys()].sort());
  });

  test("a batch of several tasks with a key is made once", async () => {
    const items = () => [
      { id: "echo", payload: { a: 1 } },
      { id: "failing", payload: {} },
    ];
    const handle = await batch.trigger(items(), { idempotencyKey: "batch-once" });
    assert.equal(handle.runCount, 2);
    await assert.rejects(batch.trigger(items(), { idempotencyKey: "batch-once" }), /same idempotency key/);
  });

  for (const version of ["v2", "v1"]) {
    test(`a stream is read while it is written (${version})`, async () => {
      const { id } = await triggerWith(version, "slowstream");
      const stream = await streams.read(id, "ai", { timeoutInSeconds: 10 });
      assert.deepEqual(await take(stream, 3), ["one", { two: 2 }, [3]]);
      // From the start once more, of a stream that has ended.
      assert.deepEqual(await take(await streams.read(id, "ai", { timeoutInSeconds: 1 })), ["one", { two: 2 }, [3]]);
    });

    test(`a run's streams come with the run (${version})`, async () => {
      const { id } = await triggerWith(version, "slowstream");
      const chunks = [];
      for await (const part of runs.subscribeToRun(id).withStreams()) {
        if (part.type !== "run") chunks.push([part.type, part.chunk]);
        if (chunks.length === 3) break; // The official loop would not end by itself (defect 4).
      }
      assert.deepEqual(chunks, [
        ["ai", "one"],
        ["ai", { two: 2 }],
        ["ai", [3]],
      ]);
    });
  }

  /** Triggers with a version of streams that the official client is not set to. */
  async function triggerWith(version, task) {
    const response = await fetch(`${emulator.url}/api/v1/tasks/${task}/trigger`, {
      method: "POST",
      headers: { authorization: `Bearer ${emulator.secretKey}`, "x-trigger-realtime-streams-version": version },
      body: "{}",
    });
    return response.json();
  }

  test("a wait token is made, found, completed and stays completed", async () => {
    const token = await wait.createToken({ timeout: "10m", tags: ["w-tag"], idempotencyKey: "w-key" });
    assert.match(token.id, /^waitpoint_c[0-9a-z]{24}$/);
    assert.equal((await wait.createToken({ idempotencyKey: "w-key" })).id, token.id);
    assert.equal((await wait.retrieveToken(token.id)).status, "WAITING");
    await wait.completeToken(token.id, { status: "approved" });
    await wait.completeToken(token.id, { status: "too late" });
    const retrieved = await wait.retrieveToken(token.id);
    assert.deepEqual([retrieved.status, retrieved.output], ["COMPLETED", { status: "approved" }]);
  });

  test("a wait token's own public token completes that one", async () => {
    const [mine, other] = [await wait.createToken({}), await wait.createToken({})];
    await auth.withAuth({ accessToken: mine.publicAccessToken }, async () => {
      await wait.completeToken(mine.id, { by: "browser" });
      await assert.rejects(wait.completeToken(other.id, {}), { status: 403 });
    });
    assert.deepEqual((await wait.retrieveToken(mine.id)).output, { by: "browser" });
  });

  test("a wait token's URL completes it, and its time-out ends it", async () => {
    const token = await wait.createToken({});
    assert.deepEqual(await (await fetch(token.url, { method: "POST", body: '{"from":"webhook"}' })).json(), {
      success: true,
    });
    assert.deepEqual((await wait.retrieveToken(token.id)).output, { from: "webhook" });
    const wrong = await fetch(token.url.replace(/.{4}$/, "0000"), { method: "POST", body: "{}" });
    assert.equal(wrong.status, 401);
    const late = await wait.createToken({ timeout: new Date(Date.now() - 1000) });
    assert.equal((await wait.retrieveToken(late.id)).status, "TIMED_OUT");
  });

  test("wait tokens are listed page by page", async () => {
    const ids = [];
    for (let n = 0; n < 5; n++) ids.push((await wait.createToken({ tags: ["w-list"] })).id);
    await wait.completeToken(ids[0], {});
    const listed = [];
    for await (const token of wait.listTokens({ tags: ["w-list"], limit: 2 })) listed.push(token.id);
    assert.deepEqual(listed, ids.toReversed());
    const [completed] = await take(wait.listTokens({ tags: ["w-list"], status: ["COMPLETED"] }));
    assert.equal(completed.id, ids[0]);
  });

  test("a run waits for a token and goes on with what it was completed with", async () => {
    const token = await wait.createToken({});
    const handle = await tasks.trigger("waiter", { tokenId: token.id });
    for await (const run of runs.subscribeToRun(handle.id)) {
      if (run.status === "EXECUTING") await wait.completeToken(token.id, { approved: true });
      if (run.isCompleted) assert.deepEqual(run.output, { ok: true, output: { approved: true } });
    }
    const asking = await tasks.trigger("approval", {});
    for await (const run of runs.subscribeToRun(asking.id)) {
      const { tokenId, publicAccessToken, phase } = run.metadata ?? {};
      if (tokenId && !phase) {
        await auth.withAuth({ accessToken: publicAccessToken }, () => wait.completeToken(tokenId, "yes"));
      }
      if (run.isCompleted) assert.deepEqual(run.output, { result: { ok: true, output: "yes" } });
    }
  });

  test("what is sent to a run reaches it, until it has ended", async () => {
    const handle = await tasks.trigger("chat", {});
    await auth.withAuth({ accessToken: handle.publicAccessToken }, async () => {
      await streams.input({ id: "approval" }).send(handle.id, { approved: "yes" });
      const last = (await follow(handle.id)).at(-1);
      assert.deepEqual(last.output, { received: { approved: "yes" } });
      await assert.rejects(streams.input({ id: "approval" }).send(handle.id, {}), { status: 400 });
    });
  });

  test("a large payload and a large output go through the object store", async () => {
    const big = "y".repeat(300_000);
    const handle = await tasks.trigger("echo", { big });
    const last = (await follow(handle.id)).at(-1);
    assert.deepEqual([last.payload.big.length, last.output.big.length], [300_000, 300_000]);
    // Each payload is small enough to be sent along, the output is not.
    const other = await tasks.trigger("twice", "z".repeat(100_000));
    const lengths = (output) => output.map((text) => text.length);
    assert.deepEqual(lengths((await follow(other.id)).at(-1).output), [100_000, 100_000]);
    assert.deepEqual(lengths((await runs.retrieve(other.id)).output), [100_000, 100_000]);
  });

  test("runs are listed page by page and by what they are", async () => {
    const ids = [];
    for (let n = 0; n < 5; n++) ids.push((await tasks.trigger("never", { n }, { tags: ["listed"] })).id);
    await runs.cancel(ids[0]);
    const listed = [];
    for await (const run of runs.list({ tag: "listed", limit: 2 })) listed.push(run.id);
    assert.deepEqual(listed.toSorted(), ids.toSorted());
    const first = await runs.list({ tag: "listed", limit: 2 });
    const second = await first.getNextPage();
    assert.deepEqual(
      (await second.getPreviousPage()).data.map((run) => run.id).sort(),
      first.data.map((run) => run.id).sort(),
    );
    const ended = await runs.list({ tag: "listed", status: ["CANCELED"], from: new Date(Date.now() - 60_000) });
    assert.deepEqual(
      ended.data.map((run) => run.id),
      [ids[0]],
    );
    assert.deepEqual((await runs.list({ tag: "listed", isTest: true })).data, []);
  });

  test("a run is replayed, and polled to its end", async () => {
    const handle = await tasks.trigger("echo", { again: 1 }, { tags: ["replayed"] });
    await follow(handle.id);
    const replay = await runs.replay(handle.id);
    assert.notEqual(replay.id, handle.id);
    const run = await runs.poll(replay.id, { pollIntervalMs: 100 });
    assert.deepEqual([run.status, run.output, run.tags], ["COMPLETED", { again: 1 }, ["replayed"]]);
  });

  test("a delayed run is rescheduled, another is not", async () => {
    const handle = await tasks.trigger("echo", {}, { delay: "1h" });
    const moved = await runs.reschedule(handle.id, { delay: new Date(Date.now() + 500) });
    assert.equal(moved.status, "DELAYED");
    assert.equal((await follow(handle.id)).at(-1).status, "COMPLETED");
    await assert.rejects(runs.reschedule(handle.id, { delay: "1h" }), { status: 400 });
  });
});
