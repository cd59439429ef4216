/** The merge behind `withStreams()`: feeds of many runs, in memory. Defects 9, 10, 21. */
import assert from "node:assert/strict";
import { createRequire } from "node:module";
import { describe, test } from "node:test";

const require = createRequire(import.meta.url);
const { withStreams } = require("../js/streams/with-streams.js");

/** A queue that is pulled: a pull waits for the next value. */
class Pulled {
  #items = [];
  #waiting = null;
  pulls = 0;
  closed = false;

  give(...items) {
    this.#items.push(...items);
    this.#waiting?.();
  }

  async take() {
    this.pulls += 1;
    while (this.#items.length === 0 && !this.closed)
      await new Promise((resolve) => {
        this.#waiting = resolve;
      });
    const item = this.#items.shift();
    if (item instanceof Error) throw item;
    return item;
  }

  close() {
    this.closed = true;
    this.#waiting?.();
  }
}

/** A subscription of runs and a store of streams, driven by hand. */
function bench(options, signal) {
  const feed = new Pulled();
  const subscription = {
    async next() {
      const run = await feed.take();
      return run === undefined ? { done: true, value: undefined } : { done: false, value: run };
    },
    close: () => feed.close(),
  };
  const streams = new Map();
  const opened = [];
  const open = (runId, key, runOver) => {
    const queue = new Pulled();
    const source = {
      queue,
      isRunOver: runOver,
      pull: () => queue.take(),
      runOver() {
        source.isRunOver = true;
        // As the native reader does: written values come first, then the end.
        queue.give(undefined);
      },
      close: () => queue.close(),
    };
    if (runOver) queue.give(undefined);
    // The one that only checks a key is closed at once.
    if (runId !== "run") {
      opened.push(`${runId}/${key}`);
      streams.set(`${runId}/${key}`, source);
    }
    return source;
  };
  const parts = withStreams(subscription, { open, signal }, options);
  return { feed, streams, opened, parts, iterator: parts[Symbol.asyncIterator]() };
}

const run = (id, fields = {}) => ({ id, realtimeStreams: ["ai"], isFinished: false, ...fields });
const next = async ({ iterator }) => (await iterator.next()).value;
const turns = () => new Promise((resolve) => setImmediate(resolve));

describe("a feed of many runs with their streams", () => {
  test("each part carries its own run, as it is when the part is given out", async () => {
    const it = bench();
    it.feed.give(run("a"), run("b"));
    assert.equal((await next(it)).run.id, "a");
    assert.equal((await next(it)).run.id, "b");
    it.streams.get("b/ai").queue.give([1]);
    assert.deepEqual(await next(it), { type: "ai", chunk: 1, run: run("b") });
    it.feed.give(run("b", { number: 2 }));
    await next(it);
    it.streams.get("b/ai").queue.give([2]);
    it.streams.get("a/ai").queue.give([3]);
    const got = [await next(it), await next(it)].sort((left, right) => left.chunk - right.chunk);
    assert.deepEqual(got, [
      { type: "ai", chunk: 2, run: run("b", { number: 2 }) },
      { type: "ai", chunk: 3, run: run("a") },
    ]);
  });

  test("a run that ends is drained while the others go on", async () => {
    const it = bench();
    it.feed.give(run("a"), run("b"));
    await next(it);
    await next(it);
    it.streams.get("a/ai").queue.give(["last"]);
    it.feed.give(run("a", { isFinished: true }));
    const got = [await next(it), await next(it)].map(({ type }) => type).sort();
    assert.deepEqual(got, ["ai", "run"]);
    assert.equal(it.streams.get("a/ai").isRunOver, true);
    assert.equal(it.streams.get("b/ai").isRunOver, false);
    it.feed.give(run("b", { isFinished: true }), undefined);
    assert.equal((await next(it)).run.isFinished, true);
    assert.deepEqual(await it.iterator.next(), { done: true, value: undefined });
  });

  test("a late update of a drained run opens its streams no more, but a new key is read", async () => {
    const it = bench();
    it.feed.give(run("a", { isFinished: true }), run("a", { isFinished: true, number: 2 }));
    await next(it);
    await next(it);
    await turns();
    it.feed.give(run("a", { isFinished: true, realtimeStreams: ["ai", "log"] }), undefined);
    await next(it);
    assert.equal((await it.iterator.next()).done, true);
    assert.deepEqual(it.opened, ["a/ai", "a/log"]);
  });

  test("named streams are opened for every run, once", async () => {
    const it = bench({ streams: ["ai", "log"] });
    it.feed.give(run("a"), run("b", { realtimeStreams: [] }), run("a"));
    for (let count = 0; count < 3; count++) await next(it);
    assert.deepEqual(it.opened, ["a/ai", "a/log", "b/ai", "b/log"]);
  });

  test("nothing is taken that nobody asked for: one run, and one batch of each stream", async () => {
    const it = bench();
    it.feed.give(...Array.from({ length: 50 }, (_, index) => run(`run${index}`)));
    await next(it);
    await turns();
    assert.equal(it.feed.pulls, 1);
    const { queue } = it.streams.get("run0/ai");
    queue.give([1, 2], [3], [4]);
    const waiting = next(it);
    await turns();
    await waiting;
    await turns();
    assert.ok(queue.pulls <= 2, `${queue.pulls} batches for one part`);
    assert.ok(it.feed.pulls <= 2, `${it.feed.pulls} runs for two parts`);
  });

  test("a long history of finished runs is not opened all at once", async () => {
    const it = bench();
    const never = Array.from({ length: 200 }, (_, index) => run(`run${index}`));
    it.feed.give(...never);
    for (let count = 0; count < 200; count++) await next(it);
    // Their streams do not drain: the feed waits.
    for (const source of it.streams.values()) source.runOver = () => {};
    it.feed.give(...never.map((live) => ({ ...live, isFinished: true })));
    let ended = 0;
    const reading = (async () => {
      while (!(await it.iterator.next()).done) ended += 1;
    })();
    for (let round = 0; round < 400; round++) await turns();
    assert.equal(ended, 64);
    it.parts.close();
    await reading;
  });

  test("an error of one stream ends it all, and closes it all", async () => {
    const it = bench();
    it.feed.give(run("a"), run("b"));
    await next(it);
    await next(it);
    it.streams.get("a/ai").queue.give(new Error("refused"));
    await assert.rejects(next(it), /refused/);
    assert.ok(it.feed.closed && it.streams.get("b/ai").queue.closed);
    assert.equal((await it.iterator.next()).done, true);
  });

  test("an abort ends a waiting read and closes it all", async () => {
    const controller = new AbortController();
    const it = bench({}, controller.signal);
    it.feed.give(run("a"));
    await next(it);
    const waiting = it.iterator.next();
    await turns();
    controller.abort();
    assert.equal((await waiting).done, true);
    assert.ok(it.feed.closed && it.streams.get("a/ai").queue.closed);
  });

  test("a run object without isFinished is judged by the official flags", async () => {
    for (const fields of [{ isCompleted: true }, { isCancelled: true }, { finishedAt: new Date() }]) {
      const it = bench();
      it.feed.give({ id: "a", realtimeStreams: ["ai"], isCompleted: false, isCancelled: false, ...fields }, undefined);
      await next(it);
      assert.equal(it.streams.get("a/ai").isRunOver, true);
      assert.equal((await it.iterator.next()).done, true);
    }
  });
});
