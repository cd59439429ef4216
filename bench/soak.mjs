// `npm run soak`: feeds and viewers that come and go, for as long as is told. Prints how the memory grows after the
// warm-up, and whether everything is given back in the end; draws docs/charts/soak.svg with --write.

import { fork } from "node:child_process";
import { once } from "node:events";
import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import path from "node:path";
import { setTimeout as pass } from "node:timers/promises";
import { parseArgs } from "node:util";
import { lines } from "./lib/chart.mjs";
import { load, ROOT_KEY, rss } from "./lib/client.mjs";
import { build, root, startPeer } from "./lib/process.mjs";
import { trend } from "./lib/trend.mjs";

/** The time between two updates of a run. */
const PERIOD_MS = 5_000;
/** The runs that can be viewed at a time. */
const VIEWED = 100;
const SAMPLE_MS = 10_000;
/** The share of the time that counts as warm-up. */
const WARM_UP = 0.2;
/** What the memory may grow in an hour, of its median, before the soak fails; judged from half an hour on. */
const MOST_GROWTH = 0.05;

const { values: options } = parseArgs({
  options: {
    minutes: { type: "string", default: "60" },
    feeds: { type: "string", default: "2000" },
    viewers: { type: "string", default: "5000" },
    write: { type: "boolean", default: false },
    "no-build": { type: "boolean", default: false },
  },
});
const [minutes, feeds, viewers] = [options.minutes, options.feeds, options.viewers].map(Number);
if (!globalThis.gc) throw new Error("run it by `npm run soak`: node needs --expose-gc");

let made = 0;
/** The id of a new run, which ends after some updates, see `bench/peer/plan.rs`. */
const newRun = () => `run_tick_k${process.pid}x${++made}_1_${2 + Math.floor(Math.random() * 12)}_${PERIOD_MS}_0`;

let over = false;
const counts = { opened: 0, updates: 0, ended: 0, left: 0, refused: 0 };
/** @type {Record<string, number>} */
const failures = {};

/** The ways to read a run; each returns when it ends. */
const WAYS = [
  async (runs, id, signal) => {
    for await (const run of runs.subscribeToRun(id, { signal })) seen(run);
  },
  async (runs, id, signal) => {
    for await (const run of runs.subscribeToRun(id)) {
      seen(run);
      // What is left in the loop is closed by it.
      if (signal.aborted || Math.random() < 0.1) break;
    }
  },
  async (runs, id, signal) => {
    const request = new Request("http://app.example/", { signal });
    for await (const _ of runs.subscribeToRun(id).toResponse(request).body) counts.updates++;
  },
  async (runs, id, signal) => {
    const reader = runs.subscribeToRun(id, { signal }).toReadableStream().getReader();
    for (let step = await reader.read(); !step.done; step = await reader.read()) seen(step.value);
  },
  async (runs, _, signal) => {
    await runs
      .subscribeToRun("run_unknown", { signal })
      .next()
      .then(seen, (error) => {
        if (error.status !== 404) throw error;
        counts.refused++;
      });
    await pass(5_000);
  },
];

function seen(run) {
  if (run?.id) counts.updates++;
}

/** One place for a feed: another one follows each. */
async function place(runs, index) {
  await pass((index / feeds) * 10_000);
  while (!over) {
    const leaving = new AbortController();
    const timer = setTimeout(() => leaving.abort(), 1_000 + Math.random() * 60_000);
    const watch = setInterval(() => over && leaving.abort(), 250);
    // One place in twenty reads what does not exist.
    const way = index % 20 === 0 ? WAYS[4] : WAYS[Math.floor(Math.random() * 4)];
    counts.opened++;
    try {
      await way(runs, newRun(), leaving.signal);
      counts[leaving.signal.aborted ? "left" : "ended"]++;
    } catch (error) {
      const name = error.code ?? error.name;
      failures[name] = (failures[name] ?? 0) + 1;
    }
    clearTimeout(timer);
    clearInterval(watch);
  }
}

function descriptors() {
  return readdirSync("/proc/self/fd").length;
}

function threads() {
  return Number(readFileSync("/proc/self/status", "latin1").match(/^Threads:\s+(\d+)/m)?.[1]);
}

if (!options["no-build"]) build();
await soak();

async function soak() {
  const peer = await startPeer();
  const { auth, createRealtimeHandler, runs } = load("ours", peer.url);
  const limits = {
    viewersPerToken: 2 * viewers,
    viewersPerFeed: 2 * viewers,
    viewers: 2 * viewers,
    feedsPerToken: 10_000,
  };
  const handler = createRealtimeHandler({
    accessToken: ROOT_KEY,
    baseURL: peer.url,
    limits,
    keepMs: 1_000,
    upstream: { connections: 0 },
  });
  const { url } = await handler.listen();
  const token = await auth.createPublicToken({ scopes: { read: { runs: true } }, expirationTime: "1d" });
  await warmUp(runs);
  globalThis.gc();
  const before = { descriptors: descriptors(), rss: rss() };
  const crowd = fork(path.join(root, "bench/lib/soak-viewers.mjs"), [url, String(viewers)], {
    env: { ...process.env, BENCH_TOKEN: token },
  });
  const told = new Promise((resolve) => crowd.on("message", resolve));
  const viewed = Array.from({ length: VIEWED }, newRun);
  const turn = setInterval(() => {
    // Every run ends, and others come.
    viewed.splice(0, 2);
    viewed.push(newRun(), newRun());
    if (crowd.connected) crowd.send({ runs: viewed });
  }, 1_000);
  crowd.send({ runs: viewed });
  const places = Array.from({ length: feeds }, (_, index) => place(runs, index));
  const samples = await sampled(handler);
  over = true;
  clearInterval(turn);
  crowd.send({ end: true });
  const crowdEnd = once(crowd, "exit");
  const [said] = await Promise.all([told, crowdEnd, ...places]);
  const left = await settled(handler, before);
  await handler.close();
  await peer.stop();
  report(samples, said, left, before);
}

/** One of everything, so that what is made once does not count as growth. */
async function warmUp(runs) {
  const id = newRun();
  for await (const _ of runs.subscribeToRun(id)) break;
}

async function sampled(handler) {
  const samples = [];
  const began = performance.now();
  while (performance.now() - began < minutes * 60_000) {
    await pass(Math.min(SAMPLE_MS, minutes * 60_000));
    globalThis.gc();
    const { heapUsed, external } = process.memoryUsage();
    const stats = handler.stats();
    const sample = {
      minute: (performance.now() - began) / 60_000,
      rss: rss(),
      heap: Math.round(heapUsed / 1024),
      external: Math.round(external / 1024),
      descriptors: descriptors(),
      threads: threads(),
      viewers: stats.viewers.now,
      feeds: stats.feeds,
    };
    samples.push(sample);
    console.error(JSON.stringify({ ...sample, minute: Number(sample.minute.toFixed(2)), ...counts }));
  }
  return samples;
}

/** What is still open when all have left, once nothing more is given back. */
async function settled(handler, before) {
  let left;
  for (let turn = 0; turn < 150; turn++) {
    const stats = handler.stats();
    left = { viewers: stats.viewers.now, feeds: stats.feeds, descriptors: descriptors() - before.descriptors };
    // Of the pool to the server, connections stay open for a while.
    if (left.viewers === 0 && left.feeds === 0 && left.descriptors <= 0) break;
    await pass(200);
  }
  globalThis.gc();
  return { ...left, rss: rss() };
}

function report(samples, said, left, before) {
  const warm = samples.filter(({ minute }) => minute >= minutes * WARM_UP);
  const points = (field) => warm.map((sample) => [sample.minute, sample[field]]);
  const median = (field) => warm.map((sample) => sample[field]).sort((a, b) => a - b)[Math.floor(warm.length / 2)];
  const figures = (field) => {
    const { slope, lowest, highest } = trend(points(field));
    return `${field} ${Math.round(median(field))} KB, ${slope.toFixed(1)} KB a minute (${lowest.toFixed(1)} to ${highest.toFixed(1)})`;
  };
  console.log(
    `${minutes} minutes, ${feeds} feeds, ${viewers} viewers; after the warm-up: ${figures("rss")}; ${figures("heap")}`,
  );
  console.log(`feeds: ${JSON.stringify(counts)}; viewers: ${JSON.stringify(said.counts)}`);
  console.log(`in the end: ${JSON.stringify(left)}, before: ${JSON.stringify(before)}`);
  const wrong = [];
  for (const [name, count] of Object.entries({ ...failures, ...said.failures })) wrong.push(`${count} × ${name}`);
  if (left.viewers > 0) wrong.push(`${left.viewers} viewers are left`);
  if (left.feeds > 0) wrong.push(`${left.feeds} feeds of the relay are left`);
  if (left.descriptors > 0) wrong.push(`${left.descriptors} descriptors are left`);
  const { lowest } = trend(points("rss"));
  if (minutes >= 30 && lowest * 60 > MOST_GROWTH * median("rss")) wrong.push("memory grows");
  if (options.write) draw(samples);
  if (wrong.length === 0) return;
  console.log(`wrong: ${wrong.join("; ")}`);
  process.exitCode = 1;
}

function draw(samples) {
  const series = ["rss", "heap"].map((field) => ({
    label: field === "rss" ? "memory of the process" : "JavaScript's heap",
    points: samples.map((sample) => [sample.minute, sample[field] / 1024]),
  }));
  const title = `${feeds.toLocaleString("en")} feeds and ${viewers.toLocaleString("en")} viewers that come and go`;
  writeFileSync(path.join(root, "docs/charts/soak.svg"), lines({ title, x: "minutes", y: "MB", series, time: true }));
}
