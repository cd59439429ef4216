// `npm run storms`: every feed of a process loses its server in the same moment, and every viewer its relay.
//
// Two storms: the server restarts under the feeds of one process; a relay's process restarts under its viewers, which
// come back as the official hooks do. Every run changes while the server or the relay is away, and every feed and viewer
// must get that change: nothing is counted as live that missed it.

import { fork, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import os from "node:os";
import path from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { control, load, ROOT_KEY, sleep, untilHeld } from "./lib/client.mjs";
import { runId } from "./lib/follow.mjs";
import { build, json, program, startPeer } from "./lib/process.mjs";
import { number, table } from "./lib/text.mjs";

const USAGE = `npm run storms -- [options]
  --feeds 5000      feeds of one process
  --viewers 5000    viewers of a relay, of 100 runs, each with a token of its own
  --away 0,5,30     how long the server and the relay are away, in seconds
  --debug           debug builds: to see that it works, not to compare`;

/** All are live again so long after their server is back, in seconds. */
const MAX_SECONDS = 15;
/** The bound of docs/reliability.md, and what is added for a server that counts late on a busy machine. */
const MAX_RECONNECTS = 1_050 * 1.1;
const RUNS = 100;
/** A storm that is not over by then has failed. */
const PATIENCE_MS = 120_000;

/** The most times within any second. @param {number[]} times */
function peakOf(times) {
  times.sort((a, b) => a - b);
  let [peak, from] = [0, 0];
  for (let to = 0; to < times.length; to++) {
    while (times[to] - times[from] > 1_000) from++;
    peak = Math.max(peak, to - from + 1);
  }
  return peak;
}

/** The feeds, in a process of their own. The attempts that failed while the server was away are counted here. */
async function follow({ url, plan, feeds }) {
  const { runs } = load("ours", url);
  let [live, failed, last] = [0, 0, 0];
  const refused = [];
  const all = Array.from({ length: feeds }, async (_, index) => {
    try {
      // The first failure is the poll that broke; the others are attempts to reconnect.
      const onRetry = ({ attempt }) => attempt > 1 && refused.push(performance.now());
      for await (const run of runs.subscribeToRun(runId(plan, index), { onRetry })) {
        if (run.metadata.progress === 0) continue;
        last = Math.max(last, Date.now());
        live++;
        break;
      }
    } catch {
      failed++;
    }
  });
  await Promise.all(all);
  return { live, failed, last, refused: refused.length, peakRefused: peakOf(refused) };
}

/** A relay at a port. Ends with its parent. */
async function relay({ url, port }) {
  const { createRealtimeHandler } = load("ours", url);
  const server = await createRealtimeHandler({
    accessToken: ROOT_KEY,
    baseURL: url,
    upstream: { connections: 0 },
  }).listen({ port });
  process.send?.(server.url);
  process.on("disconnect", () => process.exit());
}

async function startRelay(args) {
  const child = fork(fileURLToPath(import.meta.url), ["relay", JSON.stringify(args)]);
  const [url] = await once(child, "message");
  return {
    url,
    port: Number(new URL(url).port),
    async kill() {
      const closed = once(child, "close");
      child.kill("SIGKILL");
      await closed;
    },
  };
}

/** The server restarts under the feeds. */
async function serverRestarts({ feeds, awayMs }) {
  const plan = { kind: "drive", group: "storm", feeds: 0, updates: 9 };
  let peer = await startPeer();
  const { url, port } = peer;
  const args = ["feeds", JSON.stringify({ url, plan, feeds })];
  const ended = json(process.execPath, [fileURLToPath(import.meta.url), ...args], { timeoutMs: PATIENCE_MS + awayMs });
  ended.catch(() => {});
  const held = await untilHeld(url, feeds, 30_000);
  if (held < feeds) throw new Error(`${held} of ${feeds} feeds were live before the storm`);
  await peer.kill();
  await sleep(awayMs);
  const back = Date.now();
  peer = await startPeer(0, port);
  await control(`${url}/bench/release/storm/1`);
  const { live, failed, last, refused, peakRefused } = await ended;
  const { peak } = await control(`${url}/bench/stats`);
  await peer.stop();
  return { live, seconds: (last - back) / 1000, peak, peakRefused, refused, failed };
}

/** The relay restarts under its viewers. */
async function relayRestarts({ viewers, awayMs }) {
  const { auth } = load("ours", "http://127.0.0.1:1");
  const folder = mkdtempSync(path.join(os.tmpdir(), "storms-"));
  const file = path.join(folder, "tokens");
  // The tag makes each token another one.
  const token = (_, viewer) => {
    const read = { runs: true, tags: [`viewer:${viewer}`] };
    return auth.createPublicToken({ scopes: { read }, expirationTime: "1h" });
  };
  const peer = await startPeer();
  try {
    load("ours", peer.url);
    writeFileSync(file, (await Promise.all(Array.from({ length: viewers }, token))).join("\n"), { mode: 0o600 });
    let server = await startRelay({ url: peer.url, port: 0 });
    const plan = runId({ kind: "drive", group: "storm", feeds: 0, updates: 9 }, 0).replace(/^run_|_0$/g, "");
    const args = [server.url, viewers, RUNS, plan].map(String);
    const crowd = returning(args, file);
    await crowd.line("live");
    await server.kill();
    await control(`${peer.url}/bench/release/storm/1`);
    await sleep(awayMs);
    const before = await control(`${peer.url}/bench/stats`);
    const back = Date.now();
    server = await startRelay({ url: peer.url, port: server.port });
    const { served, failed, last, peak, refused, broken, turnedAway } = JSON.parse(await crowd.line("{"));
    const after = await control(`${peer.url}/bench/stats`);
    await server.kill();
    const upstream = after.polls - before.polls;
    return { live: served, seconds: (last - back) / 1000, peak, refused, broken, turnedAway, failed, upstream };
  } finally {
    await peer.stop();
    rmSync(folder, { recursive: true, force: true });
  }
}

/** The viewers, in a process of their own. */
function returning(args, tokens) {
  const env = { ...process.env, BENCH_TOKENS: tokens };
  const child = spawn(program("bench-returning"), args, { stdio: ["ignore", "pipe", "inherit"], env });
  const timer = setTimeout(() => child.kill("SIGKILL"), 2 * PATIENCE_MS);
  child.once("close", () => clearTimeout(timer));
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  return {
    /** The next line, which has to begin like this. */
    async line(prefix) {
      const { value } = await lines.next();
      if (!value?.startsWith(prefix)) throw new Error(`the viewers ended: ${value}`);
      return value;
    },
  };
}

async function main() {
  const { values } = parseArgs({
    options: {
      feeds: { type: "string", default: "5000" },
      viewers: { type: "string", default: "5000" },
      away: { type: "string", default: "0,5,30" },
      debug: { type: "boolean", default: false },
      help: { type: "boolean", default: false },
    },
  });
  if (values.help) return console.log(USAGE);
  build(["bench-peer", "bench-returning"], { debug: values.debug });
  const [feeds, viewers] = [Number(values.feeds), Number(values.viewers)];
  const rows = [];
  const missed = [];
  for (const away of values.away.split(",").map(Number)) {
    const storms = [
      [`the server restarts under ${number(feeds)} feeds`, feeds, () => serverRestarts({ feeds, awayMs: away * 1000 })],
      [
        `the relay restarts under ${number(viewers)} viewers`,
        viewers,
        () => relayRestarts({ viewers, awayMs: away * 1000 }),
      ],
    ];
    for (const [what, count, rage] of storms.filter(([, count]) => count > 0)) {
      const storm = await rage();
      const name = `${what}, away ${away} s`;
      if (storm.live < count || storm.failed > 0) missed.push(`${name}: ${storm.live} live, ${storm.failed} failed`);
      if (storm.seconds > MAX_SECONDS) missed.push(`${name}: the last after ${number(storm.seconds)} s`);
      if ("peakRefused" in storm && Math.max(storm.peak, storm.peakRefused) > MAX_RECONNECTS) {
        missed.push(`${name}: ${storm.peak} reconnects and ${storm.peakRefused} refused in a second`);
      }
      console.error(`${name}: ${JSON.stringify(storm)}`);
      rows.push([
        name,
        number(storm.live),
        number(storm.seconds),
        number(storm.peak),
        number(storm.refused),
        number(storm.failed),
      ]);
    }
  }
  console.log(
    table(["storm", "live again", "s until the last", "most reconnects in a second", "refused", "failed"], rows),
  );
  if (missed.length > 0) throw new Error(`missed:\n${missed.join("\n")}`);
}

const [role, args] = process.argv.slice(2);
if (role === "feeds") {
  const result = await follow(JSON.parse(args));
  process.stdout.write(`${JSON.stringify(result)}\n`, () => process.exit(0));
} else if (role === "relay") {
  await relay(JSON.parse(args));
} else {
  await main();
}
