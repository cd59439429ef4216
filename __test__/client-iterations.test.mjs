// Iterations over what trigger-native/client follows: what they give, how they end, and what they leave.

import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { opened, pass, rowOf, runFields, settle, start, watch } from "./support/client-relay.mjs";

describe("an iteration", () => {
  it("gives the newest state to a slow reader, ends with the run, and lets it go", async (t) => {
    const { relay, connection } = start(t);
    const steps = connection.run("run_1")[Symbol.asyncIterator]();
    const first = steps.next();
    await opened(t);
    const ask = relay.last();
    const step = (n) => ["change", ask.id(), { key: "k", at: `${n}`, set: { ...runFields("run_1"), durationMs: n } }];
    await ask.tell(["row", ask.id(), rowOf("k", "run_1")]);
    assert.equal((await first).value.durationMs, 0);
    for (const n of [1, 2, 3]) await ask.tell(step(n));
    assert.equal((await steps.next()).value.durationMs, 3);
    const pending = [steps.next(), steps.next()];
    const set = { id: "run_1", status: "COMPLETED", isFinished: true };
    await ask.tell(["change", ask.id(), { key: "k", at: "9", set }], ["end", ask.id()]);
    const [last, done] = await Promise.all(pending);
    assert.equal(last.value.isSuccess, true);
    assert.equal(last.value.isFinished, true);
    assert.deepEqual(done, { done: true, value: undefined });
    await ask.end();
    await pass(t, 60_000, 1000);
    assert.equal(relay.asks.length, 1);
  });

  it("that is left by break, return or throw lets go, with a value that is waited for", async (t) => {
    const { relay, connection } = start(t);
    const run = connection.run("run_1");
    const steps = run[Symbol.asyncIterator]();
    const waiting = steps.next();
    await opened(t);
    assert.equal(relay.open().length, 1);
    await steps.return();
    assert.deepEqual(await waiting, { done: true, value: undefined });
    await settle();
    assert.equal(relay.open().length, 0);
    const broken = (async () => {
      for await (const { id } of run) {
        assert.equal(id, "run_1");
        throw new Error("mine");
      }
    })();
    broken.catch(() => {});
    await opened(t);
    await relay.last().tell(["row", relay.last().id(), rowOf("k", "run_1")]);
    await assert.rejects(broken, /mine/);
    await settle();
    assert.equal(relay.open().length, 0);
  });

  it("that begins while a run is connected again gives what is known of it, though that did not change", async (t) => {
    const { relay, connection } = start(t);
    let accessToken = async () => "first";
    const run = connection.run("run_1", { accessToken: () => accessToken() });
    const { stop, last } = watch(run);
    await opened(t);
    const ask = relay.last();
    await ask.tell(["row", ask.id(), rowOf("k", "run_1")]);
    accessToken = async () => {
      throw new Error("signed out");
    };
    await ask.tell(["error", ask.id(), { status: 401, message: "expired", retry: false }]);
    await pass(t, 20_000, 500);
    assert.equal(last().error.message, "signed out");
    stop();
    accessToken = () => new Promise((resolve) => setTimeout(resolve, 500, "second"));
    const again = watch(run);
    assert.equal(again.last().state, "connecting");
    const given = [];
    const over = (async () => {
      for await (const { id } of run) given.push(id);
    })();
    await pass(t, 1000);
    assert.deepEqual([again.last().state, given], ["live", ["run_1"]]);
    const next = relay.last();
    await next.tell(["ready", next.id()], ["end", next.id()]);
    await over;
    assert.deepEqual(given, ["run_1"]);
  });

  it("of a list of which nothing was known when it ended gives no empty one", async (t) => {
    const { relay, connection } = start(t);
    const given = [];
    const iterate = async (list) => {
      for await (const value of list) given.push(value);
    };
    const refused = connection.runs({ tags: "a" });
    const { stop, last } = watch(refused);
    await opened(t);
    await relay.last().tell(["error", relay.last().id(), { status: 403, message: "no", retry: false }]);
    assert.equal(last().state, "ended");
    stop();
    const again = iterate(refused);
    await opened(t);
    assert.deepEqual(given, []);
    const waiting = connection.runs({ tags: [] });
    watch(waiting);
    // What is known to be empty is given.
    await relay.last().tell(["ready", relay.last().id()]);
    connection.close();
    await Promise.all([again, iterate(waiting)]);
    assert.deepEqual(given, [[]]);
  });

  it("throws the error with which it ends", async (t) => {
    const { relay, connection } = start(t);
    const steps = connection.run("run_1")[Symbol.asyncIterator]();
    const next = steps.next();
    next.catch(() => {});
    await opened(t);
    const told = { status: 403, message: "Unauthorized", hint: "read:runs", retry: false };
    await relay.last().tell(["error", relay.last().id(), told]);
    await assert.rejects(next, { message: "Unauthorized", status: 403, hint: "read:runs" });
    assert.deepEqual(await steps.next(), { done: true, value: undefined });
  });

  it("of a stream gives every part once, however slow its reader, and the place where to go on", async (t) => {
    const { relay, connection } = start(t);
    const stream = connection.stream("run_1", "k", { maxParts: 2 });
    const { states } = watch(stream);
    const parts = stream[Symbol.asyncIterator]();
    const chunks = [];
    await opened(t);
    const ask = relay.last();
    const part = (id, chunk) => ({ id, chunk, timestamp: 5 });
    const first = parts.next();
    await ask.tell(["chunk", ask.id(), { at: "p2", parts: [part("1", "a"), part("2", { b: 1 })] }]);
    chunks.push((await first).value);
    await ask.end();
    await pass(t, 1000);
    const next = relay.last();
    assert.equal(next.wants[0].at, "p2");
    await next.tell(["chunk", next.id(), { at: "p4", parts: [part("2", null), { id: "4", timestamp: 0 }] }]);
    await next.tell(["end", next.id()]);
    for (;;) {
      const { done, value } = await parts.next();
      if (done) break;
      chunks.push(value);
    }
    assert.deepEqual(chunks, ["a", { b: 1 }, null, undefined]);
    const last = states.at(-1);
    assert.deepEqual([last.state, last.lastEventId, last.value.map(({ id }) => id)], ["ended", "p4", ["2", "4"]]);
  });

  it("of a stream ends after the silence that it was given", async (t) => {
    const { relay, connection } = start(t);
    const stream = connection.stream("run_1", "k", { timeoutInSeconds: 10 });
    const { last } = watch(stream);
    await opened(t);
    const ask = relay.last();
    await pass(t, 9000, 500);
    await ask.tell(["chunk", ask.id(), { at: "p", parts: [{ id: "1", chunk: 1, timestamp: 0 }] }]);
    await pass(t, 9000, 500);
    assert.equal(last().state, "live");
    await pass(t, 2000, 500);
    assert.deepEqual([last().state, last().error], ["ended", undefined]);
    assert.equal(relay.open().length, 0);
  });

  it("that is told to throw ends with that error, also while a value is waited for", async (t) => {
    const { relay, connection } = start(t);
    for (const isWaiting of [true, false]) {
      const parts = connection.stream("run_1", "k")[Symbol.asyncIterator]();
      const first = parts.next();
      await opened(t);
      const ask = relay.last();
      const given = ["1", "2"].map((id) => ({ id, chunk: id, timestamp: 0 }));
      if (!isWaiting) await ask.tell(["chunk", ask.id(), { at: "p", parts: given }]);
      await assert.rejects(parts.throw(new Error("mine")), /mine/);
      assert.deepEqual(await first, isWaiting ? { done: true, value: undefined } : { done: false, value: "1" });
      assert.deepEqual(await parts.next(), { done: true, value: undefined });
      await settle();
      assert.equal(relay.open().length, 0);
    }
  });

  it("that is left before its first value follows nothing", async (t) => {
    const { relay, connection } = start(t);
    const steps = connection.run("run_1")[Symbol.asyncIterator]();
    assert.deepEqual(await steps.return("mine"), { done: true, value: "mine" });
    assert.deepEqual(await steps.next(), { done: true, value: undefined });
    await opened(t);
    assert.equal(relay.asks.length, 0);
  });

  it("of what waits gives nothing, and ends when the connection is closed", async (t) => {
    const { relay, connection } = start(t);
    const waiting = [connection.runs({ tags: [] }), connection.batch(undefined), connection.run("")];
    const given = [];
    const ends = waiting.map(async (followed) => {
      for await (const value of followed) given.push(value);
    });
    const subscribed = watch(connection.run(undefined));
    await pass(t, 1000);
    connection.close();
    await Promise.all(ends);
    assert.deepEqual([given, subscribed.last().state, relay.asks.length], [[], "ended", 0]);
  });
});
