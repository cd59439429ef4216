// The emulator with a clock that is moved by hand, as a test of an app uses it: exact times, and no sleeping.

import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { TriggerClient } from "trigger-native";
import { startEmulator } from "trigger-native/emulator";

/** Starts an emulator whose clock stands, with a client of its own. */
async function standing(options) {
  const emulator = await startEmulator({ clock: "manual", ...options });
  return { emulator, client: new TriggerClient({ baseURL: emulator.url, accessToken: emulator.secretKey }) };
}

const script = {
  tasks: { report: { queued: 1000, steps: [{ metadata: { progress: 50 } }, { wait: 60_000 }, { output: "done" }] } },
};

describe("a clock that is moved by hand", { timeout: 30_000 }, () => {
  it("holds for the windows of tag feeds behind the relay too", async () => {
    const { emulator } = await standing({ now: new Date("2031-02-03T04:05:06Z") });
    const relayed = new TriggerClient({ baseURL: `${emulator.url}/relay`, accessToken: emulator.secretKey });
    const direct = new TriggerClient({ baseURL: emulator.url, accessToken: emulator.secretKey });
    try {
      const { id } = await direct.tasks.trigger("hello", {}, { tags: "of-2031" });
      for (const client of [direct, relayed]) {
        for await (const run of client.runs.subscribeToRunsWithTag("of-2031", { createdAt: "1h" })) {
          assert.equal(run.id, id);
          break;
        }
      }
    } finally {
      await emulator.stop();
    }
  });

  it("gives a run exact times and an exact duration", async () => {
    const { emulator, client } = await standing({ ...script, now: new Date("2031-02-03T04:05:06Z") });
    try {
      const { id } = await client.tasks.trigger("report", {});
      assert.deepEqual(await emulator.advance(1100), new Date("2031-02-03T04:05:07.100Z"));
      const begun = await client.runs.retrieve(id);
      assert.deepEqual([begun.status, begun.metadata], ["EXECUTING", { progress: 50 }]);
      await emulator.advance(60_000);
      const run = await client.runs.retrieve(id);
      assert.deepEqual(
        [run.status, run.createdAt, run.startedAt, run.finishedAt, run.durationMs],
        [
          "COMPLETED",
          new Date("2031-02-03T04:05:06.000Z"),
          new Date("2031-02-03T04:05:07.000Z"),
          new Date("2031-02-03T04:06:07.100Z"),
          60_000,
        ],
      );
    } finally {
      await emulator.stop();
    }
  });

  it("is followed by a subscription, which ends when the clock has come to the run's end", async () => {
    const { emulator, client } = await standing(script);
    try {
      const { id } = await client.tasks.trigger("report", {});
      const statuses = [];
      for await (const run of client.runs.subscribeToRun(id)) {
        if (statuses.at(-1) === run.status) continue;
        statuses.push(run.status);
        // How long each status lasts.
        const ms = { QUEUED: 1000, DEQUEUED: 100, EXECUTING: 60_000 }[run.status];
        if (ms !== undefined) await emulator.advance(ms);
      }
      assert.deepEqual(statuses, ["QUEUED", "DEQUEUED", "EXECUTING", "COMPLETED"]);
    } finally {
      await emulator.stop();
    }
  });

  it("goes for the relay before the emulator too: a token is valid there as long as the emulator's clock says", async () => {
    for (const now of ["2020-01-01T00:00:00Z", "2040-01-01T00:00:00Z"]) {
      const { emulator, client } = await standing({ ...script, now });
      try {
        const { id } = await client.tasks.trigger("report", {});
        const session = await fetch(`${emulator.url}/emulator/session`, {
          method: "POST",
          headers: { "content-type": "application/json" },
          body: JSON.stringify({ runId: id }),
        });
        const { publicAccessToken } = await session.json();
        const { exp } = JSON.parse(Buffer.from(publicAccessToken.split(".")[1], "base64url"));
        const read = async (base) => {
          const headers = { authorization: `Bearer ${publicAccessToken}` };
          return (await fetch(`${emulator.url}${base}/realtime/v1/runs/${id}`, { headers })).status;
        };
        assert.deepEqual([await read(""), await read("/relay")], [200, 200], now);
        // A relay forgives other clocks some seconds.
        await emulator.advance(exp * 1000 - Date.parse(now) + 10_000);
        assert.deepEqual([await read(""), await read("/relay")], [401, 401], now);
      } finally {
        await emulator.stop();
      }
    }
  });

  it("refuses what is no time to move it by, and a clock that goes by itself", async () => {
    const { emulator } = await standing();
    for (const ms of [-1, 1.5, Number.NaN, "1", undefined]) {
      await assert.rejects(emulator.advance(ms), { code: "ERR_INVALID_ARGUMENT" });
    }
    await assert.rejects(emulator.advance(Number.MAX_SAFE_INTEGER), { code: "ERR_CLOCK" });
    await emulator.stop();
    await assert.rejects(emulator.advance(1), { code: "ERR_EMULATOR_STOPPED" });
    const real = await startEmulator();
    await assert.rejects(real.advance(1), { code: "ERR_CLOCK" });
    await real.stop();
    for (const options of [{ clock: "fast" }, { now: 0 }, { clock: "manual", now: "soon" }]) {
      await assert.rejects(startEmulator(options), { code: "ERR_INVALID_OPTIONS" });
    }
  });

  it("lets tasks be replaced, and keeps them when a script cannot be one", async () => {
    const { emulator, client } = await standing(script);
    try {
      await assert.rejects(emulator.replaceTasks({ report: { steps: [{ sleep: 1 }] } }), {
        code: "ERR_INVALID_SCRIPT",
      });
      const before = await client.tasks.trigger("report", {});
      assert.equal(await emulator.replaceTasks({ report: { steps: [{ output: "new" }] } }), 11);
      const after = await client.tasks.trigger("report", {});
      await emulator.advance(120_000);
      assert.equal((await client.runs.retrieve(before.id)).output, "done");
      assert.equal((await client.runs.retrieve(after.id)).output, "new");
    } finally {
      await emulator.stop();
    }
  });
});
