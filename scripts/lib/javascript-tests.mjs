// Runs JavaScript tests: the quick ones first, then the heavy ones, and one report of all of them.

import path from "node:path";
import { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { run } from "node:test";
import { spec } from "node:test/reporters";
import { root, StepError, timed } from "./run.mjs";
import { HEAVY, nameOf } from "./suites.mjs";

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
    { label: "JavaScript tests", files: files.filter((file) => !heavy(file)) },
    { label: "packages, runtimes, browsers and examples", files: files.filter(heavy) },
  ].filter((phase) => phase.files.length > 0);
}

/**
 * Fails when a test does; the phases after it are then not run.
 *
 * @param {readonly string[]} files absolute, or below the project's root
 */
export async function javascriptTests(files) {
  /** @type {Map<string, number>} */
  const totals = new Map();
  const failed = () => ["fail", "cancelled"].some((name) => totals.get(name) !== 0);

  async function* events() {
    for (const { label, files: chosen } of phases(files)) {
      const ended = timed(`${label} (${chosen.length} files)`);
      for await (const event of run({ files: chosen.map((file) => path.resolve(root, file)), concurrency: true })) {
        const { nesting, message } = /** @type {{ nesting?: number, message?: string }} */ (event.data ?? {});
        const closing = event.type === "test:diagnostic" && nesting === 0 ? CLOSING.exec(message ?? "") : null;
        if (!closing) yield event;
        else totals.set(closing[1], (totals.get(closing[1]) ?? 0) + Number(closing[2]));
      }
      ended();
      if (failed()) break;
    }
    for (const [name, count] of totals) {
      yield { type: "test:diagnostic", data: { nesting: 0, message: `${name} ${count}`, level: "info" } };
    }
  }

  await pipeline(Readable.from(events()), new spec(), process.stdout, { end: false });
  if (failed()) throw new StepError("JavaScript tests failed");
}
