// 10,000 feeds, each updated once a second for a minute, whether or not the client keeps up; and
// 10,000 feeds without any change, with the server's own holding time.

import { monitorEventLoopDelay } from "node:perf_hooks";
import { lines } from "../lib/chart.mjs";
import { cpuMicros, latch, load, peakRss, sleep, untilHeld } from "../lib/client.mjs";
import { runId } from "../lib/follow.mjs";
import { startPeer } from "../lib/process.mjs";
import { figure, percentile } from "../lib/stats.mjs";
import { check, number, table, verdict, withSpread } from "../lib/text.mjs";

/** The interval at which the delay of the event loop is sampled, in milliseconds. It does not count as delay. */
const RESOLUTION = 10;
const PERCENTS = [50, 75, 90, 95, 99, 99.9, 100];

export const measure = {
  async ours({ url, group, feeds, updates, period }) {
    const { runs } = load("ours", url);
    const plan = { kind: "tick", group, feeds, updates, detail: period };
    const live = latch(feeds);
    const [latency, onWire] = [[], []];
    let [final, missed] = [0, 0];
    const follow = async (/** @type {number} */ index) => {
      let last = -1;
      for await (const run of runs.subscribeToRun(runId(plan, index))) {
        const { progress, at, sent } = run.metadata;
        if (last < 0) {
          live.arrive();
        } else {
          const now = performance.timeOrigin + performance.now();
          latency.push(now - at);
          onWire.push(now - sent);
          missed += progress - last - 1;
        }
        last = progress;
      }
      if (last === updates) final++;
    };
    const all = Promise.all(Array.from({ length: feeds }, (_, index) => follow(index)));
    await live.opened;
    const loop = monitorEventLoopDelay({ resolution: RESOLUTION });
    loop.enable();
    const [cpu, start] = [cpuMicros(), performance.now()];
    await all;
    const seconds = (performance.now() - start) / 1000;
    loop.disable();
    return {
      final,
      delivered: latency.length,
      superseded: missed,
      curve: PERCENTS.map((percent) => percentile(latency, percent / 100)),
      p50: percentile(latency, 0.5),
      p99: percentile(latency, 0.99),
      wireP99: percentile(onWire, 0.99),
      loopP99: Math.max(0, loop.percentile(99) / 1e6 - RESOLUTION),
      share: (cpuMicros() - cpu) / (seconds * 10_000),
      seconds,
      peakMb: peakRss() / 1024,
    };
  },

  async idle({ url, group, feeds, seconds }) {
    const { runs } = load("ours", url);
    const follow = async (/** @type {number} */ index) => {
      // The server holds a request for 17 to 23 s.
      const plan = { kind: "hold", group, feeds, updates: 0, detail: 17_000 + (index * 6_000) / feeds };
      plan.detail = Math.round(plan.detail);
      for await (const _ of runs.subscribeToRun(runId(plan, index)));
    };
    for (let index = 0; index < feeds; index++) follow(index);
    await untilHeld(url, feeds);
    await sleep(23_000);
    const [cpu, start] = [cpuMicros(), performance.now()];
    await sleep(seconds * 1_000);
    return { share: (cpuMicros() - cpu) / ((performance.now() - start) * 10) };
  },
};

export async function run(bench) {
  const [feeds, updates, period] = [bench.size(10_000, 500), bench.size(60, 5), 1_000];
  const peered = (client, args) => async () => {
    const peer = await startPeer();
    try {
      return await bench.child(client, { url: peer.url, group: bench.group(), feeds, ...args });
    } finally {
      await peer.stop();
    }
  };
  const samples = await bench.alternate({
    ours: peered("ours", { updates, period }),
    ...(bench.quick ? {} : { idle: peered("idle", { seconds: 20 }) }),
  });
  const of = (field) => figure(samples.ours, field);
  const name = `${feeds.toLocaleString("en")} feeds, one update each a second`;
  const final = check(`${name}: final states`, of("final").lowest, { least: feeds, unit: "feeds" });
  const slow = check(`${name}: latency p99`, of("p99").median, { most: 1_000, unit: "ms" });
  const loop = check(`${name}: event-loop delay p99`, of("loopP99").median, { most: 50, unit: "ms" });
  const idle = samples.idle
    ? [["CPU with nothing to tell, polls held 17 to 23 s, % of a core", withSpread(figure(samples.idle, "share")), ""]]
    : [];
  const curve = PERCENTS.slice(0, -1).map((percent, index) => {
    const sorted = samples.ours.map((sample) => sample.curve[index]).sort((a, b) => a - b);
    return [100 / (100 - percent), Math.max(0.1, sorted[Math.floor(sorted.length / 2)])];
  });
  const title = `${name}: latency by share of updates`;
  return {
    text: table(
      [`${name}, for ${updates} s`, "ours", "target"],
      [
        ["final states delivered", `${number(of("final").lowest)} of ${feeds.toLocaleString("en")}`, verdict(final)],
        ["latency p50, ms", withSpread(of("p50")), ""],
        ["latency p99, ms", withSpread(of("p99")), verdict(slow)],
        ["— since the server sent it, p99, ms", withSpread(of("wireP99")), ""],
        ["event-loop delay p99, ms", withSpread(of("loopP99")), verdict(loop)],
        ["updates superseded before they were asked for", withSpread(of("superseded")), ""],
        ["CPU, % of a core", withSpread(of("share")), ""],
        ["peak memory, MB", withSpread(of("peakMb")), ""],
        ...idle,
      ],
    ),
    checks: [final, slow, loop],
    charts: {
      crowd: {
        title,
        svg: lines({
          title,
          x: "one update in so many took longer",
          y: "ms",
          series: [{ label: "trigger-native", points: curve }],
          logarithmic: true,
        }),
      },
    },
  };
}
