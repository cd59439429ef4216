"use strict";

// Whatever is over is not kept: one of everything that the package hands out or is given is started and brought to its end.
// Prints the names of what is still held then. It ends by itself, in Node.

const fs = require("node:fs");
const { setTimeout: pass } = require("node:timers/promises");
const { configure, createRealtimeHandler, runs, streams, tasks, TriggerClient } = require("trigger-native");
const { startEmulator } = require("trigger-native/emulator");

const collect = globalThis.Bun ? () => globalThis.Bun.gc(true) : globalThis.gc;

/** The objects that are held, by name. @type {Map<string, WeakRef<object>>} */
const held = new Map();

/** @template {object} T @param {string} name @param {T} thing @returns {T} */
function watch(name, thing) {
  held.set(name, new WeakRef(thing));
  return thing;
}

/** The ways in which something ends, each with a signal, a key and an options object of its own. */
const ENDS = {
  async "closed run"(id) {
    const subscription = watch("closed run", runs.subscribeToRun(id, watch("its options", { onRetry() {} })));
    watch("its first state", (await subscription.next()).value);
    await subscription.return();
  },
  async "aborted run"(id) {
    const leaving = watch("aborted run's controller", new AbortController());
    const subscription = watch("aborted run", runs.subscribeToRun(id, { signal: leaving.signal }));
    await subscription.next();
    const waiting = watch("aborted read", subscription.next());
    leaving.abort();
    await waiting;
  },
  async "refused run"() {
    const subscription = watch("refused run", runs.subscribeToRun("run_unknown"));
    await subscription.next().catch((error) => watch("refusal", error));
  },
  async "closed tag"() {
    const subscription = watch("closed tag", runs.subscribeToRunsWithTag("tagged"));
    await subscription.next();
    await subscription.return();
  },
  async "cancelled web stream"(id) {
    const stream = watch("web stream", runs.subscribeToRun(id).toReadableStream());
    const reader = watch("reader of a web stream", stream.getReader());
    await reader.read();
    await reader.cancel();
  },
  async "left parts"(id) {
    const parts = watch("parts", runs.subscribeToRun(id).withStreams());
    for await (const part of parts) {
      watch("part", part);
      break;
    }
  },
  async "closed stream"(id) {
    const stream = watch("stream", await streams.read(id, "ai"));
    for await (const _ of stream) break;
  },
  async "response that is cancelled"(id) {
    const request = watch("request of a response", new Request("http://app.example/events"));
    const response = watch("response", runs.subscribeToRun(id).toResponse(request));
    const reader = response.body.getReader();
    await reader.read();
    await reader.read();
    await reader.cancel();
  },
  async "response whose client leaves"(id) {
    const leaving = new AbortController();
    const request = watch("request that ends", new Request("http://app.example/events", { signal: leaving.signal }));
    const response = watch("response to it", runs.subscribeToRun(id).toResponse(request));
    const text = response.text();
    await pass(50);
    leaving.abort();
    await text;
  },
  async "client of its own"(id, { url, secretKey }) {
    const accessToken = watch("function for tokens", () => secretKey);
    const client = watch("client", new TriggerClient({ baseURL: url, accessToken }));
    const subscription = watch("client's run", client.runs.subscribeToRun(id));
    await subscription.next();
    await subscription.return();
  },
  async "held poll that is left"(id, _server, token) {
    const authorize = watch("authorize", async () => ({ scopes: [`read:runs:${id}`] }));
    const handler = watch("handler", createRealtimeHandler({ authorize, keepMs: 1 }));
    const headers = { authorization: `Bearer ${token}`, "x-trigger-electric-version": "1.0.0-beta.1" };
    const url = `http://127.0.0.1/realtime/v1/runs/${id}`;
    const snapshot = await handler(watch("request of a viewer", new Request(`${url}?offset=-1`, { headers })));
    watch("answer to a viewer", snapshot);
    await snapshot.text();
    const [handle, offset] = ["electric-handle", "electric-offset"].map((name) => snapshot.headers.get(name));
    const leaving = new AbortController();
    const poll = new Request(`${url}?live=true&handle=${handle}&offset=${offset}`, { headers, signal: leaving.signal });
    const answer = handler(watch("poll of a viewer", poll));
    await pass(50);
    leaving.abort();
    await answer;
    await handler.close();
  },
};

async function main() {
  const server = await startEmulator({
    tasks: { stuck: { steps: [{ stream: { key: "ai", chunks: ["a"] } }, { input: { stream: "go" } }] } },
  });
  const { url, secretKey } = server;
  configure({
    baseURL: url,
    accessToken: secretKey,
    logger: watch("logger", { debug() {}, info() {}, warn() {}, error() {} }),
  });
  const { id, publicAccessToken } = await tasks.trigger("stuck", {}, { tags: "tagged" });
  for await (const run of runs.subscribeToRun(id)) if (run.isExecuting || run.isWaiting) break;
  for (const end of Object.values(ENDS)) await end(id, { url, secretKey }, publicAccessToken);
  configure({ baseURL: url, accessToken: secretKey, logger: null });
  await server.stop();
  for (let turn = 0; turn < 80 && held.size > 0; turn += 1) {
    await pass(25);
    collect();
    for (const [name, thing] of held) if (thing.deref() === undefined) held.delete(name);
  }
  fs.writeSync(1, JSON.stringify([...held.keys()]));
}

main();
