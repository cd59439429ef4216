// Feeds that wait: the memory of each, and the CPU time of all of them while nothing happens.

import { findNginx } from "../../scripts/lib/nginx.mjs";
import { bars } from "../lib/chart.mjs";
import { cpuMicros, load, peakRss, rss, sleep, untilHeld } from "../lib/client.mjs";
import { runId } from "../lib/follow.mjs";
import { startNginx } from "../lib/nginx.mjs";
import { startPeer } from "../lib/process.mjs";
import { figure } from "../lib/stats.mjs";
import { check, number, table, verdict, withSpread } from "../lib/text.mjs";

/** The server holds every long poll longer than a measurement takes. */
const HELD_MS = 120_000;

const wait =
  (client) =>
  async ({ url, peer, group, feeds, windowMs }) => {
    const { runs } = load(client, url);
    const plan = { kind: "hold", group, feeds, updates: 0, detail: HELD_MS };
    const follow = async (/** @type {number} */ index) => {
      for await (const _ of runs.subscribeToRun(runId(plan, index)));
    };
    // One feed first, so that code that loads on first use does not count.
    follow(feeds);
    await untilHeld(peer, 1);
    await sleep(200);
    const before = rss();
    for (let index = 0; index < feeds; index++) follow(index);
    const held = (await untilHeld(peer, feeds + 1)) - 1;
    const peak = peakRss();
    await sleep(500);
    const settled = rss();
    const cpu = cpuMicros();
    const start = performance.now();
    await sleep(windowMs);
    const share = (cpuMicros() - cpu) / ((performance.now() - start) * 10);
    return { held, peakKb: (peak - before) / held, settledKb: (settled - before) / held, share };
  };

export const measure = { ours: wait("ours"), official: wait("official") };

export async function run(bench) {
  const feeds = bench.size(10_000, 500);
  const few = bench.size(500, 50);
  const nginx = findNginx();
  const measured = (client, count, over) => async () => {
    // Each client has a server of its own, which counts the requests that it holds.
    const peer = await startPeer();
    const proxy = over === "h2" ? await startNginx(nginx, peer.port) : undefined;
    const args = {
      url: proxy?.http2 ?? peer.url,
      peer: peer.url,
      group: bench.group(),
      feeds: count,
      windowMs: bench.size(2_000, 1_000),
    };
    try {
      return await bench.child(client, args, { env: proxy?.env });
    } finally {
      await proxy?.stop();
      await peer.stop();
    }
  };
  const samples = await bench.alternate({
    official: measured("official", few, "h1"),
    ours: measured("ours", feeds, "h1"),
    ...(nginx ? { "ours, HTTP/2": measured("ours", feeds, "h2") } : {}),
  });
  const checks = [];
  const rows = Object.entries(samples).map(([name, list]) => {
    const [peak, settled, share, held] = ["peakKb", "settledKb", "share", "held"].map((field) => figure(list, field));
    const count = name === "official" ? few : feeds;
    const label =
      name === "official"
        ? "official SDK, HTTP/1.1"
        : name === "ours"
          ? "ours, HTTP/1.1"
          : "ours, HTTP/2 through nginx";
    const cells = [
      label,
      `${number(held.lowest)} of ${count.toLocaleString("en")}`,
      withSpread(peak),
      withSpread(settled),
    ];
    if (name === "official") return [...cells, "", withSpread(share), ""];
    const most = name === "ours" ? 40 : 15;
    const memory = check(`memory of a live feed, ${label.slice(6)}`, peak.median, { most, unit: "KB" });
    const cpu = check(`CPU of ${feeds.toLocaleString("en")} idle feeds, ${label.slice(6)}`, share.median, {
      most: 1,
      unit: "%",
    });
    const live = check(`feeds live at once, ${label.slice(6)}`, held.lowest, { least: count, unit: "feeds" });
    checks.push(memory, cpu, live);
    return [...cells, verdict(memory), withSpread(share), verdict(cpu)];
  });
  const title = "Memory of one live feed, at the peak of the process";
  const labels = {
    official: `official SDK (${few.toLocaleString("en")} feeds)`,
    ours: "ours, HTTP/1.1",
    "ours, HTTP/2": "ours, HTTP/2",
  };
  const groups = Object.entries(samples).map(([name, list]) => ({
    label: labels[name],
    values: [figure(list, "peakKb").median],
  }));
  const notes = nginx ? [] : ["HTTP/2 was left out: nginx was not found."];
  return {
    text: [
      table(
        ["feeds that wait", "live at once", "peak KB a feed", "settled", "target", "idle CPU, % of a core", "target"],
        rows,
      ),
      ...notes,
    ].join("\n\n"),
    checks,
    charts: { idle: { title, svg: bars({ title, unit: "KB", series: ["peak"], groups }) } },
  };
}
