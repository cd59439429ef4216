// The results of a run held against scripts/mutants.json. Pure.

import { folderOf, nameOf } from "./sample.mjs";

/**
 * A survivor that is no fault.
 *
 * @typedef {object} Known
 * @property {string} mutant its name without line and column
 * @property {string} line the line that it changes: two mutants of a function may have the same name
 * @property {string} reason
 */
/**
 * What the last written run of a folder found; `javascript` says how many of the killed only JavaScript tests killed.
 *
 * @typedef {{ seed: number, mutants: number, viable: number, killed: number, javascript?: number, listed: number }} Score
 */
/** @typedef {{ base: string, folders: Record<string, Score>, survivors: Known[] }} Baseline */
/** @typedef {import("./weave.mjs").Mutant & { line: string, killedBy?: string, reached: number, files?: number, ended: string }} Tested */

/** @typedef {{ viable: number, killed: number, javascript: number, listed: number }} Count */

/** Folders whose faults users meet first, which take more. */
export const STRICT = [
  ...["src/token", "src/shape", "src/hub", "src/stream", "src/relay", "src/http"],
  // Tokens, feeds, streams and the relay of the face, and the client of browsers.
  ...["js/config", "js/runs", "js/streams", "js/relay", "browser"],
];

/** The part of a folder's viable mutants that has to be killed, in percent. @param {string} folder */
export const wanted = (folder) => (STRICT.includes(folder) ? 90 : 80);

/** @param {Baseline} baseline @param {Tested} tested */
export const known = (baseline, tested) =>
  baseline.survivors.find(({ mutant, line }) => mutant === nameOf(tested) && line === tested.line);

/**
 * What was killed and what was not, by folder; and the survivors that tests reach without a reason in the baseline.
 *
 * @param {Baseline} baseline
 * @param {readonly Tested[]} tested
 * @returns {{ folders: Record<string, Count>, unlisted: Tested[] }}
 */
export function score(baseline, tested) {
  /** @type {Record<string, Count>} */
  const folders = {};
  const unlisted = [];
  for (const one of tested) {
    const folder = folderOf(one);
    folders[folder] ??= { viable: 0, killed: 0, javascript: 0, listed: 0 };
    folders[folder].viable += 1;
    if (one.killedBy) {
      folders[folder].killed += 1;
      if (one.ended === "survived") folders[folder].javascript += 1;
    } else if (known(baseline, one)) folders[folder].listed += 1;
    else if (one.reached > 0 || one.files) unlisted.push(one);
  }
  return { folders, unlisted };
}

/** What is wrong with the baseline itself. @param {Baseline} baseline @param {(file: string) => string | undefined} read */
export function stale(baseline, read) {
  return baseline.survivors.flatMap(({ mutant, line, reason }) => {
    if (!reason?.trim()) return [`${mutant}: no reason is given`];
    const text = read(/** @type {string} */ (mutant.split(":")[0]));
    if (text?.split("\n").some((one) => one.trim() === line)) return [];
    return [`${mutant}: its line is gone: ${line}`];
  });
}
