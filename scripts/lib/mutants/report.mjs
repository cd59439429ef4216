// What a run of mutants says in the end, and what it writes into its baseline.

import { spawnSync } from "node:child_process";
import { mkdir, writeFile } from "node:fs/promises";
import path from "node:path";
import { root, StepError } from "../run.mjs";
import { score, wanted } from "./baseline.mjs";
import { folderOf } from "./sample.mjs";

/** @typedef {import("./baseline.mjs").Baseline} Baseline */
/** @typedef {import("./baseline.mjs").Tested} Tested */

/** What git says; nothing where it fails. @param {string[]} args */
export function git(...args) {
  const { status, stdout } = spawnSync("git", args, { cwd: root, encoding: "utf8", maxBuffer: 2 ** 28 });
  return status === 0 ? stdout : undefined;
}

/**
 * Says the scores.
 *
 * @param {Baseline} baseline
 * @param {readonly Tested[]} done
 * @param {number} left
 * @param {(line: string) => void} say
 * @returns {Tested[]} the survivors that tests reach and that are not listed
 */
export function report(baseline, done, left, say) {
  const { folders, unlisted } = score(baseline, done);
  for (const [folder, { viable, killed, javascript, listed }] of Object.entries(folders).sort()) {
    const part = ((100 * killed) / viable).toFixed(0);
    const alone = javascript > 0 ? `, ${javascript} by JavaScript tests alone` : "";
    const all = `${killed} of ${viable} killed (${part} %, wanted ${wanted(folder)} %)`;
    say(`${folder.padEnd(16)} ${all}${alone}, ${listed} listed`);
  }
  if (left > 0) say(`${left} mutants were left for want of time`);
  return unlisted;
}

/**
 * Fails for survivors without a reason.
 *
 * @param {readonly Tested[]} unlisted
 * @param {readonly Tested[]} done
 * @param {{ list: string, untouched: boolean }} where where reasons are listed, and whether nobody changed these mutants' code
 */
export function judge(unlisted, done, { list, untouched }) {
  if (unlisted.length === 0) return;
  if (untouched) {
    // So many show that the tests were not run as they should be.
    if (2 * unlisted.length > done.length) throw new StepError("more than half of the sample survived");
    return;
  }
  const lines = unlisted.map((one) => `  ${one.name}\n    ${one.line}`);
  throw new StepError(
    `${unlisted.length} mutants survived, and ${list} lists no reason:\n${lines.join("\n")}\n` +
      "Add a test that a user would understand, or list the mutant with the reason why it is no fault.",
  );
}

/** What became of each mutant, for a closer look. @param {string} file @param {readonly Tested[]} done */
export async function writeReport(file, done) {
  await mkdir(path.dirname(file), { recursive: true });
  await writeFile(file, `${JSON.stringify(done, null, 1)}\n`);
}

/**
 * Makes the scores of a run the baseline.
 *
 * @param {string} file
 * @param {Baseline} baseline
 * @param {readonly Tested[]} done
 * @param {readonly import("./weave.mjs").Listed[]} all
 * @param {number} seed
 */
export async function writeBaseline(file, baseline, done, all, seed) {
  const { folders } = score(baseline, done);
  for (const [folder, { viable, killed, javascript, listed }] of Object.entries(folders)) {
    const mutants = all.filter((mutant) => folderOf(mutant) === folder).length;
    const alone = javascript > 0 ? { javascript } : {};
    baseline.folders[folder] = { seed, mutants, viable, killed, ...alone, listed };
  }
  baseline.folders = Object.fromEntries(Object.entries(baseline.folders).sort());
  baseline.base = (git("merge-base", "HEAD", "main") ?? git("rev-parse", "HEAD") ?? baseline.base).trim();
  await writeFile(file, `${JSON.stringify(baseline, null, 2)}\n`);
}
