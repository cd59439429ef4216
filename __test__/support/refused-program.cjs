"use strict";

// Calls every function with what is right, on a server that refuses everything, in every way its result can be used. What
// is refused reaches who asked; prints the functions called, those that refused nothing, and what was rejected unheard.

const { createServer } = require("node:http");
const { setTimeout: pass } = require("node:timers/promises");
const sdk = require("trigger-native");

/** Which function is being called how. */
let now = "";
const unheard = [];
process.on("unhandledRejection", (error) => unheard.push(`${now}: ${error?.message ?? error}`));

const { auth, batch, idempotencyKeys, runs, streams, tasks, wait } = sdk;
const ITEMS = [{ payload: "x".repeat(140_000) }, { payload: 1 }];
const of = (more) => ITEMS.map((item) => ({ ...item, ...more }));

/** Every function of the namespaces; `o` are the request options. */
const EVERY = {
  "auth.createBatchTriggerPublicToken": (o) => auth.createBatchTriggerPublicToken("t", {}, o),
  "auth.createPublicToken": (o) => auth.createPublicToken({ scopes: { read: { runs: ["run_1"] } } }, o),
  "auth.createTriggerPublicToken": (o) => auth.createTriggerPublicToken("t", {}, o),
  "auth.withAuth": (o) => auth.withAuth({}, () => runs.retrieve("run_1", o)),
  "auth.withBatchTriggerPublicToken": () => auth.withBatchTriggerPublicToken("t", {}, async () => {}),
  "auth.withPublicToken": () => auth.withPublicToken({ scopes: { read: { runs: ["run_1"] } } }, async () => {}),
  "auth.withTriggerPublicToken": () => auth.withTriggerPublicToken("t", {}, async () => {}),
  "batch.retrieve": (o) => batch.retrieve("batch_1", o),
  "batch.trigger": (o) => batch.trigger(of({ id: "t" }), {}, o),
  "batch.triggerByTask": (o) => batch.triggerByTask(of({ task: { id: "t" } }), {}, o),
  "idempotencyKeys.reset": (o) => idempotencyKeys.reset("t", "key", { scope: "global" }, o),
  "runs.cancel": (o) => runs.cancel("run_1", o),
  "runs.fetchStream": ({ signal }) => runs.fetchStream("run_1", "ai", { signal }),
  "runs.list": (o) => runs.list({}, o),
  "runs.poll": (o) => runs.poll("run_1", {}, o),
  "runs.replay": (o) => runs.replay("run_1", {}, o),
  "runs.reschedule": (o) => runs.reschedule("run_1", { delay: "1m" }, o),
  "runs.retrieve": (o) => runs.retrieve("run_1", o),
  "runs.subscribeToBatch": ({ signal }) => runs.subscribeToBatch("batch_1", { signal }),
  "runs.subscribeToRun": ({ signal }) => runs.subscribeToRun("run_1", { signal }),
  "runs.subscribeToRunsWithTag": ({ signal }) => runs.subscribeToRunsWithTag("tag", {}, { signal }),
  "streams.read": ({ signal }) => streams.read("run_1", "ai", { signal }),
  "tasks.batchTrigger": (o) => tasks.batchTrigger("t", ITEMS, {}, o),
  "tasks.trigger": (o) => tasks.trigger("t", ITEMS[0].payload, {}, o),
  "wait.completeToken": (o) => wait.completeToken("waitpoint_1", {}, o),
  "wait.createToken": (o) => wait.createToken({}, o),
  "wait.listTokens": (o) => wait.listTokens({}, o),
  "wait.retrieveToken": (o) => wait.retrieveToken("waitpoint_1", o),
};

/** Functions that send no request. */
const QUIET = ["auth.configure", "idempotencyKeys.create", "streams.define", "streams.input"];

/** The ways to use a result. Each throws where the refusal does not reach the caller. */
const WAYS = {
  awaited: async (given) => await given,
  asResponse: (given) => given.asResponse?.() ?? given,
  withResponse: (given) => given.withResponse?.() ?? given,
  "in all ways": (given) => (given.asResponse ? Promise.all([given, given.asResponse(), given.withResponse()]) : given),
  iterated: async (given) => {
    const source = await read(given);
    if (source) for await (const _ of source);
  },
  "its streams": async (given) => {
    const parts = (await read(given))?.withStreams?.();
    if (parts) for await (const _ of parts);
  },
  "a response": async (given) => void (await (await read(given))?.toResponse?.().text()),
  "a web stream": async (given) => {
    const reader = (await read(given))?.toReadableStream?.().getReader();
    while (reader && !(await reader.read()).done);
  },
  "left amid a read": async (given) => {
    const iterator = (await read(given))?.[Symbol.asyncIterator]();
    const pending = iterator?.next();
    iterator?.return?.();
    await pending;
  },
};

/** A source is a promise's value, or what was given itself. */
async function read(given) {
  if (typeof given?.[Symbol.asyncIterator] === "function") return given;
  const value = await given;
  return typeof value?.[Symbol.asyncIterator] === "function" ? value : undefined;
}

async function main() {
  const server = createServer((request, response) => {
    request.resume();
    response.writeHead(401, { "content-type": "application/json" }).end('{"error":"no"}');
  });
  await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
  const baseURL = `http://127.0.0.1:${server.address().port}`;
  const tokens = {
    "a key": "tr_dev_refusedrefusedrefuse",
    "a function": async () => "tr_dev_refusedrefusedrefuse",
    "a function that fails": async () => {
      throw new Error("no token");
    },
  };
  const refused = new Set();
  for (const [what, accessToken] of Object.entries(tokens)) {
    for (const [name, call] of Object.entries(EVERY)) {
      for (const [way, use] of Object.entries(WAYS)) {
        sdk.configure({ baseURL, accessToken });
        for (const signal of [undefined, AbortSignal.abort(new Error("left")), AbortSignal.timeout(20)]) {
          now = `${name}, ${way}, with ${what}${signal ? (signal.aborted ? ", aborted" : ", late") : ""}`;
          try {
            await use(call({ signal }));
          } catch {
            refused.add(name);
          }
          await pass(0);
        }
      }
    }
  }
  await pass(50);
  server.close();
  server.closeAllConnections();
  const names = Object.keys(EVERY);
  process.stdout.write(JSON.stringify({ unheard, quiet: names.filter((name) => !refused.has(name)) }));
}

module.exports = { EVERY, QUIET };
if (require.main === module) main();
