// Runs JavaScript tests: the quick ones first, then the heavy ones, and one report of all of them. Where asked for, the lines of
// the face that the quick ones run are counted.

import path from "node:path";
import { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { run } from "node:test";
import { spec } from "node:test/reporters";
import { byFolder, table } from "./coverage.mjs";
import { countLines } from "./line-counts.mjs";
import { root, StepError, timed } from "./run.mjs";
import { HEAVY, nameOf } from "./suites.mjs";

/** The phase of all that is not heavy. */
const QUICK = "JavaScript tests";

/**
 * Files that run at once. Most of the quick ones wait for timers and servers, so that three of them keep two cores busy; of the
 * heavy ones, which build and drive apps, two are as much as their waits bear.
 */
const QUICK_AT_ONCE = 3;
const HEAVY_AT_ONCE = 2;

/** What node:test closes a report with, each with a number. */
const CLOSING = /^(tests|suites|pass|fail|cancelled|skipped|todo|duration_ms) ([\d.]+)$/;

/**
 * The phases in their order: none runs beside another, so that no app is built while something is timed.
 *
 * @param {readonly string[]} files
 * @returns {{ label: string, files: string[] }[]}
 */
export function phases(files) {
  const heavy = (/** @type {string} */ file) => nameOf(file) in HEAVY;
  return [
    { label: QUICK, files: files.filter((file) => !heavy(file)) },
    { label: "packages, runtimes, browsers and examples", files: files.filter(heavy) },
  ].filter((phase) => phase.files.length > 0);
}

/** The lines of a text, in the report. @param {string} text */
function* said(text) {
  for (const message of text.split("\n")) {
    yield { type: "test:diagnostic", data: { nesting: 0, message, level: "info" } };
  }
}

/**
 * Fails when a test does; the phases after it are then not run.
 *
 * @param {readonly string[]} files absolute, or below the project's root
 * @param {import("./line-counts.mjs").Counted} [counted] lines that other tests ran. Those that the quick tests here run are
 *   then counted, too, and reported with them: of the heavy ones, browsers and builds of apps would write gigabytes of counts
 */
export async function javascriptTests(files, counted) {
  /** @type {Map<string, number>} */
  const totals = new Map();
  const failed = () => ["fail", "cancelled"].some((name) => totals.get(name) !== 0);

  async function* events() {
    for (const { label, files: chosen } of phases(files)) {
      const ended = timed(`${label} (${chosen.length} files)`);
      const concurrency = label === QUICK ? QUICK_AT_ONCE : HEAVY_AT_ONCE;
      const absolute = chosen.map((file) => path.resolve(root, file));
      const end = counted && label === QUICK ? await countLines() : undefined;
      for await (const event of run({ files: absolute, concurrency })) {
        const { nesting, message } = /** @type {{ nesting?: number, message?: string }} */ (event.data ?? {});
        const closing = event.type === "test:diagnostic" && nesting === 0 ? CLOSING.exec(message ?? "") : null;
        if (!closing) yield event;
        else totals.set(closing[1], (totals.get(closing[1]) ?? 0) + Number(closing[2]));
      }
      ended();
      if (end) yield* said(table(byFolder([...(counted ?? []), ...(await end())])));
      if (failed()) break;
    }
    for (const [name, count] of totals) yield* said(`${name} ${count}`);
  }

  await pipeline(Readable.from(events()), new spec(), process.stdout, { end: false });
  if (failed()) throw new StepError("JavaScript tests failed");
}
