/** Responses and iterators whose reader leaves: at once, cleanly, and keeping nothing. */
import assert from "node:assert/strict";
import { createRequire } from "node:module";
import { describe, test } from "node:test";

const require = createRequire(import.meta.url);
const { RealtimeStream } = require("../js/streams/realtime-stream.js");
const { toResponse } = require("../js/streams/response.js");
const { withStreams } = require("../js/streams/with-streams.js");

/** A source that gives these batches, then waits until it is closed. */
function source(...batches) {
  let end;
  const closed = new Promise((resolve) => {
    end = resolve;
  });
  return { pull: async () => batches.shift() ?? closed, close: () => end(undefined), stats: () => ({}) };
}

const stream = (...batches) => new RealtimeStream(source(...batches));
const DONE = { done: true, value: undefined };

describe("return() while next() waits", () => {
  test("ends both at once", async () => {
    const iterator = stream()[Symbol.asyncIterator]();
    const waiting = iterator.next();
    assert.deepEqual(await iterator.return("left"), { done: true, value: "left" });
    assert.deepEqual([await waiting, await iterator.next()], [DONE, DONE]);
  });

  test("ends both at once where the stream was read by a reader before", async () => {
    const values = stream([1, 2]);
    const reader = values.getReader();
    await reader.read();
    reader.releaseLock();
    const iterator = values[Symbol.asyncIterator]();
    assert.deepEqual(await iterator.next(), { done: false, value: 2 });
    const waiting = iterator.next();
    await iterator.return();
    assert.deepEqual([await waiting, await iterator.next()], [DONE, DONE]);
  });

  test("ends both at once for a run with its streams", async () => {
    let leave;
    const left = new Promise((resolve) => {
      leave = () => resolve(DONE);
    });
    const subscription = { next: () => left, close: () => leave() };
    const iterator = withStreams(subscription, { open: () => source() })[Symbol.asyncIterator]();
    const waiting = iterator.next();
    assert.equal((await iterator.return()).done, true);
    assert.equal((await waiting).done, true);
  });
});

describe("a response whose source fails", () => {
  const failures = {
    "a bigint for a code": Object.assign(new Error("sealed"), { code: 503n }),
    "nothing that can be read": {
      get message() {
        throw new Error("no");
      },
    },
    "nothing at all": undefined,
    "no text": Object.create(null),
  };
  for (const [what, error] of Object.entries(failures)) {
    test(`tells of an error with ${what}, and lets its client leave`, async () => {
      const controller = new AbortController();
      const parts = { next: () => Promise.reject(error), return: async () => DONE };
      const response = toResponse(parts, { headers: {}, signal: controller.signal });
      const text = await response.text();
      assert.match(text, /^event: error\ndata: \{/m);
      // Nothing of it listens any more: what would be thrown here, nobody could catch.
      controller.abort();
    });
  }

  test("ends with what fails besides it, and lets its client leave", async () => {
    const controller = new AbortController();
    let left = false;
    const parts = {
      next: async () => ({ done: false, value: 1 }),
      return: async () => {
        left = true;
        return DONE;
      },
    };
    const format = {
      id() {
        throw new Error("no id");
      },
    };
    const response = toResponse(parts, { headers: {}, signal: controller.signal }, {}, format);
    await assert.rejects(response.text(), /no id/);
    assert.equal(left, true);
    controller.abort();
  });
});

test("a response that waits keeps nothing of its heartbeats", async () => {
  let listeners = 0;
  const never = {
    // biome-ignore lint/suspicious/noThenProperty: it counts who waits
    then() {
      listeners += 1;
    },
  };
  const parts = { next: () => never, return: async () => DONE };
  const timer = {
    setTimeout(/** @type {() => void} */ beat) {
      setImmediate(beat);
    },
    clearTimeout() {},
  };
  const reader = toResponse(parts, undefined, { timer }).body.getReader();
  for (let beat = 0; beat < 20; beat++) await reader.read();
  assert.equal(listeners, 1);
  await reader.cancel();
});
