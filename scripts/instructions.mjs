// `npm run instructions`: counts the instructions of the core's hot work under callgrind, and fails
// when one of them costs more than the baseline allows. Seconds differ from run to run; these hardly do.
//
// `--write` makes the counts the new baseline: benches/instructions.json.

import { spawnSync } from "node:child_process";
import { readFile, writeFile } from "node:fs/promises";
import path from "node:path";
import process from "node:process";
import { build, count } from "./lib/counted.mjs";
import { compare } from "./lib/instructions.mjs";
import { isMain, root, StepError, script } from "./lib/run.mjs";

const BASELINE = path.join(root, "benches", "instructions.json");

/** How often each piece of work is repeated: the difference of so often and twice as often is counted. */
const WORK = { mint: 200, decode: 200, arrays: 200, merge: 200, "sse-v1": 10, "sse-v2": 10 };

/** @typedef {import("./lib/instructions.mjs").Baseline} Baseline */

/** @returns {Promise<Baseline | undefined>} */
async function baseline() {
  try {
    return JSON.parse(await readFile(BASELINE, "utf8"));
  } catch (error) {
    if (error instanceof Error && "code" in error && error.code === "ENOENT") return undefined;
    throw error;
  }
}

if (isMain(import.meta.url)) {
  await script(async () => {
    const program = await build();
    /** @type {Record<string, number>} */
    const counted = {};
    for (const [work, iterations] of Object.entries(WORK)) {
      // Work that is not repeated is in both counts, so the difference leaves it out.
      const [once, twice] = [count(program, work, iterations), count(program, work, 2 * iterations)];
      counted[work] = Math.round((twice - once) / iterations);
    }
    const compiler = spawnSync("rustc", ["--version"], { encoding: "utf8" }).stdout?.trim() ?? "unknown";
    const machine = `${process.platform} ${process.arch}`;
    if (process.argv.includes("--write")) {
      const tolerancePercent = (await baseline())?.tolerancePercent ?? 3;
      const fresh = { tolerancePercent, compiler, machine, instructions: counted };
      await writeFile(BASELINE, `${JSON.stringify(fresh, null, 2)}\n`);
    }
    const known = await baseline();
    if (!known) throw new StepError("there is no baseline: npm run instructions -- --write");
    const { lines, failures } = compare(known, counted);
    for (const line of lines) console.error(line);
    if (failures.length === 0) return;
    if (known.machine !== machine) {
      console.error(`not held against ${machine}: the baseline was counted on ${known.machine}`);
      return;
    }
    const other =
      known.compiler === compiler ? "" : ` The baseline was counted with ${known.compiler}; this is ${compiler}.`;
    throw new StepError(
      `${failures.join("\n")}\n${other}Where the change is meant: npm run instructions -- --write, and say why in the commit.`,
    );
  });
}
