/**
 * The threads of the process: how many there are, who shares them, what sets their number
 * (docs/transport.md). Linux lists them by name.
 */
import assert from "node:assert/strict";
import { copyFile, cp, mkdtemp, rm, symlink } from "node:fs/promises";
import http from "node:http";
import { tmpdir } from "node:os";
import path from "node:path";
import { after, before, describe, test } from "node:test";
import { fileURLToPath } from "node:url";
import { runProgram } from "./support/program.mjs";

const ROOT = fileURLToPath(new URL("../", import.meta.url));

/** How a program counts its threads and makes a call. */
const TOOLS = `
  const fs = require("node:fs");
  const { Worker } = require("node:worker_threads");
  const ours = () => fs.readdirSync("/proc/self/task")
    .filter((id) => fs.readFileSync("/proc/self/task/" + id + "/comm", "utf8") === "trigger-native\\n").length;
  /** The number of threads, once there are \`least\`: a thread gets its name when it first runs, maybe after the call. */
  const atLeast = async (least) => {
    for (const end = Date.now() + 10_000; ours() < least && Date.now() < end; ) await new Promise((done) => setTimeout(done, 5));
    return ours();
  };
  const call = (sdk) => {
    sdk.configure({ baseURL, accessToken });
    return sdk.runs.cancel("run_1234").then((run) => run.id, (error) => [error.constructor.name, error.code, error.message]);
  };
  const say = (value) => console.log(JSON.stringify(value));
`;

describe("the threads of trigger-native", {
  skip: process.platform !== "linux" && "only Linux tells threads by name",
}, () => {
  let server;
  let copy;
  let baseURL;

  before(async () => {
    server = http.createServer((_, answer) => {
      answer.setHeader("content-type", "application/json").end('{"id":"run_1234"}');
    });
    await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
    baseURL = `http://127.0.0.1:${server.address().port}`;
    copy = await mkdtemp(path.join(tmpdir(), "trigger-native-copy-"));
    await cp(path.join(ROOT, "js"), path.join(copy, "js"), { recursive: true });
    await symlink(path.join(ROOT, "node_modules"), path.join(copy, "node_modules"));
    await copyFile(path.join(ROOT, "index.js"), path.join(copy, "index.js"));
    await copyFile(path.join(ROOT, "package.json"), path.join(copy, "package.json"));
  });
  after(async () => {
    server.close();
    await rm(copy, { recursive: true });
  });

  /** What the program says, line by line. */
  async function said(source, env) {
    const { out, err, code } = await runProgram(TOOLS + source, { baseURL, env, timeoutMs: 20_000 });
    assert.equal(code, 0, err);
    return out
      .trim()
      .split("\n")
      .map((line) => JSON.parse(line));
  }

  test("are two, and none before they are needed", async () => {
    const source = `
      const sdk = require("./index.js");
      say(ours());
      call(sdk).then(async (id) => say([id, await atLeast(2)]));`;
    assert.deepEqual(await said(source), [0, ["run_1234", 2]]);
  });

  test("are as many as TRIGGER_NATIVE_THREADS says", async () => {
    const source = `call(require("./index.js")).then(async (id) => say([id, await atLeast(5)]));`;
    assert.deepEqual(await said(source, { TRIGGER_NATIVE_THREADS: "5" }), [["run_1234", 5]]);
  });

  test("are shared by worker threads and by a second copy of the JavaScript", async () => {
    const source = `
      (async () => {
        const first = require("./index.js");
        say(await call(first));
        const file = require.resolve("./index.js");
        for (const name of Object.keys(require.cache)) delete require.cache[name];
        const second = require(file);
        say([second !== first && second.runs !== first.runs, await call(second), await call(first)]);
        const within = 'const { parentPort } = require("node:worker_threads"); const { baseURL, accessToken } = require("node:worker_threads").workerData;'
          + ${JSON.stringify(TOOLS.replace(/const \{ Worker \}.*\n/, ""))}
          + 'call(require(' + JSON.stringify(file) + ')).then((id) => parentPort.postMessage(id));';
        const workers = [1, 2, 3].map(() => new Worker(within, { eval: true, workerData: { baseURL, accessToken } }));
        say(await Promise.all(workers.map((worker) => new Promise((resolve, reject) => worker.on("message", resolve).on("error", reject)))));
        say([await call(first), await atLeast(2)]);
      })();`;
    const run = "run_1234";
    assert.deepEqual(await said(source), [run, [true, run, run], [run, run, run], [run, 2]]);
  });

  test("are a copy of the addon's own where it lies at another path", async () => {
    const source = `
      (async () => {
        say([await call(require("./index.js")), await atLeast(2)]);
        say([await call(require(${JSON.stringify(copy)})), await atLeast(4)]);
      })();`;
    assert.deepEqual(await said(source), [
      ["run_1234", 2],
      ["run_1234", 4],
    ]);
  });

  test("cannot be a number that is none: whatever needs them says so, and what needs none works", async () => {
    const source = `
      (async () => {
        const sdk = require("./index.js");
        say(await call(sdk));
        const refused = (error) => [error.constructor.name, error.code];
        say(await sdk.runs.subscribeToRun("run_1234")[Symbol.asyncIterator]().next().catch(refused));
        say(await sdk.streams.read("run_1234", "ai").then((stream) => stream[Symbol.asyncIterator]().next()).catch(refused));
        say(ours());
        process.env.TRIGGER_NATIVE_THREADS = "3";
        say([await call(sdk), await atLeast(3)]);
      })();`;
    const [refused, feed, stream, threads, mended] = await said(source, { TRIGGER_NATIVE_THREADS: "many" });
    assert.deepEqual(refused.slice(0, 2), ["ConfigError", "ERR_INVALID_THREADS"]);
    assert.match(refused[2], /TRIGGER_NATIVE_THREADS is "many": it must be a whole number from 1 to 64/);
    assert.deepEqual([feed, stream, threads, mended], [refused.slice(0, 2), refused.slice(0, 2), 0, ["run_1234", 3]]);
  });
});
