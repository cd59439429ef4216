// Requests of trigger-native/client that are refused whole: for the fault of one want, or for their length.

import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { connect } from "trigger-native/client";
import { clientRelay, opened, pass, refusal, rowOf, simulate, start, url, watch } from "./support/client-relay.mjs";

describe("a want that the relay does not understand", () => {
  /** As the relay refuses a body: whole. */
  const isOfForm = (want) => !want.tags?.some((tag) => tag.includes(","));
  const answer = (ask) => (ask.wants.every(isOfForm) ? undefined : refusal(400, { error: "a tag holds a comma" }));

  it("ends alone, and the others of the page are followed", async (t) => {
    const { relay, connection } = start(t);
    for (let more = 0; more < 20; more++) relay.answers.push(answer);
    const runs = Array.from({ length: 9 }, (_, at) => watch(connection.run(`run_${at}`)));
    const bad = [watch(connection.runs({ tags: "a,b" })), watch(connection.runs({ tags: "c,d" }))];
    await pass(t, 1000, 10);
    for (const { last } of bad) {
      assert.equal(last().state, "ended");
      assert.match(last().error.message, /answered 400: a tag holds a comma/);
    }
    assert.equal(relay.open().length, 1);
    const ask = relay.last();
    assert.equal(ask.wants.length, 9);
    await ask.tell(...ask.wants.map(({ id, run }) => ["row", id, rowOf(run, run)]));
    for (const { last } of runs) assert.equal(last().state, "live");
  });

  it("that is the only one is told, as are all where none is refused alone", async (t) => {
    const { relay, connection } = start(t);
    relay.answers.push(answer);
    const only = watch(connection.runs({ tags: "a,b" }));
    await pass(t, 1000, 10);
    assert.match(only.last().error.message, /comma/);
    assert.equal(relay.asks.length, 1);
    relay.answers.push(refusal(400, { error: "wants is empty" }));
    const all = [watch(connection.run("run_1")), watch(connection.run("run_2"))];
    await pass(t, 1000, 10);
    for (const { last } of all) assert.match(last().error.message, /wants is empty/);
    assert.equal(relay.open().length, 0);
  });
});

describe("what an app gave where a text is needed", () => {
  for (const [what, follow, message] of [
    [
      "a token function that gives a server's whole answer",
      (c) => c.run("run_1", { accessToken: async () => ({ token: "t" }) }),
      /^accessToken has to be a text, or a function that gives one, and is of type object$/,
    ],
    ["a token that is a number", (c) => c.run("run_1", { accessToken: 7 }), /^accessToken .* is of type number$/],
    ["the handle of a run", (c) => c.run({ id: "run_1" }), /^The id of a run has to be a text, and is of type object$/],
    [
      "the handle of a batch",
      (c) => c.batch({ batchId: "b" }),
      /^The id of a batch has to be a text, and is of type object$/,
    ],
  ]) {
    it(`is named: ${what}`, async (t) => {
      const { relay, connection } = start(t);
      relay.answers.push(refusal(400, { error: "a value is of another type, at line 1 column 66" }));
      const { last } = watch(follow(connection));
      await pass(t, 1000, 10);
      assert.match(last().error.message, message);
      assert.equal(last().error.status, 400);
    });
  }
});

it("a fault of the server's own is said on the console, once", async (t) => {
  const { relay, connection } = start(t);
  const warn = t.mock.method(console, "warn", () => {});
  const fault = () => refusal(500, { error: "no access token: set TRIGGER_SECRET_KEY" });
  relay.answers.push(fault(), fault(), fault(), refusal(503, { error: "restart" }));
  const run = watch(connection.run("run_1"));
  await pass(t, 30_000, 50);
  assert.equal(run.last().state, "connecting");
  const said = warn.mock.calls.map(({ arguments: [text] }) => text);
  assert.equal(said.length, 1);
  assert.match(said[0], /relay\/v1\/live answers 500: no access token: set TRIGGER_SECRET_KEY\. /);
});

describe("the search for a want that the relay does not understand", () => {
  /** A page of 60 runs and a want at fault, whose relay answers after so many milliseconds. */
  function startMany(t, ms = 250) {
    simulate(t);
    const relay = clientRelay();
    let count = 0;
    let cut = 0;
    const fetch = async (to, init) => {
      count++;
      await new Promise((resolve) => setTimeout(resolve, ms));
      if (init.signal.aborted) {
        cut++;
        throw new Error("aborted");
      }
      const isFaulty = JSON.parse(init.body).wants.some(({ run }) => run === 5);
      return isFaulty ? refusal(400, { error: "no text" }) : relay.fetch(to, init);
    };
    const connection = connect({ url }, { fetch });
    t.after(() => connection.close());
    const runs = Array.from({ length: 60 }, (_, at) => watch(connection.run(`run_${at}`)));
    return { relay, connection, runs, bad: watch(connection.run(5)), count: () => count, cut: () => cut };
  }

  it("ends although what is followed changes faster than it is made, and what is new is asked for after it", async (t) => {
    const { relay, connection, runs, bad, count } = startMany(t);
    let other;
    for (let more = 0; more < 8; more++) {
      await pass(t, 1000, 50);
      other?.stop();
      other = watch(connection.run(`other_${more}`));
    }
    assert.match(bad.last().error?.message, /has to be a text/);
    await pass(t, 3000, 50);
    const [ask, ...more] = relay.open();
    assert.equal(more.length, 0);
    await ask.tell(...ask.wants.map(({ id, run }) => ["row", id, rowOf(run, run)]));
    for (const { last } of [...runs, other]) assert.equal(last().state, "live");
    assert.ok(count() < 40, `${count()} requests`);
  });

  it("is not taken for silence while it has answers", async (t) => {
    const { connection, bad, count, cut } = startMany(t, 1000);
    const others = Array.from({ length: 39 }, (_, at) => watch(connection.run(5, { accessToken: `${at}` })));
    // Each is told as soon as it is found.
    await pass(t, 30_000, 500);
    const early = others.filter(({ last }) => last().error).length;
    assert.ok(early > 0 && early < others.length, `${early} told`);
    await pass(t, 90_000, 500);
    for (const { last } of others) assert.match(last().error.message, /has to be a text/);
    assert.ok(count() > 60 && cut() === 0, `${count()} requests, ${cut()} cut`);
    assert.equal(bad.last().state, "ended");
  });

  for (const [what, failure] of [
    ["a 503", () => refusal(503, "restart")],
    ["a 429", () => refusal(429, "busy", { "retry-after": "3" })],
    ["a 502", () => refusal(502, "<html>")],
    ["the network", () => new TypeError("Failed to fetch")],
  ]) {
    it(`ends nothing where it meets what passes, and is made anew later: ${what}`, async (t) => {
      const { relay, connection } = start(t);
      const isOfForm = (ask) =>
        ask.wants.every(({ run }) => run !== 5) ? undefined : refusal(400, { error: "no text" });
      relay.answers.push(isOfForm, failure(), ...Array(10).fill(isOfForm));
      const [good, bad] = [watch(connection.run("run_1")), watch(connection.run(5))];
      await opened(t);
      for (const { last } of [good, bad]) assert.equal(last().state, "connecting");
      await pass(t, 4000, 50);
      assert.match(bad.last().error.message, /has to be a text/);
      const ask = relay.last();
      await ask.tell(["row", ask.id(), rowOf("k", "run_1")]);
      assert.equal(good.last().state, "live");
    });
  }
});

describe("a proxy that takes shorter bodies than the relay", () => {
  /** Follows four lists of many runs. */
  async function followLists(t, limit) {
    const { relay, connection } = start(t);
    const lists = ["a", "b", "c", "d"].map((tags) => watch(connection.runs({ tags })));
    await opened(t);
    const ask = relay.last();
    const rows = (id) =>
      Array.from({ length: 100 }, (_, at) => ["row", id, rowOf(`${at}`, `run_${at}`, {}, "x".repeat(100))]);
    for (const { id } of ask.wants) await ask.tell(...rows(id), ["ready", id]);
    const answer = ({ init }) => (init.body.length > limit ? refusal(413, "<html>") : undefined);
    relay.answers.push(...Array(20).fill(answer));
    await ask.end();
    await pass(t, 2000, 50);
    return { relay, lists };
  }

  it("has the page ask with several requests", async (t) => {
    const { relay, lists } = await followLists(t, 15_000);
    assert.deepEqual(
      lists.map(({ last }) => [last().state, last().value.length, last().error]),
      Array(4).fill(["live", 100, undefined]),
    );
    const open = relay.open();
    assert.equal(open.flatMap(({ wants }) => wants).length, 4);
    for (const { init } of open) assert.ok(init.body.length <= 15_000);
    assert.ok(relay.asks.length < 12, `${relay.asks.length} requests`);
  });

  it("refuses what alone is too long for it", async (t) => {
    const { relay, lists } = await followLists(t, 5000);
    for (const { last } of lists) assert.equal(last().error.status, 413);
    assert.equal(relay.open().length, 0);
  });
});
