// A server that is away for a minute, and one that refuses to hold so many polls: the time until the updates come.
//
// The case measures waiting, not work, so all clients are measured at once, each in a process of its own. The server is
// the emulator, which remembers changes for 2 s as the real one does, behind a gate that can be shut.

import { forwarder } from "../../scripts/lib/forwarder.mjs";
import { load, require, sleep } from "../lib/client.mjs";
import { emulator } from "../lib/emulator.mjs";
import { percentile } from "../lib/stats.mjs";
import { check, number, table, verdict } from "../lib/text.mjs";

const FEEDS = 16;
const LIMIT = 5;
/** How long the server remembers a change between two polls: as the real one. */
const MEMORY_MS = 2_000;
/** After this time, a feed without an update counts as lost. */
const PATIENCE_MS = 60_000;

/** Follows runs until each has the state `step`. The times of that, in Unix milliseconds. */
const follow = (client, open) =>
  async function measured({ url, key, ids, step }) {
    const { runs } = load(client, (await open?.(url, key)) ?? url, key);
    const seen = await Promise.all(
      ids.map(async (id) => {
        for await (const run of runs.subscribeToRun(id)) if (run.metadata.step >= step) return Date.now();
        return null;
      }),
    );
    return { seen };
  };

/** A relay in this process. */
async function relayed(baseURL, accessToken) {
  const { createRealtimeHandler } = require("../../index.js");
  return (await createRealtimeHandler({ baseURL, accessToken, upstream: { connections: 0 } }).listen()).url;
}

export const measure = {
  official: follow("official"),
  ours: follow("ours"),
  relay: follow("official", relayed),
};

const WHO = [
  ["official", "official SDK"],
  ["ours", "ours"],
  ["relay", "official SDK through our relay"],
];

export async function run(bench) {
  const awayMs = bench.size(60_000, 8_000);
  const cells = [];
  const checks = [];
  for (const [what, measured] of [
    [`the server was away for ${awayMs / 1000} s`, await outage(bench, awayMs)],
    [`${FEEDS} feeds under a limit of ${LIMIT} live requests`, await limited(bench)],
  ]) {
    const rows = WHO.map(([who, label]) => {
      const seconds = measured[who];
      const [middle, most] = [percentile(seconds, 0.5), Math.max(...seconds)];
      if (who === "official") return [what, label, number(middle), number(most), ""];
      const bounds = [
        check(`${what}, ${label}: half of the news`, middle, { most: 6, unit: "s" }),
        check(`${what}, ${label}: the last of the news`, most, { most: 12, unit: "s" }),
      ];
      checks.push(...bounds);
      return [what, label, number(middle), number(most), bounds.map(verdict).join(", ")];
    });
    cells.push(...rows);
  }
  return {
    text: table([`${FEEDS} run feeds each`, "client", "s until the news, p50", "the last", "target"], cells),
    checks,
    charts: {},
  };
}

/** The server goes away, every run changes, the server comes back. */
async function outage(bench, awayMs) {
  const server = await emulator({ memoryMs: MEMORY_MS });
  const gate = await forwarder(Number(new URL(server.url).port));
  const url = `http://127.0.0.1:${gate.port}`;
  const clients = await all(bench, (who) => ({ url, who, server }));
  await until(async () => (await server.limits()).live === WHO.length * FEEDS);
  await gate.shut();
  await sleep(awayMs / 2);
  await clients.change(0);
  await sleep(awayMs / 2);
  const back = Date.now();
  await gate.open();
  const seconds = await clients.seconds(() => back);
  await gate.shut();
  await server.stop();
  return seconds;
}

/** More feeds than may be live. Each client has a server of its own. */
async function limited(bench) {
  const servers = Object.fromEntries(
    await Promise.all(WHO.map(async ([who]) => [who, await emulator({ memoryMs: MEMORY_MS, maxConnections: LIMIT })])),
  );
  const clients = await all(bench, (who) => ({ url: servers[who].url, who, server: servers[who] }));
  // Waits until every feed has its first state and those over the limit were refused more than once.
  await sleep(15_000);
  // The runs change one by one: many changes at once would end the held polls and let others in.
  const changed = await clients.change(1_000);
  const seconds = await clients.seconds((who, index) => changed[who][index]);
  await Promise.all(Object.values(servers).map((server) => server.stop()));
  return seconds;
}

/** All clients at once, each in a process of its own with runs of its own. */
async function all(bench, serverOf) {
  const clients = await Promise.all(
    WHO.map(async ([who]) => {
      const { url, server } = serverOf(who);
      const ids = await Promise.all(Array.from({ length: FEEDS }, () => server.makeRun()));
      const args = { url, key: server.key, ids, step: 1 };
      return { who, ids, server, ended: bench.child(who, args, { timeoutMs: 3 * PATIENCE_MS }) };
    }),
  );
  return {
    /** Changes all runs, one every `pauseMs`. The time of each change, by client. */
    async change(pauseMs) {
      const done = clients.map(async ({ who, ids, server }) => {
        const times = [];
        for (const id of ids) {
          await server.change(id, { metadata: { step: 1 } });
          times.push(Date.now());
          await sleep(pauseMs);
        }
        return [who, times];
      });
      return Object.fromEntries(await Promise.all(done));
    },
    /** The time from `from` to the update of each run, by client. */
    async seconds(from) {
      const done = clients.map(async ({ who, ended }) => {
        const { seen } = await ended;
        return [who, seen.map((at, index) => Math.max(0, at - from(who, index)) / 1000)];
      });
      return Object.fromEntries(await Promise.all(done));
    },
  };
}

async function until(condition) {
  for (const end = Date.now() + PATIENCE_MS; Date.now() < end; await sleep(100)) if (await condition()) return;
  throw new Error("the feeds are not live");
}
