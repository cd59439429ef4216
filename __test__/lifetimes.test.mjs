// An object that a program started lives until it is closed, referenced or not; a closed one keeps nothing alive.

import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { describe, it } from "node:test";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { cleanEnvironment } from "./support/client.mjs";
import { FORGOTTEN, HEARD } from "./support/forgotten.mjs";

const run = promisify(execFile);
const root = fileURLToPath(new URL("..", import.meta.url));

describe("what a program started", () => {
  it("goes on until it is closed, although the program kept nothing of it", async () => {
    const { stdout, stderr } = await node("__test__/runtimes/forgotten.cjs");
    assert.equal(stderr, "");
    assert.deepEqual(JSON.parse(stdout), FORGOTTEN);
  });

  it("hears what was given in, although the program kept nothing of it", async () => {
    const { stdout, stderr } = await node("__test__/runtimes/signals.cjs");
    assert.equal(stderr, "");
    assert.deepEqual(JSON.parse(stdout), HEARD);
  });

  it("is not kept once it is over: subscriptions, responses, requests, options, functions, errors", async () => {
    const { stdout, stderr } = await node("__test__/runtimes/released.cjs");
    assert.equal(stderr, "");
    assert.deepEqual(JSON.parse(stdout), []);
  });

  it("keeps nothing alive once it is closed, and the process ends", async () => {
    const { stdout, stderr } = await node("__test__/support/closed-program.cjs");
    assert.equal(stderr, "");
    assert.deepEqual(JSON.parse(stdout), []);
  });
});

describe("what passes through a call", () => {
  it("is not kept: neither the items of a batch, nor the heartbeats of a response, nor the users", async () => {
    const { stdout } = await node("__test__/support/kept-program.cjs");
    const { collected, of, heartbeat, user } = JSON.parse(stdout);
    // Ten are under way at once.
    assert.ok(collected >= of - 15, `${collected} of ${of} items were collected by the end of their source`);
    assert.ok(heartbeat < 50, `a heartbeat leaves ${heartbeat} bytes behind`);
    assert.ok(user < 200, `a user whose token is renewed leaves ${user} bytes behind`);
  });
});

/** @param {string} program */
function node(program) {
  const options = { cwd: root, env: cleanEnvironment(), timeout: 60_000 };
  return run(process.execPath, ["--expose-gc", program], options);
}
