"use strict";

// Four workers at once and the main thread; one more is terminated amid a subscription, while it waits for the next state.

const { once } = require("node:events");
const { isMainThread, parentPort, Worker, workerData } = require("node:worker_threads");
const sdk = require("trigger-native");
const follow = require("./follow.cjs");

async function main() {
  const emulator = await require("trigger-native/emulator").startEmulator({ speed: 20 });
  const { url, secretKey } = emulator;
  const start = (task) => new Worker(__filename, { workerData: { task, url, secretKey } });
  const doomed = start("stuck");
  const workers = [1, 2, 3, 4].map(() => start("follow"));
  const answers = Promise.all(workers.map((worker) => once(worker, "message")));
  const ends = Promise.all(workers.map((worker) => once(worker, "exit")));
  await once(doomed, "message");
  await doomed.terminate();
  const own = await follow(sdk, emulator);
  const said = (await answers).map(([answer]) => answer);
  const codes = (await ends).map(([code]) => code);
  const after = await follow(sdk, emulator);
  await emulator.stop();
  console.log(JSON.stringify([own, ...said, codes, after]));
}

async function work() {
  const { task, url, secretKey } = workerData;
  if (task === "follow") return parentPort.postMessage(await follow(sdk, { url, secretKey }));
  sdk.configure({ baseURL: url, accessToken: secretKey });
  const { id } = await sdk.tasks.trigger("stuck", {});
  for await (const run of sdk.runs.subscribeToRun(id)) parentPort.postMessage(run.status);
}

if (isMainThread) main();
else work();
