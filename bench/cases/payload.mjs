// A run with a payload of 300 KB, updated 100 times. Every update brings the whole row again.

import { bars } from "../lib/chart.mjs";
import { load } from "../lib/client.mjs";
import { followAll } from "../lib/follow.mjs";
import { startPeer } from "../lib/process.mjs";
import { figure } from "../lib/stats.mjs";
import { check, number, table, verdict, withSpread } from "../lib/text.mjs";

const follow =
  (client) =>
  async ({ url, read, ...plan }) => {
    let items = 0;
    const update = (/** @type {any} */ run) => {
      if (read) items += run.payload.items.length;
    };
    const sample = await followAll(load(client, url).runs, url, plan, update);
    if (read && !(items > 0)) throw new Error("the payload was empty");
    return sample;
  };

export const measure = { ours: follow("ours"), official: follow("official") };

export async function run(bench) {
  const peer = await startPeer();
  const [checks, rows, groups] = [[], [], []];
  const detail = 300_000;
  const updates = bench.size(100, 20);
  const bare = await bench.alternate({ bare: () => bench.bare(peer, { feeds: 1, updates, detail }) });
  const floor = figure(bare.bare, "micros");
  for (const read of [false, true]) {
    const measured = (client) => () =>
      bench.child(client, { url: peer.url, group: bench.group(), feeds: 1, updates, detail, read });
    const samples = await bench.alternate({ official: measured("official"), ours: measured("ours") });
    const [official, ours] = ["official", "ours"].map((name) => figure(samples[name], "micros"));
    const label = read ? "payload read at every update" : "payload not read";
    const ratio = check(`CPU an update with a 300 KB payload, ${label}`, official.median / ours.median, {
      least: 10,
      unit: "×",
    });
    checks.push(ratio);
    rows.push([label, withSpread(official), withSpread(ours), ratio.text, verdict(ratio), number(floor.median)]);
    groups.push({ label, values: [floor.median, ours.median, official.median] });
  }
  await peer.stop();
  const title = "A payload of 300 KB: CPU time of one delivered update";
  return {
    text: table(
      [`300 KB, ${updates} updates`, "official SDK, CPU µs an update", "ours", "ratio", "target", "bare Rust"],
      rows,
    ),
    checks,
    charts: {
      payload: {
        title,
        svg: bars({ title, unit: "µs", series: ["bare Rust", "trigger-native", "official SDK"], groups }),
      },
    },
  };
}
