// The CPU time of each delivered update of a run, by the number of live feeds.

import { bars } from "../lib/chart.mjs";
import { load } from "../lib/client.mjs";
import { followAll } from "../lib/follow.mjs";
import { startPeer } from "../lib/process.mjs";
import { figure } from "../lib/stats.mjs";
import { check, table, verdict, withSpread } from "../lib/text.mjs";

const follow =
  (client) =>
  ({ url, ...plan }) =>
    followAll(load(client, url).runs, url, plan);

export const measure = { ours: follow("ours"), official: follow("official") };

/** The number of measured updates of each feed. */
const PLANS = [
  { feeds: 1, official: 1_000, ours: 4_000, least: 10 },
  { feeds: 100, official: 8, ours: 80, least: 25 },
  { feeds: 1_000, official: 4, ours: 10, least: 20 },
  { feeds: 3_000, official: 2, ours: 4, least: 20 },
];

export async function run(bench) {
  const peer = await startPeer();
  const [checks, rows, groups] = [[], [], []];
  for (const plan of bench.size(PLANS, PLANS.slice(0, 2))) {
    const { feeds } = plan;
    const measured = (client, updates) => () =>
      bench.child(client, {
        url: peer.url,
        group: bench.group(),
        feeds,
        updates: bench.size(updates, Math.ceil(updates / 10)),
      });
    const samples = await bench.alternate({
      official: measured("official", plan.official),
      ours: measured("ours", plan.ours),
      bare: () => bench.bare(peer, { feeds, updates: bench.size(plan.ours, Math.ceil(plan.ours / 10)) }),
    });
    const [official, ours, bare] = ["official", "ours", "bare"].map((name) => figure(samples[name], "micros"));
    const name = `CPU an update, ${feeds.toLocaleString("en")} ${feeds === 1 ? "feed" : "feeds"}`;
    const ratio = check(name, official.median / ours.median, { least: plan.least, unit: "×" });
    const over = check(`${name}, over bare Rust`, ours.median / bare.median, { most: 1.5, unit: "×" });
    checks.push(ratio, over);
    rows.push([
      feeds.toLocaleString("en"),
      withSpread(official),
      withSpread(ours),
      ratio.text,
      verdict(ratio),
      withSpread(bare),
      over.text,
      verdict(over),
    ]);
    groups.push({ label: `${feeds.toLocaleString("en")} live`, values: [bare.median, ours.median, official.median] });
  }
  await peer.stop();
  const title = "Following runs: CPU time of one delivered update, by live feeds";
  const heads = [
    "live feeds",
    "official SDK, CPU µs an update",
    "ours",
    "ratio",
    "target",
    "bare Rust",
    "ours over bare",
    "target",
  ];
  return {
    text: table(heads, rows),
    checks,
    charts: {
      feeds: {
        title,
        svg: bars({ title, unit: "µs", series: ["bare Rust", "trigger-native", "official SDK"], groups }),
      },
    },
  };
}
