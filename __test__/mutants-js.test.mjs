// The mutants of the face: what is a mutant, how one is woven in and chosen, which lines a change touched, and how a test
// file that fails or hangs ends. What they show of the tests is `npm run mutants:js`.

import assert from "node:assert/strict";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import os from "node:os";
import path from "node:path";
import test, { after } from "node:test";
import { INSTRUMENTER_CONSTANTS } from "@stryker-mutator/api/core";
import { stale } from "../scripts/lib/mutants/baseline.mjs";
import { changedLines } from "../scripts/lib/mutants/changed.mjs";
import { isProse, LEFT_OUT, listed, woven } from "../scripts/lib/mutants/face.mjs";
import { ended } from "../scripts/lib/mutants/face-tests.mjs";
import { folderOf, nameOf } from "../scripts/lib/mutants/sample.mjs";
import { collect, root } from "../scripts/lib/run.mjs";

const FILE = "js/calls/x.js";
const SOURCE = `"use strict";

/** The larger one, é. */
const larger = (a, b) => (a > b ? a : b);
const kind = "kind";
if (larger(1, 2) < 0) throw new Error("is less than nothing");
console.log(larger(1, 2), kind);
`;

const folder = await mkdtemp(path.join(os.tmpdir(), "mutants-js-"));
after(() => rm(folder, { recursive: true, force: true }));

/** @param {string} name @param {string} text */
async function written(name, text) {
  const file = path.join(folder, name);
  await writeFile(file, text);
  return file;
}

test("every mutant is named by its place and by what it changes, and sentences are none", async () => {
  const { mutants, prose } = await listed(new Map([[FILE, SOURCE]]));
  const names = mutants.map(({ name }) => name);
  assert.ok(names.includes(`${FILE}:4:27: replace a > b with a >= b`), names.join("\n"));
  assert.ok(names.includes(`${FILE}:5:14: replace "kind" with ""`), names.join("\n"));
  assert.equal(prose, 1);
  assert.ok(!names.some((name) => name.includes("nothing")));
  assert.equal(new Set(names).size, names.length);
  assert.equal(folderOf(mutants[0]), "js/calls");
  assert.equal(nameOf(mutants[0]).startsWith(`${FILE}: replace`), true);
});

test("a text is a sentence when words are apart in it", () => {
  assert.equal(isProse("StringLiteral", '"must be a string"'), true);
  assert.equal(isProse("StringLiteral", '"content-type"'), false);
  assert.equal(isProse("StringLiteral", '" "'), false);
  assert.equal(isProse("EqualityOperator", "a > b"), false);
});

test("a woven mutant is active where the environment names it, and the file is as before where none is named", async () => {
  const texts = new Map([[FILE, SOURCE]]);
  const { mutants } = await listed(texts);
  const chosen = mutants.filter(({ name }) => /a > b with a <= b|"kind" with/.test(name));
  assert.equal(chosen.length, 2);
  const result = await woven(texts, chosen);
  const file = await written("x.js", result.texts.get(FILE));
  const says = async (id) => {
    const { out } = await collect(process.execPath, [file], {
      env: { ...process.env, [INSTRUMENTER_CONSTANTS.ACTIVE_MUTANT_ENV_VARIABLE]: id },
    });
    return out.trim();
  };
  const [larger, kind] = chosen.map((mutant) => result.ids.get(mutant));
  assert.equal(await says(""), "2 kind");
  assert.equal(await says(larger), "1 kind");
  assert.equal(await says(kind), "2");
});

test("a change touches the lines that are new in it, file by file", () => {
  const diff = [
    "diff --git js/a.js js/a.js",
    "--- js/a.js",
    "+++ js/a.js",
    "@@ -3 +3,2 @@ function f() {",
    "-old",
    "+new",
    "+new",
    "@@ -9,2 +10,0 @@",
    "-gone",
    "-gone",
    "diff --git js/b.js js/b.js",
    "--- js/b.js",
    "+++ js/b.js",
    "@@ -0,0 +1 @@",
    "+one",
  ].join("\n");
  const lines = changedLines(diff);
  assert.deepEqual(
    [...lines],
    [
      ["js/a.js", new Set([3, 4])],
      ["js/b.js", new Set([1])],
    ],
  );
  assert.deepEqual([...changedLines("")], []);
});

const PASSING = `require("node:test")("passes", () => {});`;
const FAILING = `require("node:test")("fails", () => { throw new Error("as it has to"); });`;

test("a test file passes, fails or hangs", async () => {
  const within = 60_000;
  const passes = await written("passes.cjs", PASSING);
  assert.equal((await ended(passes, folder, within)).ended, "passed");
  const fails = await written("fails.cjs", FAILING);
  assert.equal((await ended(fails, folder, within)).ended, "failed");
  const todo = await written("todo.cjs", FAILING.replace("() =>", "{ todo: true }, () =>"));
  assert.equal((await ended(todo, folder, within)).ended, "passed", "a test that is to be done may fail");
  const breaks = await written("breaks.cjs", `process.exit(3);`);
  assert.equal((await ended(breaks, folder, within)).ended, "failed");
  const hangs = await written("hangs.cjs", `setInterval(() => {}, 1_000);`);
  assert.equal((await ended(hangs, folder, 500)).ended, "hung");
});

test("the first test that fails ends its file, and the processes that it started", { timeout: 60_000 }, async () => {
  const file = await written(
    "starts.cjs",
    `require("node:child_process").spawn(process.execPath, ["-e", "setInterval(() => {}, 1_000)"], { stdio: "inherit" });
    ${FAILING}
    setInterval(() => {}, 1_000);`,
  );
  // The output of the file is open as long as the other process lives, and until then it has not ended.
  assert.equal((await ended(file, folder, 50_000)).ended, "failed");
});

test("every listed survivor names a line that the face still has, with a reason", async () => {
  const baseline = JSON.parse(await readFile(path.join(root, "scripts", "mutants-js.json"), "utf8"));
  const texts = new Map();
  for (const { mutant } of baseline.survivors) {
    const file = mutant.split(":")[0];
    assert.ok(!LEFT_OUT.includes(file), file);
    texts.set(file, await readFile(path.join(root, file), "utf8").catch(() => undefined));
  }
  assert.deepEqual(
    stale(baseline, (file) => texts.get(file)),
    [],
  );
});
