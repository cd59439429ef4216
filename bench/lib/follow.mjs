// Follows many runs at once, and measures the cost from the moment at which all of them are live.

import { control, cpuMicros, latch, peakRss, untilHeld } from "./client.mjs";

/** The id of one run of a plan, see `bench/peer/plan.rs`. */
export function runId({ kind = "step", group, feeds, updates, detail = 0 }, index) {
  return `run_${kind}_${group}_${feeds}_${updates}_${detail}_${index}`;
}

/**
 * Follows all runs of a plan to their ends. The measurement begins when every feed is live and waits, and ends when
 * every feed had `updates` updates and waits again: so many responses, and as many requests. One more update then ends
 * each run.
 *
 * @param {{ subscribeToRun: (id: string) => AsyncIterable<any> }} runs
 * @param {string} peer the server
 * @param {{ group: string, feeds: number, updates: number, detail?: number }} plan
 * @param {(run: any) => void} [update] gets every run but each feed's first
 */
export async function followAll(runs, peer, plan, update) {
  const { group, feeds, updates } = plan;
  const live = latch(feeds);
  const told = latch(feeds * updates);
  let delivered = 0;
  const follow = async (/** @type {number} */ index) => {
    let first = true;
    // The server does not open a group of 0 by itself.
    for await (const run of runs.subscribeToRun(runId({ ...plan, feeds: 0, updates: updates + 1 }, index))) {
      if (first) {
        first = false;
        live.arrive();
        continue;
      }
      // A real reader uses something of the run.
      if (!(run.metadata.progress > 0)) throw new Error(`a run without its metadata: ${JSON.stringify(run)}`);
      delivered++;
      update?.(run);
      told.arrive();
    }
  };
  const all = Promise.all(Array.from({ length: feeds }, (_, index) => follow(index)));
  await Promise.race([live.opened, all]);
  await untilHeld(peer, feeds);
  const cpu = cpuMicros();
  const start = performance.now();
  await control(`${peer}/bench/release/${group}/1`);
  await Promise.race([told.opened, all]);
  await untilHeld(peer, feeds);
  const spent = cpuMicros() - cpu;
  const measured = delivered;
  const seconds = (performance.now() - start) / 1000;
  await control(`${peer}/bench/release/${group}/all`);
  await all;
  if (measured !== feeds * updates || delivered !== feeds * (updates + 1)) {
    // The cost of each update would mean nothing.
    throw new Error(`${measured} of ${feeds * updates} updates came, and ${delivered - measured} of ${feeds} ends`);
  }
  return { micros: spent / measured, seconds, peakKb: peakRss() };
}
