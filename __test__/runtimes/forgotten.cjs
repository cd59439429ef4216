"use strict";

// Whatever was started goes on until it is closed, although nothing of it was kept and memory is collected all the while.

const fs = require("node:fs");
const http = require("node:http");
const { setTimeout: pass } = require("node:timers/promises");
const { configure, createRealtimeHandler, runs, streams, tasks } = require("trigger-native");
const { startEmulator } = require("trigger-native/emulator");

const collect = globalThis.Bun ? () => globalThis.Bun.gc(true) : globalThis.gc;

/** A run that writes and ends when it is told to. */
const told = {
  steps: [
    { stream: { key: "ai", chunks: ["before"] } },
    { input: { stream: "go" } },
    { stream: { key: "ai", chunks: ["after"] } },
    { output: "done" },
  ],
};

async function main() {
  const server = await emulator();
  configure({ baseURL: server.url, accessToken: server.secretKey });
  const { id, publicAccessToken } = await tasks.trigger("told", {});
  const listeners = [await listener(), await listener(() => ({ scopes: ["read:runs"] }))];
  /** What came to its end, by name. */
  const ended = {};
  read(id, ended);
  await respond(id, ended);
  await relayed(id, publicAccessToken, ended);
  await collected();
  const answers = [];
  for (const url of listeners) {
    answers.push((await get(`${url}/metrics`)).status);
    answers.push((await get(`${url}/realtime/v1/runs/${id}?offset=-1`, publicAccessToken)).status);
  }
  await streams.input({ id: "go" }).send(id, "go");
  for (let waited = 0; waited < 200 && Object.keys(ended).length < 7; waited += 1) await collected(50);
  fs.writeSync(1, JSON.stringify([answers, ended]));
  process.exit(0);
}

/** Garbage of the program's own, and its collection, again and again. */
async function collected(ms = 300) {
  for (let at = 0; at < ms; at += 25) {
    collect();
    await pass(25);
  }
}

async function emulator() {
  const { url, secretKey } = await startEmulator({ tasks: { told } });
  return { url, secretKey };
}

async function listener(authorize) {
  return (await createRealtimeHandler({ metrics: true, authorize }).listen()).url;
}

/** Readers that nothing holds but what they wait for. */
function read(id, ended) {
  const each = async (name, source, tell) => {
    for await (const value of await source) {
      const told = tell(value);
      // A stream says nothing of its run's end, and is left at what came last.
      if (told !== undefined) ended[name] = told;
      if (told === "after") break;
    }
  };
  void each("subscription", runs.subscribeToRun(id), (run) => (run.isFinished ? run.status : undefined));
  void each("web stream", runs.subscribeToRun(id).toReadableStream(), (run) => run.output);
  void each("parts", runs.subscribeToRun(id).withStreams(), (part) => part.run.output);
  void each("stream", streams.read(id, "ai"), (chunk) => (chunk === "after" ? chunk : undefined));
  void runs.poll(id, { pollIntervalMs: 50 }).then((run) => {
    ended.poll = run.status;
  });
}

/** A response that a server of the program's sends, as events. */
async function respond(id, ended) {
  const app = http.createServer(async (_, answer) => {
    for await (const piece of runs.subscribeToRun(id).toResponse().body) answer.write(piece);
    answer.end();
  });
  await new Promise((resolve) => app.listen(0, "127.0.0.1", resolve));
  void get(`http://127.0.0.1:${app.address().port}`).then(({ text }) => {
    ended.response = /event: end/.test(text);
  });
}

/** A viewer's held poll behind a handler that is forgotten meanwhile. */
async function relayed(id, token, ended) {
  const handler = createRealtimeHandler();
  const headers = { authorization: `Bearer ${token}`, "x-trigger-electric-version": "1.0.0-beta.1" };
  const url = `http://127.0.0.1/realtime/v1/runs/${id}`;
  const snapshot = await handler(new Request(`${url}?offset=-1`, { headers }));
  await snapshot.text();
  const [handle, offset] = ["electric-handle", "electric-offset"].map((name) => snapshot.headers.get(name));
  const live = `${url}?live=true&handle=${handle}&offset=${offset}`;
  void handler(new Request(live, { headers })).then(async (answer) => {
    ended.relayed = [answer.status, (await answer.json()).length > 0];
  });
}

/** @returns {Promise<{ status: number, text: string }>} */
function get(url, token) {
  const headers = token ? { authorization: `Bearer ${token}` } : {};
  return new Promise((resolve, reject) => {
    const request = http.get(url, { agent: false, headers }, (answer) => {
      let text = "";
      answer.setEncoding("utf8").on("data", (more) => {
        text += more;
      });
      answer.on("end", () => resolve({ status: answer.statusCode, text }));
    });
    request.on("error", reject);
  });
}

main();
