// The JavaScript tests against mutants of the core that no Rust test kills: an addon with all mutants, of which an
// environment variable chooses one, as for the Rust tests. With a mutant run the files that reach it and whose subject is
// its folder.

import { mkdir, readdir, rm } from "node:fs/promises";
import path from "node:path";
import process from "node:process";
import { root, StepError } from "../run.mjs";
import { nameOf, SLOW } from "../suites.mjs";
import { tree } from "./build.mjs";
import { folderOf } from "./sample.mjs";
import { each, PATIENCE, reachedIn, started } from "./tests.mjs";
import { ACTIVE, REACHED } from "./weave.mjs";

/** @typedef {{ file: string, milliseconds: number, reaches: Set<number> }} Test */

/** By folder, how the names of the files begin whose subject it is: others reach it, too, and rarely look at it. */
const SUBJECTS = {
  "src/http":
    /^(aborts|calls|certificates|connections|faults-(calls|redirects|server)|keepalive|packets|proxies|tracing)/,
  "src/hub": /^(feeds|unheard)/,
  "src/relay": /^(log|relay)/,
  "src/shape": /^(feeds|unheard)/,
  "src/stream": /^streams?-/,
  "src/token": /^token/,
};

/** Files that are left out of `npm run test:fast`, and hold what no other file holds. */
const SLOW_AND_NEEDED = ["faults-redirects", "feeds-refresh", "relay-access", "relay-sdk"];

/** No further file is begun with a mutant once the files before it took so long without it, in milliseconds. */
const ENOUGH = 60_000;

/** The names of files whose subject is the folder of a mutant; of no file where the folder is in no test's name. @param {{ file: string }} mutant */
const subjectOf = (mutant) => SUBJECTS[/** @type {keyof typeof SUBJECTS} */ (folderOf(mutant))];

/** @param {string} file @param {{ env?: Record<string, string>, within?: number }} [options] */
function run(file, options) {
  // Node reserves more addresses than a mutant of a Rust test may have.
  return started({ name: file, path: process.execPath }, [path.join("__test__", file)], {
    ...options,
    memory: "unlimited",
  });
}

/**
 * Runs each file whose subject is the folder of one of these mutants once, without a mutant: how long it takes, and which
 * of them it reaches.
 *
 * @param {readonly { file: string }[]} mutants
 * @param {(line: string) => void} say
 * @returns {Promise<Test[]>} those that pass
 */
export async function recordFiles(mutants, say) {
  const folder = path.join(root, "target", "mutants", "reached-by-files");
  await rm(folder, { recursive: true, force: true });
  await mkdir(folder, { recursive: true });
  const subjects = new Set(mutants.map(subjectOf));
  const files = (await readdir(path.join(tree, "__test__"))).filter((name) => {
    if (!name.endsWith(".test.mjs") || ![...subjects].some((subject) => subject?.test(name))) return false;
    return !(nameOf(name) in SLOW) || SLOW_AND_NEEDED.includes(nameOf(name));
  });
  /** @type {Test[]} */
  const tests = [];
  /** @type {string[]} */
  const failed = [];
  await each(files, 2, async (file) => {
    const record = path.join(folder, file);
    const { ended, milliseconds } = await run(file, { env: { [REACHED]: record } });
    if (ended !== "passed") failed.push(`${file} (${ended})`);
    else tests.push({ file, milliseconds, reaches: await reachedIn(record) });
  });
  for (const one of failed) say(`does not pass without a mutant, and is left out: ${one}`);
  if (2 * tests.length < files.length) throw new StepError("most JavaScript tests fail without a mutant");
  return tests;
}

/**
 * Runs the files that reach a mutant, and whose subject is its folder, until one fails with it that passes without it; the
 * fastest first.
 *
 * @param {{ id: number, file: string }} mutant
 * @param {readonly Test[]} tests
 * @returns {Promise<string | undefined>} the file that fails
 */
export async function fileThatKills({ id, file }, tests) {
  const subject = subjectOf({ file });
  const reaching = tests.filter((test) => test.reaches.has(id) && subject?.test(test.file));
  reaching.sort((one, other) => one.milliseconds - other.milliseconds);
  let spent = 0;
  for (const { file: name, milliseconds } of reaching) {
    if (spent > ENOUGH) return undefined;
    spent += milliseconds;
    const within = PATIENCE + 5 * milliseconds;
    if ((await run(name, { env: { [ACTIVE]: String(id) }, within })).ended === "passed") continue;
    if ((await run(name, { within })).ended === "passed") return name;
  }
  return undefined;
}
