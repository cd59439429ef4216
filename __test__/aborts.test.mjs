// One signal for many calls and feeds: Node warns of a leak where each adds a listener of its own.

import assert from "node:assert/strict";
import { getEventListeners } from "node:events";
import { createRequire } from "node:module";
import { it } from "node:test";
import { serveCalls } from "./support/calls-server.mjs";

const sdk = createRequire(import.meta.url)("../index.js");

/** How many listeners a signal has, asked whenever a request comes. */
async function serve(t) {
  const controller = new AbortController();
  const { signal } = controller;
  const seen = [];
  const server = await serveCalls(t, async ({ path }, _, url) => {
    seen.push(getEventListeners(signal, "abort").length);
    if (path.startsWith("/realtime")) return { hang: true };
    await new Promise((resolve) => setTimeout(resolve, 5));
    const stored = { presignedUrl: `${url}/put`, storagePath: "a/b" };
    const batch = {
      id: "batch_1",
      runCount: 1,
      isCached: false,
      itemsAccepted: 20,
      itemsDeduplicated: 0,
      sealed: true,
    };
    return { headers: { "x-trigger-jwt": "a.b.c" }, body: path.includes("/packets/") ? stored : batch };
  });
  sdk.configure({ baseURL: server.url, accessToken: "tr_dev_fakefakefakefakefakef" });
  t.after(() => sdk.configure({}));
  return { controller, signal, seen };
}

it("a batch of large payloads listens to its signal once, and not at all when it is over", async (t) => {
  const { signal, seen } = await serve(t);
  const items = Array.from({ length: 20 }, () => ({ payload: "x".repeat(140_000) }));
  await sdk.tasks.batchTrigger("t", items, undefined, { signal });
  assert.ok(seen.length > 40);
  assert.deepEqual(new Set(seen), new Set([1]));
  assert.equal(getEventListeners(signal, "abort").length, 0);
});

it("any number of subscriptions and streams of one signal end with it, by one listener", async (t) => {
  const { controller, signal, seen } = await serve(t);
  const all = [];
  for (let at = 0; at < 15; at += 1) {
    all.push(sdk.runs.subscribeToRun(`run_${at}`, { signal }).next());
    all.push((await sdk.streams.read(`run_${at}`, "ai", { signal }))[Symbol.asyncIterator]().next());
    all.push(sdk.runs.subscribeToBatch("batch_1", { signal }).withStreams()[Symbol.asyncIterator]().next());
  }
  const left = sdk.runs.subscribeToRun("run_left", { signal });
  const pending = left.next();
  left.close();
  assert.equal((await pending).done, true);
  assert.equal(getEventListeners(signal, "abort").length, 1);
  controller.abort();
  for (const { done } of await Promise.all(all)) assert.equal(done, true);
  assert.ok(seen.every((count) => count <= 1));
  assert.equal(getEventListeners(signal, "abort").length, 0);
});

it("a signal of a polyfill, which has neither a reason nor throwIfAborted, ends calls as one of the platform does", async (t) => {
  await serve(t);
  const target = new EventTarget();
  const signal = Object.assign(target, { aborted: false });
  const calls = [
    sdk.runs.retrieve("run_1", { signal }),
    sdk.tasks.batchTrigger("t", endless(), undefined, { signal }),
    sdk.runs.poll("run_1", { pollIntervalMs: 60_000 }, { signal }),
  ];
  signal.aborted = true;
  signal.dispatchEvent(new Event("abort"));
  const late = [() => sdk.runs.retrieve("run_1", { signal }), async () => sdk.auth.createPublicToken({}, { signal })];
  for (const { reason } of await Promise.allSettled([...calls, ...late.map((call) => call())])) {
    assert.equal(reason?.name, "AbortError", String(reason));
  }
});

async function* endless() {
  await new Promise(() => {});
  yield { payload: 1 };
}
