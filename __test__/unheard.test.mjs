// No promise that a program did not receive is rejected: its rejection would be unhandled, and end the process.

import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { createRequire } from "node:module";
import { it } from "node:test";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { cleanEnvironment } from "./support/client.mjs";

const require = createRequire(import.meta.url);
const program = fileURLToPath(new URL("./support/refused-program.cjs", import.meta.url));

it("a server that refuses everything ends no process, whichever way a call is used", async () => {
  const { EVERY, QUIET } = require(program);
  assert.deepEqual(exported(), [...Object.keys(EVERY), ...QUIET].sort(), "every function is among them");
  const { stdout } = await promisify(execFile)(process.execPath, [program], {
    env: cleanEnvironment(),
    timeout: 90_000,
  });
  assert.deepEqual(JSON.parse(stdout), { unheard: [], quiet: [] });
});

/** The functions of all namespaces, as users call them. */
function exported() {
  const { auth, batch, idempotencyKeys, runs, streams, tasks, wait } = require("../index.js");
  return Object.entries({ auth, batch, idempotencyKeys, runs, streams, tasks, wait })
    .flatMap(([space, functions]) => Object.keys(functions).map((name) => `${space}.${name}`))
    .sort();
}
