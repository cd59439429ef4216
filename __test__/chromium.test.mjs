// Which Chromium the browser tests take, and what they say where there is none.

import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { chmod, mkdtemp, rm, writeFile } from "node:fs/promises";
import os from "node:os";
import path from "node:path";
import { test } from "node:test";
import { fileURLToPath } from "node:url";

import { findChromium } from "../scripts/lib/chromium.mjs";

const suite = fileURLToPath(new URL("browser-hooks.test.mjs", import.meta.url));

/** Runs the browser tests where Chromium is not. */
function withoutChromium(env) {
  const { NODE_TEST_CONTEXT, CI, ...inherited } = process.env;
  const given = { ...inherited, CHROMIUM_PATH: path.join(os.tmpdir(), "no-such-program"), ...env };
  return spawnSync(process.execPath, ["--test", "--test-reporter=tap", suite], { env: given, encoding: "utf8" });
}

test("CHROMIUM_PATH comes before what is installed, and one that names no program is not replaced", async () => {
  const home = await mkdtemp(path.join(os.tmpdir(), "chromium-"));
  try {
    const installed = path.join(home, "chromium");
    const named = path.join(home, "mine");
    for (const file of [installed, named]) {
      await writeFile(file, "");
      await chmod(file, 0o755);
    }
    assert.equal(await findChromium({ PATH: home }), installed);
    assert.equal(await findChromium({ PATH: home, CHROMIUM_PATH: named }), named);
    assert.equal(await findChromium({ PATH: home, CHROMIUM_PATH: path.join(home, "none") }), undefined);
  } finally {
    await rm(home, { recursive: true, force: true });
  }
});

test("without Chromium the cases in a browser are left out and counted", () => {
  const { status, stdout } = withoutChromium({});
  assert.equal(status, 0, stdout);
  assert.match(stdout, /# SKIP \d\d+ cases in a browser left out: Chromium was not found/);
});

test("without Chromium the browser tests fail under CI", () => {
  const { status, stdout } = withoutChromium({ CI: "true" });
  assert.equal(status, 1, stdout);
  assert.match(stdout, /\d\d+ cases in a browser left out: Chromium was not found/);
});
