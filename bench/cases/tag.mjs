// A feed of 1,000 live runs with one tag, each updated once a second. One server sends each update as it comes; the
// other gathers updates ten times a second.

import { bars } from "../lib/chart.mjs";
import { control, cpuMicros, latch, load, peakRss, untilHeld } from "../lib/client.mjs";
import { startPeer } from "../lib/process.mjs";
import { figure } from "../lib/stats.mjs";
import { check, number, table, verdict, withSpread } from "../lib/text.mjs";

const PERIOD_MS = 1_000;

const follow =
  (client) =>
  async ({ url, group, live, updates, kind }) => {
    const { runs } = load(client, url);
    const snapshot = latch(live);
    const last = latch(live);
    let delivered = 0;
    const reading = (async () => {
      for await (const run of runs.subscribeToRunsWithTag(`${kind}_${group}_${live}_${updates}_${PERIOD_MS}`)) {
        const version = run.metadata.progress;
        if (version > 0) delivered++;
        if (version === 0) snapshot.arrive();
        else if (version === updates) last.arrive();
      }
    })();
    await Promise.race([snapshot.opened, reading]);
    await untilHeld(url, 1);
    const { polls } = await control(`${url}/bench/stats`);
    const cpu = cpuMicros();
    await control(`${url}/bench/release/${group}/all`);
    await Promise.race([last.opened, reading]);
    const spent = cpuMicros() - cpu;
    const answers = (await control(`${url}/bench/stats`)).polls - polls;
    return {
      micros: spent / delivered,
      rows: delivered / answers,
      share: (100 * delivered) / (live * updates),
      peakKb: peakRss(),
    };
  };

export const measure = { ours: follow("ours"), official: follow("official") };

export async function run(bench) {
  const peer = await startPeer();
  const live = bench.size(1_000, 100);
  const [checks, rows, groups] = [[], [], []];
  for (const [kind, label] of [
    ["tick", "told as they come"],
    ["gather", "told ten times a second"],
  ]) {
    const measured = (client) => () =>
      bench.child(client, { url: peer.url, group: bench.group(), live, updates: bench.size(4, 3), kind });
    const samples = await bench.alternate({ official: measured("official"), ours: measured("ours") });
    const [official, ours] = ["official", "ours"].map((name) => figure(samples[name], "micros"));
    const ratio = check(
      `CPU an update of a tag feed with ${live.toLocaleString("en")} live runs, ${label}`,
      official.median / ours.median,
      { least: 25, unit: "×" },
    );
    const of = (name, field) => number(figure(samples[name], field).median);
    const both = (field) => `${of("official", field)} / ${of("ours", field)}`;
    checks.push(ratio);
    rows.push([label, withSpread(official), withSpread(ours), ratio.text, verdict(ratio), both("rows"), both("share")]);
    groups.push({ label, values: [ours.median, official.median] });
  }
  await peer.stop();
  const title = `A tag feed with ${live.toLocaleString("en")} live runs: CPU time of one delivered update`;
  return {
    text: table(
      [
        `${live.toLocaleString("en")} runs, each updated once a second`,
        "official SDK, CPU µs an update",
        "ours",
        "ratio",
        "target",
        "rows in an answer, official / ours",
        "updates delivered, %, official / ours",
      ],
      rows,
    ),
    checks,
    charts: { tag: { title, svg: bars({ title, unit: "µs", series: ["trigger-native", "official SDK"], groups }) } },
  };
}
