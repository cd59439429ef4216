/** A script that follows a run ends when it should, by itself: no socket, timer or handle of ours is left. */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import * as answers from "./support/answers.mjs";
import { feedScript, startFaultServer } from "./support/fault-server.mjs";
import { runProgram } from "./support/program.mjs";
import { completed, executing, row } from "./support/rows.mjs";
import { maybe } from "./support/scripted.mjs";

/** A failsafe, and no measurement: a busy machine takes its time to start a process. */
const TIMEOUT_MS = 60_000;
/** How long a program may go on after the last it printed; one that is not over by then counts as kept alive. */
const QUIET_MS = 8_000;
/** How long a pending subscription is watched to keep its process alive, after what it printed. */
const ALIVE_MS = 1_500;

const SETUP = `
  const { auth, configure, runs, streams } = require("./index.js");
  configure({ baseURL, accessToken });
  process.on("exit", (code) => console.log("exit", code));
`;

const toTheEnd = () =>
  feedScript({
    start: [answers.snapshot(row())],
    live: [answers.change(executing(), "2_2"), answers.change(completed(), "3_3")],
  });
/** Some of the programs leave before they ask for anything. */
const waiting = () => feedScript({ start: [maybe(answers.snapshot(row()))], live: [answers.hold()] });
/** A run whose payload is stored elsewhere, by a store that never answers. */
const storeThatHangs = () => {
  const stored = row({ payload: "packets/payload.json", payloadType: "application/store" });
  return feedScript({ start: [answers.snapshot(stored)], live: [answers.hold()] });
};

async function run(script, source, quietMs = QUIET_MS) {
  const server = await startFaultServer(script);
  try {
    const ended = await runProgram(SETUP + source, { baseURL: server.url, timeoutMs: TIMEOUT_MS, quietMs });
    return { ...ended, requests: server.requests.slice() };
  } finally {
    await server.stop();
  }
}

describe("a process ends by itself after", { concurrency: 3 }, () => {
  const programs = {
    "a run followed to its end": [
      toTheEnd,
      `(async () => {
        for await (const { status } of runs.subscribeToRun("run_1")) console.log(status);
        console.log("done");
      })();`,
      "QUEUED\nEXECUTING\nCOMPLETED\ndone\nexit 0\n",
    ],
    "a break": [
      waiting,
      `(async () => {
        for await (const { status } of runs.subscribeToRun("run_1")) { console.log(status); break; }
        console.log("done");
      })();`,
      "QUEUED\ndone\nexit 0\n",
    ],
    "an abort while waiting": [
      waiting,
      `(async () => {
        const controller = new AbortController();
        for await (const { status } of runs.subscribeToRun("run_1", { signal: controller.signal })) {
          console.log(status);
          setImmediate(() => controller.abort());
        }
        console.log("done");
      })();`,
      "QUEUED\ndone\nexit 0\n",
    ],
    "a close while waiting": [
      waiting,
      `(async () => {
        const subscription = runs.subscribeToRun("run_1");
        console.log((await subscription.next()).value.status);
        const pending = subscription.next();
        setImmediate(() => subscription.close());
        console.log((await pending).done);
        subscription.close();
      })();`,
      "QUEUED\ntrue\nexit 0\n",
    ],
    "an abort while a stored payload is fetched": [
      storeThatHangs,
      `(async () => {
        const controller = new AbortController();
        const onStateChange = (state) => {
          console.log(state);
          if (state === "live") setTimeout(() => controller.abort(), 100);
        };
        for await (const run of runs.subscribeToRun("run_1", { signal: controller.signal, onStateChange })) {
          console.log(run.status);
        }
        console.log("done");
      })();`,
      "connecting\nlive\nended\ndone\nexit 0\n",
    ],
    "a close while a stored payload is fetched": [
      storeThatHangs,
      `(async () => {
        const onStateChange = (state) => {
          if (state === "live") setTimeout(() => subscription.close(), 100);
        };
        const subscription = runs.subscribeToRun("run_1", { onStateChange });
        console.log((await subscription.next()).done);
      })();`,
      "true\nexit 0\n",
    ],
    "a close while the first token is made": [
      waiting,
      `(async () => {
        configure({ baseURL, accessToken: () => new Promise(() => {}) });
        const subscription = runs.subscribeToRun("run_1");
        setTimeout(() => subscription.close(), 100);
        console.log((await subscription.next()).done);
      })();`,
      "true\nexit 0\n",
    ],
    "an abort while another token is made": [
      () => () => answers.json(401, { error: "expired" }),
      `(async () => {
        const controller = new AbortController();
        const refreshAccessToken = () => {
          setTimeout(() => controller.abort(), 100);
          return new Promise(() => {});
        };
        configure({ baseURL, accessToken, refreshAccessToken });
        for await (const _ of runs.subscribeToRun("run_1", { signal: controller.signal }));
        for await (const _ of await streams.read("run_1", "ai", { signal: controller.signal }));
        console.log("done");
      })();`,
      "done\nexit 0\n",
    ],
    "an error in the loop": [
      waiting,
      `(async () => {
        try {
          for await (const { status } of runs.subscribeToRun("run_1")) throw new Error(status);
        } catch (error) { console.log(error.message); }
      })();`,
      "QUEUED\nexit 0\n",
    ],
    "a refusal": [
      () => () => answers.json(404, { error: "Not found" }),
      `(async () => {
        try { for await (const _ of runs.subscribeToRun("run_1")); } catch (error) { console.log(error.status); }
      })();`,
      "404\nexit 0\n",
    ],
    "a cancelled reader": [
      waiting,
      `(async () => {
        const reader = runs.subscribeToRun("run_1").getReader();
        console.log((await reader.read()).value.status);
        await reader.cancel();
        console.log("done");
      })();`,
      "QUEUED\ndone\nexit 0\n",
    ],
    "a subscription that nobody reads": [
      waiting,
      `runs.subscribeToRun("run_1"); console.log("done");`,
      "done\nexit 0\n",
    ],
    "a subscription that was read and closed between reads": [
      waiting,
      `(async () => {
        const subscription = runs.subscribeToRun("run_1");
        console.log((await subscription.next()).value.status);
        await subscription[Symbol.asyncDispose]();
        console.log((await subscription.next()).done);
      })();`,
      "QUEUED\ntrue\nexit 0\n",
    ],
  };
  for (const [name, [script, source, expected]] of Object.entries(programs)) {
    test(name, async () => {
      const { code, hung, out, err } = await run(script(), source);
      assert.equal(hung, false, `still running; it printed: ${out}${err}`);
      assert.deepEqual({ out, err, code }, { out: expected, err: "", code: 0 });
    });
  }
});

describe("a process stays alive", { concurrency: 2 }, () => {
  test("while a subscription is waited for", async () => {
    const source = `(async () => {
      for await (const { status } of runs.subscribeToRun("run_1")) console.log(status);
    })();`;
    const { hung, out } = await run(waiting(), source, ALIVE_MS);
    assert.equal(out, "QUEUED\n");
    assert.equal(hung, true, "it did not exit while a row could still come");
  });

  test("while a first token is waited for", async () => {
    const source = `
      configure({ baseURL, accessToken: () => (console.log("asked"), new Promise(() => {})) });
      runs.subscribeToRun("run_1").next();
      runs.list();
    `;
    const { hung, out } = await run(waiting(), source, ALIVE_MS);
    assert.equal(out, "asked\n");
    assert.equal(hung, true, "it did not exit while a token could still come");
  });
});
