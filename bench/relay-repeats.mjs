// `npm run relay-repeats`: the relay's measurement, again and again, with either allocator. A run in which nothing moves
// for ten seconds says at once what it waits for, and the command ends with exit code 1.

import { fork } from "node:child_process";
import { once } from "node:events";
import { copyFile, mkdir } from "node:fs/promises";
import path from "node:path";
import { createInterface } from "node:readline";
import { parseArgs } from "node:util";
import { compile } from "../scripts/build.mjs";
import { sleep } from "./lib/client.mjs";
import { build, root, startPeer } from "./lib/process.mjs";
import { diagnosis } from "./lib/stalled.mjs";
import { figure } from "./lib/stats.mjs";
import { withSpread } from "./lib/text.mjs";

const USAGE = `npm run relay-repeats -- [options]
  --runs 300             how many measurements
  --viewers 10000        how many viewers each has
  --allocator system     the addon's allocator: system or mimalloc
  --via listen           who serves them: listen (the listener in Rust) or node (Node's http)
  --minutes 0            begins no further run after so many; 0 for no limit
  --stall 10             the seconds without a step after which a run has failed
  --no-build             measures what the last time built`;

const ALLOCATORS = { system: [], mimalloc: ["mimalloc"] };

/** Updates of each run of a measurement: as in the benchmark. */
const UPDATES = 6;

const { values: options } = parseArgs({
  options: {
    runs: { type: "string", default: "300" },
    viewers: { type: "string", default: "10000" },
    allocator: { type: "string", default: "system" },
    via: { type: "string", default: "listen" },
    minutes: { type: "string", default: "0" },
    stall: { type: "string", default: "10" },
    "no-build": { type: "boolean", default: false },
    help: { type: "boolean", default: false },
  },
});

if (options.help || !(options.allocator in ALLOCATORS)) {
  console.error(USAGE);
  process.exit(options.help ? 0 : 2);
}
await main();

async function main() {
  const [runs, viewers, minutes, stall] = ["runs", "viewers", "minutes", "stall"].map((name) => Number(options[name]));
  const { allocator } = options;
  const addon = path.join(root, "target", "allocators", `${allocator}.node`);
  if (!options["no-build"]) await builtWith(allocator, addon);
  const [samples, began] = [[], performance.now()];
  const minutesSince = () => (performance.now() - began) / 60_000;
  while (samples.length < runs && (minutes === 0 || minutesSince() < minutes)) {
    const run = {
      viewers,
      runs: samples.length % 2 ? 100 : 1,
      via: options.via,
      group: `r${process.pid}x${samples.length}`,
    };
    const { sample, failed } = await measured(run, addon, stall * 1000);
    if (failed) {
      console.log(`run ${samples.length + 1} with ${allocator} failed, ${JSON.stringify(run)}\n${failed}`);
      process.exitCode = 1;
      break;
    }
    samples.push(sample);
    const { micros, kb } = sample;
    console.error(
      `${samples.length}: ${run.runs} runs, ${micros.toFixed(1)} µs an update, ${kb.toFixed(1)} KB a viewer`,
    );
  }
  if (samples.length === 0) return;
  const [micros, kb] = ["micros", "kb"].map((field) => withSpread(figure(samples, field)));
  console.log(
    `${samples.length} measurements with ${allocator}, ${viewers} viewers each, ended well in ` +
      `${minutesSince().toFixed(1)} minutes: ${micros} µs an update of a viewer, ${kb} KB a viewer`,
  );
}

/** Builds the addon with the allocator, with names for the stacks, and the programs beside it. */
async function builtWith(allocator, addon) {
  process.env.CARGO_PROFILE_RELEASE_STRIP = "none";
  const library = await compile({ features: ALLOCATORS[allocator] });
  await mkdir(path.dirname(addon), { recursive: true });
  await copyFile(library, addon);
  build();
}

/**
 * One measurement, in processes of its own.
 *
 * @param {{ viewers: number, runs: number, via: string, group: string }} run
 * @param {string} addon
 * @param {number} stallMs
 * @returns {Promise<{ sample?: any, failed?: string }>}
 */
async function measured(run, addon, stallMs) {
  const peer = await startPeer();
  const args = JSON.stringify({ url: peer.url, updates: UPDATES, ...run });
  const child = fork(path.join(root, "bench/child.mjs"), ["relay", "relay", args], {
    env: { ...process.env, TRIGGER_NATIVE_ADDON: addon, BENCH_STALL_MS: String(stallMs) },
    stdio: ["ignore", "pipe", "pipe", "ipc"],
  });
  const state = { phase: "its start", moved: performance.now(), steps: 0 };
  const moved = () => (state.moved = performance.now());
  const asked = [];
  child.on("message", ({ phase, url, stats }) => {
    if (stats) return asked.shift()?.(stats);
    moved();
    Object.assign(state, { phase }, url && { url });
  });
  let said = "";
  createInterface({ input: child.stderr }).on("line", (line) => {
    const [word, rest] = [line.split(" ", 1)[0], line.slice(line.indexOf(" ") + 1)];
    if (word === "progress") {
      moved();
      state.steps = Number(rest);
    } else if (word === "stalled") state.viewers = JSON.parse(rest);
    else said += `${line}\n`;
  });
  let out = "";
  child.stdout.setEncoding("utf8").on("data", (text) => {
    out += text;
    moved();
    state.phase = "its figures";
  });
  const ended = once(child, "close");
  let over;
  ended.then((how) => (over = how));
  while (!over && performance.now() - state.moved < stallMs) await Promise.race([ended, sleep(250)]);
  let failed;
  if (!over) {
    // The viewers look at themselves a little later than this process looks at them.
    await sleep(1_000);
    const ask = () =>
      new Promise((resolve) => {
        asked.push(resolve);
        if (child.connected) child.send("stats");
      });
    const { group } = run;
    failed = await diagnosis({
      pid: child.pid,
      peer: peer.url,
      group,
      updates: UPDATES,
      ask,
      ...state,
      steps: () => state.steps,
    });
    child.kill("SIGKILL");
    await ended;
  } else if (over[0] !== 0) failed = `it ended with ${over[1] ?? `exit code ${over[0]}`}: ${said}${out}`;
  await peer.stop();
  return failed ? { failed: `${failed}\n${said}` } : { sample: JSON.parse(out.trim().split("\n").at(-1)) };
}
