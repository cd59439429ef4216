// `npm run bench`: the official SDK and this package, side by side, on one machine.
//
// Every figure comes from child processes that alternate between the clients, against one server written in Rust.
// Figures are medians of the rounds, with the spread.

import os from "node:os";
import { parse, USAGE, UsageError } from "./lib/args.mjs";
import { write } from "./lib/page.mjs";
import { build, child, json, program, root } from "./lib/process.mjs";
import { missed } from "./lib/text.mjs";

/** In the order of measurement. `long` cases run only when named; cases with `peer: false` need no Rust program. */
const CASES = {
  mint: {},
  cold: {},
  feeds: {},
  idle: {},
  tag: {},
  payload: {},
  streams: {},
  response: {},
  nginx: {},
  relay: { long: true },
  growth: { long: true },
  crowd: { long: true },
  recovery: { long: true, peer: false },
  budget: { long: true, peer: false },
  live: { long: true },
};

async function main() {
  const known = Object.keys(CASES);
  const options = parse(process.argv.slice(2), { known, byDefault: known.filter((name) => !CASES[name].long) });
  if (options.help) return console.log(USAGE);
  if (options.names.some((name) => CASES[name].peer !== false)) build();
  const started = performance.now();
  const all = [];
  for (const name of known.filter((each) => options.names.includes(each))) {
    console.error(`> ${name}`);
    const { run } = await import(`./cases/${name}.mjs`);
    const begun = performance.now();
    const result = await run(context(name, options));
    if (result.skipped) {
      console.error(`${name}: left out, ${result.skipped}`);
      continue;
    }
    result.text = `${result.text}\n\n${machine(options)}.`;
    console.log(`\n${result.text}\n`);
    console.error(`${name}: ${Math.round((performance.now() - begun) / 1000)} s`);
    all.push(...result.checks);
    if (options.write) write(root, name, result, missed);
  }
  console.log(`Missed targets:\n\n${missed(all)}\n`);
  console.error(`in all ${Math.round((performance.now() - started) / 1000)} s`);
}

let groups = 0;

/** The context of a case. */
function context(name, { rounds, quick }) {
  return {
    rounds,
    quick,
    size: (full, small) => (quick ? small : full),
    /** A name that no other measurement has. */
    group: () => `g${process.pid}x${++groups}`,
    child: (client, args, more) => child(client, name, args, more),
    /** The lower bound: a Rust program that polls and parses. */
    async bare(peer, { feeds, updates, detail = 0 }) {
      const group = `b${process.pid}x${++groups}`;
      const args = [peer.url, group, String(feeds), String(updates), String(detail)];
      const floor = await json(program("bench-bare"), args);
      return { ...floor, micros: floor.cpuMicros / floor.updates };
    },
    /** Runs the contestants in turn, round after round. The samples of each. */
    async alternate(contestants) {
      const samples = Object.fromEntries(Object.keys(contestants).map((each) => [each, []]));
      for (let round = 0; round < rounds; round++) {
        for (const [each, measure] of Object.entries(contestants)) samples[each].push(await measure());
      }
      return samples;
    },
  };
}

function machine({ rounds, quick }) {
  const processor = `${os.availableParallelism()} × ${os.cpus()[0]?.model.trim() ?? "unknown"}`;
  const day = new Date().toISOString().slice(0, 10);
  const how = rounds === 1 ? "one round" : `${rounds} rounds: median (lowest to highest)`;
  return (
    `${processor}, Linux`.replace("Linux", os.type()) +
    `, Node ${process.versions.node}, ${day}, ${how}${quick ? ", small sizes" : ""}`
  );
}

try {
  await main();
} catch (error) {
  if (!(error instanceof UsageError)) throw error;
  console.error(`${error.message}\n\n${USAGE}`);
  process.exitCode = 2;
}
