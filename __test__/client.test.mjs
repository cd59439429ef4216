// trigger-native/client against a relay whose every answer the test writes.

import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { connect } from "trigger-native/client";
import { opened, pass, rowOf, settle, start, url, watch } from "./support/client-relay.mjs";

describe("what is followed", () => {
  it("is asked for in one request, however many subscribe in a turn, and each once", async (t) => {
    const { relay, connection } = start(t, { accessToken: "token" });
    for (let at = 0; at < 20; at++) watch(connection.run(`run_${at % 10}`));
    watch(connection.runs({ tags: ["a", "b"], createdAt: "1h" }, { skipColumns: ["payload"], accessToken: "other" }));
    watch(connection.batch("batch_1"));
    watch(connection.stream("run_1", "key", { input: true, lastEventId: "7-0" }));
    await opened(t);
    assert.equal(relay.asks.length, 1);
    const [{ url: asked, init, wants }] = relay.asks;
    assert.equal(asked, `${url}/relay/v1/live`);
    assert.equal(init.method, "POST");
    assert.equal(init.headers["content-type"], "application/json");
    assert.equal(new Set(wants.map(({ id }) => id)).size, 13);
    const bare = wants.map(({ id, at, ...want }) => (want.stream ? { ...want, at } : want));
    assert.deepEqual(bare.slice(0, 2), [
      { run: "run_0", token: "token" },
      { run: "run_1", token: "token" },
    ]);
    assert.deepEqual(bare.slice(10), [
      { tags: ["a", "b"], createdAt: "1h", skipColumns: ["payload"], token: "other" },
      { batch: "batch_1", token: "token" },
      { stream: { run: "run_1", key: "key", input: true }, token: "token", at: "7-0" },
    ]);
  });

  it("calls back at once, and gives the same state until it changes", async (t) => {
    const { relay, connection } = start(t);
    const run = connection.run("run_1");
    const before = run.getState();
    const { states } = watch(run);
    assert.deepEqual(states, [{ value: undefined, error: undefined, state: "connecting" }]);
    assert.equal(run.getState(), before);
    await opened(t);
    assert.equal(run.getState(), before);
    await relay.last().tell(["row", relay.last().id(), rowOf("k", "run_1")]);
    assert.equal(run.getState().state, "live");
    assert.equal(run.getState().value.id, "run_1");
    assert.equal(states.at(-1), run.getState());
    const live = run.getState();
    await relay.last().tell(["ready", relay.last().id()], ["row", relay.last().id(), rowOf("k", "run_1")]);
    assert.equal(run.getState(), live, "the same again is no change");
  });

  it("changes by what is told, and keeps the objects of what is not", async (t) => {
    const { relay, connection } = start(t);
    const run = connection.run("run_1");
    watch(run);
    await opened(t);
    const ask = relay.last();
    const id = ask.id();
    const packet = { data: '{"deep":[1]}', type: "application/json" };
    await ask.tell(["row", id, rowOf("k", "run_1", { payload: packet, tags: ["a"], startedAt: 1, error: undefined })]);
    const first = run.getState().value;
    assert.deepEqual(first.payload, { deep: [1] });
    const set = { id: "run_1", status: "WAITING", isFinished: false, tags: ["a"], payload: { ...packet } };
    await ask.tell(["change", id, { key: "k", at: "2", set, unset: ["startedAt"] }]);
    const second = run.getState().value;
    assert.notEqual(second, first);
    assert.equal(second.payload, first.payload);
    assert.equal(second.tags, first.tags);
    assert.equal(second.createdAt, first.createdAt);
    assert.equal(second.startedAt, undefined);
    assert.deepEqual([second.status, second.isWaiting, first.isExecuting], ["WAITING", true, true]);
    await ask.tell(["gone", id, { key: "other" }], ["gone", id, { key: "k" }]);
    assert.equal(run.getState().value, undefined);
  });

  it("lists runs newest first, from when they are ready, once for all that come together", async (t) => {
    const { relay, connection } = start(t);
    const { states } = watch(connection.runs({ tags: "a" }));
    await opened(t);
    const ask = relay.last();
    const id = ask.id();
    for (let at = 0; at < 1000; at += 250) {
      const rows = Array.from({ length: 250 }, (_, more) => at + more);
      await ask.tell(...rows.map((n) => ["row", id, rowOf(`k${n}`, `run_${n}`, { createdAt: (n * 7919) % 1000 })]));
    }
    assert.equal(states.length, 1);
    await ask.tell(["ready", id]);
    assert.equal(states.length, 2);
    const times = states[1].value.map(({ createdAt }) => createdAt.getTime());
    assert.deepEqual(
      times,
      [...times].sort((a, b) => b - a),
    );
    assert.equal(times.length, 1000);
    const change = (key) => ["change", id, { key, at: "x", set: { id: "r", status: "COMPLETED", isFinished: true } }];
    await ask.tell(change("k1"), change("k2"), ["gone", id, { key: "k3" }]);
    assert.equal(states.length, 3);
    assert.equal(states[2].value.length, 999);
    const same = states[2].value.filter((run) => states[1].value.includes(run));
    assert.equal(same.length, 997, "the other runs are the same objects");
  });

  it("waits while it is not enabled or has no name, and asks for nothing", async (t) => {
    const { relay, connection } = start(t);
    for (const followed of [
      connection.run(undefined),
      connection.run(""),
      connection.run("run_1", { enabled: false }),
      connection.runs({ tags: [] }),
      connection.runs({ tags: "" }),
      connection.batch(undefined),
      connection.stream(undefined, "k"),
    ]) {
      assert.equal(watch(followed).last().state, "waiting");
    }
    await pass(t, 1000);
    assert.equal(relay.asks.length, 0);
  });

  it("is let go with its last subscriber, at once", async (t) => {
    const { relay, connection } = start(t);
    const [one, two] = [connection.run("run_1"), connection.run("run_2")];
    const [first, again, other] = [watch(one), watch(connection.run("run_1")), watch(two)];
    await opened(t);
    assert.equal(relay.last().wants.length, 2);
    first.stop();
    first.stop();
    await opened(t);
    assert.equal(relay.asks.length, 1, "another subscriber follows the same run");
    again.stop();
    await opened(t);
    assert.deepEqual(
      relay.open().map(({ wants }) => wants.map(({ run }) => run)),
      [["run_2"]],
    );
    other.stop();
    await settle();
    assert.equal(relay.open().length, 0);
    await pass(t, 60_000, 1000);
    assert.equal(relay.asks.length, 2);
  });

  it("is asked for anew with the places reached, and what the old response says after that is void", async (t) => {
    const { relay, connection } = start(t);
    const runs = connection.runs({ tags: "a" });
    watch(runs);
    await opened(t);
    const first = relay.last();
    await first.tell(
      ["row", first.id(), rowOf("a", "run_a")],
      ["row", first.id(), rowOf("b", "run_b")],
      ["ready", first.id()],
    );
    watch(connection.run("run_c"));
    await opened(t);
    const second = relay.last();
    assert.deepEqual(second.wants[0].at, ["at-a", "at-b"]);
    assert.equal(first.isOver, true);
    await second.tell(["gone", second.id(), { key: "a" }], ["ready", second.id()]);
    assert.deepEqual(
      runs.getState().value.map(({ id }) => id),
      ["run_b"],
    );
  });

  it("goes over several requests where it does not fit into one, and leaves out the oldest places", async (t) => {
    const { relay, connection } = start(t);
    for (let at = 0; at < 205; at++) watch(connection.run(`run_${at}`));
    await opened(t);
    assert.deepEqual(
      relay.asks.map(({ wants }) => wants.length),
      [100, 100, 5],
    );
    connection.close();
    const other = start2(relay);
    for (let at = 0; at < 10; at++) watch(other.run(`run_${at}`, { accessToken: `${at}${"é".repeat(30_000)}` }));
    await pass(t, 100, 5);
    const open = relay.open();
    assert.equal(open.flatMap(({ wants }) => wants).length, 10);
    assert.ok(open.length > 1);
    for (const { init } of open) assert.ok(Buffer.byteLength(init.body) <= 256 << 10);
    other.close();

    const third = start2(relay);
    const runs = third.runs({ tags: "a" });
    watch(runs);
    await opened(t);
    const ask = relay.last();
    const rows = Array.from({ length: 1003 }, (_, n) => rowOf(`k${n}`, `run_${n}`, { createdAt: 5000 - n }));
    // The oldest first.
    await ask.tell(...rows.map((row) => ["row", ask.id(), row]).reverse(), ["ready", ask.id()]);
    await ask.end();
    await pass(t, 1000);
    const next = relay.last();
    assert.equal(next.wants[0].at.length, 1000);
    assert.ok(!next.wants[0].at.includes("at-k1002") && next.wants[0].at.includes("at-k0"));
    assert.equal(runs.getState().value.length, 1003);
    third.close();
  });
});

const start2 = (relay) => connect({ url }, { fetch: relay.fetch });

it("a run that is followed beyond its end is asked for so, and apart from one that ends", async (t) => {
  const { relay, connection } = start(t);
  const { last } = watch(connection.run("run_1", { stopOnCompletion: false }));
  watch(connection.run("run_1", { stopOnCompletion: true }));
  await opened(t);
  const ask = relay.last();
  assert.deepEqual(
    ask.wants.map(({ lasting }) => lasting),
    [true, undefined],
  );
  await ask.tell(["row", ask.id(), rowOf("k", "run_1", { status: "COMPLETED", isFinished: true })]);
  assert.equal(last().state, "live");
});

it("a feed that is to be asked for again at once is, and no failure is shown", async (t) => {
  const { relay, connection } = start(t);
  const { last } = watch(connection.stream("run_1", "ai"));
  await opened(t);
  const ask = relay.last();
  await ask.tell(
    ["chunk", ask.id(), { at: "7-0+1", parts: [{ id: "7-0", chunk: "a", timestamp: 7 }] }],
    ["error", ask.id(), { status: 503, message: "again", retry: true, after: 0 }],
  );
  await pass(t, 100, 50);
  assert.deepEqual([last().error, relay.last().wants[0].at, relay.asks.length], [undefined, "7-0+1", 2]);
});

it("the fault of one subscriber is nothing to the others, and is not hidden", async (t) => {
  const { relay, connection } = start(t);
  const run = connection.run("run_1");
  const faults = [];
  t.mock.method(Promise, "reject", (error) => faults.push(error.message));
  run.subscribe(({ value }) => {
    if (value) throw new Error("mine");
  });
  const { last } = watch(run);
  await opened(t);
  await relay.last().tell(["row", relay.last().id(), rowOf("k", "run_1")]);
  assert.equal(last().value.id, "run_1");
  assert.deepEqual(faults, ["mine"]);
});

it("close() ends all that is followed, and what is followed after it", async (t) => {
  const { relay, connection } = start(t);
  const run = watch(connection.run("run_1"));
  await opened(t);
  connection.close();
  await settle();
  assert.equal(run.last().state, "ended");
  assert.equal(watch(connection.run("run_2")).last().state, "ended");
  assert.equal(relay.open().length, 0);
  await pass(t, 20_000, 1000);
  assert.equal(relay.asks.length, 1);
});

describe("a stream that several follow", () => {
  const part = (id) => ({ id, chunk: id, timestamp: 0 });
  const chunk = (want, at, ...ids) => ["chunk", want, { at, parts: ids.map(part) }];
  const seen = ({ last }) =>
    last()
      .value.map(({ id }) => id)
      .join();

  it("shows each part once to one that comes back while another one catches up, and never fewer than before", async (t) => {
    const { relay, connection } = start(t);
    const [one, two] = [connection.stream("run_1", "ai"), connection.stream("run_1", "ai")];
    watch(connection.run("run_1"));
    const before = watch(one);
    await opened(t);
    const first = relay.last();
    await first.tell(
      chunk(
        first.id(({ stream }) => stream),
        "p3",
        "1",
        "2",
        "3",
      ),
    );
    before.stop();
    await opened(t);
    const other = watch(two);
    await opened(t);
    const again = watch(one);
    await opened(t);
    const ask = relay.last();
    const want = ask.wants.find(({ stream }) => stream);
    assert.equal(want.at, undefined);
    await ask.tell(chunk(want.id, "p2", "1", "2"));
    assert.deepEqual([seen(again), again.last().lastEventId], ["1,2,3", "p3"]);
    await ask.tell(chunk(want.id, "p3", "3"), chunk(want.id, "p4", "4"));
    assert.deepEqual([seen(other), seen(again), again.last().lastEventId], ["1,2,3,4", "1,2,3,4", "p4"]);
    assert.ok(again.states.every(({ value }) => value.length >= 3));
  });

  it("shows each part once where a token is renewed that another one has already", async (t) => {
    const tokens = ["old", "new"];
    const { relay, connection } = start(t);
    const one = watch(connection.stream("run_1", "ai", { accessToken: () => tokens.shift() }));
    await opened(t);
    await relay.last().tell(chunk(relay.last().id(), "p3", "1", "2", "3"));
    const two = watch(connection.stream("run_1", "ai", { accessToken: "new" }));
    await opened(t);
    const ask = relay.last();
    const [old, renewed] = ask.wants;
    await ask.tell(["error", old.id, { status: 401, message: "expired", retry: false }]);
    await settle();
    assert.equal(relay.last(), ask);
    await ask.tell(chunk(renewed.id, "p4", "1", "2", "3", "4"));
    assert.deepEqual([seen(one), seen(two)], ["1,2,3,4", "1,2,3,4"]);
  });
});

it("what subscribes with no function, or with one that throws at once, is told so and follows nothing", async (t) => {
  const { relay, connection } = start(t);
  const run = connection.run("run_1");
  assert.throws(() => run.subscribe(undefined), TypeError);
  const fail = () => {
    throw new Error("mine");
  };
  assert.throws(() => run.subscribe(fail), /mine/);
  await pass(t, 1000);
  assert.equal(relay.asks.length, 0);
  watch(run);
  await opened(t);
  assert.equal(relay.open().length, 1);
});

it("events of a page's elements that have the names of its own are nothing to what is followed", async (t) => {
  const page = new EventTarget();
  const { relay, connection } = start(t, {}, page);
  watch(connection.run("run_1"));
  await opened(t);
  for (const name of ["freeze", "pagehide"]) {
    const target = { tagName: "MY-GRID" };
    page.dispatchEvent(Object.defineProperty(new Event(name), "target", { value: target }));
    await opened(t);
    assert.equal(relay.open().length, 1);
  }
  page.dispatchEvent(new Event("pagehide"));
  assert.equal(relay.open().length, 0);
});
