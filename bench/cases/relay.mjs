// 10,000 viewers of a relay: of one run, and of 100 runs. The relay's process measures the CPU time of each update of
// each viewer and the memory of each viewer, beside as many subscriptions of the official SDK as fit, without a relay.

import { spawn } from "node:child_process";
import { once } from "node:events";
import http from "node:http";
import { createInterface } from "node:readline";
import { control, cpuMicros, load, ROOT_KEY, rss, sleep } from "../lib/client.mjs";
import { followAll, runId } from "../lib/follow.mjs";
import { program, startPeer } from "../lib/process.mjs";
import { figure } from "../lib/stats.mjs";
import { check, number, table, verdict, withSpread } from "../lib/text.mjs";

/** The number of measured subscriptions of the official SDK. The cost of each is assumed to be the same for more. */
const DIRECT = 1_000;

/** The time that a feed is kept after its last viewer, in milliseconds. */
const KEEP_MS = 500;

/** The ways to the relay: its own listener in Rust, or a Node server in front of it. */
const SERVERS = {
  async listen(handler) {
    return handler.listen();
  },
  async node(handler) {
    // Node's 5 s are short for a busy process: a connection with a request that it has not read yet is not idle.
    const server = http.createServer({ keepAliveTimeout: 65_000 }, handler.node);
    server.listen({ port: 0, host: "127.0.0.1", backlog: 8_192 });
    await once(server, "listening");
    return { url: `http://127.0.0.1:${server.address().port}` };
  },
};

/** The viewers, in a process of their own. */
class Crowd {
  #lines;
  #seen = -1;

  constructor(url, token, { viewers, runs, updates, plan }) {
    this.viewers = viewers;
    const args = [url, viewers, runs, updates, plan].map(String);
    const env = { ...process.env, BENCH_TOKEN: token };
    const child = spawn(program("bench-viewers"), args, { stdio: ["ignore", "pipe", "inherit"], env });
    this.#lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  }

  /** Waits until all viewers have seen the update, or throws the reason why they cannot. */
  async seen(version) {
    while (this.#seen < version) {
      const line = await this.#next();
      if (!line.startsWith("seen ")) throw new Error(`viewers ended before update ${version}: ${line}`);
      this.#seen = Number(line.slice(5));
    }
  }

  async ended() {
    for (;;) {
      const line = await this.#next();
      if (!line.startsWith("seen ")) return JSON.parse(line);
    }
  }

  async #next() {
    const { value, done } = await this.#lines.next();
    if (done) throw new Error("the viewers ended without a word");
    return value;
  }
}

async function relay({ url, group, viewers, runs, updates, via }) {
  const { auth, createRealtimeHandler } = load("ours", url);
  const limits = { viewersPerToken: 2 * viewers, viewersPerFeed: 2 * viewers, viewers: 2 * viewers };
  const handler = createRealtimeHandler({
    accessToken: ROOT_KEY,
    baseURL: url,
    limits,
    keepMs: KEEP_MS,
    upstream: { connections: 0 },
  });
  const at = watched(handler);
  const server = await SERVERS[via](handler);
  at("listening", { url: server.url });
  const token = await auth.createPublicToken({ scopes: { read: { runs: true } }, expirationTime: "1h" });
  const planOf = (name) => ({ kind: "drive", group: name, feeds: 0, updates });
  const crowd = (name, size) => {
    const plan = runId(planOf(name), 0).replace(/^run_|_0$/g, "");
    return new Crowd(server.url, token, { ...size, updates, plan });
  };
  // The first viewer starts threads and the like, which must not count for the others.
  const first = crowd(`${group}w`, { viewers: 1, runs: 1 });
  await first.seen(0);
  await control(`${url}/bench/release/${group}w/all`);
  await first.ended();
  at("the first viewer is over");
  await sleep(2 * KEEP_MS);
  const before = rss();
  const all = crowd(group, { viewers, runs });
  await all.seen(0);
  at("every viewer waits");
  await sleep(500);
  const memory = rss() - before;
  const upstream = await control(`${url}/bench/stats`);
  const [cpu, start] = [cpuMicros(), performance.now()];
  for (let version = 1; version < updates; version++) {
    await control(`${url}/bench/release/${group}/${version}`);
    await all.seen(version);
    at(`update ${version}`);
  }
  const spent = cpuMicros() - cpu;
  const seconds = (performance.now() - start) / 1000;
  await control(`${url}/bench/release/${group}/all`);
  const { finals, delivered, failed, first: failure } = await all.ended();
  at("every viewer has the end");
  if (failed > 0) throw new Error(`${failed} viewers failed: ${failure}`);
  return {
    micros: spent / (viewers * (updates - 1)),
    kb: memory / viewers,
    perSecond: (viewers * (updates - 1)) / seconds,
    // The server speaks HTTP/1.1, so each held request has a connection.
    connections: upstream.held,
    finals,
    delivered,
  };
}

/**
 * Tells the process that started this one how far the measurement is, and answers it with the relay's counts
 * (`npm run relay-repeats`). The others start it without a channel.
 *
 * @param {{ stats(): unknown }} handler
 */
function watched(handler) {
  if (!process.send) return () => {};
  process.on("message", () => process.send?.({ stats: handler.stats() }));
  return (phase, more = {}) => void process.send?.({ phase, ...more });
}

export const measure = {
  relay,
  direct: ({ url, ...plan }) => followAll(load("official", url).runs, url, plan),
};

const CROWDS = [
  { viewers: 10_000, runs: 1, via: "listen" },
  { viewers: 10_000, runs: 100, via: "listen" },
  { viewers: 10_000, runs: 1, via: "node" },
  { viewers: 10_000, runs: 100, via: "node" },
];

export async function run(bench) {
  const direct = Math.min(DIRECT, bench.size(DIRECT, 50));
  const measured = (name, args) => async () => {
    const peer = await startPeer();
    try {
      return await bench.child(name, { url: peer.url, group: bench.group(), ...args });
    } finally {
      await peer.stop();
    }
  };
  const crowds = CROWDS.map((crowd) => ({ ...crowd, viewers: bench.size(crowd.viewers, 500), updates: 6 }));
  const key = ({ runs, via }) => `${via} ${runs}`;
  const samples = await bench.alternate({
    direct: measured("direct", { feeds: direct, updates: bench.size(4, 2) }),
    ...Object.fromEntries(crowds.map((crowd) => [key(crowd), measured("relay", crowd)])),
  });
  const official = figure(samples.direct, "micros");
  const [checks, rows] = [[], []];
  for (const crowd of crowds) {
    const of = (field) => figure(samples[key(crowd)], field);
    const name = `${number(crowd.viewers)} viewers of ${crowd.runs === 1 ? "one run" : `${crowd.runs} runs`}`;
    const where = crowd.via === "listen" ? ".listen()" : "Node's http";
    const ratio = official.median / of("micros").median;
    const what = `${name}, ${where}`;
    const own = [
      check(`${what}: upstream connections`, of("connections").highest, { most: crowd.runs, unit: "connections" }),
      check(`${what}: final states`, of("finals").lowest, { least: crowd.viewers, unit: "viewers" }),
      check(`${what}: CPU an update, over direct subscriptions`, ratio, { least: 20, unit: "×" }),
      check(`${what}: memory a viewer`, of("kb").median, { most: 20, unit: "KB" }),
    ];
    // The targets are for the listener in Rust.
    if (crowd.via === "listen") checks.push(...own);
    const verdictOf = (one) => (crowd.via === "listen" ? verdict(one) : "");
    rows.push([
      name,
      where,
      number(of("connections").highest),
      number(of("finals").lowest),
      withSpread(of("micros")),
      own[2].text,
      verdictOf(own[2]),
      withSpread(of("kb")),
      verdictOf(own[3]),
      withSpread(of("perSecond")),
    ]);
  }
  return {
    text: `${table(
      [
        "viewers",
        "served by",
        "upstream connections",
        "final states",
        "CPU µs an update of a viewer",
        "ratio",
        "target",
        "KB a viewer",
        "target",
        "updates a second",
      ],
      rows,
    )}

The official SDK, ${number(direct)} subscriptions without a relay: ${withSpread(official)} µs an update.`,
    checks,
    charts: {},
  };
}
