// `npm run mutants:js`: changes the face, `js/` and `browser/`, in one place at a time, and counts how often a JavaScript test
// notices. StrykerJS says what can be changed; the mutants of a run are woven into one copy of the project
// (lib/mutants/face.mjs), and each is tested by the test files that reach it.
//
// `--sample N --seed S` takes N mutants of the folders whose faults users meet first (STRICT in lib/mutants/baseline.mjs),
// and N of the rest; `--folder streams`, which may be repeated, takes N of that folder of `js/` alone, `--folder browser` of
// the client. The tests are those of `npm run test:fast`; `--all` takes all but the heavy ones. The hooks are held by tests in
// Chromium: `--folder browser/react` takes these, too, and nothing else takes mutants of the hooks. `--write` makes the scores
// the baseline: scripts/mutants-js.json. `--changed` takes what changed since TRIGGER_NATIVE_BASE, or else since the commit that the
// baseline names, and stops after some minutes; it is what `.ci/run` runs.
//
// A mutant that survives the tests that reach it, and is not listed in the baseline, fails the run. One that none of these
// tests reaches counts as a survivor and is named, but fails nothing: a slower test may reach it.

import { readdir, readFile } from "node:fs/promises";
import path from "node:path";
import process from "node:process";
import { parseArgs } from "node:util";
import { STRICT, stale } from "./lib/mutants/baseline.mjs";
import { changedLines } from "./lib/mutants/changed.mjs";
import { copied, LEFT_OUT, listed, TREES, woven } from "./lib/mutants/face.mjs";
import { record, test } from "./lib/mutants/face-tests.mjs";
import { git, judge, report, writeBaseline, writeReport } from "./lib/mutants/report.mjs";
import { folderOf, shuffled } from "./lib/mutants/sample.mjs";
import { each } from "./lib/mutants/tests.mjs";
import { isMain, root, StepError, script, timed } from "./lib/run.mjs";
import { HEAVY, nameOf, SLOW } from "./lib/suites.mjs";
import { testFiles } from "./test.mjs";

/** @typedef {import("./lib/mutants/weave.mjs").Listed} Listed */
/** @typedef {import("./lib/mutants/baseline.mjs").Baseline} Baseline */
/** @typedef {import("./lib/mutants/baseline.mjs").Tested} Tested */

const BASELINE = path.join(root, "scripts", "mutants-js.json");
const REPORT = path.join(root, "target", "mutants-js", "report.json");

/** Where nothing changed, or the base is not in the clone: so many of the strict folders, always the same. */
const FEW = 10;

/** `--changed` begins no further test file after so many milliseconds of testing mutants. */
const ENOUGH = 2 * 60_000;

/** @param {string} line */
const say = (line) => console.error(line);

/** Where the face is. */
const FOLDERS = ["js", "browser"];

/** The hooks, whose tests show them in pages. */
const HOOKS = "browser/react";

/** These tests, each of which may reach any hook: a page cannot say which. */
const PAGES = Object.keys(HEAVY).filter((name) => name.startsWith("react-"));

/** The files of the face that are ours to change. @returns {Promise<Map<string, string>>} */
async function face() {
  const files = [];
  for (const folder of FOLDERS) {
    const names = await readdir(path.join(root, folder), { recursive: true });
    files.push(
      ...names.map((name) => path.posix.join(folder, ...name.split(path.sep))).filter((name) => /\.m?js$/.test(name)),
    );
  }
  const texts = new Map();
  for (const file of files.sort()) {
    if (!LEFT_OUT.includes(file)) texts.set(file, await readFile(path.join(root, file), "utf8"));
  }
  return texts;
}

/** The mutants of what changed since the base; nothing where that is not known. @param {Baseline} baseline @param {readonly Listed[]} all */
function changed(baseline, all) {
  const base = process.env.TRIGGER_NATIVE_BASE || baseline.base;
  if (git("cat-file", "-e", `${base}^{commit}`) === undefined) {
    say(`the commit ${base} is not in this clone`);
    return undefined;
  }
  const lines = changedLines(git("diff", "--unified=0", "--no-prefix", base, "--", ...FOLDERS) ?? "");
  const found = all.filter((one) => lines.get(one.file)?.has(one.span.start.line) && folderOf(one) !== HOOKS);
  say(`${found.length} mutants in what changed since ${base}`);
  return found.length > 0 ? found : undefined;
}

/**
 * @param {readonly Listed[]} all
 * @param {{ each: number, seed: number, only: readonly string[] }} options
 * @returns {Listed[]}
 */
function sample(all, { each: enough, seed, only }) {
  /** @type {Map<string, Listed[]>} */
  const groups = new Map();
  for (const mutant of all) {
    const folder = folderOf(mutant);
    if (only.length > 0 ? !only.includes(folder) : folder === HOOKS) continue;
    const group = STRICT.includes(folder) ? "strict" : "elsewhere";
    groups.set(group, [...(groups.get(group) ?? []), mutant]);
  }
  return [...groups].flatMap(([group, mutants]) => shuffled(mutants, seed, group).slice(0, enough));
}

/**
 * Weaves, records and tests.
 *
 * @param {ReadonlyMap<string, string>} texts
 * @param {readonly Listed[]} chosen
 * @param {readonly string[]} files of tests
 * @param {number} milliseconds after which no mutant and no test file is begun
 * @returns {Promise<{ tested: Tested[], left: number }>}
 */
async function tested(texts, chosen, files, milliseconds) {
  const { texts: changedTexts, ids } = await woven(texts, chosen);
  for (const tree of TREES) await copied(tree, changedTexts);
  const recorded = timed(`running ${files.length} test files without a mutant`);
  const hooks = chosen.filter((mutant) => folderOf(mutant) === HOOKS).map((mutant) => ids.get(mutant) ?? "");
  const tests = await record(files, say, (file) => (PAGES.includes(nameOf(file)) ? hooks : []));
  recorded();
  const ended = timed(`testing ${chosen.length} mutants with ${tests.length} test files that reach one`);
  const until = performance.now() + milliseconds;
  /** @type {Tested[]} */
  const done = [];
  await each(chosen, TREES.length, async (mutant) => {
    if (performance.now() > until) return;
    const id = ids.get(mutant) ?? "";
    const result = await test(id, tests, until);
    if (result === undefined) return;
    const line = texts.get(mutant.file)?.split("\n")[mutant.span.start.line - 1]?.trim() ?? "";
    done.push({ ...mutant, id: Number(id), line, ...result });
    if (!result.killedBy) say(`survived (test files that reach it: ${result.reached}): ${mutant.name}`);
    if (done.length % 20 === 0)
      say(`${done.length} of ${chosen.length}, ${done.filter(({ killedBy }) => !killedBy).length} survived`);
  });
  ended();
  return { tested: done, left: chosen.length - done.length };
}

if (isMain(import.meta.url)) {
  await script(async () => {
    const { values } = parseArgs({
      options: {
        sample: { type: "string", default: "20" },
        seed: { type: "string", default: "1" },
        folder: { type: "string", multiple: true, default: [] },
        all: { type: "boolean", default: false },
        changed: { type: "boolean", default: false },
        write: { type: "boolean", default: false },
      },
    });
    /** @type {Baseline} */
    const baseline = JSON.parse(await readFile(BASELINE, "utf8"));
    const texts = await face();
    const old = stale(baseline, (file) => texts.get(file));
    if (old.length > 0) throw new StepError(`scripts/mutants-js.json lists what is no more:\n${old.join("\n")}`);

    const { mutants, prose } = await listed(texts);
    say(`${mutants.length} mutants, and ${prose} of sentences, which are left out`);
    const seed = Number(values.seed);
    const touched = values.changed ? changed(baseline, mutants) : undefined;
    const named = values.folder.map((name) => (/^(js|browser)\b/.test(name) ? name : `js/${name}`));
    const options = { each: values.changed ? FEW : Number(values.sample), seed, only: values.changed ? STRICT : named };
    const chosen = touched ? shuffled(touched, seed, "changed") : sample(mutants, options);
    if (chosen.length === 0) throw new StepError("no mutants are in these folders");

    const left = values.all ? HEAVY : SLOW;
    const inPages = chosen.some((mutant) => folderOf(mutant) === HOOKS) ? PAGES : [];
    const files = (await testFiles()).filter((file) => !(nameOf(file) in left) || inPages.includes(nameOf(file)));
    const enough = values.changed ? ENOUGH : Number.POSITIVE_INFINITY;
    const { tested: done, left: untested } = await tested(texts, chosen, files, enough);
    const unlisted = report(baseline, done, untested, say);
    await writeReport(REPORT, done);
    if (done.length === 0) throw new StepError("no time was left to test a mutant");
    if (values.write) await writeBaseline(BASELINE, baseline, done, mutants, seed);
    judge(unlisted, done, { list: "scripts/mutants-js.json", untouched: values.changed && !touched });
  });
}
