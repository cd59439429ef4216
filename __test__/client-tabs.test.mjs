// trigger-native/client in several tabs of one origin: one connection, whoever comes, closes, crashes or hangs.

import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { startTabs as start } from "./support/client-browser.mjs";
import { pass, rowOf, runFields, settle, watch } from "./support/client-relay.mjs";
import { random } from "./support/random.mjs";

const ids = ({ last }) => last().value.map(({ id }) => id);
const runs = (ask) => ask.wants.map(({ run }) => run).sort();

describe("tabs of an origin", () => {
  it("share one connection, and each is told what it follows", async (t) => {
    const { relay, browser, open } = start(t);
    const [a, b, c] = [open(), open(), open()];
    const [one, same, other] = [
      watch(a.connection.run("run_1")),
      watch(b.connection.run("run_1")),
      watch(c.connection.run("run_2", { accessToken: "other" })),
    ];
    await pass(t, 100, 5);
    assert.equal(relay.open().length, 1);
    const ask = relay.last();
    assert.deepEqual(
      ask.wants.map(({ id, at, ...want }) => want),
      [{ run: "run_1" }, { run: "run_2", token: "other" }],
    );
    assert.equal(new Set(relay.asks.map(({ tab }) => tab)).size, 1);
    const [first, second] = ask.wants;
    await ask.tell(["row", first.id, rowOf("k", "run_1")], ["row", second.id, rowOf("l", "run_2")]);
    await settle();
    for (const { last } of [one, same]) assert.equal(last().value.id, "run_1");
    assert.equal(other.last().value.id, "run_2");
    await ask.tell(["change", first.id, { key: "k", at: "2", set: runFields("run_1", { durationMs: 5 }) }]);
    for (const { last } of [one, same]) assert.equal(last().value.durationMs, 5);
    await ask.tell(["error", second.id, { status: 403, message: "Unauthorized", retry: false }]);
    assert.equal(other.last().error.status, 403);
    other.stop();
    same.stop();
    await pass(t, 100, 5);
    assert.equal(one.last().state, "live");
    one.stop();
    await settle();
    assert.deepEqual([relay.open().length, browser.channels.size, browser.held()], [0, 0, 0]);
  });

  it("share what is followed by a list that a framework watches", async (t) => {
    const { relay, open } = start(t);
    const [a, b] = [open(), open()];
    watch(a.connection.run("run_1"));
    watch(b.connection.run("run_2"));
    await pass(t, 100, 5);
    // As Vue's reactive() and Svelte's $state() make them: no other tab can be sent one.
    const skipColumns = new Proxy(["payload"], {});
    const list = watch(b.connection.runs({ tags: new Proxy(["a"], {}) }, { skipColumns }));
    await pass(t, 100, 5);
    assert.equal(list.last().error, undefined);
    const ask = relay.last();
    assert.equal(ask.tab, a);
    const id = ask.id(({ tags }) => tags);
    await ask.tell(["row", id, rowOf("k", "run_3")], ["ready", id]);
    assert.deepEqual(ids(list), ["run_3"]);
  });

  it("that come late get what the leader has, without the server", async (t) => {
    const { relay, open } = start(t);
    const list = watch(open().connection.runs({ tags: "a" }));
    await pass(t, 100, 5);
    const ask = relay.last();
    const id = ask.id();
    await ask.tell(
      ["row", id, rowOf("k", "run_1")],
      ["row", id, rowOf("l", "run_2", { createdAt: 2000 })],
      ["ready", id],
    );
    await ask.tell(["gone", id, { key: "k" }]);
    const late = watch(open().connection.runs({ tags: "a" }));
    await pass(t, 100, 5);
    assert.deepEqual([ids(list), ids(late)], [["run_2"], ["run_2"]]);
    assert.equal(relay.asks.length, 1);
  });

  it("go on when the one that leads closes, with the places of another, and see nothing twice", async (t) => {
    const { relay, open } = start(t);
    const [a, b, c] = [open(), open(), open()];
    watch(a.connection.stream("run_1", "k"));
    const [stream, list] = [watch(b.connection.stream("run_1", "k")), watch(b.connection.runs({ tags: "a" }))];
    const also = watch(c.connection.stream("run_1", "k"));
    await pass(t, 100, 5);
    const ask = relay.last();
    assert.equal(ask.tab, a);
    const of = (one, name) => one.id((want) => name in want);
    const part = (id) => ({ id, chunk: id, timestamp: 0 });
    await ask.tell(
      ["chunk", of(ask, "stream"), { at: "p2", parts: [part("1"), part("2")] }],
      ["row", of(ask, "tags"), rowOf("k", "run_1")],
      ["ready", of(ask, "tags")],
    );
    await a.close();
    await pass(t, 100, 5);
    const next = relay.last();
    assert.notEqual(next.tab, a);
    assert.equal(relay.open().length, 1);
    assert.deepEqual(next.wants.map(({ at }) => at).sort(), [["at-k"], "p2"].sort());
    await next.tell(["chunk", of(next, "stream"), { at: "p3", parts: [part("3")] }], ["ready", of(next, "tags")]);
    for (const { states, last } of [stream, also]) {
      assert.deepEqual(
        last().value.map(({ id }) => id),
        ["1", "2", "3"],
      );
      assert.ok(states.every(({ error }) => !error));
    }
    assert.deepEqual(ids(list), ["run_1"]);
  });

  it("go on when the one that leads is left, frozen or kept for going back, and it comes back as one of them", async (t) => {
    const { relay, open, browser } = start(t);
    const [a, b] = [open(), open()];
    const [one, two] = [watch(a.connection.run("run_1")), watch(b.connection.run("run_2"))];
    await pass(t, 100, 5);
    for (const [leave, back] of [
      ["pagehide", "pageshow"],
      ["freeze", "resume"],
    ]) {
      const leader = relay.last().tab;
      const other = leader === a ? b : a;
      await leader.event(leave);
      await pass(t, 100, 5);
      assert.equal(relay.open().length, 1);
      assert.equal(relay.last().tab, other);
      assert.equal(relay.last().wants.length, 1);
      await leader.event(back);
      await pass(t, 100, 5);
      assert.equal(relay.open().length, 1);
      assert.equal(relay.last().tab, other);
      assert.deepEqual(runs(relay.last()), ["run_1", "run_2"]);
    }
    one.stop();
    await settle();
    await pass(t, 100, 5);
    assert.deepEqual(runs(relay.open()[0]), ["run_2"]);
    two.stop();
    await settle();
    assert.deepEqual([relay.open().length, browser.held(), browser.channels.size], [0, 0, 0]);
  });

  it("that are kept for going back may stop following meanwhile", async (t) => {
    const { relay, open } = start(t);
    const [a, b] = [open(), open()];
    const followed = [a, b].map(({ connection }) => [1, 2].map((at) => watch(connection.run(`run_${at}`))));
    await pass(t, 100, 5);
    for (const [at, tab] of [a, b].entries()) {
      await tab.event("pagehide");
      // A channel that is closed throws.
      assert.doesNotThrow(followed[at][0].stop);
      await tab.event("pageshow");
      await pass(t, 100, 5);
      assert.equal(relay.open().length, 1);
    }
    assert.deepEqual(runs(relay.last()), ["run_2"]);
    await a.event("pagehide");
    assert.doesNotThrow(a.connection.close);
    await pass(t, 100, 5);
    assert.deepEqual([relay.open().length, followed[0][1].last().state], [1, "ended"]);
  });

  it("that led, and come back, follow what is their own", async (t) => {
    const { relay, open } = start(t);
    const [a, b] = [open(), open()];
    watch(a.connection.run("run_1"));
    await pass(t, 100, 5);
    const two = watch(b.connection.run("run_2"));
    watch(b.connection.run("run_3"));
    await pass(t, 100, 5);
    assert.deepEqual([relay.last().tab, runs(relay.last())], [a, ["run_1", "run_2", "run_3"]]);
    await a.event("pagehide");
    await a.event("pageshow");
    await pass(t, 100, 5);
    two.stop();
    await pass(t, 100, 5);
    assert.deepEqual([relay.last().tab, runs(relay.last())], [b, ["run_1", "run_3"]]);
    await b.close();
    await pass(t, 100, 5);
    assert.deepEqual([relay.last().tab, runs(relay.last())], [a, ["run_1"]]);
  });

  it("that crash are followed no longer", async (t) => {
    const { relay, open } = start(t);
    const [a, b] = [open(), open()];
    watch(a.connection.run("run_1"));
    await pass(t, 100, 5);
    watch(b.connection.run("run_2"));
    watch(b.connection.run("run_3"));
    await pass(t, 100, 5);
    assert.deepEqual(runs(relay.last()), ["run_1", "run_2", "run_3"]);
    await b.close();
    await pass(t, 100, 5);
    assert.deepEqual(runs(relay.open()[0]), ["run_1"]);
  });

  it("replace a leader that hangs, and one that hung for a while follows", async (t) => {
    const { relay, open } = start(t);
    const [a, b] = [open(), open()];
    const one = watch(a.connection.run("run_1"));
    watch(b.connection.run("run_2"));
    await pass(t, 100, 5);
    // A leader that has nothing to tell is no dead one: the relay's comments tell of it.
    for (let more = 0; more < 6; more++) {
      await pass(t, 15_000, 500);
      await relay.last().send(": \n\n");
    }
    assert.equal(relay.last().tab, a);
    const count = relay.asks.length;
    a.isHung = true;
    for (const ask of relay.open()) ask.controller.enqueue = () => {};
    await pass(t, 36_000, 500);
    const asked = relay.asks.slice(count).filter(({ tab }) => tab === b);
    assert.ok(asked.length > 0, "another leads");
    a.isHung = false;
    await pass(t, 1000, 50);
    assert.equal(relay.open().length, 1);
    const [last] = relay.open();
    assert.equal(last.tab, b);
    assert.deepEqual(runs(last), ["run_1", "run_2"]);
    await last.tell(["row", last.id(({ run }) => run === "run_1"), rowOf("k", "run_1")]);
    assert.equal(one.last().value.id, "run_1");
  });

  it("of two users, relays or versions, or of share: false, go on by themselves", async (t) => {
    const { relay, open } = start(t);
    const tabs = [
      open(),
      open({ share: "user 2" }),
      open({ url: "/other" }),
      open({ share: false }),
      open({ share: false }),
    ];
    const states = tabs.map(({ connection }) => watch(connection.run("run_1")));
    await pass(t, 100, 5);
    assert.equal(relay.open().length, 5);
    for (const ask of relay.open()) {
      await ask.tell(["row", ask.id(), rowOf("k", `run of ${tabs.indexOf(ask.tab)}`)]);
    }
    assert.deepEqual(
      states.map(({ last }) => last().value.id),
      [0, 1, 2, 3, 4].map((at) => `run of ${at}`),
    );
  });

  it("that may have no locks or channels ask by themselves", async (t) => {
    const { relay, open } = start(t);
    const refuse = () => new DOMException("no", "SecurityError");
    const a = open({}, (page) => {
      page.BroadcastChannel = undefined;
    });
    const b = open({}, (page) => {
      page.navigator.locks = { request: () => Promise.reject(refuse()) };
    });
    const c = open({}, (page) => {
      page.navigator.locks = undefined;
    });
    const all = [a, b, c].map(({ connection }) => watch(connection.run("run_1")));
    await pass(t, 100, 5);
    assert.deepEqual(
      [a, b, c].map((tab) => relay.open().filter((ask) => ask.tab === tab).length),
      [1, 1, 1],
    );
    for (const ask of relay.open()) await ask.tell(["row", ask.id(), rowOf("k", "run_1")]);
    for (const { last } of all) assert.equal(last().value.id, "run_1");
  });

  it("get a token each for what they follow, and ask their own function again", async (t) => {
    const { relay, open } = start(t);
    let given = 0;
    const [a, b] = [open({ accessToken: "text" }), open({ accessToken: () => `token ${++given}` })];
    watch(a.connection.run("run_1"));
    await pass(t, 100, 5);
    const two = watch(b.connection.run("run_2"));
    await pass(t, 100, 5);
    const ask = relay.last();
    assert.deepEqual(
      ask.wants.map(({ token }) => token),
      ["text", "token 1"],
    );
    await ask.tell(["error", ask.wants[1].id, { status: 401, message: "expired", retry: false }]);
    await pass(t, 100, 5);
    assert.deepEqual(
      relay.last().wants.map(({ token }) => token),
      ["text", "token 2"],
    );
    assert.equal(two.last().error, undefined);
  });
});

describe("tabs that come, go, crash and hang as it happens", () => {
  it("have in the end what is true, get each part once and in order, and one asks", async (t) => {
    const rng = random(t);
    const { relay, open } = start(t);
    // What is true: a run's count, and the parts of a stream. A relay tells what a place lacks.
    const truth = { count: 0, parts: 0 };
    const told = new WeakMap();
    const serve = async () => {
      for (const ask of relay.open()) {
        if (!told.has(ask))
          told.set(ask, new Map(ask.wants.map(({ id, at }) => [id, Number([at ?? 0].flat()[0] ?? 0)])));
        for (const { id, stream, at } of ask.wants) {
          const from = told.get(ask).get(id);
          const to = stream ? truth.parts : truth.count;
          if (stream && to > from) {
            const parts = Array.from({ length: to - from }, (_, n) => ({
              id: `${(from + n) >> 1}`,
              chunk: from + n + 1,
              timestamp: 0,
            }));
            await ask.tell(["chunk", id, { at: `${to}`, parts }]);
          }
          if (!stream && to > from) {
            const run = runFields("run_1", { durationMs: to, updatedAt: to });
            await ask.tell(
              at?.length || from
                ? ["change", id, { key: "k", at: `${to}`, set: run }]
                : ["row", id, { key: "k", at: `${to}`, run }],
            );
          }
          told.get(ask).set(id, to);
        }
      }
    };
    let tabs = [];
    const add = () => {
      const tab = open();
      const iterator = tab.connection.stream("run_1", "k")[Symbol.asyncIterator]();
      const chunks = [];
      (async () => {
        for (let next = await iterator.next(); !next.done; next = await iterator.next()) chunks.push(next.value);
      })();
      tabs.push({ tab, chunks, run: watch(tab.connection.run("run_1")), isAway: false });
    };
    for (let step = 0; step < 150; step++) {
      const what = rng.below(10);
      if (tabs.length === 0 || (what === 0 && tabs.length < 5)) add();
      else if (what === 1) {
        const gone = rng.pick(tabs);
        tabs = tabs.filter((one) => one !== gone);
        await gone.tab.close();
      } else if (what === 2) {
        const one = rng.pick(tabs);
        one.isAway = !one.isAway;
        await one.tab.event(one.isAway ? "pagehide" : "pageshow");
      } else if (what < 5) {
        truth.count++;
        truth.parts += rng.below(3);
      } else if (what === 5 && relay.open().length > 0) await rng.pick(relay.open()).cut();
      else if (what < 8) await serve();
      await pass(t, rng.below(40), 5);
    }
    truth.count++;
    truth.parts++;
    if (tabs.length === 0) add();
    for (const one of tabs) if (one.isAway) await one.tab.event("pageshow");
    await pass(t, 20_000, 100);
    await serve();
    await pass(t, 100, 5);
    await serve();
    assert.equal(relay.open().length, 1);
    for (const { chunks, run } of tabs) {
      assert.equal(run.last().value.durationMs, truth.count);
      assert.deepEqual(
        chunks,
        Array.from({ length: truth.parts }, (_, n) => n + 1),
      );
      const counts = run.states.flatMap(({ value }) => value?.durationMs ?? []);
      assert.deepEqual(
        counts,
        [...counts].sort((x, y) => x - y),
        "no state is older than one before it",
      );
    }
  });
});
