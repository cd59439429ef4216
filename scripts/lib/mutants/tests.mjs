// Running the tests against a mutant: those that reach it, the fastest first, until one fails.

import { spawn } from "node:child_process";
import { mkdir, readFile, rm } from "node:fs/promises";
import path from "node:path";
import process from "node:process";
import { root, StepError } from "../run.mjs";
import { tree } from "./build.mjs";
import { ACTIVE, REACHED } from "./weave.mjs";

/** @typedef {{ name: string, path: string }} Program */
/** @typedef {{ program: Program, name: string, milliseconds: number, reaches: Set<number> }} Test */

/** What a mutant may use up: one that never stops growing must not take the machine with it. In KiB. */
const ADDRESS_SPACE = 8_000_000;

/** How tests are named to a program of tests. */
const EXACT = ["--exact", "--test-threads", "2"];

/** The time for tests that pass in no time: a busy machine may give them no core for a while. */
export const PATIENCE = 20_000;

/**
 * Tests run in one process as long as alone they would take no longer than this together, in milliseconds, and are no more
 * than so many: the first that fails ends the mutant.
 */
const TOGETHER = 3_000;
const MOST = 30;

/**
 * @param {Program} program
 * @param {readonly string[]} args
 * @param {{ env?: Record<string, string>, within?: number, memory?: number | "unlimited" }} [options]
 * @returns {Promise<{ ended: "passed" | "failed" | "hung", out: string, milliseconds: number }>}
 */
export function started(program, args, { env = {}, within = 120_000, memory = ADDRESS_SPACE } = {}) {
  const command = `ulimit -v ${memory}; exec "$0" "$@"`;
  // What cargo sets for tests.
  const given = { ...process.env, CARGO_MANIFEST_DIR: tree, RUST_BACKTRACE: "0", ...env };
  const began = performance.now();
  return new Promise((resolve, reject) => {
    const child = spawn("bash", ["-c", command, program.path, ...args], {
      cwd: tree,
      env: given,
      stdio: ["ignore", "pipe", "pipe"],
      // A group of its own: what a test starts ends with it.
      detached: true,
    });
    let out = "";
    let hung = false;
    for (const stream of [child.stdout, child.stderr]) {
      stream.setEncoding("utf8").on("data", (text) => {
        if (out.length < 4_000_000) out += text;
      });
    }
    const timer = setTimeout(() => {
      hung = true;
      if (child.pid) process.kill(-child.pid, "SIGKILL");
    }, within);
    child.on("error", reject);
    child.on("close", (code) => {
      clearTimeout(timer);
      resolve({
        ended: hung ? "hung" : code === 0 ? "passed" : "failed",
        out,
        milliseconds: performance.now() - began,
      });
    });
  });
}

/** @param {readonly Program[]} programs @returns {Promise<{ program: Program, name: string }[]>} */
async function listed(programs) {
  const tests = [];
  for (const program of programs) {
    const { out, ended } = await started(program, ["--list", "--format", "terse"]);
    const ignored = await started(program, ["--list", "--format", "terse", "--ignored"]);
    if (ended !== "passed") throw new StepError(`${program.name} lists no tests:\n${out.slice(-2_000)}`);
    const left = new Set(ignored.out.split("\n"));
    for (const line of out.split("\n")) {
      if (line.endsWith(": test") && !left.has(line)) tests.push({ program, name: line.slice(0, -": test".length) });
    }
  }
  return tests;
}

/** @template T @param {readonly T[]} items @param {number} width @param {(item: T, at: number) => Promise<void>} work */
export async function each(items, width, work) {
  let next = 0;
  const worker = async () => {
    while (next < items.length) {
      const at = next;
      next += 1;
      await work(/** @type {T} */ (items[at]), at);
    }
  };
  await Promise.all(Array.from({ length: width }, worker));
}

/** The mutants that a test wrote down as reached; none where it wrote no file. @param {string} file */
export async function reachedIn(file) {
  const text = await readFile(file, "utf8").catch(() => "");
  return new Set(text.split("\n").filter(Boolean).map(Number));
}

/**
 * Whether a test is a unit test of one of these folders.
 *
 * @param {readonly string[]} folders
 * @returns {(test: { program: Program, name: string }) => boolean}
 */
export const ownTests = (folders) => {
  const modules = folders.map((folder) => `${folder.replace(/^src\//, "").replaceAll("/", "::")}::`);
  return ({ program, name }) => program.name.startsWith("trigger") && modules.some((module) => name.startsWith(module));
};

/**
 * Runs every test once, by itself and without a mutant: how long it takes, and which mutants it reaches.
 *
 * @param {readonly Program[]} programs
 * @param {(line: string) => void} say
 * @param {(test: { program: Program, name: string }) => boolean} [wanted] which tests; all where it is missing
 * @returns {Promise<Test[]>} those that pass. A test that fails in the copy shows nothing.
 */
export async function record(programs, say, wanted = () => true) {
  const folder = path.join(root, "target", "mutants", "reached");
  await rm(folder, { recursive: true, force: true });
  await mkdir(folder, { recursive: true });
  /** @type {Test[]} */
  const tests = [];
  /** @type {string[]} */
  const failed = [];
  const all = (await listed(programs)).filter(wanted);
  await each(all, 2, async ({ program, name }, at) => {
    const file = path.join(folder, String(at));
    const { ended, milliseconds } = await started(program, ["--exact", name], { env: { [REACHED]: file } });
    if (ended !== "passed") {
      failed.push(`${program.name} ${name} (${ended})`);
      return;
    }
    tests.push({ program, name, milliseconds, reaches: await reachedIn(file) });
  });
  for (const one of failed) say(`does not pass without a mutant, and is left out: ${one}`);
  if (failed.length > 0.02 * all.length)
    throw new StepError(`${failed.length} of ${all.length} tests fail without a mutant`);
  return tests;
}

/**
 * The tests of one program, in groups that run in one process. The groups grow: most mutants fail in the first few tests.
 *
 * @param {readonly Test[]} tests
 * @returns {Test[][]}
 */
function groups(tests) {
  /** @type {{ tests: Test[], milliseconds: number }[]} */
  const found = [];
  for (const test of tests) {
    const open = found.findLast((group) => group.tests[0]?.program === test.program);
    const most = open === found[0] ? MOST / 5 : MOST;
    if (open && open.milliseconds + test.milliseconds <= TOGETHER && open.tests.length < most) {
      open.tests.push(test);
      open.milliseconds += test.milliseconds;
    } else found.push({ tests: [test], milliseconds: test.milliseconds });
  }
  return found.map((group) => group.tests);
}

/**
 * The tests that reach a mutant, those first that most likely fail: the unit tests of its folder, the other unit tests,
 * the tests under `tests/`; of each the fastest first.
 *
 * @param {{ id: number, file: string }} mutant
 * @param {readonly Test[]} tests
 */
function ordered({ id, file }, tests) {
  const module = `${file.split("/")[1]?.replace(/\.rs$/, "")}::`;
  /** @param {Test} test */
  const rank = ({ program, name }) => (program.name.startsWith("trigger") ? (name.startsWith(module) ? 0 : 1) : 2);
  const reaching = tests.filter(({ reaches }) => reaches.has(id));
  return reaching.sort((one, other) => rank(one) - rank(other) || one.milliseconds - other.milliseconds);
}

/**
 * Runs the tests that reach a mutant until one fails with it that passes without it.
 *
 * @param {{ id: number, file: string }} mutant
 * @param {readonly Test[]} tests
 * @returns {Promise<{ killedBy?: string, reached: number, ended: string }>}
 */
export async function test(mutant, tests) {
  const reaching = ordered(mutant, tests);
  for (const group of groups(reaching)) {
    const [first] = group;
    if (!first) continue;
    const within = PATIENCE + 5 * group.reduce((sum, { milliseconds }) => sum + milliseconds, 0);
    const names = group.map(({ name }) => name);
    const active = { [ACTIVE]: String(mutant.id) };
    const { ended, out } = await started(first.program, [...EXACT, ...names], { env: active, within });
    if (ended === "passed") continue;
    const failed = names.filter((name) => out.includes(`test ${name} ... FAILED`));
    const blamed = failed.length > 0 ? failed.slice(0, 3) : names;
    // The machine may be the reason: the same tests have to pass without the mutant.
    const without = await started(first.program, [...EXACT, ...blamed], { within });
    if (without.ended === "passed") {
      return { killedBy: `${first.program.name} ${blamed[0]}`, reached: reaching.length, ended };
    }
  }
  return { reached: reaching.length, ended: "survived" };
}
