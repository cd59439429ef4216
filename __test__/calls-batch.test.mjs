// Batches that fail: what is sent again, what is held in memory, and what the error says.

import assert from "node:assert/strict";
import { createServer } from "node:http";
import { createRequire } from "node:module";
import { afterEach, describe, it } from "node:test";
import { setTimeout as delay, setImmediate as turn } from "node:timers/promises";
import { serveCalls } from "./support/calls-server.mjs";

const require = createRequire(import.meta.url);
const sdk = require("../index.js");
const { uploadItems } = require("../js/batch/upload.js");
const { Call } = require("../js/calls/call.js");
const { Spool } = require("../js/batch/spool.js");
const { batch, tasks } = sdk;

const KEY = "tr_dev_fakefakefakefakefakef";
const headers = { "x-trigger-jwt": "token" };
const retry = { minTimeoutInMs: 1, maxTimeoutInMs: 5 };

const sealed = { body: { id: "batch_1", itemsAccepted: 1, itemsDeduplicated: 0, sealed: true } };
const unsealed = {
  body: { id: "batch_1", itemsAccepted: 1, itemsDeduplicated: 1, sealed: false, enqueuedCount: 2, expectedCount: 3 },
};

/** A server that creates any batch, and answers the n-th upload of its items with the n-th answer. */
async function serve(t, items) {
  let sent = 0;
  const server = await serveCalls(t, ({ path, body }) => {
    if (!path.endsWith("/items")) {
      return { status: 202, headers, body: { id: "batch_1", runCount: JSON.parse(body).runCount, isCached: false } };
    }
    return items(sent++);
  });
  sdk.configure({ baseURL: server.url, accessToken: KEY });
  return server;
}

afterEach(() => sdk.configure({}));

async function* source(count) {
  for (let index = 0; index < count; index += 1) yield { payload: { index } };
}

const itemsOf = (server) => server.requests.filter(({ path, cut }) => !cut && path.endsWith("/items"));

describe("items that have to be sent again", () => {
  for (const [what, first] of [
    ["a batch that is not sealed", unsealed],
    ["a refusal for now", { status: 503, body: { error: "busy" } }],
    ["a limit", { status: 429, headers: { "x-ratelimit-reset": String(Date.now() + 3_600_000) }, body: {} }],
    ["a connection that breaks", { reset: true }],
    ["an answer that is none", { body: "<html>" }],
  ]) {
    it(`${what}: all of them are sent again, from a source that can be read only once`, async (t) => {
      const server = await serve(t, (attempt) => (attempt < 2 ? first : sealed));
      const handle = await tasks.batchTrigger("hello", source(3), {}, { retry });
      assert.deepEqual(handle, { batchId: "batch_1", runCount: 3, publicAccessToken: "token" });
      const bodies = itemsOf(server).map(({ body }) => body);
      assert.equal(bodies.length, 3);
      assert.equal(new Set(bodies).size, 1);
      assert.deepEqual(
        bodies[0]
          .trimEnd()
          .split("\n")
          .map((line) => JSON.parse(line).index),
        [0, 1, 2],
      );
    });
  }

  it("a batch that stays unsealed fails with the server's counts", async (t) => {
    const server = await serve(t, () => unsealed);
    await assert.rejects(batch.trigger([{ id: "a" }], {}, { retry: { ...retry, maxAttempts: 3 } }), (error) => {
      assert.ok(error instanceof sdk.BatchTriggerError);
      assert.deepEqual(
        [error.phase, error.batchId, error.itemCount, error.isRateLimited],
        ["stream", "batch_1", 1, false],
      );
      const { name, batchId, enqueuedCount, expectedCount, itemsAccepted, itemsDeduplicated } = error.cause;
      assert.ok(error.cause instanceof sdk.BatchNotSealedError);
      assert.deepEqual(
        { name, batchId, enqueuedCount, expectedCount, itemsAccepted, itemsDeduplicated },
        {
          name: "BatchNotSealedError",
          batchId: "batch_1",
          enqueuedCount: 2,
          expectedCount: 3,
          itemsAccepted: 1,
          itemsDeduplicated: 1,
        },
      );
      return true;
    });
    assert.equal(itemsOf(server).length, 3);
  });

  it("a refusal for good is not repeated, and says that it was a limit where it was one", async (t) => {
    const server = await serve(t, () => ({
      status: 429,
      headers: { "x-should-retry": "false", "x-ratelimit-reset": String(Date.now() + 9_000) },
      body: { error: "too many" },
    }));
    await assert.rejects(batch.trigger([{ id: "a" }]), (error) => {
      assert.ok(error.isRateLimited);
      assert.ok(error.apiError instanceof sdk.RateLimitError);
      assert.ok(error.retryAfterMs > 0 && error.retryAfterMs <= 11_000);
      return true;
    });
    assert.equal(itemsOf(server).length, 1);
  });
});

describe("a batch that is broken off", () => {
  for (const [what, options, expected] of [
    ["aborted", (signal) => ({ signal }), { message: "enough" }],
    ["out of time", () => ({ timeoutInMs: 150 }), { name: "TriggerNativeError", code: "ERR_TIMEOUT" }],
  ]) {
    it(`${what}: the server never sees a part of its items as the whole`, { timeout: 20_000 }, async (t) => {
      const [sawEnd, ended] = promised();
      const [sawStart, begun] = promised();
      const server = createServer(async (request) => {
        request.once("data", sawStart);
        request.on("error", () => sawEnd("cut"));
        request.on("end", () => sawEnd("whole"));
        request.resume();
      });
      await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
      t.after(() => server.close());
      sdk.configure({ baseURL: `http://127.0.0.1:${server.address().port}`, accessToken: KEY });
      const controller = new AbortController();
      const spool = {
        async *read() {
          yield '{"index":0}\n';
          await begun;
          controller.abort(new Error("enough"));
          // The next piece never comes in time.
          await ended;
        },
      };
      const call = new Call("batch.trigger", options(controller.signal));
      await assert.rejects(uploadItems(call, "batch_1", spool), expected);
      assert.equal(await ended, "cut");
    });
  }
});

describe("the source of a batch", () => {
  it("is ended when the call is aborted while it makes the next item", async (t) => {
    const server = await serve(t, () => sealed);
    const controller = new AbortController();
    let ended = false;
    const items = {
      [Symbol.asyncIterator]: () => ({
        next: () => {
          setImmediate(() => controller.abort(new Error("enough")));
          return new Promise(() => {});
        },
        return: async () => {
          ended = true;
          return { done: true };
        },
      }),
    };
    await assert.rejects(tasks.batchTrigger("a", items, {}, { signal: controller.signal }), /enough/);
    assert.ok(ended);
    assert.equal(server.requests.length, 0);
  });

  it("fails the call with its own error, and nothing is sent", async (t) => {
    const server = await serve(t, () => sealed);
    const failure = new Error("the database is gone");
    const items = (async function* () {
      yield { payload: 1 };
      throw failure;
    })();
    await assert.rejects(tasks.batchTrigger("a", items), failure);
    assert.equal(server.requests.length, 0);
  });

  it("is read no faster than its large payloads are uploaded", async (t) => {
    let read = 0;
    let stored = 0;
    let most = 0;
    const server = await serveCalls(t, async ({ path, body }, _, url) => {
      if (path.startsWith("/api/v2/packets/")) return { body: { presignedUrl: `${url}/store`, storagePath: "kept" } };
      if (path === "/store") {
        await turn();
        stored += 1;
        return { body: "" };
      }
      if (path.endsWith("/items")) return sealed;
      return { status: 202, headers, body: { id: "batch_1", runCount: JSON.parse(body).runCount, isCached: false } };
    });
    sdk.configure({ baseURL: server.url, accessToken: KEY });
    const items = (async function* () {
      for (; read < 40; read += 1) {
        most = Math.max(most, read - stored);
        yield { payload: "x".repeat(140_000) };
      }
    })();
    const handle = await tasks.batchTrigger("a", items);
    assert.equal(handle.runCount, 40);
    assert.equal(stored, 40);
    assert.ok(most <= 10, `${most} payloads at once`);
  });
});

describe("memory", () => {
  it("items that do not fit go to a file, and come back as they were, again and again", async (t) => {
    const spool = new Spool({ inMemory: 100_000 });
    t.after(() => spool.close());
    const lines = Array.from({ length: 5_000 }, (_, index) =>
      JSON.stringify({ index, text: "é\u2028".repeat(index % 90) }),
    );
    for (const line of lines) await spool.add(line);
    for (let round = 0; round < 2; round += 1) {
      const pieces = [];
      for await (const piece of spool.read()) pieces.push(piece);
      assert.ok(pieces.every((piece) => piece.endsWith("\n") && piece.length < 200_000));
      assert.ok(pieces.length > 2 && pieces.slice(0, -1).every((piece) => piece.length >= 65_536), "few and large");
      const text = pieces.join("");
      assert.deepEqual(text.trimEnd().split("\n"), lines);
    }
    assert.ok(spool.spilled);
  });

  for (const [what, bounds] of [
    ["its signal is aborted", () => ({ signal: AbortSignal.timeout(200) })],
    ["its time is over", () => ({ timeoutInMs: 200 })],
  ]) {
    it(`ends at once when ${what} while the server takes nothing of it`, { timeout: 20_000 }, async (t) => {
      const server = createServer((request, response) => {
        if (request.url.endsWith("/items")) return request.pause();
        request.resume().on("end", () => {
          response.writeHead(200, headers).end(JSON.stringify({ id: "batch_1", runCount: 1, isCached: false }));
        });
      });
      await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
      t.after(() => {
        server.close();
        server.closeAllConnections();
      });
      sdk.configure({ baseURL: `http://127.0.0.1:${server.address().port}`, accessToken: KEY });
      const items = Array.from({ length: 4_000 }, (_, at) => ({ payload: String(at).padEnd(3_000, "y") }));
      const started = performance.now();
      await assert.rejects(sdk.tasks.batchTrigger("t", items, undefined, bounds()), (error) =>
        /aborted due to timeout|took longer than timeoutInMs/.test(error.message),
      );
      const took = performance.now() - started;
      assert.ok(took < 5_000, `it took ${took} ms, and an attempt would have taken 30 s`);
    });
  }

  it("a server that takes nothing stops the sending (defect 9)", { timeout: 60_000 }, async (t) => {
    const [take, gate] = promised();
    let received = 0;
    const server = createServer(async (request, response) => {
      await gate;
      for await (const chunk of request) received += chunk.length;
      response.end(JSON.stringify(sealed.body));
    });
    await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
    t.after(() => server.close());
    sdk.configure({ baseURL: `http://127.0.0.1:${server.address().port}`, accessToken: KEY });
    const piece = `${"x".repeat(1_000_000 - 1)}\n`;
    let read = 0;
    const spool = {
      async *read() {
        for (; read < 64; read += 1) yield piece;
      },
    };
    const sending = uploadItems(new Call("batch.trigger"), "batch_1", spool);
    // Until nothing moves any more: the buffers of the sockets are full then.
    for (let seen = -1; seen !== read || read === 0; ) {
      seen = read;
      await delay(100);
    }
    assert.ok(read < 32, `${read} MB were taken from a source nobody asked`);
    take();
    await sending;
    assert.equal(received, 64_000_000);
  });
});

function promised() {
  let settle;
  const promise = new Promise((resolve) => {
    settle = resolve;
  });
  return [settle, promise];
}
