// trigger-native/client beyond the usual measure: long streams, wants that change fast, long times.

import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { opened, pass, refusal, rowOf, runFields, settle, start, watch } from "./support/client-relay.mjs";

const part = (id) => ({ id: `${id}`, chunk: id, timestamp: 0 });
const parts = (from, count) => Array.from({ length: count }, (_, at) => part(from + at));
const chunk = (ask, given) => ["chunk", ask.id(), { at: given.at(-1).id, parts: given }];

describe("a long stream", () => {
  it("gives an iteration each part, however few its store keeps and however many come at once", async (t) => {
    const { relay, connection } = start(t);
    const stream = connection.stream("run_1", "k", { maxParts: 1 });
    const iterator = stream[Symbol.asyncIterator]();
    const given = [];
    const read = (async () => {
      for await (const value of iterator) given.push(value);
    })();
    await opened(t);
    const ask = relay.last();
    await ask.tell(chunk(ask, parts(0, 3)));
    assert.deepEqual(stream.getState().value, [part(2)]);
    await ask.tell(chunk(ask, parts(3, 2)), chunk(ask, parts(5, 2)), ["end", ask.id()]);
    await read;
    assert.deepEqual(given, [0, 1, 2, 3, 4, 5, 6]);
    assert.deepEqual(stream.getState().value, [part(6)]);
  });

  it("keeps nothing beyond maxParts, in the tab that asks for others, too", async (t) => {
    const { relay, connection } = start(t);
    const none = watch(connection.stream("run_1", "k", { maxParts: 0 }));
    await opened(t);
    const ask = relay.last();
    await ask.tell(chunk(ask, parts(0, 3)));
    assert.deepEqual([none.last().value, none.last().state, none.last().lastEventId], [[], "live", "2"]);
  });

  it("of more parts than a call has arguments is read, by a slow reader in as many steps as it has parts", async (t) => {
    const { relay, connection } = start(t);
    const many = 300_000;
    const iterator = connection.stream("run_1", "k")[Symbol.asyncIterator]();
    const first = iterator.next();
    await opened(t);
    const ask = relay.last();
    await ask.tell(chunk(ask, parts(0, many)), ["end", ask.id()]);
    assert.equal((await first).value, 0);
    let count = 1;
    // An array of so many moves all of them for each that is taken from its start.
    const { shift } = Array.prototype;
    let moved = 0;
    Array.prototype.shift = function () {
      moved += this.length;
      return shift.call(this);
    };
    try {
      for await (const value of iterator) if (value !== count++) assert.fail(`${value} is not ${count - 1}`);
    } finally {
      Array.prototype.shift = shift;
    }
    assert.equal(count, many);
    assert.ok(moved < 10 * many, `${moved} moved`);
  });

  it("costs what it has parts and not their square, and none waits for more than its length in microseconds", async (t) => {
    const { relay, connection } = start(t);
    const stream = watch(connection.stream("run_1", "k"));
    await opened(t);
    const ask = relay.last();
    const many = 50_000;
    await ask.tell(chunk(ask, parts(0, many)));
    assert.equal(stream.last().value.length, many);
    let copied = 0;
    const { slice } = Array.prototype;
    Array.prototype.slice = function (...range) {
      const made = slice.apply(this, range);
      copied += made.length;
      return made;
    };
    try {
      for (let at = 0; at < 1000; at++) {
        await ask.tell(chunk(ask, parts(many + at, 1)));
        if (at % 10 === 0) await pass(t, 1, 1);
      }
    } finally {
      Array.prototype.slice = slice;
    }
    // In 100 ms the value is made twice.
    assert.ok(copied < 5 * many, `${copied} copied for 1,000 parts`);
    await pass(t, 52, 1);
    assert.deepEqual(stream.last().value.at(-1), part(many + 999));
    assert.equal(stream.last().value.length, many + 1000);
  });

  it("that may be silent for longer than a timer lasts does not end at once", async (t) => {
    const { relay, connection } = start(t);
    const month = watch(connection.stream("run_1", "k", { timeoutInSeconds: 30 * 86_400 }));
    const ever = watch(connection.stream("run_1", "l", { timeoutInSeconds: Number.POSITIVE_INFINITY }));
    await pass(t, 5000);
    assert.deepEqual([month.last().state, ever.last().state], ["connecting", "connecting"]);
    assert.equal(relay.open().length, 1);
  });
});

describe("wants that change faster than the relay answers", () => {
  it("are asked for later and later until it does, so that what is followed all the while is told", async (t) => {
    const { relay, connection } = start(t);
    const run = watch(connection.run("run_1"));
    // A relay that tells the run 150 ms after it was asked; every 20 ms another run is followed instead of the last.
    let answered = 0;
    let seen = 0;
    let other;
    for (let turn = 0; turn < 500; turn++) {
      other?.stop();
      other = watch(connection.run(`other_${turn}`));
      await pass(t, 20, 10);
      for (const ask of relay.asks.slice(seen)) {
        seen++;
        setTimeout(() => {
          const id = ask.id(({ run: one }) => one === "run_1");
          if (!ask.isOver) answered++;
          ask.tell(["row", id, rowOf("k", "run_1", { updatedAt: Date.now() }, `at-${Date.now()}`)]);
        }, 150);
      }
    }
    assert.ok(answered >= 5, `${answered} answers in 10 s, of ${relay.asks.length} requests`);
    assert.equal(run.last().state, "live");
    assert.ok(relay.asks.length < 200, `${relay.asks.length} requests`);
    // Where it answers, a want is asked for at once again.
    other.stop();
    await pass(t, 3000);
    await relay.last().tell(["row", relay.last().id(), rowOf("k", "run_1", { updatedAt: Date.now() })]);
    const before = relay.asks.length;
    watch(connection.run("run_2"));
    await opened(t);
    assert.equal(relay.asks.length, before + 1);
  });
});

describe("a time", () => {
  it("that is longer than a timer lasts is no reason to ask at once, over and over", async (t) => {
    const { relay, connection } = start(t);
    const run = watch(connection.run("run_1"));
    relay.answers.push(refusal(429, { error: "slow" }, { "retry-after": "9999999" }));
    await opened(t);
    await pass(t, 60_000, 1000);
    assert.equal(relay.asks.length, 1);
    run.stop();
    watch(connection.run("run_2"));
    await opened(t);
    const before = relay.asks.length;
    const told = { status: 503, message: "later", retry: true, after: 9_999_999_000 };
    await relay.last().tell(["error", relay.last().id(), told]);
    // Only for its silence the response is asked for again, without the want.
    await pass(t, 30_000, 1000);
    assert.equal(relay.asks.length, before);
  });

  it("of no milliseconds is obeyed once: what fails again waits", async (t) => {
    const { relay, connection } = start(t);
    watch(connection.stream("run_1", "k"));
    await opened(t);
    const told = { status: 503, message: "The stream broke off: ask again", retry: true, after: 0 };
    const waits = [];
    for (let more = 0; more < 6; more++) {
      const before = [relay.asks.length, Date.now()];
      await relay.last().tell(["error", relay.last().id(), told]);
      while (relay.asks.length === before[0]) await pass(t, 10, 10);
      waits.push(Date.now() - before[1]);
    }
    assert.ok(waits[0] <= 20 && waits[5] >= 2000, `${waits}`);
  });

  it("that goes back, as a clock that is set right, does not hide that a response is dead", async (t) => {
    const { relay, connection } = start(t);
    watch(connection.run("run_1"));
    await opened(t);
    // Timers go on.
    const { now } = Date;
    t.mock.method(Date, "now", () => now() - 86_400_000);
    await pass(t, 30_000, 1000);
    assert.equal(relay.asks.length, 2);
  });
});

describe("a subscriber that another one stops", () => {
  it("is not called any more, and follows nothing", async (t) => {
    const { relay, connection } = start(t);
    const run = connection.run("run_1");
    let stopped = 0;
    let stop;
    run.subscribe(({ value }) => value && stop());
    stop = run.subscribe(({ value }) => {
      if (value) stopped++;
    });
    await opened(t);
    await relay.last().tell(["row", relay.last().id(), rowOf("k", "run_1")]);
    assert.equal(stopped, 0);
  });

  it("as its token is refused asks for no other token", async (t) => {
    const { relay, connection } = start(t);
    const asked = t.mock.fn(() => "token");
    let stop;
    connection.run("run_1", { accessToken: "token" }).subscribe(({ error }) => error && stop());
    stop = connection.run("run_1", { accessToken: asked }).subscribe(() => {});
    await opened(t);
    const ask = relay.last();
    await ask.tell(["error", ask.id(), { status: 401, message: "expired", retry: false }]);
    await pass(t, 1000);
    assert.equal(asked.mock.callCount(), 1);
    assert.equal(relay.open().length, 0);
  });
});

it("a payload that is told anew, and did not change, is compared once", async (t) => {
  const { relay, connection } = start(t);
  const run = watch(connection.run("run_1"));
  await opened(t);
  const ask = relay.last();
  let compared = 0;
  const payload = { data: '"long"', type: "application/json" };
  const row = () => ["row", ask.id(), rowOf("k", "run_1", { payload })];
  await ask.tell(row());
  await ask.tell(row());
  const before = run.last().value;
  const stringify = JSON.stringify;
  t.mock.method(JSON, "stringify", (value, ...rest) => {
    if (value?.data === payload.data) compared++;
    return stringify(value, ...rest);
  });
  for (let at = 0; at < 10; at++) {
    await ask.send(
      `event: change\ndata: ${stringify([ask.id(), { key: "k", at: `${at}`, set: runFields("run_1", { durationMs: at }) }])}\n\n`,
    );
  }
  await settle();
  assert.equal(run.last().value.durationMs, 9);
  assert.equal(run.last().value.payload, before.payload);
  assert.equal(compared, 0);
});
