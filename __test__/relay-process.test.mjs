// A relay keeps no process alive, leaks nothing over hot reloads, and survives the end of its thread.

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import { fileURLToPath } from "node:url";
import { bearer, KEY, startServer } from "./support/relay.mjs";

const INDEX = fileURLToPath(new URL("../index.js", import.meta.url));

describe("a process with a relay", { timeout: 120_000 }, () => {
  let server;
  let run;
  let folder;
  before(async () => {
    server = await startServer({ holdMs: 600_000 });
    run = await server.makeRun({ status: "EXECUTING" });
    folder = mkdtempSync(join(tmpdir(), "relay-"));
    // The module of a route, as in an app. Nothing in it ends by itself while a test runs.
    const options = { accessToken: KEY, baseURL: server.url, holdMs: 600_000, keepMs: 600_000 };
    writeFileSync(
      join(folder, "route.js"),
      `module.exports = require(${JSON.stringify(INDEX)}).createRealtimeHandler(${JSON.stringify(options)});`,
    );
    writeFileSync(
      join(folder, "viewer.js"),
      `const headers = ${JSON.stringify(bearer(`read:runs:${run}`))};
       const path = "http://app.example/realtime/v1/runs/${run}";
       /** A held poll of the route, and the function that ends it. */
       exports.hold = async (handler) => {
         const first = await handler(new Request(path + "?offset=-1", { headers }));
         await first.text();
         if (first.status !== 200) throw new Error("status " + first.status);
         const offset = first.headers.get("electric-offset");
         const handle = first.headers.get("electric-handle");
         const leaving = new AbortController();
         const url = path + "?live=true&offset=" + offset + "&handle=" + handle;
         const poll = handler(new Request(url, { headers, signal: leaving.signal }));
         while (handler.stats().viewers.now === 0) await new Promise((go) => setTimeout(go, 10));
         return { poll, leave: () => leaving.abort() };
       };
       /** The number of requests that the server holds. */
       exports.held = async () => {
         const init = { headers: { authorization: "Bearer ${KEY}" } };
         return (await (await fetch("${server.url}/emulator/limits", init)).json()).live;
       };
       exports.sleep = (ms) => new Promise((go) => setTimeout(go, ms));`,
    );
  });
  after(async () => {
    await server.stop();
    rmSync(folder, { recursive: true });
  });

  /** Runs a program in the folder. It must end by itself. */
  async function program(text, args = []) {
    writeFileSync(join(folder, "main.js"), text);
    const child = spawn(process.execPath, [...args, join(folder, "main.js")], { stdio: ["ignore", "pipe", "pipe"] });
    const failsafe = setTimeout(() => child.kill("SIGKILL"), 40_000);
    let output = "";
    child.stdout.on("data", (chunk) => (output += chunk));
    child.stderr.on("data", (chunk) => (output += chunk));
    const [code, signal] = await new Promise((resolve) => child.on("close", (...how) => resolve(how)));
    clearTimeout(failsafe);
    return { output, ended: signal ?? code };
  }

  it("ends by itself once the viewer of a held poll left", async () => {
    const { output, ended } = await program(`
      const { hold } = require("./viewer.js");
      hold(require("./route.js")).then(async ({ poll, leave }) => {
        leave();
        console.log((await poll).status);
      });`);
    assert.deepEqual({ output, ended }, { output: "499\n", ended: 0 });
  });

  it("a route that is loaded anew, again and again, leaves no upstream of the old one", async () => {
    const { output, ended } = await program(
      `const { held, hold, sleep } = require("./viewer.js");
      const route = require.resolve("./route.js");
      async function generation() {
        const { poll, leave } = await hold(require(route));
        leave();
        await poll;
        delete require.cache[route];
        module.children.length = 0;
      }
      (async () => {
        for (let n = 0; n < 5; n++) await generation();
        let open;
        for (let turn = 0; turn < 500 && (open = await held()) > 1; turn++) {
          gc();
          await sleep(20);
        }
        console.log(open <= 1 ? "freed" : open + " upstreams are left");
      })();`,
      ["--expose-gc"],
    );
    assert.deepEqual({ output, ended }, { output: "freed\n", ended: 0 });
  });

  it("a thread that is ended amid held polls takes nothing else down", async () => {
    const { output, ended } = await program(`
      const { Worker, isMainThread, parentPort } = require("node:worker_threads");
      const { held, hold, sleep } = require("./viewer.js");
      if (isMainThread) {
        (async () => {
          const mine = await hold(require("./route.js"));
          for (let n = 0; n < 3; n++) {
            const worker = new Worker(__filename);
            await new Promise((go, fail) => worker.once("message", go).once("error", fail));
            await worker.terminate();
          }
          for (let turn = 0; turn < 500 && (await held()) > 1; turn++) await sleep(20);
          mine.leave();
          console.log((await mine.poll).status, await held());
        })();
      } else {
        (async () => {
          const handler = require("./route.js");
          await handler.listen();
          await Promise.all(Array.from({ length: 20 }, () => hold(handler)));
          parentPort.postMessage("held");
        })();
      }`);
    assert.deepEqual({ output, ended }, { output: "499 1\n", ended: 0 });
  });
});
