// A new process: the time from its start to the first token, and to the first row.

import path from "node:path";
import { bars } from "../lib/chart.mjs";
import { json, root, startPeer } from "../lib/process.mjs";
import { figure } from "../lib/stats.mjs";
import { check, number, table, times, verdict, withSpread } from "../lib/text.mjs";

const cold = (client, goal, url) =>
  json(process.execPath, [path.join(root, "bench/cold.cjs"), client, goal, ...(url ? [url] : [])]);

export const measure = {};

export async function run(bench) {
  const peer = await startPeer();
  const samples = await bench.alternate({
    node: () => cold("node", "nothing"),
    "ours token": () => cold("ours", "token", peer.url),
    "official token": () => cold("official", "token", peer.url),
    "ours row": () => cold("ours", "row", peer.url),
    "official row": () => cold("official", "row", peer.url),
  });
  await peer.stop();
  const of = (name, field) => figure(samples[name], field);
  const node = { millis: of("node", "millis").median, rss: of("node", "rss").median };
  const over = (name) => {
    const { median, lowest, highest } = of(name, "rss");
    const [m, l, h] = [median, lowest, highest].map((rss) => (rss - node.rss) / 1024);
    return { median: m, lowest: l, highest: h };
  };
  const checks = [];
  const rows = [];
  for (const goal of ["token", "row"]) {
    const [official, ours] = [of(`official ${goal}`, "millis"), of(`ours ${goal}`, "millis")];
    const time = check(`process start to first ${goal}`, official.median / ours.median, { least: 20, unit: "×" });
    const memory = check(`memory to first ${goal}`, over(`ours ${goal}`).median, { most: 8, unit: "MB" });
    checks.push(time, memory);
    const above = (official.median - node.millis) / Math.max(0.1, ours.median - node.millis);
    rows.push(
      [`first ${goal}, ms after process start`, withSpread(official), withSpread(ours), time.text, verdict(time)],
      [
        `— without Node's own ${number(node.millis)} ms`,
        number(official.median - node.millis),
        number(ours.median - node.millis),
        times(above),
        "",
      ],
      [
        "— peak memory over bare Node, MB",
        withSpread(over(`official ${goal}`)),
        withSpread(over(`ours ${goal}`)),
        times(over(`official ${goal}`).median / over(`ours ${goal}`).median),
        verdict(memory),
      ],
    );
  }
  const title = "A fresh process: milliseconds to the first token, and to the first row";
  const groups = ["token", "row"].map((goal) => ({
    label: `first ${goal}`,
    values: [node.millis, of(`ours ${goal}`, "millis").median, of(`official ${goal}`, "millis").median],
  }));
  const series = ["bare Node, first line", "trigger-native", "official SDK"];
  return {
    text: table(["a fresh process", "official SDK", "ours", "ratio", "target"], rows),
    checks,
    charts: { cold: { title, svg: bars({ title, unit: "ms", series, groups }) } },
  };
}
