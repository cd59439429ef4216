// trigger-native/client in several tabs that leave and come back, and in browsers that refuse what tabs share by.

import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { startTabs as start } from "./support/client-browser.mjs";
import { pass, refusal, rowOf, settle, watch } from "./support/client-relay.mjs";

const part = (id) => ({ id, chunk: id, timestamp: 0 });
const chunk = (want, at, ...ids) => ["chunk", want, { at, parts: ids.map(part) }];
const seen = ({ last }) =>
  last()
    .value.map(({ id }) => id)
    .join();
const runs = (ask) => ask.wants.map(({ run }) => run).sort();
const isStream = (want) => want.stream;

/** A tab that leads, one beside it and one between, which follow a stream: the leader tells all that it is told to two others. */
async function followStream(t) {
  const tabs = start(t);
  const [leader, other, tab] = [tabs.open(), tabs.open(), tabs.open()];
  const lead = watch(leader.connection.stream("run_1", "ai"));
  await pass(t, 100, 5);
  watch(other.connection.stream("run_1", "ai"));
  watch(tab.connection.run("run_1"));
  const followed = tab.connection.stream("run_1", "ai");
  const stream = watch(followed);
  await pass(t, 100, 5);
  const ask = tabs.relay.last();
  await ask.tell(chunk(ask.id(isStream), "p2", "1", "2"));
  return { ...tabs, tab, lead, followed, stream, ask };
}

/** Tells a part as soon as it is asked to, before any message between tabs is heard. */
const tellAtOnce = (ask, ...given) => {
  const { send } = ask;
  const texts = [];
  ask.send = (text) => texts.push(text);
  ask.tell(chunk(ask.id(isStream), ...given));
  ask.send = send;
  ask.controller.enqueue(new TextEncoder().encode(texts.join("")));
};

describe("a tab that does not lead", () => {
  it("loses no part of a stream that it lets go and takes again", async (t) => {
    const { lead, followed, stream, ask } = await followStream(t);
    stream.stop();
    await settle();
    await ask.tell(chunk(ask.id(isStream), "p3", "3"));
    const again = watch(followed);
    // The next part is told to all before the leader hears that this tab is back, and has missed one.
    for (let more = 0; more < 10; more++) await undefined;
    tellAtOnce(ask, "p4", "4");
    await settle();
    await ask.tell(chunk(ask.id(isStream), "p5", "5"));
    assert.deepEqual([seen(lead), seen(again)], ["1,2,3,4,5", "1,2,3,4,5"]);
    for (const { value } of again.states) {
      assert.deepEqual(
        value.map(({ id }) => id),
        ["1", "2", "3", "4", "5"].slice(0, value.length),
      );
    }
  });

  it("loses no part of a stream while it is kept for going back", async (t) => {
    const { relay, tab, lead, stream, ask } = await followStream(t);
    await tab.event("pagehide");
    await ask.tell(chunk(ask.id(isStream), "p3", "3"));
    tab.page.dispatchEvent(new Event("pageshow"));
    tellAtOnce(ask, "p4", "4");
    await settle();
    await pass(t, 100, 5);
    const next = relay.last();
    assert.equal(next.wants.find(isStream).at, "p4");
    await next.tell(chunk(next.id(isStream), "p5", "5"));
    assert.deepEqual([seen(lead), seen(stream)], ["1,2,3,4,5", "1,2,3,4,5"]);
    for (const { value } of stream.states) {
      assert.deepEqual(
        value.map(({ id }) => id),
        ["1", "2", "3", "4", "5"].slice(0, value.length),
      );
    }
  });

  it("asks anew for what was refused, though a tab that hangs still holds it", async (t) => {
    const { relay, open } = start(t);
    const [leader, tab, hung] = [open(), open(), open()];
    watch(leader.connection.run("run_1"));
    await pass(t, 100, 5);
    watch(tab.connection.run("run_2"));
    const refused = tab.connection.run("run_3");
    const first = watch(refused);
    const held = watch(hung.connection.run("run_3"));
    await pass(t, 100, 5);
    const ask = relay.last();
    hung.isHung = true;
    const told = { status: 403, message: "Unauthorized", retry: false };
    await ask.tell(["error", ask.id(({ run }) => run === "run_3"), told]);
    assert.equal(first.last().error.status, 403);
    first.stop();
    const again = watch(refused);
    await pass(t, 100, 5);
    assert.equal(again.last().state, "connecting");
    const next = relay.last();
    await next.tell(["row", next.id(({ run }) => run === "run_3"), rowOf("k", "run_3")]);
    assert.equal(again.last().value.id, "run_3");
    // Nor is it let go with the one that hung.
    held.stop();
    await pass(t, 100, 5);
    assert.ok(
      relay
        .open()[0]
        .wants.map(({ run }) => run)
        .includes("run_3"),
    );
  });
});

describe("an iteration with maxParts", () => {
  it("repeats nothing where its tab comes back, and another one was told more meanwhile than is kept", async (t) => {
    const { relay, open } = start(t);
    const [tab, other] = [open(), open()];
    const given = [];
    const options = { maxParts: 3 };
    const read = async () => {
      for await (const value of tab.connection.stream("run_1", "ai", options)) given.push(value);
    };
    read();
    await pass(t, 100, 5);
    const ask = relay.last();
    await ask.tell(chunk(ask.id(), "p5", "1", "2", "3", "4", "5"));
    const beside = watch(other.connection.stream("run_1", "ai", options));
    await pass(t, 100, 5);
    await tab.event("pagehide");
    await pass(t, 100, 5);
    const next = relay.last();
    assert.equal(next.tab, other);
    for (const id of ["6", "7", "8", "9", "10"]) await next.tell(chunk(next.id(), `p${id}`, id));
    await tab.event("pageshow");
    await pass(t, 100, 5);
    await next.tell(chunk(next.id(), "p11", "11"));
    assert.deepEqual(given, ["1", "2", "3", "4", "5", "8", "9", "10", "11"]);
    assert.equal(seen(beside), "9,10,11");
  });
});

describe("a tab beside the one that asks", () => {
  it("has nothing asked for before it is due, however often it follows something else", async (t) => {
    const { relay, open } = start(t);
    const [leader, tab] = [open(), open()];
    const slow = () => refusal(429, { error: "slow down" }, { "retry-after": "60" });
    relay.answers.push(...Array(500).fill(slow));
    watch(leader.connection.run("run_1"));
    await pass(t, 100, 5);
    watch(tab.connection.run("run_2"));
    await pass(t, 3000, 50);
    const before = relay.asks.length;
    for (let more = 0; more < 100; more++) {
      const { stop } = watch(tab.connection.run(`other_${more}`));
      await pass(t, 40, 20);
      stop();
    }
    const count = relay.asks.length - before;
    assert.ok(count <= 5, `${count} requests in 4 s`);
    // Somebody looks at it.
    tab.page.dispatchEvent(new Event("visibilitychange"));
    await settle();
    assert.equal(relay.asks.length - before, count + 1);
  });
});

describe("tabs of an origin", () => {
  it("that are closed keep nothing followed in one that had left them, and came back", async (t) => {
    const { relay, open } = start(t);
    const [a, b] = [open(), open()];
    const followed = a.connection.run("run_1");
    const one = watch(followed);
    await pass(t, 100, 5);
    watch(b.connection.run("run_1"));
    await pass(t, 100, 5);
    one.stop();
    await pass(t, 100, 5);
    assert.equal(relay.last().tab, b);
    watch(a.connection.run("run_2"));
    const again = watch(followed);
    await pass(t, 100, 5);
    await b.close();
    await pass(t, 100, 5);
    assert.deepEqual(runs(relay.open()[0]), ["run_1", "run_2"]);
    again.stop();
    await pass(t, 100, 5);
    assert.deepEqual(runs(relay.open()[0]), ["run_2"]);
  });
});

describe("the locks of tabs", () => {
  it("are waited for by tabs alone that follow something", async (t) => {
    const { relay, browser, open } = start(t);
    const [leader, tab] = [open(), open()];
    const lead = watch(leader.connection.run("run_1"));
    await pass(t, 100, 5);
    for (let more = 0; more < 20; more++) {
      const { stop } = watch(tab.connection.run("run_2"));
      await pass(t, 20, 5);
      stop();
      await settle();
    }
    assert.deepEqual([browser.queued(), relay.open().length], [0, 1]);
    // The leader waits for a tab that is there, until it leaves itself.
    watch(tab.connection.run("run_2"));
    await pass(t, 100, 5);
    assert.equal(browser.queued(), 2);
    lead.stop();
    await pass(t, 100, 5);
    assert.deepEqual([browser.queued(), relay.last().tab], [0, tab]);
  });

  it("are not given to a tab that is frozen while another waits", async (t) => {
    const { relay, open } = start(t);
    const [leader, frozen, other] = [open(), open(), open()];
    for (const { connection } of [leader, frozen, other]) {
      watch(connection.run("run_1"));
      await pass(t, 100, 5);
    }
    // From the event on nothing of it runs.
    await frozen.event("freeze");
    frozen.isHung = true;
    frozen.isFrozen = true;
    await leader.close();
    await pass(t, 100, 5);
    assert.equal(relay.last().tab, other);
  });
});

it("a page whose browser throws at a channel asks by itself", async (t) => {
  const { relay, browser, open } = start(t);
  const tab = open({}, (page) => {
    page.BroadcastChannel = class {
      constructor() {
        throw new DOMException("The operation is insecure.", "SecurityError");
      }
    };
  });
  const followed = tab.connection.run("run_1");
  let run = watch(followed);
  watch(tab.connection.run("run_2"));
  for (let more = 0; more < 2; more++) {
    await pass(t, 100, 5);
    const [ask, ...others] = relay.open();
    assert.deepEqual([others.length, ask.wants.length], [0, 2]);
    await ask.tell(["row", ask.id(({ run: id }) => id === "run_1"), rowOf("k", "run_1")]);
    assert.equal(run.last().value.id, "run_1");
    run.stop();
    await pass(t, 100, 5);
    run = watch(followed);
  }
  tab.connection.close();
  await settle();
  assert.deepEqual([relay.open().length, browser.held(), browser.queued()], [0, 0, 0]);
});
