// The official SDK, as it is, and this package on the emulator: batches, tags, streams, wait tokens,
// input, stored packets, lists, connection limits.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";

import { startEmulatorProcess } from "./support/emulator-process.mjs";
import { describeBoth } from "./support/emulator-suite.mjs";

/** The key of an environment that may hold one live request at a time. */
const NARROW = "tr_dev_narrownarrownarrownarrow";

describeBoth("the emulator's whole surface", (sdk, { isOurs }) => {
  const { auth, batch, configure, runs, streams, tasks, wait } = sdk;
  let emulator;

  before(async () => {
    emulator = await startEmulatorProcess({
      speed: 4,
      environments: [{ id: "cnarrowenvironment000001", secretKey: NARROW, maxConnections: 1 }],
      tasks: {
        never: { queued: null },
        busy: { queued: 0, steps: [{ wait: 3_600_000 }] },
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

  // What a failed test left pending must not outlive the suite.
  const ending = new AbortController();
  after(() => {
    ending.abort();
    return emulator.stop();
  });

  /** Follows a run to its end and returns every state that was seen. */
  async function follow(id, options) {
    const states = [];
    for await (const run of runs.subscribeToRun(id, { ...options, signal: ending.signal })) states.push(run);
    return states;
  }

  /** Waits for a state that only the emulator shows. */
  async function until(condition) {
    while (!(await condition())) await new Promise((resolve) => setTimeout(resolve, 5));
  }

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
        if (chunks.length === 3 && !isOurs) break; // The official loop would not end by itself (defect 4).
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

  test("over the limit of connections a run is followed as soon as there is room", () =>
    auth.withAuth({ accessToken: NARROW }, async () => {
      const [first, second] = [await tasks.trigger("busy", {}), await tasks.trigger("busy", {})];
      // From then on nothing happens to them: polls are held.
      for (const { id } of [first, second]) await until(async () => (await runs.retrieve(id)).status === "EXECUTING");
      const requests = async () => {
        const { byRoute } = await emulator.call("GET", "/emulator/stats");
        return byRoute["GET /realtime/v1/runs/{id}"] ?? 0;
      };
      const following = follow(first.id);
      await until(async () => (await emulator.call("GET", "/emulator/limits", undefined, NARROW)).live === 1);
      const before = await requests();
      const told = [];
      const waiting = follow(second.id, isOurs ? { onRetry: ({ status }) => told.push(status) } : {});
      // A snapshot, the official client's prefetch, and a live request that is refused again and again.
      await until(async () => (await requests()) >= before + 5);
      await runs.cancel(first.id);
      await runs.cancel(second.id);
      for (const states of [await following, await waiting]) {
        assert.deepEqual(
          states.map(({ status }) => status),
          ["EXECUTING", "CANCELED"],
        );
      }
      if (isOurs) assert.deepEqual([...new Set(told)], [429]);
    }));

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
