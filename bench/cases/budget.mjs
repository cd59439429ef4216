// More runs than a plan has live requests: the time from a change to whoever follows the run, with the budget of upstream
// connections under a plan of ten, and with a live request for each run on a server without a limit.
//
// The case measures waiting, not work: one change at a time, and the emulator as the server.

import { load, sleep } from "../lib/client.mjs";
import { emulator } from "../lib/emulator.mjs";
import { percentile } from "../lib/stats.mjs";
import { check, number, table, verdict } from "../lib/text.mjs";

const PLAN = 10;
const CONNECTIONS = 8;
/** Changes that are timed, of as many runs, one after another. */
const TIMED = 200;
const EVERY_MS = 25;
/** The most that a shared upstream may add, in ms (p95). */
const MOST_ADDED_MS = 30;

/** Follows runs to their ends: when each was first seen with `step`, and its output. */
async function followed({ url, key, ids, connections, relayed }) {
  const sdk = load("ours", url, key);
  sdk.configure({ baseURL: url, accessToken: key, realtime: { connections } });
  let { runs } = sdk;
  let handler;
  if (relayed) {
    const limits = { viewersPerToken: 10_000, feedsPerToken: 10_000 };
    handler = sdk.createRealtimeHandler({ baseURL: url, accessToken: key, upstream: { connections }, limits });
    const token = await sdk.auth.createPublicToken({ scopes: { read: { runs: true } }, expirationTime: "1h" });
    const relay = await handler.listen();
    ({ runs } = new sdk.TriggerClient({ baseURL: relay.url, accessToken: token, realtime: { connections: 0 } }));
  }
  const seen = await Promise.all(
    ids.map(async (id) => {
      let at = null;
      let output;
      for await (const run of runs.subscribeToRun(id)) {
        if (run.metadata.step === 1) at ??= Date.now();
        ({ output } = run);
      }
      return { at, output };
    }),
  );
  await handler?.close();
  return seen;
}

export const measure = { ours: followed };

const WAYS = [
  { name: "`subscribeToRun`, in one process", relayed: false },
  { name: "a viewer each, through `.listen()`", relayed: true },
];

export async function run(bench) {
  const count = bench.size(2_000, 200);
  const cells = [];
  const checks = [];
  for (const { name, relayed } of WAYS) {
    const own = await measured(bench, { count, relayed, connections: 0 });
    const shared = await measured(bench, { count, relayed, connections: CONNECTIONS, maxConnections: PLAN });
    const added = percentile(shared.ms, 0.95) - percentile(own.ms, 0.95);
    const bounds = [
      check(`${name}: ms added (p95)`, added, { most: MOST_ADDED_MS, unit: "ms" }),
      check(`${name}: live requests at most`, shared.peak, { most: CONNECTIONS, unit: "" }),
      check(`${name}: refused`, shared.refused, { most: 0, unit: "" }),
      check(`${name}: ends without their output`, shared.lost, { most: 0, unit: "" }),
    ];
    checks.push(...bounds);
    for (const [label, one] of [
      ["a live request each", own],
      [`a budget of ${CONNECTIONS}`, shared],
    ]) {
      const figures = [one.peak, one.refused, percentile(one.ms, 0.5), percentile(one.ms, 0.95), one.lost];
      cells.push([name, label, ...figures.map(number), one === own ? "" : bounds.map(verdict).join(", ")]);
    }
  }
  const heads = ["live requests at most", "refused", "ms to a change, p50", "p95", "ends lost", "target"];
  return { text: table([`${count} runs`, "upstream", ...heads], cells), checks, charts: {} };
}

/** One emulator, one client. */
async function measured(bench, { count, relayed, connections, maxConnections }) {
  const server = await emulator(maxConnections ? { maxConnections } : {});
  const ids = [];
  while (ids.length < count) ids.push(await server.makeRun());
  const args = { url: server.url, key: server.key, ids, connections, relayed };
  const client = bench.child("ours", args, { timeoutMs: 600_000 });
  const expected = connections || count;
  while ((await server.limits()).live < expected) await sleep(100);
  // The questions of the start are over.
  await sleep(5_000);
  const changed = new Map();
  for (const index of Array.from({ length: TIMED }, (_, n) => Math.floor((n * count) / TIMED))) {
    changed.set(index, Date.now());
    await server.change(ids[index], { metadata: { step: 1 } });
    await sleep(EVERY_MS);
  }
  for (const id of ids) await server.change(id, { status: "COMPLETED_SUCCESSFULLY", output: JSON.stringify(id) });
  const seen = await client;
  const { peak, refused } = await server.limits();
  await server.stop();
  const ms = [...changed].map(([index, at]) => (seen[index].at ?? Number.POSITIVE_INFINITY) - at);
  return { ms, peak, refused, lost: seen.filter(({ output }, index) => output !== ids[index]).length };
}
