// `npm run demo` and `npm test` install packages when, and only when, something is missing.

import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { readdirSync, readFileSync } from "node:fs";
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import os from "node:os";
import path from "node:path";
import { describe, it } from "node:test";
import { isInstalled, matches } from "../scripts/lib/installed.mjs";
import { phases } from "../scripts/lib/javascript-tests.mjs";
import { root } from "../scripts/lib/run.mjs";
import { ADDON, BROWSER, HEAVY, nameOf, REPLAYS, SLOW } from "../scripts/lib/suites.mjs";

const a = { version: "1.0.0", integrity: "sha512-a" };
const b = { version: "2.0.0", integrity: "sha512-b" };
const lock = (packages) => ({ packages });

describe("the check for installed packages", () => {
  it("is content when every package of the lock is there, and no other", () => {
    const wanted = lock({ "": {}, "node_modules/a": a, "node_modules/b": b });
    assert.ok(matches(wanted, lock({ "node_modules/a": a, "node_modules/b": b })));
    assert.ok(!matches(wanted, lock({ "node_modules/a": a })));
    assert.ok(!matches(wanted, lock({ "node_modules/a": a, "node_modules/b": b, "node_modules/c": a })));
  });

  it("sees another version and another content", () => {
    const wanted = lock({ "node_modules/a": a });
    assert.ok(!matches(wanted, lock({ "node_modules/a": { ...a, version: "1.0.1" } })));
    assert.ok(!matches(wanted, lock({ "node_modules/a": { ...a, integrity: "sha512-x" } })));
  });

  it("does not ask for the packages of other platforms", () => {
    const wanted = lock({ "node_modules/a": a, "node_modules/a-windows": { ...b, optional: true } });
    assert.ok(matches(wanted, lock({ "node_modules/a": a })));
  });

  it("asks for an install where there is nothing, or nothing readable", async () => {
    const root = await mkdtemp(path.join(os.tmpdir(), "trigger-native-setup-"));
    try {
      assert.equal(await isInstalled(root), false);
      await writeFile(path.join(root, "package-lock.json"), JSON.stringify(lock({ "node_modules/a": a })));
      assert.equal(await isInstalled(root), false);
      await mkdir(path.join(root, "node_modules"));
      const record = path.join(root, "node_modules", ".package-lock.json");
      await writeFile(record, "{");
      assert.equal(await isInstalled(root), false);
      await writeFile(record, JSON.stringify(lock({ "node_modules/a": a })));
      assert.equal(await isInstalled(root), true);
    } finally {
      await rm(root, { recursive: true, force: true });
    }
  });
});

describe("the lists of tests", () => {
  const files = readdirSync(path.join(root, "__test__")).filter((name) => name.endsWith(".test.mjs"));

  it("name files that are there", () => {
    const names = files.map(nameOf);
    for (const name of [...Object.keys(SLOW), ...ADDON, ...BROWSER, ...REPLAYS]) assert.ok(names.includes(name), name);
  });

  it("know every file that needs Chromium, so that it is installed", () => {
    const text = (/** @type {string} */ name) => readFileSync(path.join(root, "__test__", name), "utf8");
    const needs = files.filter((name) =>
      /"\.\/(support\/(browser|react-page)|examples\/(apps|routes))\.mjs"/.test(text(name)),
    );
    assert.deepEqual(needs.map(nameOf), BROWSER);
  });

  it("know every file that replays recordings", () => {
    const text = (/** @type {string} */ name) => readFileSync(path.join(root, "__test__", name), "utf8");
    assert.deepEqual(
      files
        .filter((name) => /\bwithRecordings\(/.test(text(name)))
        .map(nameOf)
        .sort(),
      REPLAYS,
    );
  });

  it("run what is heavy last, and by itself", () => {
    const ran = phases(["a/registry.test.mjs", "a/addon.test.mjs", "a/package.test.mjs", "a/wire.test.mjs"]);
    assert.deepEqual(
      ran.map(({ files }) => files.map(nameOf)),
      [
        ["addon", "wire"],
        ["registry", "package"],
      ],
    );
    assert.equal(phases(["a/addon.test.mjs"]).length, 1);
    for (const name of Object.keys(HEAVY)) assert.ok(name in SLOW, name);
  });
});

describe("the runner of tests", () => {
  /** Runs a quick and a heavy file, of which the quick one has this in its test. @param {string} body */
  async function ran(body) {
    const folder = await mkdtemp(path.join(os.tmpdir(), "trigger-native-runner-"));
    const write = (/** @type {string} */ name, /** @type {string} */ work) =>
      writeFile(path.join(folder, name), `import { test } from "node:test";\ntest("${name}", () => { ${work} });\n`);
    try {
      await write("quick.test.mjs", body);
      await write("package.test.mjs", "");
      const { NODE_TEST_CONTEXT, ...env } = process.env;
      const runner = new URL("../scripts/lib/javascript-tests.mjs", import.meta.url);
      const program = path.join(folder, "program.mjs");
      const asked = "await javascriptTests(process.argv.slice(2));";
      await writeFile(program, `import { javascriptTests } from ${JSON.stringify(runner)};\n${asked}\n`);
      const args = [program, ...["package.test.mjs", "quick.test.mjs"].map((name) => path.join(folder, name))];
      return spawnSync(process.execPath, args, { encoding: "utf8", env });
    } finally {
      await rm(folder, { recursive: true, force: true });
    }
  }

  it("counts all phases together, at the end, and says how long each took", async () => {
    const { status, stdout, stderr } = await ran("");
    assert.equal(status, 0, stdout + stderr);
    assert.match(stdout, /quick\.test\.mjs[\s\S]*package\.test\.mjs[\s\S]*tests 2\n[\s\S]*pass 2\n/);
    assert.equal(stdout.match(/\bfail \d/g)?.length, 1);
    assert.equal(stderr.match(/: \d+ s$/gm)?.length, 2);
  });

  it("fails where a test does, and leaves out what is heavy", async () => {
    const { status, stdout, stderr } = await ran("throw new Error('so it is');");
    assert.notEqual(status, 0);
    assert.match(stdout, /so it is/);
    assert.match(stderr, /JavaScript tests failed/);
    assert.doesNotMatch(stdout, /package\.test\.mjs/);
  });
});
