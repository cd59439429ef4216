/** Defect 20: what a process loads before its first call. Times are a matter of the benchmarks: modules can be counted. */
import assert from "node:assert/strict";
import { createServer } from "node:http";
import { describe, test } from "node:test";
import { FAILSAFE_MS } from "./support/against.mjs";
import { runProgram } from "./support/program.mjs";
import { CLAIMS } from "./support/token-servers.mjs";

/** More than we have, and an order of magnitude below the official SDK. */
const MAX_MODULES = 60;

/** The modules that a program has loaded when it ends. */
async function loadedBy(source, baseURL = "http://127.0.0.1:9") {
  const tell = "console.log(JSON.stringify(Object.keys(require.cache)));";
  const program = `(async () => { ${source}; ${tell} })();`;
  const { code, out, err } = await runProgram(program, { baseURL, timeoutMs: FAILSAFE_MS });
  assert.deepEqual([code, err], [0, ""]);
  return JSON.parse(out);
}

describe("defect 20: a cold start", () => {
  test("loads hundreds of modules with the official SDK", async () => {
    const modules = await loadedBy('require("@trigger.dev/sdk")');
    assert.ok(modules.length > 500, `${modules.length} modules`);
  });

  test("loads a few of ours, and none of other packages", async () => {
    const modules = await loadedBy('require("trigger-native")');
    assert.ok(modules.length > 1 && modules.length <= MAX_MODULES, `${modules.length} modules`);
    assert.deepEqual(
      modules.filter((name) => name.includes("node_modules")),
      [],
    );
  });

  test("loads nothing more for the first token", async (t) => {
    const server = createServer((_request, response) => response.end(CLAIMS));
    await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
    t.after(() => {
      server.closeAllConnections();
      server.close();
    });
    const imported = await loadedBy('require("trigger-native")');
    const modules = await loadedBy(
      `const { auth, configure } = require("trigger-native");
       configure({ baseURL, accessToken });
       await auth.createPublicToken({ scopes: { read: { runs: ["run_1"] } } })`,
      `http://127.0.0.1:${server.address().port}`,
    );
    assert.deepEqual(modules, imported);
  });
});
