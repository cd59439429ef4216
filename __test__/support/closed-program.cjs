"use strict";

// Starts and closes one of everything, and prints what of it is still held then. It ends by itself.

const { setTimeout: pass } = require("node:timers/promises");
const { configure, createRealtimeHandler, runs, streams, tasks } = require("trigger-native");
const { startEmulator } = require("trigger-native/emulator");

/** The objects that are held, by name. @type {Map<string, WeakRef<object>>} */
const held = new Map();

/** @template {object} T @param {string} name @param {T} thing @returns {T} */
function watch(name, thing) {
  held.set(name, new WeakRef(thing));
  return thing;
}

async function main() {
  await withEmulator(async () => {
    const { id } = await tasks.trigger("stuck", {});
    await listener();
    await listener(watch("authorize", () => ({ scopes: ["read:runs"] })));
    await readers(id);
  });
  for (let turn = 0; turn < 40 && held.size > 0; turn += 1) {
    await pass(25);
    globalThis.gc();
    for (const [name, thing] of held) if (thing.deref() === undefined) held.delete(name);
  }
  process.stdout.write(JSON.stringify([...held.keys()]));
}

/** @param {() => Promise<void>} work */
async function withEmulator(work) {
  const emulator = watch("emulator", await startEmulator());
  configure({ baseURL: emulator.url, accessToken: emulator.secretKey });
  await work();
  await emulator.stop();
}

/** @param {(() => object) | undefined} [authorize] */
async function listener(authorize) {
  const name = authorize ? "with authorize" : "without authorize";
  const handler = watch(`handler ${name}`, createRealtimeHandler({ authorize }));
  const listening = watch(`listener ${name}`, await handler.listen());
  const answer = await fetch(`${listening.url}/realtime/v1/runs/run_unknown?offset=-1`);
  await answer.text();
  await (authorize ? handler : listening).close();
}

/** @param {string} id */
async function readers(id) {
  const signal = watch("signal", new AbortController()).signal;
  const subscription = watch("subscription", runs.subscribeToRun(id, { signal }));
  await subscription.next();
  const waiting = watch("pending read", subscription.next());
  subscription.close();
  await waiting;
  const stream = watch("stream", await streams.read(id, "ai", { signal }));
  const value = stream.getReader().read();
  stream.close();
  await value;
  const body = watch("response", runs.subscribeToRun(id, { signal }).toResponse()).body.getReader();
  await body.read();
  await body.read();
  await body.cancel();
}

main();
