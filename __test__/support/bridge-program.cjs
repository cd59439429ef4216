"use strict";

// Uses everything that crosses the boundary to native code once, and ends by itself: what `npm run memcheck` runs under
// valgrind.

const fs = require("node:fs");
const { once } = require("node:events");
const { isMainThread, Worker } = require("node:worker_threads");
const { auth, configure, createRealtimeHandler, runs, streams, tasks, TriggerClient } = require("trigger-native");
const { startEmulator } = require("trigger-native/emulator");

/** A run that writes, waits and ends. */
const told = {
  steps: [
    { metadata: { progress: 0.5 } },
    { stream: { key: "ai", chunks: ["one", "zwei", "três"] } },
    { input: { stream: "go" } },
    { output: { text: "done" } },
  ],
};

async function main() {
  const logger = { debug() {}, warn() {} };
  const server = await startEmulator({ tasks: { told } });
  configure({ baseURL: server.url, accessToken: server.secretKey, logger });
  const said = [];
  const { id, publicAccessToken } = await tasks.trigger("told", { text: "ä".repeat(2_000) }, { tags: ["tagged"] });
  const token = await auth.createPublicToken({ scopes: { read: { runs: [id] } } });
  const client = new TriggerClient({ baseURL: server.url, accessToken: () => token });
  const followed = [
    each(runs.subscribeToRun(id)),
    each(client.runs.subscribeToRun(id)),
    each(runs.subscribeToRun(id).withStreams()),
    each(runs.subscribeToRun(id).toReadableStream()),
    runs.subscribeToRun(id).toResponse().text(),
  ];
  const relayed = viewed(id, publicAccessToken);
  for await (const chunk of await streams.read(id, "ai")) {
    said.push(chunk);
    if (said.length === 3) break;
  }
  for await (const _ of runs.subscribeToRunsWithTag("tagged")) break;
  const refused = await runs
    .subscribeToRun("run_unknown")
    .next()
    .catch((error) => error.code);
  const leaving = new AbortController();
  const left = each(runs.subscribeToRun(id, { signal: leaving.signal }));
  const worker = new Worker(__filename, {
    env: { ...process.env, URL_OF: server.url, KEY_OF: server.secretKey, RUN_OF: id },
  });
  await once(worker, "message");
  await worker.terminate();
  leaving.abort();
  await left;
  await streams.input({ id: "go" }).send(id, "go");
  await Promise.all(followed);
  said.push(refused, await relayed);
  await server.stop();
  configure({});
  fs.writeSync(1, JSON.stringify(said));
}

async function each(source) {
  for await (const _ of source);
}

/** A relay: in a handler, and in a listener of its own. */
async function viewed(id, token) {
  const handler = createRealtimeHandler({ authorize: async () => ({ scopes: [`read:runs:${id}`] }), metrics: true });
  const { url } = await handler.listen();
  const headers = { authorization: `Bearer ${token}`, "x-trigger-electric-version": "1.0.0-beta.1" };
  const statuses = [];
  for (const ask of [fetch, (target, init) => handler(new Request(target, init))]) {
    const first = await ask(`${url}/realtime/v1/runs/${id}?offset=-1`, { headers });
    await first.text();
    const [handle, offset] = ["electric-handle", "electric-offset"].map((name) => first.headers.get(name));
    const leaving = new AbortController();
    const live = `${url}/realtime/v1/runs/${id}?live=true&handle=${handle}&offset=${offset}`;
    const poll = ask(live, { headers, signal: leaving.signal }).then(
      (answer) => answer.text(),
      () => {},
    );
    setTimeout(() => leaving.abort(), 200);
    await poll;
    statuses.push(first.status);
  }
  statuses.push((await (await fetch(`${url}/metrics`)).text()).includes("viewers"));
  await handler.close();
  return statuses;
}

async function work() {
  const { URL_OF, KEY_OF, RUN_OF } = process.env;
  configure({ baseURL: URL_OF, accessToken: KEY_OF });
  for await (const run of runs.subscribeToRun(RUN_OF))
    require("node:worker_threads").parentPort.postMessage(run.status);
}

if (isMainThread) main();
else work();
