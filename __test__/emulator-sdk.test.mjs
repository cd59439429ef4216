// The official SDK, as it is, and this package on the emulator: the same calls give the same.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";

import { startEmulatorProcess } from "./support/emulator-process.mjs";
import { describeBoth } from "./support/emulator-suite.mjs";

describeBoth("the emulator", ({ auth, configure, runs, tasks }, { isOurs }) => {
  let emulator;

  before(async () => {
    emulator = await startEmulatorProcess({
      speed: 4,
      additionalKeys: [{ key: "tr_dev_sk_emulatorscopedkey0000001", scopes: ["read:runs", "trigger:tasks:echo"] }],
      tasks: { never: { queued: null }, typed: { steps: [{ output: "$payload" }] } },
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
  async function follow(id, accessToken) {
    const states = [];
    const iterate = async () => {
      for await (const run of runs.subscribeToRun(id, { signal: ending.signal })) states.push(run);
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
      if (run.status === "CANCELED" && !isOurs) break; // The official loop would poll for ever.
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
      // Ours does not ask a server that is sure to refuse.
      await assert.rejects(tasks.trigger("echo", {}), isOurs ? { code: "ERR_MISSING_SCOPE" } : { status: 403 });
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
});
