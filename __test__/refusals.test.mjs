// What is wrong with an argument is said with the name of the function that got it: with a stack of promises alone, nobody
// sees which call was meant.

import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { load } from "./support/ours.mjs";

const { auth, batch, configure, idempotencyKeys, runs, streams, tasks, wait } = load();

/** Arguments that no function takes, and request options that none takes; the port answers nobody. */
const refused = {
  "an id or a name": {
    "auth.withAuth": () => auth.withAuth(7, () => 1),
    "batch.retrieve": () => batch.retrieve(),
    "batch.trigger": () => batch.trigger([{}]),
    "batch.triggerByTask": () => batch.triggerByTask([{ task: {} }]),
    "idempotencyKeys.create": () => idempotencyKeys.create("key", { scope: "each" }),
    "idempotencyKeys.reset": () => idempotencyKeys.reset("hello", "key", { scope: "each" }),
    "runs.cancel": () => runs.cancel(),
    "runs.fetchStream": () => runs.fetchStream(undefined, "ai"),
    "runs.poll": () => runs.poll(),
    "runs.replay": () => runs.replay(),
    "runs.reschedule": () => runs.reschedule(undefined, { delay: "1m" }),
    "runs.retrieve": () => runs.retrieve(),
    "runs.subscribeToBatch": () => runs.subscribeToBatch(),
    "runs.subscribeToRun": () => runs.subscribeToRun(),
    "runs.subscribeToRunsWithTag": () => runs.subscribeToRunsWithTag(7),
    "streams.define": () => streams.define({}),
    "streams.input": () => streams.input({}),
    "streams.read": () => streams.read(undefined, "ai"),
    "tasks.batchTrigger": () => tasks.batchTrigger(undefined, [{ payload: 1 }]),
    "tasks.trigger": () => tasks.trigger(undefined, {}),
    "wait.completeToken": () => wait.completeToken(),
    "wait.retrieveToken": () => wait.retrieveToken(),
  },
  options: {
    "batch.retrieve": () => batch.retrieve("batch_1", 7),
    "batch.trigger": () => batch.trigger([{ id: "hello" }], {}, 7),
    "batch.triggerByTask": () => batch.triggerByTask([{ task: { id: "hello" } }], {}, 7),
    "idempotencyKeys.reset": () => idempotencyKeys.reset("hello", "key", { scope: "global" }, 7),
    "runs.cancel": () => runs.cancel("run_1", 7),
    "runs.fetchStream": () => runs.fetchStream("run_1", "ai", 7),
    "runs.list": () => runs.list({}, 7),
    "runs.poll": () => runs.poll("run_1", {}, 7),
    "runs.replay": () => runs.replay("run_1", {}, 7),
    "runs.reschedule": () => runs.reschedule("run_1", { delay: "1m" }, 7),
    "runs.retrieve": () => runs.retrieve("run_1", 7),
    "runs.subscribeToBatch": () => runs.subscribeToBatch("batch_1", 7),
    "runs.subscribeToRun": () => runs.subscribeToRun("run_1", 7),
    "runs.subscribeToRunsWithTag": () => runs.subscribeToRunsWithTag("tag", {}, 7),
    "streams.read": () => streams.read("run_1", "ai", 7),
    "tasks.batchTrigger": () => tasks.batchTrigger("hello", [{ payload: 1 }], {}, 7),
    "tasks.trigger": () => tasks.trigger("hello", {}, {}, 7),
    "wait.completeToken": () => wait.completeToken("waitpoint_1", {}, 7),
    "wait.createToken": () => wait.createToken({}, 7),
    "wait.listTokens": () => wait.listTokens({}, 7),
    "wait.retrieveToken": () => wait.retrieveToken("waitpoint_1", 7),
  },
};

for (const [what, functions] of Object.entries(refused)) {
  describe(`${what} that cannot be meant`, () => {
    configure({ baseURL: "http://127.0.0.1:9", accessToken: "tr_dev_fakefakefakefakefakef" });
    for (const [name, call] of Object.entries(functions)) {
      it(`is refused by ${name}() in its own name`, async () => {
        await assert.rejects(
          async () => call(),
          (error) => {
            assert.match(error.code, /^ERR_INVALID_/);
            assert.ok(error.message.startsWith(`${name}()`), error.message);
            return true;
          },
        );
      });
    }
  });
}

it("what was passed in the place of a tag is called by its type", () => {
  for (const [given, type] of [
    [null, "null"],
    [{}, "object"],
    [undefined, "undefined"],
  ]) {
    assert.throws(() => runs.subscribeToRunsWithTag(given), {
      code: "ERR_INVALID_TAG",
      message: `runs.subscribeToRunsWithTag(): a tag must be a string, not ${type}`,
    });
  }
});

it("what works inside a task only says so in its own name", () => {
  const methods = {
    stream: [streams.define({ id: "ai" }), ["pipe", "append", "writer"]],
    input: [streams.input({ id: "ai" }), ["on", "once", "peek", "wait", "waitWithIdleTimeout"]],
  };
  for (const [of, [made, names]] of Object.entries(methods)) {
    for (const name of names) {
      assert.throws(() => made[name](), {
        code: "ERR_TASK_ONLY",
        message: new RegExp(`^${of}\\.${name}\\(\\) works inside a task only`),
      });
    }
  }
});
