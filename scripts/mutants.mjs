// `npm run mutants`: changes the core in one place at a time, and counts how often a test notices. cargo-mutants says what
// can be changed; all changes of a run are compiled into one copy of the core (lib/mutants/weave.mjs), and each is tested
// by the Rust tests that reach it.
//
// `--sample N --seed S` takes N mutants that compile from each folder of `src/` but the bridge; `--folder hub`, which may be
// repeated, from that folder alone, `--elsewhere N` from all folders whose target is the lower one together. `--write` makes
// the scores the baseline: scripts/mutants.json. `--changed` takes what changed since TRIGGER_NATIVE_BASE, or else since the
// commit that the baseline names, and stops after some minutes; it is what `.ci/run` runs.
//
// `--javascript` then tries what survives with the JavaScript tests (lib/mutants/javascript.mjs): some minutes more.
// `--minutes N` begins no further mutant after so long; `--own` runs the unit tests of the folders that `--folder` names
// alone, which takes a part of the time and kills fewer.
//
// A mutant that survives the tests that reach it, and is not listed in the baseline, fails the run. One that no Rust test
// reaches counts as a survivor and is named, but fails nothing: without `--javascript`, JavaScript tests may reach it.

import { mkdir, readFile, writeFile } from "node:fs/promises";
import path from "node:path";
import process from "node:process";
import { parseArgs } from "node:util";
import { cargoTool } from "./lib/cargo-tools.mjs";
import { STRICT, stale, wanted } from "./lib/mutants/baseline.mjs";
import { addon, build } from "./lib/mutants/build.mjs";
import { fileThatKills, recordFiles } from "./lib/mutants/javascript.mjs";
import { git, judge, report, writeBaseline, writeReport } from "./lib/mutants/report.mjs";
import { folderOf, inTurn, shuffled } from "./lib/mutants/sample.mjs";
import { each, ownTests, record, test } from "./lib/mutants/tests.mjs";
import { canBeWoven } from "./lib/mutants/weave.mjs";
import { capture, isMain, root, StepError, script, timed } from "./lib/run.mjs";

/** @typedef {import("./lib/mutants/weave.mjs").Listed} Listed */
/** @typedef {import("./lib/mutants/weave.mjs").Mutant} Mutant */
/** @typedef {import("./lib/mutants/baseline.mjs").Baseline} Baseline */
/** @typedef {import("./lib/mutants/baseline.mjs").Tested} Tested */

const BASELINE = path.join(root, "scripts", "mutants.json");
const REPORT = path.join(root, "target", "mutants", "report.json");

/** Of what a change touched, so many are tested at most: the copy compiles for minutes if it holds thousands. */
const MOST_CHANGED = 150;

/** Where nothing changed, or the base is not in the clone: so many of each strict folder, always the same. */
const FEW = 3;

/** `--changed` begins no further mutant after so many milliseconds. */
const ENOUGH = 8.5 * 60_000;

/** @param {string} line */
const say = (line) => console.error(line);

/** @param {string[]} more @returns {Promise<Listed[]>} */
async function listed(...more) {
  const [command, args] = await cargoTool("cargo-mutants");
  // It says nothing where there are none.
  return JSON.parse((await capture(command, [...args, "--list", "--json", "--no-shuffle", ...more])) || "[]");
}

/** @returns {Promise<Baseline>} */
async function readBaseline() {
  return JSON.parse(await readFile(BASELINE, "utf8"));
}

/** The mutants of what changed since the base; nothing where that is not known. @param {Baseline} baseline */
async function changed(baseline) {
  const base = process.env.TRIGGER_NATIVE_BASE || baseline.base;
  if (git("cat-file", "-e", `${base}^{commit}`) === undefined) {
    say(`the commit ${base} is not in this clone`);
    return undefined;
  }
  const diff = git("diff", base, "--", "src") ?? "";
  if (!diff.trim()) {
    say(`src/ has not changed since ${base}`);
    return undefined;
  }
  const file = path.join(root, "target", "mutants", "changed.diff");
  await mkdir(path.dirname(file), { recursive: true });
  await writeFile(file, diff);
  const found = await listed("--in-diff", file);
  say(`${found.length} mutants in what changed since ${base}`);
  return found.length > 0 ? found : undefined;
}

/** @param {readonly Listed[]} mutants */
async function wovenOnly(mutants) {
  /** @type {Map<string, string>} */
  const texts = new Map();
  for (const { file } of mutants) if (!texts.has(file)) texts.set(file, await readFile(path.join(root, file), "utf8"));
  const kept = mutants.filter((mutant) => canBeWoven(mutant, /** @type {string} */ (texts.get(mutant.file))));
  say(`${mutants.length} mutants, ${mutants.length - kept.length} of which cannot be chosen while the program runs`);
  return {
    kept,
    lineOf: (/** @type {Listed} */ { file, span }) => texts.get(file)?.split("\n")[span.start.line - 1]?.trim() ?? "",
  };
}

/** @typedef {{ group: string, wanted: number, mutants: Listed[] }} Group */

/**
 * Builds, records and tests.
 *
 * @param {Group[]} sampled in the order in which they are to be taken
 * @param {(mutant: Listed) => string} lineOf
 * @param {number} until when to stop
 * @param {ReturnType<typeof ownTests>} [wantedTests]
 * @returns {Promise<{ tested: Tested[], left: number }>}
 */
async function tested(sampled, lineOf, until, wantedTests) {
  const ids = new Map(sampled.flatMap(({ mutants }) => mutants).map((mutant, at) => [mutant, at + 1]));
  const numbered = [...ids].map(([mutant, id]) => ({ ...mutant, id }));
  const built = timed("building the copy with mutants");
  const { viable, programs } = await build(numbered, say);
  built();
  const compiles = new Set(viable.map(({ id }) => id));
  const recorded = timed("running every test without a mutant");
  const tests = await record(programs, say, wantedTests);
  recorded();
  const chosen = inTurn(
    sampled.map(({ mutants, wanted: enough }) =>
      mutants.filter((mutant) => compiles.has(ids.get(mutant) ?? 0)).slice(0, enough),
    ),
  );
  const ended = timed(`testing ${chosen.length} mutants with ${tests.length} tests`);
  /** @type {Tested[]} */
  const done = [];
  await each(chosen, 2, async (mutant) => {
    if (performance.now() > until) return;
    const id = ids.get(mutant) ?? 0;
    const result = { ...mutant, id, line: lineOf(mutant), ...(await test({ ...mutant, id }, tests)) };
    done.push(result);
    if (!result.killedBy) say(`survived (Rust tests that reach it: ${result.reached}): ${mutant.name}`);
    if (done.length % 20 === 0)
      say(`${done.length} of ${chosen.length}, ${done.filter(({ killedBy }) => !killedBy).length} survived`);
  });
  ended();
  return { tested: done, left: chosen.length - done.length };
}

/**
 * Tries what no Rust test killed with the JavaScript tests.
 *
 * @param {Tested[]} done those that a file kills are marked
 */
async function triedInJavascript(done) {
  const alive = done.filter(({ killedBy }) => !killedBy);
  const built = timed("building the addon with mutants");
  await addon();
  built();
  const recorded = timed("running the JavaScript tests without a mutant");
  const tests = await recordFiles(alive, say);
  recorded();
  const ended = timed(`testing ${alive.length} mutants with ${tests.length} files of JavaScript tests`);
  await each(alive, 2, async (mutant) => {
    mutant.files = tests.filter(({ reaches }) => reaches.has(mutant.id)).length;
    const file = await fileThatKills(mutant, tests);
    if (file) mutant.killedBy = file;
    say(file ? `killed by ${file}: ${mutant.name}` : `survived (files that reach it: ${mutant.files}): ${mutant.name}`);
  });
  ended();
}

/** @param {readonly Listed[]} all @param {{ each: number, elsewhere: number, seed: number, only: readonly string[] }} options @returns {Group[]} */
function sample(all, { each, elsewhere, seed, only }) {
  /** @type {Map<string, Listed[]>} */
  const groups = new Map();
  for (const mutant of all) {
    const folder = folderOf(mutant);
    if (only.length > 0 && !only.includes(folder)) continue;
    const group = elsewhere > 0 && wanted(folder) < 90 ? "elsewhere" : folder;
    groups.set(group, [...(groups.get(group) ?? []), mutant]);
  }
  return [...groups].map(([group, mutants]) => {
    const enough = group === "elsewhere" ? elsewhere : each;
    // A third does not compile, mostly for types without a default.
    return { group, wanted: enough, mutants: shuffled(mutants, seed, group).slice(0, Math.ceil(1.6 * enough) + 4) };
  });
}

if (isMain(import.meta.url)) {
  await script(async () => {
    const { values } = parseArgs({
      options: {
        sample: { type: "string", default: "10" },
        elsewhere: { type: "string", default: "0" },
        seed: { type: "string", default: "1" },
        folder: { type: "string", multiple: true, default: [] },
        changed: { type: "boolean", default: false },
        javascript: { type: "boolean", default: false },
        own: { type: "boolean", default: false },
        minutes: { type: "string", default: "Infinity" },
        write: { type: "boolean", default: false },
      },
    });
    const until = performance.now() + (values.changed ? ENOUGH : 60_000 * Number(values.minutes));
    const baseline = await readBaseline();
    const texts = new Map();
    for (const { mutant } of baseline.survivors) {
      const file = mutant.split(":")[0] ?? "";
      texts.set(file, await readFile(path.join(root, file), "utf8").catch(() => undefined));
    }
    const old = stale(baseline, (file) => texts.get(file));
    if (old.length > 0) throw new StepError(`scripts/mutants.json lists what is no more:\n${old.join("\n")}`);

    const seed = Number(values.seed);
    const touched = values.changed ? await changed(baseline) : undefined;
    const { kept, lineOf } = await wovenOnly(touched ?? (await listed()));
    const named = values.folder.map((name) => (name.startsWith("src") ? name : `src/${name}`));
    const only = values.changed ? STRICT : named;
    const each = values.changed ? FEW : Number(values.sample);
    const sampled = touched
      ? [{ group: "changed", wanted: MOST_CHANGED, mutants: shuffled(kept, seed, "changed").slice(0, MOST_CHANGED) }]
      : sample(kept, { each, elsewhere: Number(values.elsewhere), seed, only });
    const { tested: done, left } = await tested(sampled, lineOf, until, values.own ? ownTests(named) : undefined);
    await writeReport(REPORT, done);
    if (values.javascript) await triedInJavascript(done);
    const unlisted = report(baseline, done, left, say);
    await writeReport(REPORT, done);
    if (done.length === 0 && left > 0) throw new StepError("no time was left to test a mutant");
    if (values.write) await writeBaseline(BASELINE, baseline, done, kept, seed);
    judge(unlisted, done, { list: "scripts/mutants.json", untouched: values.changed && !touched });
  });
}
