// 2,000 feeds through nginx: the time until all are live, and the latency of a call meanwhile.

import { findNginx, nginxAdvice } from "../../scripts/lib/nginx.mjs";
import { bars } from "../lib/chart.mjs";
import { ADDITIONAL_KEY, control, cpuMicros, load, peakRss, untilHeld, within } from "../lib/client.mjs";
import { runId } from "../lib/follow.mjs";
import { startNginx } from "../lib/nginx.mjs";
import { startPeer } from "../lib/process.mjs";
import { figure, median, percentile } from "../lib/stats.mjs";
import { check, number, table, withSpread } from "../lib/text.mjs";

/** The latencies of calls in milliseconds, one after another. With this key, every token is a call. */
async function latencies(auth, calls) {
  const times = [];
  for (let i = 0; i < calls; i++) {
    const start = performance.now();
    await auth.createPublicToken({ scopes: { read: { runs: [`run_${i}`] } } });
    times.push(performance.now() - start);
  }
  return times;
}

const through =
  (client) =>
  async ({ url, peer, group, feeds, updates, calls }) => {
    const { auth, runs } = load(client, url, ADDITIONAL_KEY);
    await latencies(auth, calls);
    const without = await latencies(auth, calls);
    // A control call opens the group.
    const plan = { group, feeds: 0, updates };
    let delivered = 0;
    let ended = 0;
    const follow = async (/** @type {number} */ index) => {
      let first = true;
      for await (const run of runs.subscribeToRun(runId(plan, index))) {
        if (!first) delivered += run.metadata.progress > 0 ? 1 : 0;
        first = false;
        if (run.isSuccess) ended++;
      }
    };
    const all = Promise.all(Array.from({ length: feeds }, (_, index) => follow(index)));
    const held = await untilHeld(peer, feeds);
    const during = await latencies(auth, calls);
    const cpu = cpuMicros();
    await control(`${peer}/bench/release/${group}/all`);
    await within(60_000, all);
    return {
      held,
      withoutMs: median(without),
      duringMs: median(during),
      withoutP99: percentile(without, 0.99),
      duringP99: percentile(during, 0.99),
      delivered,
      ended,
      micros: (cpuMicros() - cpu) / delivered,
      peakKb: peakRss(),
    };
  };

export const measure = { ours: through("ours"), official: through("official") };

export async function run(bench) {
  const nginx = findNginx();
  if (!nginx) return { skipped: `nginx was not found: ${nginxAdvice}` };
  const [feeds, few] = [bench.size(2_000, 300), bench.size(500, 50)];
  const contestant = (client, protocol, count, updates) => async () => {
    const peer = await startPeer();
    const proxy = await startNginx(nginx, peer.port);
    const args = {
      url: proxy[protocol],
      peer: peer.url,
      group: bench.group(),
      feeds: count,
      updates,
      calls: bench.size(100, 30),
    };
    try {
      return await bench.child(client, args, { env: proxy.env });
    } finally {
      await proxy.stop();
      await peer.stop();
    }
  };
  // So many updates make nginx close every HTTP/2 connection of this package at least once.
  const updates = bench.size(12, 4);
  const plans = {
    "ours, HTTP/2": { measured: contestant("ours", "http2", feeds, updates), count: feeds, updates },
    "ours, HTTP/1.1": { measured: contestant("ours", "http1", feeds, updates), count: feeds, updates },
    "official SDK, HTTP/1.1": { measured: contestant("official", "http2", few, 5), count: few, updates: 5 },
  };
  const samples = await bench.alternate(
    Object.fromEntries(Object.entries(plans).map(([name, { measured }]) => [name, measured])),
  );
  const checks = [];
  const rows = Object.entries(plans).map(([name, { count, updates: each }]) => {
    const of = (field) => figure(samples[name], field);
    const cells = [
      name,
      `${number(of("held").lowest)} of ${count.toLocaleString("en")}`,
      withSpread(of("withoutMs")),
      withSpread(of("duringMs")),
      withSpread(of("duringP99")),
      `${number(of("delivered").lowest)} of ${(count * each).toLocaleString("en")}`,
      withSpread(of("micros")),
    ];
    if (name.startsWith("ours")) {
      const live = check(`feeds live at once through nginx, ${name}`, of("held").lowest, {
        least: count,
        unit: "feeds",
      });
      // The calls must not take longer, apart from the difference between two equal measurements.
      const slower = check(
        `a token call during ${count.toLocaleString("en")} feeds, ${name}`,
        of("duringMs").median / of("withoutMs").median,
        {
          most: 1.1,
          unit: "×",
        },
      );
      const lost = check(`updates through nginx, ${name}`, of("delivered").lowest, {
        least: count * each,
        unit: "updates",
      });
      checks.push(live, slower, lost);
      return [...cells, [live, slower, lost].every((checked) => checked.met) ? "✓" : "✗"];
    }
    return [...cells, ""];
  });
  const title = "A token call through nginx, with and without live feeds";
  const groups = Object.keys(plans).map((name) => ({
    label: name,
    values: [figure(samples[name], "withoutMs").median, figure(samples[name], "duringMs").median],
  }));
  return {
    text: table(
      [
        "through nginx, TLS",
        "live at once",
        "token call, ms",
        "… during",
        "… p99",
        "updates delivered",
        "CPU µs an update",
        "all live, no slower, nothing lost",
      ],
      rows,
    ),
    checks,
    charts: { nginx: { title, svg: bars({ title, unit: "ms", series: ["without feeds", "with all feeds"], groups }) } },
  };
}
