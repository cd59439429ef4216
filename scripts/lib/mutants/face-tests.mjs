// Running the JavaScript test files against a mutant of the face: those that reach it, the fastest first, until one fails.

import { spawn } from "node:child_process";
import { mkdir, readFile, rm } from "node:fs/promises";
import path from "node:path";
import process from "node:process";
import { root, StepError } from "../run.mjs";
import { choose, programs, TREES } from "./face.mjs";
import { each } from "./tests.mjs";

/** @typedef {{ file: string, milliseconds: number, reaches: Set<string> }} TestFile */
/** @typedef {{ killedBy?: string, reached: number, ended: string }} Result */

/** @typedef {{ ended: "passed" | "failed" | "hung", milliseconds: number }} Ended */

/** What a mutant that never stops growing may take, in MiB. */
const HEAP = 1_536;

/** The time for a file whose own is not known. */
const FIRST = 180_000;

/** The time for files that pass in no time: a busy machine may give them no core for a while. */
const PATIENCE = 20_000;

/** How often longer than without a mutant a file may take. */
const TIMES = 5;

/** So many of the files may fail in the copy without a mutant: what they compare is the text of the face. */
const MOST_FAILED = 0.1;

/** The groups of processes that run. @type {Set<number>} */
const live = new Set();

/** @param {number} group */
function kill(group) {
  try {
    process.kill(-group, "SIGKILL");
  } catch (error) {
    // All of them have ended by themselves.
    if (/** @type {NodeJS.ErrnoException} */ (error).code !== "ESRCH") throw error;
  }
}

process.once("exit", () => {
  for (const group of live) kill(group);
});
for (const signal of /** @type {const} */ (["SIGINT", "SIGTERM"])) process.once(signal, () => process.exit(1));

/** A line that says that a test failed, of those that have to pass. */
const FAILED = /^\s*not ok (?!.*# (?:TODO|SKIP))/m;

/**
 * Runs a test file, and ends it and all that it started when its first test fails.
 *
 * @param {string} file
 * @param {string} tree the copy of the project
 * @param {number} within milliseconds
 * @returns {Promise<Ended>}
 */
export function ended(file, tree, within) {
  const began = performance.now();
  // In a process that a test runner started, the reporter would be the runner's.
  const { NODE_TEST_CONTEXT: _, ...own } = process.env;
  return new Promise((resolve, reject) => {
    const args = [`--max-old-space-size=${HEAP}`, "--test-reporter=tap", file];
    // A group of its own: what a test started is ended with it.
    const child = spawn(process.execPath, args, {
      cwd: tree,
      env: { ...own, PATH: `${programs(tree)}:${own.PATH}` },
      stdio: ["ignore", "pipe", "ignore"],
      detached: true,
    });
    const { pid } = child;
    if (pid !== undefined) live.add(pid);
    const stop = () => pid !== undefined && kill(pid);
    /** @type {"failed" | "hung" | undefined} */
    let why;
    let last = "";
    child.stdout.setEncoding("utf8").on("data", (text) => {
      const lines = (last + text).split("\n");
      last = lines.pop() ?? "";
      if (why !== undefined || !lines.some((line) => FAILED.test(line))) return;
      why = "failed";
      stop();
    });
    const timer = setTimeout(() => {
      why ??= "hung";
      stop();
    }, within);
    child.on("error", reject);
    // What outlives it holds its output open.
    child.on("exit", stop);
    child.on("close", (code) => {
      clearTimeout(timer);
      if (pid !== undefined) live.delete(pid);
      resolve({ ended: why ?? (code === 0 ? "passed" : "failed"), milliseconds: performance.now() - began });
    });
  });
}

/** The copies in which no file runs. */
const free = [...TREES];

/**
 * Runs a test file in a copy that is free: as many run at a time as there are copies.
 *
 * @param {string} file
 * @param {import("./face.mjs").Choice} choice
 * @param {number} within
 */
async function tried(file, choice, within) {
  const tree = /** @type {string} */ (free.pop());
  try {
    await choose(tree, choice);
    return await ended(file, tree, within);
  } finally {
    free.push(tree);
  }
}

/**
 * Runs every file once, without a mutant: how long it takes, and which mutants it reaches.
 *
 * @param {readonly string[]} files
 * @param {(line: string) => void} say
 * @param {(file: string) => readonly string[]} [unseen] mutants that a file may reach where it cannot write it down
 * @returns {Promise<TestFile[]>} those that pass and reach one. A file that fails in the copy shows nothing.
 */
export async function record(files, say, unseen = () => []) {
  const folder = path.join(root, "target", "mutants-js", "reached");
  await rm(folder, { recursive: true, force: true });
  await mkdir(folder, { recursive: true });
  /** @type {TestFile[]} */
  const found = [];
  /** @type {string[]} */
  const failed = [];
  await each(files, TREES.length, async (file, at) => {
    const place = path.join(folder, String(at));
    let result = await tried(file, { reached: place }, FIRST);
    // Once more: the machine may be the reason.
    if (result.ended !== "passed") result = await tried(file, { reached: place }, FIRST);
    if (result.ended !== "passed") failed.push(file);
    const text = await readFile(place, "utf8").catch(() => "");
    const reaches = new Set([...text.split("\n").filter(Boolean), ...unseen(file)]);
    if (result.ended === "passed" && reaches.size > 0) found.push({ file, milliseconds: result.milliseconds, reaches });
  });
  for (const one of failed) say(`does not pass in the copy without a mutant, and is left out: ${one}`);
  if (failed.length > MOST_FAILED * files.length)
    throw new StepError(`${failed.length} of ${files.length} test files fail without a mutant`);
  return found;
}

/**
 * Runs the files that reach a mutant until one fails with it that passes without it.
 *
 * @param {string} id
 * @param {readonly TestFile[]} files
 * @param {number} until begins no further file then
 * @returns {Promise<Result | undefined>} nothing where time ran out
 */
export async function test(id, files, until) {
  const reaching = files.filter(({ reaches }) => reaches.has(id));
  reaching.sort((one, other) => one.milliseconds - other.milliseconds);
  for (const { file, milliseconds } of reaching) {
    if (performance.now() > until) return undefined;
    const within = PATIENCE + TIMES * milliseconds;
    const result = await tried(file, { active: id }, within);
    if (result.ended === "passed") continue;
    // The machine may be the reason: the same file has to pass without the mutant.
    const without = await tried(file, {}, within);
    if (without.ended === "passed") return { killedBy: file, reached: reaching.length, ended: result.ended };
  }
  return { reached: reaching.length, ended: "survived" };
}
