// What a page is shown of what it follows, at the edges of its time: others who listen, tabs that come late, pages that rest.

import assert from "node:assert/strict";
import { createRequire } from "node:module";
import { describe, it } from "node:test";
import { e as runError } from "../browser/run-error.mjs";
import { startTabs } from "./support/client-browser.mjs";
import { opened, pass, refusal, rowOf, start, watch } from "./support/client-relay.mjs";

const { toRunError } = createRequire(import.meta.url)("../js/runs/error.js");

const events = () => {
  const page = new EventTarget();
  return { page, event: (name) => page.dispatchEvent(new Event(name)) };
};

it("a run never goes back, whatever is told of it", async (t) => {
  const { relay, connection } = start(t);
  const run = watch(connection.run("run_1"));
  await opened(t);
  const ask = relay.last();
  const tell = (updatedAt, status) => ask.tell(["row", ask.id(), rowOf("k", "run_1", { updatedAt, status })]);
  await tell(3000, "EXECUTING");
  await ask.tell(["ready", ask.id()]);
  await tell(2000, "QUEUED");
  assert.equal(run.last().value.status, "EXECUTING");
  await tell(3000, "WAITING");
  assert.equal(run.last().value.status, "WAITING");
});

it("a list is the same array to all who are told it", async (t) => {
  const { relay, connection } = start(t);
  const [one, two] = [1, 2].map(() => watch(connection.runs({ tags: ["a"] })));
  await opened(t);
  const ask = relay.last();
  assert.equal(ask.wants.length, 1);
  await ask.tell(["row", ask.id(), rowOf("k", "run_1")], ["ready", ask.id()]);
  assert.equal(one.last().value.length, 1);
  assert.equal(one.last().value, two.last().value);
});

describe("a run that is over", () => {
  const over = { status: "COMPLETED", isFinished: true };
  const shown = ({ last }) => [last().state, last().value?.status];

  it("is asked for no more by who follows it again, whichever tab asks", async (t) => {
    const { relay, open } = startTabs(t);
    const [leader, other] = [open(), open()];
    watch(leader.connection.run("run_2"));
    await pass(t, 100, 5);
    for (const { connection } of [leader, other]) {
      const run = connection.run("run_1");
      const first = watch(run);
      await pass(t, 100, 5);
      const ask = relay.last();
      const id = ask.id(({ run }) => run === "run_1");
      await ask.tell(["row", id, rowOf("k", "run_1", over)], ["end", id]);
      await pass(t, 1000);
      assert.deepEqual(shown(first), ["ended", "COMPLETED"]);
      first.stop();
      const { length } = relay.asks;
      const again = watch(run);
      await pass(t, 1000);
      assert.deepEqual([...shown(again), relay.asks.length], ["ended", "COMPLETED", length]);
    }
  });

  it("is so in a tab that comes late, while one that hangs holds it", async (t) => {
    const { relay, open } = startTabs(t);
    const [leader, hung, late] = [open(), open(), open()];
    watch(leader.connection.run("run_2"));
    await pass(t, 100, 5);
    watch(hung.connection.run("run_1"));
    await pass(t, 100, 5);
    hung.isHung = true;
    const ask = relay.last();
    const id = ask.id(({ run }) => run === "run_1");
    await ask.tell(["row", id, rowOf("k", "run_1", over)], ["end", id]);
    const run = watch(late.connection.run("run_1"));
    await pass(t, 100, 5);
    assert.deepEqual(shown(run), ["ended", "COMPLETED"]);
  });
});

it("a list loses the runs that the relay no longer names when it is asked again", async (t) => {
  const { relay, connection } = start(t);
  const list = watch(connection.runs({ tags: ["a"] }));
  await opened(t);
  const ask = relay.last();
  await ask.tell(["row", ask.id(), rowOf("k", "run_1")], ["row", ask.id(), rowOf("l", "run_2")], ["ready", ask.id()]);
  assert.equal(list.last().value.length, 2);
  await ask.tell(["only", ask.id(), ["l"]], ["ready", ask.id()]);
  assert.deepEqual(
    list.last().value.map(({ id }) => id),
    ["run_2"],
  );
});

it("what is followed while a page is kept for going back is asked for when it comes back", async (t) => {
  const { page, event } = events();
  const { relay, connection } = start(t, {}, page);
  watch(connection.run("run_1"));
  await opened(t);
  event("pagehide");
  watch(connection.run("run_2"));
  await pass(t, 5000);
  assert.equal(relay.open().length, 0);
  assert.equal(relay.asks.length, 1);
  event("pageshow");
  await pass(t, 100);
  assert.deepEqual(
    relay.last().wants.map(({ run }) => run),
    ["run_1", "run_2"],
  );
});

describe("a stream", () => {
  it("goes on with a renewed token from its place, with all its parts", async (t) => {
    let count = 0;
    const { relay, connection } = start(t, { accessToken: () => `token-${++count}` });
    const stream = watch(connection.stream("run_1", "ai"));
    await opened(t);
    const part = (id) => ({ id, chunk: id, timestamp: 0 });
    const ask = relay.last();
    await ask.tell(["chunk", ask.id(), { at: "p2", parts: [part("1"), part("2")] }]);
    await ask.tell(["error", ask.id(), { status: 401, message: "expired", retry: false }]);
    await pass(t, 1000);
    const next = relay.last();
    assert.deepEqual([next.wants[0].at, next.wants[0].token], ["p2", "token-2"]);
    await next.tell(["chunk", next.id(), { at: "p3", parts: [part("3")] }]);
    assert.deepEqual(
      stream.last().value.map(({ id }) => id),
      ["1", "2", "3"],
    );
  });

  it("that was silent for too long is over for who follows it again", async (t) => {
    const { relay, connection } = start(t);
    const followed = connection.stream("run_1", "ai", { timeoutInSeconds: 1 });
    const first = watch(followed);
    await pass(t, 2000);
    assert.equal(first.last().state, "ended");
    first.stop();
    const again = watch(followed);
    await pass(t, 2000);
    assert.deepEqual([again.last().state, relay.asks.length], ["ended", 1]);
  });
});

it("a tab that asks for all does so anew when the network is back", async (t) => {
  const { relay, open } = startTabs(t);
  const [leader, other] = [open(), open()];
  watch(leader.connection.run("run_1"));
  watch(other.connection.run("run_2"));
  await pass(t, 100, 5);
  const { length } = relay.asks;
  await leader.event("online");
  await pass(t, 100, 5);
  assert.ok(relay.asks.length > length);
  assert.equal(relay.open().length, 1);
  assert.equal(relay.last().tab, leader);
});

it("a want that the relay does not understand is told to the tab that follows it, though another one asks", async (t) => {
  const { relay, open } = startTabs(t);
  const answer = (ask) => (ask.wants.every(({ run }) => run !== 5) ? undefined : refusal(400, { error: "no text" }));
  relay.answers.push(...Array(9).fill(answer));
  const [leader, other] = [open(), open()];
  watch(leader.connection.run("run_1"));
  await pass(t, 100, 5);
  const bad = watch(other.connection.run(5));
  const good = watch(other.connection.run("run_2"));
  await pass(t, 2000, 20);
  assert.match(bad.last().error.message, /has to be a text/);
  const ask = relay.last();
  await ask.tell(["row", ask.id(({ run }) => run === "run_2"), rowOf("k", "run_2")]);
  assert.equal(good.last().value.id, "run_2");
});

it("a run whose columns cannot be read is shown with what is wrong from the first", async (t) => {
  const { relay, connection } = start(t);
  const run = watch(connection.run("run_1"));
  await opened(t);
  const faults = { payload: "it is no JSON" };
  await relay.last().tell(["row", relay.last().id(), rowOf("k", "run_1", { faults })]);
  await pass(t, 10, 5);
  assert.equal(run.last().value.id, "run_1");
  assert.match(run.last().value.decodeErrors.payload.message, /no JSON/);
});

describe("the error of a run", () => {
  /** Each of these alone, and nothing of it. */
  const OF = {
    type: ["BUILT_IN_ERROR", "STRING_ERROR", "CUSTOM_ERROR", "INTERNAL_ERROR", "NEW_KIND"],
    name: [undefined, "Error", "UnexpectedExitError", "TriggerApiError"],
    message: [
      undefined,
      "no",
      7,
      "Unexpected exit with code -1",
      "Deadlock detected: a, b",
      "ffmpeg was killed with signal SIGKILL",
      "MANUAL_OOM_KILL_ERROR",
    ],
    stackTrace: [undefined, "at", "SIGTERM", "by SIGSEGV", "SIGKILL", "SIGABRT", `${" ".repeat(100)}SIGTERM`],
    raw: [undefined, "as thrown"],
    code: [undefined, "SOME_CODE", "TASK_PROCESS_EXITED_WITH_NON_ZERO_CODE"],
    causes: [undefined, [], [{ name: "Error", message: "inner", stackTrace: "in" }, { message: "innermost" }]],
  };

  it("is that of the server's half of the package, whatever of it is there", () => {
    let errors = [{}];
    for (const [field, values] of Object.entries(OF)) {
      errors = errors.flatMap((error) =>
        values.map((value) => (value === undefined ? error : { ...error, [field]: value })),
      );
    }
    for (const error of errors) {
      const shown = toRunError(error);
      if (shown === undefined) assert.throws(() => runError(error), JSON.stringify(error));
      else
        assert.deepEqual(
          JSON.parse(JSON.stringify(runError(error))),
          JSON.parse(JSON.stringify(shown)),
          JSON.stringify(error),
        );
    }
  });
});
