// 10,000 browsers that follow five runs each: over the live stream, by polling as the official hooks' client does, and
// from a Rust program that only writes as many bytes to as many sockets, which is the floor. One run changes at a time,
// and each change is told to all who follow it before the next.

import { spawn } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";
import { control, cpuMicros, load, ROOT_KEY, rss, sleep } from "../lib/client.mjs";
import { firstLine, program, startPeer } from "../lib/process.mjs";
import { figure } from "../lib/stats.mjs";
import { check, number, table, verdict, withSpread } from "../lib/text.mjs";

/** The number of runs that each browser follows: that of `bench/browsers/shared.rs`. */
const FEEDS = 5;

/** The time after which memory is read, in milliseconds: what opening took is freed by then. */
const SETTLE_MS = 1_000;

/** A large payload, in bytes. */
const PAYLOAD = 300_000;

/** The browsers, in a process of their own. */
class Browsers {
  #child;
  #lines;

  constructor(relay, peer, token, { way, browsers, runs, updates, group, payload }) {
    const args = [relay, peer, way, browsers, runs, updates, group, payload].map(String);
    const env = { ...process.env, BENCH_TOKEN: token };
    this.#child = spawn(program("bench-browsers"), args, { stdio: ["pipe", "pipe", "inherit"], env });
    this.#lines = createInterface({ input: this.#child.stdout })[Symbol.asyncIterator]();
  }

  /** Waits until all have their first rows. */
  async ready() {
    const line = await this.#next();
    if (line !== "ready") throw new Error(`the browsers said ${line}`);
  }

  /** Makes the changes. The figures, once all were told. */
  async run() {
    this.#child.stdin.write("go\n");
    return JSON.parse(await this.#next());
  }

  async stop() {
    this.#child.stdin.end();
    if (this.#child.exitCode === null) await once(this.#child, "close");
  }

  async #next() {
    const { value, done } = await this.#lines.next();
    if (done) throw new Error("the browsers ended without a word");
    return value;
  }
}

/** Measures browsers of a server, whose CPU time and memory `now` tells. */
async function measured(relay, peer, token, crowd, now) {
  // The first browser starts threads and the like, which must not count for the others.
  const first = new Browsers(relay, peer, token, {
    ...crowd,
    browsers: 1,
    runs: 1,
    updates: 1,
    group: `${crowd.group}w`,
  });
  await first.ready();
  await first.run();
  await first.stop();
  await sleep(SETTLE_MS);
  const before = await now();
  const all = new Browsers(relay, peer, token, crowd);
  await all.ready();
  await sleep(SETTLE_MS);
  const ready = await now();
  const told = await all.run();
  const after = await now();
  await sleep(SETTLE_MS);
  const settled = await now();
  await all.stop();
  const expected = crowd.browsers * FEEDS * crowd.updates;
  if (told.updates !== expected) throw new Error(`${told.updates} of ${expected} updates were told`);
  return {
    micros: (after.micros - ready.micros) / told.updates,
    kb: (ready.kb - before.kb) / crowd.browsers,
    kbAfter: (settled.kb - before.kb) / crowd.browsers,
    bytes: told.received / told.updates,
    sent: told.sent / told.updates,
    reads: told.reads / told.updates,
    perSecond: told.updates / told.seconds,
    opening: (ready.micros - before.micros) / (crowd.browsers * FEEDS),
    p50: told.p50,
    p95: told.p95,
    p99: told.p99,
  };
}

async function relay({ url, ...crowd }) {
  const { auth, createRealtimeHandler } = load("ours", url);
  const most = 2 * FEEDS * crowd.browsers;
  const handler = createRealtimeHandler({
    accessToken: ROOT_KEY,
    baseURL: url,
    // Thousands of first rows of 300 KB are under way at once: the limit is not what is measured.
    limits: { viewersPerToken: most, viewersPerFeed: most, viewers: most, bytesUnderWay: 8 * 1024 ** 3 },
    upstream: { connections: 0 },
  });
  const server = await handler.listen();
  const token = await auth.createPublicToken({ scopes: { read: { runs: true } }, expirationTime: "1h" });
  return measured(server.url, url, token, crowd, async () => ({ micros: cpuMicros(), kb: rss() }));
}

async function floor({ bytes, ...crowd }) {
  const server = spawn(program("bench-live-floor"), [String(bytes)], { stdio: ["pipe", "pipe", "inherit"] });
  const url = await firstLine(server, "listening ");
  try {
    return await measured(url, url, "none", { ...crowd, way: "live" }, () => control(`${url}/bench/cpu`));
  } finally {
    server.stdin.end();
  }
}

export const measure = { relay, floor };

/** The bytes of a change of the floor, with the frame of its chunk: about those of the live stream. */
const FLOOR_BYTES = 336;

const WAYS = { live: "the live stream", poll: "polls", floor: "bare Rust" };

const CROWDS = [
  { runs: 100, payload: 0, updates: 6, browsers: { live: 10_000, floor: 10_000, poll: 2_000 } },
  { runs: 1, payload: 0, updates: 6, browsers: { live: 10_000, floor: 10_000, poll: 2_000 } },
  { runs: 100, payload: PAYLOAD, updates: 3, browsers: { live: 1_000, poll: 200 } },
];

export async function run(bench) {
  const contestants = CROWDS.flatMap(({ browsers, ...crowd }) =>
    Object.entries(browsers).map(([way, count]) => ({
      ...crowd,
      way,
      browsers: bench.size(count, Math.ceil(count / 20)),
    })),
  );
  const key = ({ way, runs, payload }) => `${way} ${runs} ${payload}`;
  const measureOne = (crowd) => async () => {
    const peer = await startPeer();
    try {
      const args = { url: peer.url, group: bench.group(), bytes: FLOOR_BYTES, ...crowd };
      return await bench.child(crowd.way === "floor" ? "floor" : "relay", args, { timeoutMs: 240_000 });
    } finally {
      await peer.stop();
    }
  };
  const samples = await bench.alternate(Object.fromEntries(contestants.map((one) => [key(one), measureOne(one)])));
  const [checks, rows] = [[], []];
  for (const crowd of contestants) {
    const of = (field) => figure(samples[key(crowd)], field);
    const isLarge = crowd.payload > 0;
    const what = `${crowd.runs === 1 ? "one run" : `${crowd.runs} runs`}${isLarge ? ", 300 KB payload" : ""}`;
    // A row of 300 KB costs the relay what it costs, however many are told: with fewer browsers, each update has more of it.
    const cpu = check(`live stream, ${what}: CPU an update`, of("micros").median, { most: 12, unit: "µs" });
    const memory = check(`live stream, ${what}: memory a browser`, of("kb").median, { most: 12, unit: "KB" });
    const bytes = check(`live stream, ${what}: bytes an update`, of("bytes").median, { most: 400, unit: "bytes" });
    const isLive = crowd.way === "live";
    if (isLive) checks.push(...(isLarge ? [bytes] : [cpu, memory, bytes]));
    rows.push([
      what,
      WAYS[crowd.way],
      number(crowd.browsers),
      withSpread(of("micros")),
      isLive && !isLarge ? verdict(cpu) : "",
      isLarge ? "" : withSpread(of("kb")),
      isLive && !isLarge ? verdict(memory) : "",
      isLarge ? "" : withSpread(of("kbAfter")),
      withSpread(of("bytes")),
      isLive ? verdict(bytes) : "",
      withSpread(of("p50")),
      withSpread(of("p95")),
    ]);
  }
  return {
    text: table(
      [
        "five feeds a browser, of",
        "told by",
        "browsers",
        "CPU µs an update",
        "target",
        "KB a browser",
        "target",
        "after the changes",
        "bytes an update",
        "target",
        "ms to the browser, p50",
        "p95",
      ],
      rows,
    ),
    checks,
    charts: {},
  };
}
