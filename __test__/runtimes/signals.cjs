"use strict";

// What a program gave in is heard although it kept nothing of it, while memory is collected: signals that follow another one,
// functions for tokens and for who may read, loggers. Prints what came of each.

const fs = require("node:fs");
const { setTimeout: pass } = require("node:timers/promises");
const { configure, createRealtimeHandler, runs, streams, tasks, TriggerClient } = require("trigger-native");
const { startEmulator } = require("trigger-native/emulator");

const collect = globalThis.Bun ? () => globalThis.Bun.gc(true) : globalThis.gc;

/** Garbage of the program's own, and its collection, again and again. */
async function collected(ms = 300) {
  for (let at = 0; at < ms; at += 25) {
    collect();
    await pass(25);
  }
}

/** What came of each, by name. @type {Record<string, unknown>} */
const came = {};

/** @param {string} name @param {() => Promise<unknown>} work */
function expectOf(name, work) {
  work().then(
    (value) => {
      came[name] = value;
    },
    (error) => {
      came[name] = String(error);
    },
  );
}

/** Reads to the end. @param {AsyncIterable<unknown> | Promise<AsyncIterable<unknown>>} source */
async function toTheEnd(source) {
  for await (const _ of await source);
  return "ended";
}

async function main() {
  const { url, secretKey } = await startEmulator({ tasks: { stuck: { steps: [{ input: { stream: "go" } }] } } });
  configure({ baseURL: url, accessToken: secretKey });
  const { id, publicAccessToken } = await tasks.trigger("stuck", {}, { tags: "tagged" });
  // From then on nothing of the run changes.
  for await (const run of runs.subscribeToRun(id)) if (run.isExecuting || run.isWaiting) break;
  await pass(200);
  const leaving = new AbortController();
  const composite = () => AbortSignal.any([leaving.signal]);
  expectOf("a run until a composite signal", () => toTheEnd(runs.subscribeToRun(id, { signal: composite() })));
  expectOf("a tag until a composite signal", () =>
    toTheEnd(runs.subscribeToRunsWithTag("tagged", {}, { signal: composite() })),
  );
  expectOf("parts until a composite signal", () =>
    toTheEnd(runs.subscribeToRun(id, { signal: composite() }).withStreams()),
  );
  expectOf("a stream until a composite signal", () => toTheEnd(streams.read(id, "ai", { signal: composite() })));
  expectOf("a run until a time", () => toTheEnd(runs.subscribeToRun(id, { signal: AbortSignal.timeout(200) })));
  expectOf("a response until its request is over", async () => {
    const request = new Request("http://app.example/events", { signal: leaving.signal });
    return runs
      .subscribeToRun(id)
      .toResponse(request)
      .text()
      .then((text) => text.includes("event:"));
  });
  expectOf("a held poll until its request is over", () => held(id, publicAccessToken, leaving.signal));
  expectOf("a client's own run", () => {
    const client = new TriggerClient({ baseURL: url, accessToken: () => secretKey });
    return toTheEnd(client.runs.subscribeToRun(id, { signal: composite() }));
  });
  await collected(600);
  came.before = Object.keys(came).sort();
  leaving.abort();
  for (let waited = 0; waited < 200 && Object.keys(came).length < 9; waited += 1) await collected(50);
  fs.writeSync(1, JSON.stringify(came));
  process.exit(0);
}

/** A viewer's held poll: the handler, the request and what asks for the viewer's rights are forgotten meanwhile. */
async function held(id, token, signal) {
  const handler = createRealtimeHandler({ authorize: async () => ({ scopes: [`read:runs:${id}`] }) });
  const headers = { authorization: `Bearer ${token}`, "x-trigger-electric-version": "1.0.0-beta.1" };
  const url = `http://127.0.0.1/realtime/v1/runs/${id}`;
  const snapshot = await handler(new Request(`${url}?offset=-1`, { headers }));
  await snapshot.text();
  const [handle, offset] = ["electric-handle", "electric-offset"].map((name) => snapshot.headers.get(name));
  const answer = await handler(new Request(`${url}?live=true&handle=${handle}&offset=${offset}`, { headers, signal }));
  return answer.status;
}

main();
