/** Subscriptions as an app uses them: what is refused at once, what they tell of themselves, in which order runs come. */
import assert from "node:assert/strict";
import { after, afterEach, before, describe, test } from "node:test";
import { configure, runs } from "trigger-native";
import { startEmulator } from "trigger-native/emulator";
import * as answers from "./support/answers.mjs";
import { events } from "./support/events.mjs";
import { startFaultServer } from "./support/fault-server.mjs";
import { executing } from "./support/rows.mjs";

let emulator;
before(async () => {
  emulator = await startEmulator();
});
after(() => emulator.stop());
afterEach(() => configure({}));

/** @param {string} path @param {object} columns */
async function call(path, columns) {
  const response = await fetch(`${emulator.url}/emulator/${path}`, {
    method: "POST",
    headers: { authorization: `Bearer ${emulator.secretKey}` },
    body: JSON.stringify(columns),
  });
  assert.ok(response.ok, await response.clone().text());
  return response.json();
}

const own = () => configure({ baseURL: emulator.url, accessToken: emulator.secretKey });

describe("a key that no request can carry", () => {
  for (const [how, more] of [
    ["alone", {}],
    ["also where a function could give another one", { refreshAccessToken: () => "tr_dev_other" }],
  ]) {
    test(`is refused at the call, ${how}`, () => {
      configure({ baseURL: emulator.url, accessToken: "tr_dev_one two", ...more });
      assert.throws(() => runs.subscribeToRun("run_1"), { code: "ERR_INVALID_ACCESS_TOKEN" });
    });
  }
});

test("a subscription says that it ended once it is closed, whether it was read or not", async () => {
  own();
  const { id } = await call("runs", { status: "EXECUTING" });
  const unread = runs.subscribeToRun(id);
  assert.equal(unread.stats().state, "idle");
  unread.close();
  assert.equal(unread.stats().state, "ended");

  const [one, other] = [runs.subscribeToRun(id), runs.subscribeToRun(id)];
  for (const subscription of [one, other]) assert.equal((await subscription.next()).value.id, id);
  one.close();
  assert.equal(one.stats().state, "ended");
  assert.notEqual(other.stats().state, "ended", "another reader of the same feed goes on");
  other.close();
});

test("the runs of a tag and their streams reach a browser in the order of their last updates", async () => {
  own();
  /** @type {string[]} */
  const made = [];
  // The server tells them in the order in which they were made.
  for (const second of [3, 1, 2]) {
    const updatedAt = `2026-05-05T00:00:0${second}.000`;
    made.push((await call("runs", { status: "EXECUTING", runTags: ["ordered"], updatedAt })).id);
  }
  const controller = new AbortController();
  const subscription = runs.subscribeToRunsWithTag("ordered", {}, { signal: controller.signal });
  const told = [];
  for await (const { event, data } of events(subscription.withStreams({ streams: ["ai"] }).toResponse())) {
    if (event !== "run") continue;
    told.push(JSON.parse(data).id);
    if (told.length === 3) break;
  }
  controller.abort();
  assert.deepEqual(told, [made[1], made[2], made[0]]);
});

test("a run that cannot be read ends its subscription with the reason, and nothing else is said", async (t) => {
  const server = await startFaultServer(() => answers.snapshot({ ...executing(), friendlyId: null }));
  t.after(() => server.stop());
  configure({ baseURL: server.url, accessToken: "tr_dev_test" });
  const errors = [];
  const warnings = [];
  const warned = (warning) => warnings.push(warning.message);
  process.on("warning", warned);
  t.after(() => process.off("warning", warned));
  for (const options of [{}, { onItemError: (error) => errors.push(error.message) }]) {
    await assert.rejects(async () => {
      for await (const _ of runs.subscribeToRun("run_1", options));
    }, /friendlyId/);
  }
  // Warnings come a turn later.
  await new Promise((resolve) => setImmediate(resolve));
  assert.deepEqual([warnings, errors], [[], []]);
});
