// The budget of upstream connections, as an app sees it: options, states, counts, and the ends of more runs than a plan
// has connections.

import assert from "node:assert/strict";
import { after, describe, it } from "node:test";
import { startEmulator } from "../emulator.js";
import { auth, configure, createRealtimeHandler, runs, TriggerClient, tasks } from "../index.js";
import { until } from "./support/relay.mjs";

/** Followed runs: well beyond a plan of 10. */
const COUNT = 60;
const DONE = { done: true };

/** An emulator whose plan has 10 live requests, and a task that runs until the clock is advanced. */
async function emulator() {
  const server = await startEmulator({
    port: 0,
    maxConnections: 10,
    clock: "manual",
    tasks: { work: { steps: [{ wait: 60_000 }, { output: DONE }] } },
  });
  after(() => server.stop());
  return server;
}

/** How many live requests the emulator holds, held at most, and refused. */
async function limits({ url, secretKey }) {
  const answer = await fetch(`${url}/emulator/limits`, { headers: { authorization: `Bearer ${secretKey}` } });
  return answer.json();
}

/** Follows runs to their ends. */
function followed(ids) {
  const seen = ids.map((id) => ({ id, states: [], runs: [] }));
  const over = seen.map(async ({ id, states, runs: all }) => {
    for await (const run of runs.subscribeToRun(id, { onStateChange: (state) => states.push(state) })) all.push(run);
  });
  return { seen, over: Promise.all(over) };
}

describe("more runs than a plan has connections", { timeout: 120_000 }, () => {
  it("end with their outputs in one process, and no request is refused", async () => {
    const server = await emulator();
    configure({ baseURL: server.url, accessToken: server.secretKey });
    const handles = await Promise.all(Array.from({ length: COUNT }, (_, n) => tasks.trigger("work", { n })));
    const { seen, over } = followed(handles.map(({ id }) => id));
    await until(() => seen.every(({ runs: all }) => all.length > 0), "each run is seen");
    await server.advance(120_000);
    await over;
    for (const { runs: all, states } of seen) {
      assert.deepEqual([all.at(-1).status, all.at(-1).output], ["COMPLETED", DONE]);
      assert.equal(states.at(-1), "ended");
    }
    const { peak, refused } = await limits(server);
    assert.equal(refused, 0);
    assert.ok(peak > 1 && peak <= 8, `${peak} at once`);
  });

  it("end in the pages of a relay, whose counts say what its connections are for", async (t) => {
    const server = await emulator();
    const handler = createRealtimeHandler({
      baseURL: server.url,
      accessToken: server.secretKey,
      upstream: { connections: 4 },
    });
    t.after(() => handler.close());
    const { url } = await handler.listen();
    configure({ baseURL: server.url, accessToken: server.secretKey });
    const handles = await Promise.all(Array.from({ length: COUNT }, (_, n) => tasks.trigger("work", { n })));
    const token = await auth.createPublicToken({ scopes: { read: { runs: true } } });
    // A viewer is another process as a rule: here a client of its own, without a budget.
    const viewers = new TriggerClient({ baseURL: url, accessToken: token, realtime: { connections: 0 } });
    const ends = handles.map(async ({ id }) => {
      let last;
      for await (const run of viewers.runs.subscribeToRun(id)) last = run;
      return [last.status, last.output];
    });
    await until(() => handler.stats().viewers.now === COUNT, "each viewer's poll is held");
    await until(() => handler.stats().upstream.budget.environment, "the environment's feed is followed");
    const { budget, connections } = handler.stats().upstream;
    assert.deepEqual(budget, {
      connections: 4,
      own: 3,
      environment: true,
      costly: false,
      shared: COUNT - 3,
      polling: 0,
    });
    assert.equal(connections, 4);
    await server.advance(120_000);
    for (const end of await Promise.all(ends)) assert.deepEqual(end, ["COMPLETED", DONE]);
    const { peak, refused } = await limits(server);
    assert.deepEqual([refused, peak <= 4], [0, true]);
  });

  it("are checked every few seconds where nothing tells of them, and say so", async () => {
    const server = await emulator();
    configure({ baseURL: server.url, accessToken: server.secretKey });
    const handles = await Promise.all([1, 2, 3].map((n) => tasks.trigger("work", { n })));
    const token = await auth.createPublicToken({ scopes: { read: { runs: handles.map(({ id }) => id) } } });
    // A public token of single runs may not follow the environment.
    configure({ baseURL: server.url, accessToken: token, realtime: { connections: 1 } });
    const { seen, over } = followed(handles.map(({ id }) => id));
    await until(() => seen.filter(({ states }) => states.includes("polling")).length === 2, "two of three are polling");
    await server.advance(120_000);
    await over;
    for (const { runs: all } of seen) assert.equal(all.at(-1).status, "COMPLETED");
    const { peak, refused } = await limits(server);
    assert.deepEqual([refused, peak], [0, 1]);
  });
});

describe("the budget's options", () => {
  it("are checked when they are given", () => {
    for (const connections of [-1, 1.5, 1_000_001]) {
      assert.throws(() => configure({ realtime: { connections } }), {
        name: "TriggerNativeError",
        code: "ERR_INVALID_CONFIG",
        message: /connections must be a whole number from 1, or 0 for no limit/,
      });
    }
    for (const realtime of [{ connections: "8" }, { connections: Number.NaN }, { conections: 8 }, 8]) {
      assert.throws(() => configure({ realtime }), { code: "ERR_INVALID_CONFIG" });
    }
    for (const upstream of [
      { connections: -1 },
      { connections: 1_000_001 },
      { connections: "8" },
      { tag: "" },
      { tag: "a,b" },
      { tag: ["a"] },
      { rowsPerSecond: 0 },
      { bytesPerSecond: 1.5 },
      { other: 1 },
      8,
    ]) {
      assert.throws(() => createRealtimeHandler({ upstream }), { code: "ERR_INVALID_OPTIONS" });
    }
    assert.doesNotThrow(() => createRealtimeHandler({ upstream: { connections: 0, tag: "web" } }));
  });
});
