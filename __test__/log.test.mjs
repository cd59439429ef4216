/** Log lines for operators: which there are, where they go, and that they hold no secret (docs/relay.md, "Logging"). */
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { after, before, describe, test } from "node:test";
import { setTimeout } from "node:timers/promises";
import { startEmulator } from "trigger-native/emulator";
import { cleanEnvironment } from "./support/client.mjs";
import { runProgram } from "./support/program.mjs";

/** What a program begins with: everything that is logged, as a function. */
const TOOLS = `
  const { Worker } = require("node:worker_threads");
  const sdk = require("trigger-native");
  const { configure, createRealtimeHandler, runs, streams, tasks } = sdk;
  const LEVELS = ["debug", "info", "warn", "error"];
  const loggerOf = (take, levels = LEVELS) =>
    Object.fromEntries(levels.map((level) => [level, (...line) => take(level, ...line)]));
  const say = (value) => console.log(JSON.stringify(value));
  const turn = () => new Promise((resolve) => setTimeout(resolve, 100));
  async function read(given) {
    try {
      for await (const _ of await given);
    } catch {}
  }
  async function fault(route) {
    const headers = { authorization: "Bearer " + accessToken, "content-type": "application/json" };
    const body = JSON.stringify({ faults: [{ kind: "status", status: 503, route, count: 1 }] });
    const answer = await fetch(baseURL + "/emulator/faults", { method: "PUT", headers, body });
    if (!answer.ok) throw new Error(await answer.text());
  }
  async function everything(logger) {
    configure({ baseURL, accessToken, logger });
    const { id, publicAccessToken } = await tasks.trigger("logged", {});
    await read(runs.subscribeToRun(id));
    await read(streams.read(id, "ai", { timeoutInSeconds: 1 }));
    await read(runs.subscribeToRun("run_nobodys"));
    await read(streams.read("run_nobodys", "ai", { timeoutInSeconds: 1 }));
    await fault("GET /realtime/v1/runs/{id}");
    await read(runs.subscribeToRun(id));
    await fault("GET /api/v3/runs/{id}");
    await runs.retrieve(id);
    const relay = createRealtimeHandler({ keepMs: 50 });
    for (const token of [publicAccessToken, "hidden.hidden.hidden"]) {
      const headers = { authorization: "Bearer " + token };
      const url = "http://a.test/realtime/v1/runs/" + id + "?offset=-1&signature=hidden";
      await (await relay(new Request(url, { headers }))).text();
    }
    await relay.close();
    configure({ baseURL: baseURL.replace("//", "//name:hidden@"), accessToken, logger });
    await read(runs.subscribeToRun("run_named"));
    configure({ baseURL: "http://127.0.0.1:1", accessToken, logger });
    await read(runs.subscribeToRun(id, { retry: { maxElapsedMs: 1 } }));
    await turn();
    return { id, secrets: [accessToken, publicAccessToken, "hidden"] };
  }
`;

/** Each event, with its level and the fields that an operator looks for. */
const EVENTS = {
  "connection opened": ["debug", ["id", "server", "protocol", "use"]],
  "connection closed": ["debug", ["id", "server", "ms"]],
  "connection failed": ["warn", ["server", "code", "cause"]],
  "feed started": ["info", ["id", "path", "server"]],
  "feed retries": ["warn", ["id", "path", "attempt", "reason", "delayMs"]],
  "feed refused": ["warn", ["id", "path", "code", "status", "ms"]],
  "feed ended": ["info", ["id", "path", "ms"]],
  "stream started": ["info", ["id", "path", "server"]],
  "stream refused": ["warn", ["id", "path", "code", "status", "ms"]],
  "stream ended": ["info", ["id", "path", "ms"]],
  "call retries": ["warn", ["method", "path", "attempt", "status", "delayMs"]],
  "relay upstream started": ["info", ["id", "path"]],
  "relay upstream ended": ["info", ["id", "path", "ms"]],
  "relay viewer refused": ["warn", ["path", "status", "reason"]],
};

describe("log lines", () => {
  /** @type {Awaited<ReturnType<typeof startEmulator>>} */
  let emulator;
  before(async () => {
    const steps = [{ stream: { key: "ai", chunks: ["a"] } }, { output: 1 }];
    emulator = await startEmulator({ tasks: { logged: { queued: 50, steps } } });
  });
  after(() => emulator.stop());

  const run = (/** @type {string} */ source, env = {}) =>
    runProgram(TOOLS + source, { baseURL: emulator.url, accessToken: emulator.secretKey, timeoutMs: 30_000, env });

  test("are none unless they are asked for", async () => {
    const { code, err, out } = await run("everything().then(({ id }) => say(id));");
    assert.deepEqual([code, err], [0, ""]);
    assert.match(out, /^"run_/);
  });

  test("go to standard error with TRIGGER_NATIVE_LOG, one for each event, without a secret", async () => {
    const { code, err, out } = await run("everything().then(say);", { TRIGGER_NATIVE_LOG: "debug" });
    assert.equal(code, 0, err);
    const { id, secrets } = JSON.parse(out);
    for (const [message, [level, fields]] of Object.entries(EVENTS)) {
      const line = err.split("\n").find((line) => line.includes(` trigger-native ${level} ${message} `));
      assert.ok(line, `${message} in\n${err}`);
      assert.match(line, /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z /);
      for (const field of fields) assert.ok(line.includes(` ${field}=`), `${field} in ${line}`);
    }
    for (const run of [id, "run_named"]) assert.ok(err.includes(`path=/realtime/v1/runs/${run} server=http://127`));
    for (const secret of [...secrets, "eyJ", "tr_dev_", "signature", "?"]) assert.ok(!err.includes(secret), secret);
  });

  test("are those of the level and above it", async () => {
    const { err } = await run("everything().then(say);", { TRIGGER_NATIVE_LOG: "warn" });
    const levels = new Set(
      err
        .trim()
        .split("\n")
        .map((line) => line.split(" ")[2]),
    );
    assert.deepEqual([...levels], ["warn"]);
  });

  test("of a level that is none are none, and one line says what to set", async () => {
    const { code, err } = await run("everything().then(say);", { TRIGGER_NATIVE_LOG: "verbose" });
    assert.equal(code, 0);
    const says =
      'trigger-native: TRIGGER_NATIVE_LOG is "verbose", which is no level: set it to error, warn, info or debug';
    assert.equal(err, `${says}, or not at all\n`);
  });

  test("go to the logger that configure() was given, and standard error gets none", async () => {
    const source = `
      const lines = [];
      everything(loggerOf((...line) => lines.push(line))).then(({ id, secrets }) => say({ id, secrets, lines }));
    `;
    const { code, err, out } = await run(source);
    assert.deepEqual([code, err], [0, ""]);
    const { secrets, lines } = JSON.parse(out);
    for (const [message, [level, fields]] of Object.entries(EVENTS)) {
      const line = lines.find((line) => line[0] === level && line[1] === message);
      assert.ok(line, message);
      for (const field of fields) assert.ok(field in line[2], `${field} of ${message}`);
    }
    for (const secret of secrets) assert.ok(!JSON.stringify(lines).includes(secret), secret);
  });

  test("are as many as the logger has functions for, until another configuration has none", async () => {
    const source = `
      const lines = [];
      const logger = loggerOf((...line) => lines.push(line), ["warn", "error"]);
      (async () => {
        configure({ baseURL, accessToken, logger });
        await read(runs.subscribeToRun("run_first"));
        await turn();
        configure({ baseURL, accessToken });
        await read(runs.subscribeToRun("run_second"));
        await turn();
        say(lines.map(([level, message, { path }]) => [level, message, path]));
      })();
    `;
    assert.deepEqual(JSON.parse((await run(source)).out), [["warn", "feed refused", "/realtime/v1/runs/run_first"]]);
  });

  test("to a logger that throws, or rejects, break nothing", async () => {
    const source = `
      const logger = loggerOf((level) => {
        if (level === "info") throw new Error("at fault");
        return Promise.reject(new Error("at fault"));
      });
      everything(logger).then(({ id }) => say(id));
    `;
    const { code, err, out } = await run(source);
    assert.deepEqual([code, err], [0, ""]);
    assert.match(out, /^"run_/);
  });

  test("of a key or token in the place of an id do not show it, and long values are cut", async () => {
    const source = `
      (async () => {
        configure({ baseURL, accessToken });
        await read(runs.subscribeToRun(accessToken));
        await read(streams.read("run_1", "eyJhbGciOiJIUzI1NiJ9.eyJwdWIiOnRydWV9.hidden"));
        const relay = createRealtimeHandler();
        for (const path of ["runs/tr_prod_hidden", "streams/run_1/" + "x".repeat(3000), "streams/run_1/a%0Ab%1B"]) {
          await relay(new Request("http://a.test/realtime/v1/" + path));
        }
        await relay.close();
      })();
    `;
    const { code, err } = await run(source, { TRIGGER_NATIVE_LOG: "info" });
    assert.equal(code, 0);
    for (const secret of [emulator.secretKey, "eyJ", "hidden"]) assert.ok(!err.includes(secret), err);
    const lines = err.trim().split("\n");
    for (const line of lines) assert.match(line, /^\S+Z trigger-native (info|warn) .{1,700}$/);
    const places = [
      "feed started id=1 path=/realtime/v1/runs/(secret)",
      "path=/realtime/v1/streams/run_1/(secret) server=",
    ];
    for (const place of places) assert.ok(err.includes(place), err);
  });

  const windows = process.platform === "win32" && "a full pipe of Windows waits";
  test("that a full standard error refuses are counted, and the others are whole", { skip: windows }, async () => {
    const source = `
      const baseURL = "http://127.0.0.1:1", accessToken = "tr_dev_peerskeypeerskeypeer";
      ${TOOLS}
      (async () => {
        console.error("from JavaScript");
        configure({ baseURL, accessToken });
        const flood = async (count) => {
          for (let at = 0; at < count; at += 1) await read(runs.subscribeToRun("run_" + at, { retry: { maxElapsedMs: 1 } }));
        };
        await flood(2_000);
        console.log("full");
        process.stdin.once("data", () => flood(1).then(turn).then(() => process.exit()));
      })();
    `;
    const child = spawn(process.execPath, ["-e", source], {
      env: { ...cleanEnvironment(), TRIGGER_NATIVE_LOG: "debug" },
    });
    await once(child.stdout, "data");
    let err = "";
    child.stderr.setEncoding("utf8").on("data", (text) => {
      err += text;
    });
    await setTimeout(200);
    child.stdin.write("on");
    await once(child, "close");
    const [first, ...lines] = err.trim().split("\n");
    assert.equal(first, "from JavaScript");
    for (const line of lines)
      assert.match(line, /^\S+Z trigger-native (info|warn) [a-z ]+(\w+=\S+ ?|cause="[^"]+" ?)+$/);
    const dropped = lines.filter((line) => line.includes(" warn log lines dropped lines="));
    const count = dropped.reduce((sum, line) => sum + Number(line.split("=")[1]), 0);
    // Three for each feed: it started, had no connection, ended.
    assert.ok(dropped.length > 0, err.slice(-500));
    assert.equal(lines.length - dropped.length + count, 3 * 2_001);
  });

  test("go to the present logger alone, also those that wait while another one is set", async () => {
    const source = `
      const lines = [];
      const options = { baseURL: "http://127.0.0.1:1", accessToken };
      const loggerNamed = (name, next) => loggerOf((level, message) => {
        lines.push([name, message]);
        next?.();
      });
      (async () => {
        const second = loggerNamed("second", () => lines.length === 3 && configure(options));
        configure({ ...options, logger: loggerNamed("first", () => configure({ ...options, logger: second })) });
        for (let at = 0; at < 3; at += 1) await read(runs.subscribeToRun("run_1", { retry: { maxElapsedMs: 1 } }));
        await turn();
        say(lines.map(([name]) => name));
      })();
    `;
    const { code, err, out } = await run(source);
    assert.deepEqual([code, err], [0, ""]);
    assert.deepEqual(JSON.parse(out), ["first", "second", "second"]);
  });

  test("reach the logger of a program that is over at once", async () => {
    const options =
      '{ baseURL: "http://127.0.0.1:1", accessToken, logger: { warn: (message) => console.log(message) } }';
    for (const end of ["", ".then(() => process.exit())", ".then(() => { throw 1; })"]) {
      for (let at = 0; at < 4; at += 1) {
        const reads = 'read(runs.subscribeToRun("run_1", { retry: { maxElapsedMs: 1 } }))';
        const { out } = await run(`configure(${options}); ${reads}${end};`);
        assert.equal(out, "connection failed\nfeed ended\n", end);
      }
    }
  });

  test("are refused for a logger that is none", async () => {
    const source = `
      for (const logger of [{}, { log() {} }, "console", () => {}]) {
        try {
          configure({ logger });
        } catch (error) {
          say([error.code, error.message]);
        }
      }
    `;
    const { out } = await run(source);
    const said = out
      .trim()
      .split("\n")
      .map((line) => JSON.parse(line));
    assert.deepEqual(
      said.map(([code]) => code),
      Array(4).fill("ERR_INVALID_CONFIG"),
    );
    assert.match(said[0][1], /"logger" must have some of the functions debug, info, warn, error/);
  });

  test("keep no process alive, and reach each thread's own logger", async () => {
    const source = `
      const { isMainThread } = require("node:worker_threads");
      const work = 'const { parentPort, workerData } = require("node:worker_threads");' +
        'const { configure, runs } = require("trigger-native");' +
        'configure({ ...workerData, logger: { warn: (message) => parentPort.postMessage(message) } });' +
        '(async () => { try { for await (const _ of runs.subscribeToRun("run_worker")); } catch {}' +
        ' setTimeout(() => {}, 100); })();';
      const heard = [];
      configure({ baseURL, accessToken, logger: { warn: (message, { path }) => heard.push([message, path]) } });
      const worker = new Worker(work, { eval: true, workerData: { baseURL, accessToken } });
      worker.on("message", (message) => heard.push(["worker", message]));
      worker.on("exit", async (code) => {
        // The thread is gone: its logger is, too.
        await read(runs.subscribeToRun("run_main"));
        await turn();
        say({ code, heard });
      });
    `;
    const { code, hung, err, out } = await run(source);
    assert.deepEqual([code, hung, err], [0, false, ""]);
    const heard = JSON.parse(out);
    assert.equal(heard.code, 0);
    const refused = (/** @type {string} */ id) => ["feed refused", `/realtime/v1/runs/${id}`];
    const expected = [refused("run_main"), refused("run_worker"), ["worker", "feed refused"]];
    assert.deepEqual(heard.heard.sort(), expected.sort());
  });

  test("that a busy thread does not take are dropped and counted, beyond a thousand", async () => {
    const source = `
      const work = 'const { workerData } = require("node:worker_threads");' +
        'const { configure, runs } = require("trigger-native");' +
        'configure(workerData);' +
        '(async () => { for (let at = 0; at < 1100; at += 1) {' +
        ' try { for await (const _ of runs.subscribeToRun("run_" + at)); } catch {} }' +
        ' Atomics.store(workerData.done, 0, 1); Atomics.notify(workerData.done, 0); })();';
      const lines = [];
      configure({ baseURL, accessToken, logger: loggerOf((...line) => lines.push(line)) });
      const done = new Int32Array(new SharedArrayBuffer(4));
      const worker = new Worker(work.replace("configure(workerData)", "configure({ baseURL: workerData.baseURL, accessToken: workerData.accessToken })"), {
        eval: true,
        workerData: { baseURL, accessToken, done },
      });
      worker.on("online", () => {
        Atomics.wait(done, 0, 0, 50_000);
        setTimeout(() => say([lines.length, lines.at(-1)]), 300);
      });
    `;
    const { out } = await run(source);
    const [count, [level, message, { lines }]] = JSON.parse(out);
    assert.equal(count, 1001);
    assert.deepEqual([level, message], ["warn", "log lines dropped"]);
    assert.ok(lines >= 1_000, `${lines}`);
  });
});
