// Whatever a program started lives until it is closed, kept or not; what was closed keeps nothing alive.

import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { describe, it } from "node:test";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { cleanEnvironment } from "./support/client.mjs";
import { FORGOTTEN } from "./support/forgotten.mjs";

const run = promisify(execFile);
const root = fileURLToPath(new URL("..", import.meta.url));

describe("what a program started", () => {
  it("goes on until it is closed, although the program kept nothing of it", async () => {
    const { stdout, stderr } = await node("__test__/runtimes/forgotten.cjs");
    assert.equal(stderr, "");
    assert.deepEqual(JSON.parse(stdout), FORGOTTEN);
  });

  it("keeps nothing alive once it is closed, and the process ends", async () => {
    const { stdout, stderr } = await node("__test__/support/closed-program.cjs");
    assert.equal(stderr, "");
    assert.deepEqual(JSON.parse(stdout), []);
  });
});

/** @param {string} program */
function node(program) {
  const options = { cwd: root, env: cleanEnvironment(), timeout: 60_000 };
  return run(process.execPath, ["--expose-gc", program], options);
}
