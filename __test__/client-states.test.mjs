// What a page is shown of what it follows, at the edges of its time: others who listen, tabs that come late, pages that rest.

import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { e as runError } from "../browser/run-error.mjs";
import { startTabs } from "./support/client-browser.mjs";
import { opened, pass, rowOf, start, watch } from "./support/client-relay.mjs";

const events = () => {
  const page = new EventTarget();
  return { page, event: (name) => page.dispatchEvent(new Event(name)) };
};

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

describe("the error of a run", () => {
  it("has causes only where there are some", () => {
    const raw = { type: "BUILT_IN_ERROR", name: "Error", message: "no", stackTrace: "at" };
    assert.deepEqual(runError({ ...raw, causes: [] }), { name: "Error", message: "no", stackTrace: "at" });
  });

  it("has as its message what of it is a text", () => {
    assert.equal(runError({ type: "NEW_KIND", message: 7, raw: "as thrown" }).message, "as thrown");
    assert.equal(runError({ type: "NEW_KIND", code: "SOME_CODE" }).message, "SOME_CODE");
  });
});
