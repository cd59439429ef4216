// The growth of the cost of an update with the number of feeds, of updates and the size of a row: four sizes each, and
// the slope fitted through them.

import { lines } from "../lib/chart.mjs";
import { load } from "../lib/client.mjs";
import { followAll } from "../lib/follow.mjs";
import { startPeer } from "../lib/process.mjs";
import { exponent, figure, fit } from "../lib/stats.mjs";
import { number, table, withSpread } from "../lib/text.mjs";

export const measure = {
  ours: ({ url, ...plan }) => followAll(load("ours", url).runs, url, plan),
};

/** `unit`: the number of them for which the linear slope is given. */
const AXES = [
  {
    name: "feeds",
    unit: 1_000,
    plans: [10, 100, 1_000, 3_000].map((feeds) => ({
      size: feeds,
      feeds,
      updates: Math.max(6, Math.ceil(6_000 / feeds)),
    })),
  },
  {
    name: "updates of one feed",
    unit: 1_000,
    plans: [1_000, 3_000, 9_000, 27_000].map((updates) => ({ size: updates, feeds: 1, updates })),
  },
  {
    name: "payload, bytes",
    unit: 1_024,
    plans: [1_000, 10_000, 100_000, 1_000_000].map((bytes) => ({
      size: bytes,
      feeds: 4,
      updates: Math.max(30, Math.min(1_000, Math.ceil(10_000_000 / bytes))),
      detail: bytes,
    })),
  },
];

export async function run(bench) {
  const peer = await startPeer();
  const rows = [];
  const charts = {};
  for (const { name, unit, plans } of AXES) {
    const points = { ours: [], bare: [] };
    const cells = [];
    for (const { size, ...plan } of plans) {
      const args = { ...plan, updates: bench.size(plan.updates, Math.ceil(plan.updates / 10)) };
      const samples = await bench.alternate({
        ours: () => bench.child("ours", { url: peer.url, group: bench.group(), ...args }),
        bare: () => bench.bare(peer, args),
      });
      for (const who of ["ours", "bare"]) points[who].push([size, figure(samples[who], "micros").median]);
      cells.push(`${size.toLocaleString("en")}: ${withSpread(figure(samples.ours, "micros"))}`);
    }
    for (const [who, label] of [
      ["ours", "trigger-native"],
      ["bare", "bare Rust"],
    ]) {
      rows.push([
        name,
        label,
        who === "ours"
          ? cells.join("<br>")
          : points.bare.map(([size, y]) => `${size.toLocaleString("en")}: ${number(y)}`).join("<br>"),
        number(exponent(points[who])),
        `${number(fit(points[who]).slope * unit)} for ${unit.toLocaleString("en")} more`,
      ]);
    }
    const title = `CPU time of one update, by ${name.split(",")[0]}`;
    const logarithmic = name.startsWith("payload");
    const series = [
      { label: "bare Rust", points: points.bare },
      { label: "trigger-native", points: points.ours },
    ];
    charts[`growth-${name.split(/[ ,]/)[0]}`] = { title, svg: lines({ title, x: name, y: "µs", series, logarithmic }) };
  }
  await peer.stop();
  return {
    text: table(["CPU µs an update, by", "client", "size: µs", "exponent", "fitted slope, µs"], rows),
    checks: [],
    charts,
  };
}
