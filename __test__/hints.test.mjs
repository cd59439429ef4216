/** What works and costs more than it need is told once, with what to do instead. */
import assert from "node:assert/strict";
import { once } from "node:events";
import { createRequire } from "node:module";
import { after, before, test } from "node:test";
import { TriggerClient } from "trigger-native";
import { startEmulator } from "trigger-native/emulator";

const { Looks } = createRequire(import.meta.url)("../js/hints.js");

let emulator;
let client;
const create = (columns) =>
  fetch(`${emulator.url}/emulator/runs`, {
    method: "POST",
    headers: { authorization: `Bearer ${emulator.secretKey}` },
    body: JSON.stringify(columns),
  }).then((response) => response.json());

before(async () => {
  emulator = await startEmulator();
  client = new TriggerClient({ baseURL: emulator.url, accessToken: emulator.secretKey });
});
after(() => emulator.stop());

test("ten looks at one run within a minute are a loop, and fewer or of several runs are none", () => {
  let now = 0;
  const looks = new Looks(() => now);
  for (let look = 1; look < 10; look += 1) assert.equal(looks.look("run_a"), false);
  assert.equal(looks.look("run_b"), false);
  assert.equal(looks.look("run_a"), true);
  now = 60_000;
  assert.equal(looks.look("run_a"), false);
  for (let run = 0; run < 2_000; run += 1) looks.look(`run_${run}`);
  assert.equal(looks.look("run_a"), false, "forgotten: there were too many others");
});

test("polling a run by hand is told of, once, with what to do instead", async () => {
  const { id } = await create({ status: "EXECUTING" });
  const warned = once(process, "warning");
  for (let look = 0; look < 12; look += 1) await client.runs.retrieve(id);
  const [warning] = await warned;
  assert.equal(warning.code, "TRIGGER_NATIVE_POLLING");
  assert.match(warning.message, /subscribeToRun/);
});

test("sending a browser a large payload with every update is told of, with the columns to skip", async () => {
  const { id } = await create({ payload: JSON.stringify("x".repeat(100_000)), status: "COMPLETED_SUCCESSFULLY" });
  const warned = once(process, "warning");
  const text = await client.runs.subscribeToRun(id).toResponse().text();
  assert.ok(text.length > 100_000);
  const [warning] = await warned;
  assert.equal(warning.code, "TRIGGER_NATIVE_LARGE_COLUMNS");
  assert.match(warning.message, /skipColumns: \["payload"\]/);
});
