// `npm run growth`: counts the instructions of work on lists of 1,000, 10,000 and 80,000 under callgrind, prints a table, and
// fails where they grow faster than the list.
//
// `--dev` counts a program that is built without optimizations, which takes longer and needs no release build. Names of
// work count only that.

import process from "node:process";
import { build, count } from "./lib/counted.mjs";
import { growth, LENGTHS } from "./lib/growth.mjs";
import { isMain, StepError, script } from "./lib/run.mjs";

const WORK = [
  "tags",
  "columns",
  "snapshot",
  "updates",
  "deletes",
  "unreadable",
  "events-v1",
  "event-bytes",
  "records-v2",
  "scopes",
];

if (isMain(import.meta.url)) {
  await script(async () => {
    const asked = process.argv.slice(2);
    const named = asked.filter((name) => !name.startsWith("--"));
    const unknown = named.filter((name) => !WORK.includes(name));
    if (unknown.length > 0) throw new StepError(`no such work: ${unknown}; there is ${WORK.join(", ")}`);
    const program = await build(asked.includes("--dev") ? "dev" : "release");
    /** @type {Record<string, number[]>} */
    const counted = {};
    for (const work of named.length > 0 ? named : WORK) {
      const none = count(program, `growth-${work}`, 0);
      counted[work] = LENGTHS.map((length) => count(program, `growth-${work}`, length) - none);
    }
    const { lines, failures } = growth(counted);
    for (const line of lines) console.error(line);
    if (failures.length > 0) throw new StepError(failures.join("\n"));
  });
}
