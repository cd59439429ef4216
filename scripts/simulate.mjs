// `npm run simulate -- --seconds N`: plays random scenarios against the simulated servers for so long, half of the time in
// Rust without sockets and half in JavaScript with them, and prints how many and how many answers they checked.
//
// A failure names its seed; TRIGGER_NATIVE_FUZZ_SEED plays that one alone. `--commit` begins at the seed that the commit
// gives, so that whoever checks the same commit plays the same scenarios; without it the seeds are random. `--unoptimized` takes the build of `cargo test`.

import process from "node:process";
import { parseArgs } from "node:util";
import { capture, isMain, root, run, StepError, script, timed } from "./lib/run.mjs";

/** What each simulator prints at its end. */
const TOTALS = /(\d+) scenarios from seed (\d+), (\d+) (?:answers|values) checked/g;

/**
 * The sums of what simulators printed.
 *
 * @param {string} text
 */
export function totals(text) {
  const found = [...text.matchAll(TOTALS)];
  const sum = (/** @type {number} */ group) => found.reduce((all, match) => all + Number(match[group]), 0);
  return { simulators: found.length, scenarios: sum(1), checked: sum(3) };
}

/**
 * The simulators of Rust: the unit tests, then the streams' machine. Names hold one of the words.
 *
 * @type {{ label: string, target: string[], words: string[], simulators: number }[]}
 */
const RUST = [
  {
    label: "feeds, readers, relays, pages, streams (Rust)",
    target: ["--lib"],
    words: ["simulator::", "truth"],
    simulators: 7,
  },
  { label: "the machine of streams (Rust)", target: ["--test", "stream_simulator"], words: [], simulators: 1 },
];

/** The first seed of a commit. */
async function seedOfCommit() {
  return Number.parseInt((await capture("git", ["rev-parse", "HEAD"])).slice(0, 7), 16);
}

/** @param {number} seconds @param {boolean} unoptimized @param {number | undefined} from the first seed */
async function simulate(seconds, unoptimized, from) {
  const share = (/** @type {number} */ part) => ({
    ...process.env,
    NODE_NO_WARNINGS: "1",
    ...(from === undefined ? {} : { TRIGGER_NATIVE_FUZZ_FROM: String(from) }),
    TRIGGER_NATIVE_FUZZ_SECONDS: String(Math.max(1, Math.round(seconds * part))),
  });
  const all = { simulators: 0, scenarios: 0, checked: 0 };
  /** @param {string} label @param {number} count @param {NodeJS.ProcessEnv} env @param {[string, ...string[]]} command */
  const play = async (label, count, env, [program, ...args]) => {
    const ended = timed(label);
    let text = "";
    const onStdout = (/** @type {string} */ chunk) => {
      text += chunk;
      process.stdout.write(chunk);
    };
    // What Rust prints of a failure goes to standard error, as the totals do.
    const code = await run("sh", ["-c", '"$@" 2>&1', "sh", program, ...args], { env, onStdout });
    ended();
    if (code !== 0) throw new StepError(`${label} failed (exit code ${code})`);
    const sums = totals(text);
    if (sums.simulators !== count) throw new StepError(`${label}: ${sums.simulators} of ${count} simulators ran`);
    for (const name of /** @type {const} */ (["simulators", "scenarios", "checked"])) all[name] += sums[name];
  };
  const profile = unoptimized ? [] : ["--profile", "simulate"];
  for (const { label, target, words, simulators } of RUST) {
    const cargo = ["test", ...profile, "--no-default-features", ...target, "--"];
    const threads = `--test-threads=${simulators}`;
    await play(label, simulators, share(target[0] === "--lib" ? 0.4 : 0.1), [
      "cargo",
      ...cargo,
      ...words,
      "--nocapture",
      threads,
    ]);
  }
  await play("readers, responses, relays (JavaScript)", 1, share(0.5), [
    process.execPath,
    "--test",
    `${root}/__test__/simulator.test.mjs`,
  ]);
  console.log(`\n${all.simulators} simulators: ${all.scenarios} scenarios, ${all.checked} answers and values checked`);
}

if (isMain(import.meta.url)) {
  await script(async () => {
    const options = /** @type {const} */ ({
      seconds: { type: "string" },
      unoptimized: { type: "boolean" },
      commit: { type: "boolean" },
    });
    const { values } = parseArgs({ options });
    const seconds = Number(values.seconds ?? 120);
    if (!(seconds > 0)) throw new StepError("--seconds wants a number of seconds");
    await simulate(seconds, values.unoptimized ?? false, values.commit ? await seedOfCommit() : undefined);
  });
}
