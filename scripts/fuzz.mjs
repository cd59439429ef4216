// `npm run fuzz -- --seconds N [--target T]`: builds the fuzz targets, runs each for N seconds, and prints what each did.
// Fails on an input that breaks a property; the input is kept in fuzz/artifacts, to become a test in fuzz/found.
//
// `--jobs N` runs so many targets at once (default 2). `--no-build` runs what was built before. `--seeds` writes fuzz/seeds from the recordings, and nothing else.
// The target `differential` compares the published clients with ours over the same bytes, from `--seed`.

import { spawn } from "node:child_process";
import { existsSync, mkdirSync, readdirSync } from "node:fs";
import path from "node:path";
import process from "node:process";
import { parseArgs } from "node:util";
import { cargoTool } from "./lib/cargo-tools.mjs";
import { compare } from "./lib/differential/run.mjs";
import { writeCorpora, writeSeeds } from "./lib/fuzz-seeds.mjs";
import { asTable, summary } from "./lib/fuzz-table.mjs";
import { isMain, root, run, StepError, script, step, timed } from "./lib/run.mjs";

/** The targets, each a file of fuzz/fuzz_targets, and the dictionary that helps it. */
const TARGETS = {
  emulator: "http",
  paths: "http",
  relay: "http",
  responses: "json",
  shape: "json",
  sse: "json",
  streams: "json",
  tokens: "http",
  values: "json",
  wants: "json",
};
const DIFFERENTIAL = "differential";
/**
 * Nothing of the core is `unsafe`, so that a sanitizer of memory would find little, and each execution take longer: the
 * targets bound their memory themselves.
 */
const SANITIZER = ["--sanitizer", "none"];
/** An execution that takes longer, in seconds, is a failure, as is a process of more memory, in MiB. */
const BOUNDS = ["-timeout=10", "-rss_limit_mb=2048", "-max_len=16384", "-len_control=50", "-print_final_stats=1"];

/** @typedef {import("./lib/fuzz-table.mjs").Outcome} Outcome */

/** Whether the targets can be built; where not, fuzzing was not done, which is no success under CI. */
async function canBuild() {
  if ((await run("cargo", ["+nightly", "--version"], { quiet: true })) !== 0) {
    const why = "fuzzing was NOT done: it needs a nightly toolchain of Rust (rustup toolchain install nightly)";
    if (process.env.CI) throw new StepError(why);
    console.error(why);
    return false;
  }
  return true;
}

/**
 * Runs one target. libFuzzer writes what it does to standard error.
 *
 * @param {string} target @param {number} seconds @returns {Promise<Outcome>}
 */
function fuzz(target, seconds) {
  const [corpus, artifacts] = ["corpus", "artifacts"].map((name) => path.join(root, "fuzz", name, target));
  for (const folder of [corpus, artifacts]) mkdirSync(folder, { recursive: true });
  const before = new Set(readdirSync(artifacts));
  const folders = [corpus, ...["seeds", "found"].map((name) => path.join(root, "fuzz", name, target))].filter(
    existsSync,
  );
  const words = path.join(
    root,
    "fuzz",
    "dictionaries",
    `${TARGETS[/** @type {keyof typeof TARGETS} */ (target)]}.dict`,
  );
  const options = [
    `-max_total_time=${seconds}`,
    ...BOUNDS,
    `-dict=${words}`,
    `-artifact_prefix=${artifacts}${path.sep}`,
  ];
  const program = path.join(root, "fuzz", "target", "x86_64-unknown-linux-gnu", "release", target);
  return new Promise((resolve, reject) => {
    const child = spawn(program, [...options, ...folders], { cwd: root, stdio: ["ignore", "ignore", "pipe"] });
    let said = "";
    child.stderr.setEncoding("utf8").on("data", (text) => {
      said += text;
    });
    child.on("error", reject);
    child.on("close", (code) => {
      const found = readdirSync(artifacts).filter((name) => !before.has(name));
      const outcome = summary(target, said, code ?? 1, found);
      if (outcome.failure) console.error(said.slice(-4_000));
      resolve(outcome);
    });
  });
}

/** @param {number} seconds @param {number} seed @returns {Promise<Outcome>} */
async function differential(seconds, seed) {
  const program = path.join(root, "target", "debug", "examples", "differential");
  await step("building our readers", "cargo", ["build", "--no-default-features", "--example", "differential"]);
  const { compared, failure } = await compare({ program, seconds, seed });
  const executions = compared.shape + compared.stream;
  console.error(`differential: ${compared.shape} feeds and ${compared.stream} streams compared from seed ${seed}`);
  return {
    target: DIFFERENTIAL,
    executions,
    perSecond: Math.round(executions / seconds),
    coverage: undefined,
    failure,
  };
}

/** @param {string[]} targets @param {number} jobs @param {(target: string) => Promise<Outcome>} one */
async function several(targets, jobs, one) {
  /** @type {Outcome[]} */
  const outcomes = [];
  const waiting = [...targets];
  const worker = async () => {
    for (let target = waiting.shift(); target; target = waiting.shift()) outcomes.push(await one(target));
  };
  await Promise.all(Array.from({ length: jobs }, worker));
  return outcomes.sort((a, b) => targets.indexOf(a.target) - targets.indexOf(b.target));
}

async function main() {
  const { values } = parseArgs({
    options: {
      seconds: { type: "string", default: "60" },
      target: { type: "string", multiple: true },
      jobs: { type: "string", default: "2" },
      seed: { type: "string", default: String(1 + Math.floor(Math.random() * 2 ** 31)) },
      seeds: { type: "boolean", default: false },
      "no-build": { type: "boolean", default: false },
    },
  });
  if (values.seeds) return writeSeeds();
  const all = [...Object.keys(TARGETS), DIFFERENTIAL];
  const targets = values.target ?? all;
  const unknown = targets.find((target) => !all.includes(target));
  if (unknown) throw new StepError(`there is no target ${unknown}: ${all.join(", ")}`);
  const seconds = Number(values.seconds);
  if (!(seconds > 0)) throw new StepError("--seconds is a number above 0");
  const compiled = targets.filter((target) => target !== DIFFERENTIAL);
  const isBuilt = compiled.length === 0 || (await canBuild());
  if (isBuilt && compiled.length > 0) writeCorpora();
  if (isBuilt && compiled.length > 0 && !values["no-build"]) {
    const each = compiled.length === Object.keys(TARGETS).length ? [[]] : compiled.map((target) => [target]);
    const [command, first] = await cargoTool("cargo-fuzz");
    const env = { ...process.env, RUSTUP_TOOLCHAIN: "nightly" };
    for (const one of each) {
      await step("building the fuzz targets", command, [...first, "build", ...SANITIZER, ...one], { env });
    }
  }
  const done = timed(`fuzzing, ${seconds} s each`);
  const outcomes = await several(
    targets.filter((target) => isBuilt || target === DIFFERENTIAL),
    Number(values.jobs),
    (target) => (target === DIFFERENTIAL ? differential(seconds, Number(values.seed)) : fuzz(target, seconds)),
  );
  done();
  console.log(asTable(outcomes));
  const failures = outcomes.filter((outcome) => outcome.failure);
  if (failures.length > 0) {
    throw new StepError(failures.map(({ target, failure }) => `${target}: ${failure}`).join("\n"));
  }
}

if (isMain(import.meta.url)) await script(main);
