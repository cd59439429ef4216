"use strict";

// Follows many runs, serves viewers of a relay, and ends in the way that its first argument names, amid deliveries. Prints
// "ready" once everything is live and "over" where it comes to an end of its own.

const { fork } = require("node:child_process");
const cluster = require("node:cluster");
const { once, setMaxListeners } = require("node:events");
const fs = require("node:fs");
const http = require("node:http");
const { setTimeout: pass } = require("node:timers/promises");
const { isMainThread, parentPort, Worker, workerData } = require("node:worker_threads");

const [mode, baseURL, feeds, viewers] = isMainThread
  ? [process.argv[2], process.argv[3], Number(process.argv[4]), Number(process.argv[5])]
  : workerData;

/** Written at once: a process that ends must not lose it. @param {string} line */
const say = (line) => fs.writeSync(1, `${line}\n`);

/** A failure is told and ends the process with a code that no mode expects. */
const failed = (/** @type {unknown} */ error) => {
  fs.writeSync(2, `${error instanceof Error ? error.stack : error}\n`);
  process.exit(70);
};

/**
 * Everything that can be open, by this module or by another copy of it. Resolves once all feeds are live and all viewers
 * are held.
 */
async function open({ feeds, viewers, sdk = require("trigger-native"), prefix = "run" }) {
  const { configure, createRealtimeHandler, runs } = sdk;
  configure({ baseURL, accessToken: "tr_dev_endsendsendsendsends" });
  const leaving = new AbortController();
  setMaxListeners(0, leaving.signal);
  let updates = 0;
  let told = () => {};
  const readers = Array.from({ length: feeds }, async (_, index) => {
    for await (const _run of runs.subscribeToRun(`${prefix}_${index}`, { signal: leaving.signal })) {
      updates += 1;
      told();
    }
  });
  for (const reader of readers) reader.catch(failed);
  const handler = createRealtimeHandler({ authorize: async () => ({ scopes: ["read:runs"] }) });
  const listening = await handler.listen();
  const agent = new http.Agent({ keepAlive: true });
  let polling = 0;
  const watching = Array.from({ length: viewers }, (_, index) =>
    view(listening.url, agent, `${prefix}_v${index % 10}`, leaving, () => {
      polling += 1;
    }),
  );
  for (const one of watching) one.catch(failed);
  const until = async (/** @type {() => boolean} */ done) => {
    while (!done()) await pass(10);
  };
  await until(() => updates >= feeds && polling >= viewers);
  return {
    handler,
    /** Resolves with the next delivery. */
    next: () => new Promise((resolve) => (told = () => resolve(undefined))),
    /** Runs in the loop of a delivery. */
    during: (/** @type {() => void} */ work) => (told = work),
    async close() {
      leaving.abort();
      agent.destroy();
      await handler.close();
      await Promise.all([...readers, ...watching]);
    },
  };
}

/** A viewer of the relay that polls until it leaves. `polls` is called with its first poll. */
async function view(url, agent, id, leaving, polls) {
  let query = "offset=-1";
  while (!leaving.signal.aborted) {
    const answer = await get(`${url}/realtime/v1/runs/${id}?${query}`, agent, leaving.signal);
    if (answer === undefined) return;
    if (answer.status === 503) {
      // The server has not answered the relay in time, on a busy machine: come back, as clients do.
      await pass(1_000 * Number(answer.headers["retry-after"]));
      continue;
    }
    if (answer.status !== 200) throw new Error(`the relay answered ${answer.status}: ${answer.text}`);
    if (query === "offset=-1") polls();
    query = `live=true&handle=${answer.headers["electric-handle"]}&offset=${answer.headers["electric-offset"]}`;
  }
}

/** The answer; undefined for a viewer that left. */
function get(url, agent, signal) {
  return new Promise((resolve, reject) => {
    const gone = (error) => (signal.aborted ? resolve(undefined) : reject(error));
    const request = http.get(url, { agent, signal }, (answer) => {
      let text = "";
      answer.setEncoding("utf8").on("data", (more) => (text += more));
      answer.on("end", () => resolve({ status: answer.statusCode, headers: answer.headers, text }));
      answer.on("error", gone);
    });
    request.on("error", gone);
  });
}

/** The package as if it had never been loaded, its addon with it. */
function reloaded() {
  for (const name of Object.keys(require.cache)) if (!name.startsWith(__dirname)) delete require.cache[name];
  return require("trigger-native");
}

const part = (share) => ({ feeds: Math.ceil(feeds * share), viewers: Math.ceil(viewers * share) });

/** @param {string} task */
const worker = (task) =>
  new Worker(__filename, { workerData: [task, baseURL, Math.ceil(feeds / 4), Math.ceil(viewers / 4)] });

/** @param {string} task @param {(started: Worker) => unknown} end */
async function withWorkers(task, end) {
  const mine = await open(part(0.25));
  const workers = [worker(task), worker(task), worker(task)];
  await Promise.all(workers.map((each) => once(each, "message")));
  say("ready");
  await mine.next();
  // Not `once`: it rejects where a worker fails.
  const ended = Promise.all(workers.map((each) => new Promise((resolve) => each.on("exit", resolve))));
  for (const each of workers) end(each);
  const codes = await ended;
  // What the others had does not take anything of this thread's along.
  await mine.next();
  await mine.close();
  say(`over ${codes.join(" ")}`);
}

const MODES = {
  async exit() {
    const { next } = await open({ feeds, viewers });
    say("ready");
    await next();
    process.exit(3);
  },
  async "exit in a loop"() {
    const { during } = await open({ feeds, viewers });
    say("ready");
    during(() => process.exit(4));
  },
  async "natural end"() {
    const { close } = await open({ feeds, viewers });
    say("ready");
    await close();
    say("over");
  },
  async signal() {
    await open({ feeds, viewers });
    say("ready");
  },
  async "handled signal"() {
    const { close } = await open({ feeds, viewers });
    process.once("SIGTERM", async () => {
      await close();
      say("over");
    });
    say("ready");
  },
  async "uncaught exception"() {
    const { during } = await open({ feeds, viewers });
    say("ready");
    during(() =>
      process.nextTick(() => {
        throw new Error("of the program's own");
      }),
    );
  },
  async "unhandled rejection"() {
    const { during } = await open({ feeds, viewers });
    say("ready");
    during(() => void Promise.reject(new Error("of the program's own")));
  },
  "workers terminated": () => withWorkers("worker", (each) => each.terminate()),
  "workers exit": () => withWorkers("worker", (each) => each.postMessage("exit")),
  async "workers fail"() {
    await withWorkers("worker", (each) => {
      each.on("error", () => {});
      each.postMessage("fail");
    });
  },
  async "exit beside workers"() {
    const mine = await open(part(0.25));
    const workers = [worker("worker"), worker("worker"), worker("worker")];
    await Promise.all(workers.map((each) => once(each, "message")));
    say("ready");
    await mine.next();
    process.exit(5);
  },
  async worker() {
    const mine = await open({ feeds, viewers, prefix: `run_w${Math.random().toString(36).slice(2)}` });
    parentPort?.on("message", (what) => {
      mine.during(() => {
        if (what === "exit") process.exit(6);
        process.nextTick(() => {
          throw new Error("of the worker's own");
        });
      });
    });
    parentPort?.postMessage("ready");
  },
  async reload() {
    const all = [];
    for (let copy = 0; copy < 4; copy += 1) {
      all.push(await open({ ...part(0.25), sdk: reloaded(), prefix: `run_c${copy}` }));
      globalThis.gc?.();
    }
    say("ready");
    for (const each of all) await each.next();
    for (const each of all) await each.close();
    say("over");
  },
  async fork() {
    const mine = await open(part(0.5));
    const children = [1, 2].map(() =>
      fork(__filename, ["forked", baseURL, String(Math.ceil(feeds / 4)), String(Math.ceil(viewers / 4))]),
    );
    await Promise.all(children.map((child) => once(child, "message")));
    say("ready");
    await mine.next();
    const ended = Promise.all(children.map((child) => once(child, "exit")));
    children[0].disconnect();
    children[1].kill("SIGTERM");
    const how = (await ended).map(([code, signal]) => signal ?? code);
    await mine.next();
    await mine.close();
    say(`over ${how.join(" ")}`);
  },
  async forked() {
    await open({ feeds, viewers, prefix: `run_f${process.pid}` });
    process.on("disconnect", () => process.exit(7));
    process.send?.("ready");
  },
  async cluster() {
    cluster.setupPrimary({
      exec: __filename,
      args: ["member", baseURL, String(Math.ceil(feeds / 2)), String(Math.ceil(viewers / 2))],
    });
    const members = [cluster.fork(), cluster.fork()];
    await Promise.all(members.map((member) => once(member, "message")));
    say("ready");
    const ended = Promise.all(members.map((member) => once(member, "exit")));
    members[0].disconnect();
    members[1].process.kill("SIGTERM");
    say(`over ${(await ended).map(([code, signal]) => signal ?? code).join(" ")}`);
  },
  async member() {
    const mine = await open({ feeds, viewers, prefix: `run_m${process.pid}` });
    process.on("disconnect", () => mine.close());
    process.send?.("ready");
  },
};

MODES[mode]().catch(failed);
