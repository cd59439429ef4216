// Makes the matrix of faults and targets: a test of each pair, the count of the pairs, and the table.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { after, describe, it } from "node:test";
import { play } from "./cell.mjs";
import { TARGETS } from "./contract.mjs";
import { watchLeaks } from "./leaks.mjs";
import { targets } from "./targets.mjs";
import { none } from "./waits.mjs";

/** Cells that are played at the same time: they wait more than they work. */
const CONCURRENCY = 12;

/** A shared connection of HTTP/2 is closed 30 s after its last use (docs/transport.md, T11). */
const IDLE_MS = 40_000;

const SIGNS = { delivered: "✓", ended: "e", rust: "R", skipped: "–" };

/** What a cell is: played, shown by a Rust test, or none. */
function kindOf(fault, name) {
  const reasons = ["ends", "inRust", "skips"].filter((list) => fault[list]?.[name] !== undefined);
  assert.ok(reasons.length < 2, `${fault.name} × ${name} is in ${reasons.join(" and ")}`);
  return { ends: "ended", inRust: "rust", skips: "skipped" }[reasons[0]] ?? "delivered";
}

/** A cell that is shown in Rust names a test that is there. @param {string} place `tests/x.rs: name` */
function checkRustTest(place) {
  const [file, name] = place.split(": ");
  const source = readFileSync(new URL(`../../${file}`, import.meta.url), "utf8");
  assert.ok(source.includes(`fn ${name}(`), `there is no test ${place}`);
}

/** A fault that names a target which is none, or gives no reason, fails before anything is played. */
function checkFaults(faults) {
  assert.equal(new Set(faults.map(({ name }) => name)).size, faults.length, "each fault has a name of its own");
  assert.deepEqual(
    targets.map(({ name }) => name),
    TARGETS,
  );
  for (const { name, ends = {}, inRust = {}, skips = {} } of faults) {
    for (const target of [ends, inRust, skips].flatMap(Object.keys)) {
      assert.ok(TARGETS.includes(target), `${name} names ${target}, which is no target`);
    }
    const reasons = [...Object.values(ends).map(({ why }) => why), ...Object.values(inRust), ...Object.values(skips)];
    for (const place of Object.values(inRust)) checkRustTest(place);
    for (const reason of reasons) assert.ok(reason?.length > 20, `${name} gives no reason in words: ${reason}`);
  }
}

/** The table and the totals, as printed. @param {Map<string, string[]>} rows */
function table(title, rows) {
  const width = Math.max(...[...rows.keys()].map((name) => name.length));
  const heads = TARGETS.map((name, n) => `${n + 1} ${name}`).join(", ");
  const lines = [...rows].map(
    ([name, cells]) => `${name.padEnd(width)}  ${cells.map((cell) => cell ?? "?").join(" ")}`,
  );
  const all = [...rows.values()].flat();
  const count = (sign) => all.filter((cell) => cell === sign).length;
  return [
    `${title}: ${rows.size} faults × ${TARGETS.length} targets (${heads})`,
    ...lines,
    `${all.length} cells: ${count(SIGNS.delivered)} delivered (✓), ${count(SIGNS.ended)} end with the error that is ` +
      `documented (e), ${count(SIGNS.rust)} shown in Rust (R), ${count(SIGNS.skipped)} do not apply (–), ` +
      `${count("✗")} failed (✗), ${count(undefined)} empty`,
  ].join("\n");
}

/**
 * The tests of a list of faults.
 *
 * @param {string} title
 * @param {import("./contract.mjs").Fault[]} faults
 * @param {{ through?: (target: import("./contract.mjs").Target) => import("./contract.mjs").Target, concurrency?: number }} [how]
 *   `through` gives what stands for a target, such as the same one in a process of its own
 */
export function matrix(title, faults, { through = (target) => target, concurrency = CONCURRENCY } = {}) {
  checkFaults(faults);
  // Each cell has a place from the start: one that was not played stays empty, and fails.
  const rows = new Map(faults.map(({ name }) => [name, TARGETS.map(() => undefined)]));
  const fronts = [];
  const leaks = watchLeaks();
  const unhandled = [];
  const onUnhandled = (reason) => unhandled.push(reason);
  process.on("unhandledRejection", onUnhandled);

  after(async () => {
    try {
      for (const front of fronts) await none(async () => (await front.open()).connections, IDLE_MS, "connections");
    } finally {
      await Promise.all(fronts.map((front) => front.stop()));
      process.off("unhandledRejection", onUnhandled);
    }
    console.log(table(title, rows));
    await leaks.check();
    assert.deepEqual(unhandled, [], "no rejection is unhandled");
    for (const [name, cells] of rows) assert.ok(!cells.includes(undefined), `${name} has an empty cell`);
  });

  describe(title, { concurrency }, () => {
    for (const fault of faults) {
      for (const [column, target] of targets.entries()) {
        const kind = kindOf(fault, target.name);
        const mark = (sign) => {
          rows.get(fault.name)[column] = sign;
        };
        if (kind === "skipped" || kind === "rust") {
          mark(SIGNS[kind]);
          continue;
        }
        it(`${fault.name} × ${target.name}`, async () => {
          mark("✗");
          fronts.push(await play(fault, through(target)));
          leaks.played();
          mark(SIGNS[kind]);
        });
      }
    }
  });
}
