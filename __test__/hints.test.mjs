/** Code that works and costs more than it needs to causes one warning, which says what to do instead. */
import assert from "node:assert/strict";
import { once } from "node:events";
import { createRequire } from "node:module";
import { after, before, test } from "node:test";
import { auth, TriggerClient, TriggerNativeError } from "trigger-native";
import { startEmulator } from "trigger-native/emulator";

const { PollCounter } = createRequire(import.meta.url)("../js/calls/hints.js");

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
  const polls = new PollCounter(() => now);
  for (let look = 1; look < 10; look += 1) assert.equal(polls.count("run_a"), false);
  assert.equal(polls.count("run_b"), false);
  assert.equal(polls.count("run_a"), true);
  now = 60_000;
  assert.equal(polls.count("run_a"), false);
  for (let run = 0; run < 2_000; run += 1) polls.count(`run_${run}`);
  assert.equal(polls.count("run_a"), false, "forgotten: there were too many others");
});

test("polling a run by hand is told of, once, with what to do instead", async () => {
  const { id } = await create({ status: "EXECUTING" });
  const warned = once(process, "warning");
  for (let look = 0; look < 12; look += 1) await client.runs.retrieve(id);
  const [warning] = await warned;
  assert.equal(warning.code, "TRIGGER_NATIVE_POLLING");
  assert.match(warning.message, /subscribeToRun/);
});

test("sending a browser large columns with every update is told of, with all of them and how to skip them", async () => {
  const large = JSON.stringify("x".repeat(100_000));
  const { id } = await create({ payload: large, output: large, status: "COMPLETED_SUCCESSFULLY" });
  const warned = once(process, "warning");
  const text = await client.runs.subscribeToRun(id).toResponse().text();
  assert.ok(text.length > 200_000);
  const [warning] = await warned;
  assert.equal(warning.code, "TRIGGER_NATIVE_LARGE_COLUMNS");
  assert.match(
    warning.message,
    /with payload and output of 19\d KB at every update.*skipColumns: \["payload","output"\]/,
  );
});

test("what is warned of is refused where TRIGGER_NATIVE_STRICT is set, each time", async (t) => {
  process.env.TRIGGER_NATIVE_STRICT = "1";
  t.after(() => delete process.env.TRIGGER_NATIVE_STRICT);
  const refused = (code, said) => (error) => {
    assert.ok(error instanceof TriggerNativeError);
    assert.equal(error.code, code);
    assert.match(error.message, said);
    return true;
  };
  const { id } = await create({ status: "EXECUTING" });
  for (let look = 1; look < 10; look += 1) await client.runs.retrieve(id);
  for (let again = 0; again < 2; again += 1) {
    await assert.rejects(() => client.runs.retrieve(id), refused("ERR_POLLING", /subscribeToRun/));
    const unscoped = () =>
      auth.withAuth({ baseURL: emulator.url, accessToken: emulator.secretKey }, auth.createPublicToken);
    await assert.rejects(unscoped, refused("ERR_NO_SCOPES", /scopes: \{ read/));
  }

  const large = await create({ payload: JSON.stringify("x".repeat(100_000)), status: "COMPLETED_SUCCESSFULLY" });
  const text = await client.runs.subscribeToRun(large.id).toResponse().text();
  assert.ok(text.length < 2_000, "the row is not sent");
  assert.match(text, /event: item-error\ndata: .*ERR_LARGE_COLUMNS/);
  const lean = await client.runs
    .subscribeToRun(large.id, { skipColumns: ["payload"] })
    .toResponse()
    .text();
  assert.match(lean, /event: run\n/);

  process.env.TRIGGER_NATIVE_STRICT = "0";
  await client.runs.retrieve(id);
});
