// A realtime stream of 1 KB chunks, in both versions of the protocol.

import { bars } from "../lib/chart.mjs";
import { cpuMicros, load, peakRss } from "../lib/client.mjs";
import { startPeer } from "../lib/process.mjs";
import { figure } from "../lib/stats.mjs";
import { check, table, verdict, withSpread } from "../lib/text.mjs";

/** The interval between the chunks of a live stream. */
const LIVE_MICROS = 1_000;

const read =
  (client) =>
  async ({ url, version, chunks, live }) => {
    const { streams } = load(client, url);
    // One stream first, so that code that is compiled on first use does not count.
    await readAll(streams, `${version}-2000-1000-0`, 2_000);
    const cpu = cpuMicros();
    const start = performance.now();
    await readAll(streams, `${version}-${chunks}-1000-${live ? LIVE_MICROS : 0}`, chunks);
    const seconds = (performance.now() - start) / 1000;
    return { micros: (cpuMicros() - cpu) / chunks, perSecond: chunks / seconds, peakKb: peakRss() };
  };

async function readAll(streams, key, chunks) {
  let next = 0;
  for await (const chunk of await streams.read("run_bench", key)) {
    if (chunk.n !== next) throw new Error(`chunk ${next} is ${JSON.stringify(chunk)?.slice(0, 80)}`);
    if (++next === chunks) break;
  }
  if (next !== chunks) throw new Error(`${next} of ${chunks} chunks came`);
}

export const measure = { ours: read("ours"), official: read("official") };

export async function run(bench) {
  const peer = await startPeer();
  const [checks, rows, groups] = [[], [], []];
  for (const version of ["v1", "v2"]) {
    for (const live of [true, false]) {
      const measured = (client, chunks) => () =>
        bench.child(client, { url: peer.url, version, live, chunks: bench.size(chunks, chunks / 10) });
      const samples = await bench.alternate({
        official: measured("official", live ? 1_500 : 20_000),
        ours: measured("ours", live ? 1_500 : 60_000),
      });
      const of = (name, field) => figure(samples[name], field);
      const how = `${version}, ${live ? "live, 1,000 a second" : "all at once"}`;
      const row = (label, field, checked) => {
        checks.push(checked);
        rows.push([
          label,
          withSpread(of("official", field)),
          withSpread(of("ours", field)),
          checked.text,
          verdict(checked),
        ]);
      };
      const less = of("official", "micros").median / of("ours", "micros").median;
      row(`${how}: CPU µs a chunk`, "micros", check(`CPU a chunk, stream ${how}`, less, { least: 10, unit: "×" }));
      if (!live) {
        const more = of("ours", "perSecond").median / of("official", "perSecond").median;
        row(
          `${how}: chunks a second`,
          "perSecond",
          check(`chunks a second, stream ${how}`, more, { least: 5, unit: "×" }),
        );
      }
      groups.push({ label: how, values: [of("ours", "micros").median, of("official", "micros").median] });
    }
  }
  await peer.stop();
  const title = "Streams of 1 KB chunks: CPU time of one chunk";
  return {
    text: table(["chunks of 1 KB", "official SDK", "ours", "ratio", "target"], rows),
    checks,
    charts: {
      streams: { title, svg: bars({ title, unit: "µs", series: ["trigger-native", "official SDK"], groups }) },
    },
  };
}
