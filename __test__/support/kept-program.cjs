"use strict";

// Prints how many items of a batch that is read item by item were collected by the end of its source, of how many, how many
// bytes of memory a heartbeat of a response leaves behind, and how many a user whose tokens are renewed.

const { createServer } = require("node:http");
const { setTimeout: pass } = require("node:timers/promises");
const { auth, configure, runs, tasks } = require("trigger-native");

const ITEMS = 100;
const BEATS = 40_000;
const USERS = 8_000;

async function main() {
  const server = createServer((request, response) => {
    request.resume().on("end", () => {
      const { url } = request;
      const base = `http://127.0.0.1:${server.address().port}`;
      if (url.startsWith("/realtime")) return;
      response.writeHead(200, { "content-type": "application/json", "x-trigger-jwt": "a.b.c" });
      const answer = url.includes("/packets/")
        ? { presignedUrl: `${base}/put`, storagePath: "a/b" }
        : { id: "batch_1", runCount: 1, isCached: false, itemsAccepted: 1, itemsDeduplicated: 0, sealed: true };
      response.end(JSON.stringify(answer));
    });
  });
  await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
  configure({ baseURL: `http://127.0.0.1:${server.address().port}`, accessToken: "tr_dev_keptkeptkeptkeptkept" });
  const collected = await batch();
  const heartbeat = await heartbeats();
  process.stdout.write(JSON.stringify({ collected, of: ITEMS, heartbeat, user: await users() }));
  process.exit(0);
}

async function batch() {
  let collected = 0;
  const registry = new FinalizationRegistry(() => {
    collected += 1;
  });
  async function* items() {
    for (let at = 0; at < ITEMS; at += 1) {
      const item = { payload: `${at}`.repeat(70_000) };
      registry.register(item);
      yield item;
    }
    for (let turn = 0; turn < 4; turn += 1) {
      globalThis.gc();
      await pass(10);
    }
  }
  await tasks.batchTrigger("t", items());
  return collected;
}

async function heartbeats() {
  // One that is over at once.
  const timer = { setTimeout: (work, _, value) => void setImmediate(work, value), clearTimeout: () => {} };
  const reader = runs.subscribeToRun("run_1").toResponse(undefined, { heartbeatInMs: 1, timer }).body.getReader();
  await reader.read();
  const beat = async (count) => {
    for (let at = 0; at < count; at += 1) await reader.read();
    globalThis.gc();
    return process.memoryUsage().heapUsed;
  };
  const before = await beat(BEATS / 4);
  return ((await beat(BEATS)) - before) / BEATS;
}

/** Each with a first token of its own, and one function that renews them all. */
async function users() {
  const refreshAccessToken = async () => "tr_dev_keptkeptkeptkeptkept";
  const serve = async (from, count) => {
    for (let at = from; at < from + count; at += 1) {
      const claims = Buffer.from(JSON.stringify({ pub: true, sub: `user-${at}` })).toString("base64url");
      const accessToken = `e30.${claims}.c2ln`;
      await auth.withAuth({ accessToken, refreshAccessToken }, async () => runs.subscribeToRun("run_1").close());
    }
    await pass(10);
    globalThis.gc();
    return process.memoryUsage().heapUsed;
  };
  const before = await serve(0, USERS / 4);
  return ((await serve(USERS, USERS)) - before) / USERS;
}

main();
