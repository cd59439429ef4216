// What trigger-native/client does where something fails: each kind of refusal, silence, sleep, tokens, bytes of any form.

import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { connect } from "trigger-native/client";
import { eventParser } from "../browser/events.mjs";
import { clientBrowser } from "./support/client-browser.mjs";
import {
  clientRelay,
  opened,
  pass,
  refusal,
  rowOf,
  settle,
  simulate,
  start,
  url,
  watch,
} from "./support/client-relay.mjs";
import { random } from "./support/random.mjs";

const row = (ask, at = "at") => ["row", ask.id(), rowOf("k", "run_1", {}, at)];

describe("events", () => {
  const read = (...texts) => {
    const events = [];
    const parse = eventParser((...event) => events.push(event));
    for (const text of texts) parse(text);
    return events;
  };

  it("are read however they are cut, ended and commented", (t) => {
    const rng = random(t);
    const wanted = [
      ["row", '["a",\n{"é": "x:y"}]'],
      ["ready", '["a"]'],
      ["", "plain"],
      ["again", "[]"],
    ];
    const lines = [
      ": \n",
      'event: row\ndata: ["a",\ndata: {"é": "x:y"}]\nid: 7\n\n',
      'data:["a"]\nevent:ready\n\n',
      "event: nothing\n\n",
      "data: plain\nretry\n\n",
      "event: again\ndata: []\n\n",
      "event: broken\ndata: no end",
    ].join("");
    for (const ending of ["\n", "\r\n", "\r"]) {
      const text = lines.replaceAll("\n", ending);
      assert.deepEqual(read(text), wanted, JSON.stringify(ending));
      for (let round = 0; round < 50; round++) {
        const pieces = [];
        for (let at = 0; at < text.length; ) {
          const length = 1 + rng.below(9);
          pieces.push(text.slice(at, at + length));
          at += length;
        }
        assert.deepEqual(read(...pieces), wanted, JSON.stringify(pieces));
      }
    }
  });

  it("that nobody understands are asked for again, and unknown ones left out", async (t) => {
    const { relay, connection } = start(t);
    const run = watch(connection.run("run_1"));
    await opened(t);
    const ask = relay.last();
    await ask.tell(["surprise", ask.id(), {}], ["row", "another", rowOf("x", "run_x")], row(ask));
    assert.equal(run.last().value.id, "run_1");
    await ask.send("event: change\ndata: [nonsense\n\n");
    await pass(t, 1000);
    assert.equal(relay.asks.length, 2);
    assert.deepEqual(relay.last().wants[0].at, ["at"]);
    await relay.last().tell(["change", relay.last().id(), { key: "none", at: "x", set: {} }]);
    assert.equal(run.last().value.id, "run_1");
  });

  it("may be cut within a letter", async (t) => {
    const { relay, connection } = start(t);
    const run = watch(connection.run("run_1"));
    await opened(t);
    const ask = relay.last();
    const text = `event: row\ndata: ${JSON.stringify(["ID", rowOf("k", "run_é😀")])}\n\n`.replace("ID", ask.id());
    for (const byte of new TextEncoder().encode(text)) await ask.send(Uint8Array.of(byte));
    assert.equal(run.last().value.id, "run_é😀");
  });
});

describe("a failure that passes", () => {
  for (const [what, answer] of [
    ["the network", () => new TypeError("fetch failed")],
    ["a 500", () => refusal(500, "<html>")],
    ["a 503", () => refusal(503)],
    ["a 429", () => refusal(429)],
  ]) {
    it(`is retried later and later, and not shown: ${what}`, async (t) => {
      const { relay, connection } = start(t);
      const run = watch(connection.run("run_1"));
      for (let at = 0; at < 7; at++) relay.answers.push(answer());
      const times = [];
      const seen = () => relay.asks.length;
      for (let more = 0; seen() < 8 && more < 2000; more++) {
        const before = seen();
        await pass(t, 50);
        if (seen() > before) times.push(Date.now());
      }
      const waits = times.slice(1).map((time, at) => time - times[at]);
      for (const [at, wait] of waits.entries()) {
        const most = Math.min(15_000, 500 * 2 ** at);
        assert.ok(wait >= most / 2 - 60 && wait <= most + 60, `${at}: ${wait}`);
      }
      assert.equal(run.states.length, 1);
      await relay.last().tell(row(relay.last()));
      assert.equal(run.last().state, "live");
    });
  }

  it("says when to ask again", async (t) => {
    const { relay, connection } = start(t);
    watch(connection.run("run_1"));
    relay.answers.push(refusal(429, { error: "slow" }, { "retry-after": "20" }));
    await pass(t, 19_000, 500);
    assert.equal(relay.asks.length, 1);
    await pass(t, 7000, 500);
    assert.equal(relay.asks.length, 2);
  });

  it("of one want is retried beside the others", async (t) => {
    const { relay, connection } = start(t);
    const [one, two] = [watch(connection.run("run_1")), watch(connection.run("run_2"))];
    await opened(t);
    const ask = relay.last();
    const told = { status: 503, message: "later", retry: true, after: 5000 };
    await ask.tell(["error", ask.wants[1].id, told], ["row", ask.wants[0].id, rowOf("k", "run_1")]);
    await pass(t, 4900);
    assert.equal(relay.asks.length, 1);
    await pass(t, 200);
    assert.deepEqual(
      relay
        .last()
        .wants.map(({ run }) => run)
        .sort(),
      ["run_1", "run_2"],
    );
    assert.deepEqual([one.last().state, two.last().state], ["live", "connecting"]);
    // Without a time it is tried later and later.
    const waits = [];
    for (let more = 0; more < 4; more++) {
      const last = relay.last();
      const before = [relay.asks.length, Date.now()];
      await last.tell(["error", last.id(({ run }) => run === "run_2"), { ...told, after: undefined }]);
      while (relay.asks.length === before[0]) await pass(t, 50);
      waits.push(Date.now() - before[1]);
    }
    assert.ok(waits[3] >= 2000 && waits[3] > waits[0], `${waits}`);
    two.stop();
    await pass(t, 60_000, 1000);
    assert.deepEqual(
      relay.last().wants.map(({ run }) => run),
      ["run_1"],
    );
  });

  it("of a response that ends: again at once, or after a moment", async (t) => {
    const { relay, connection } = start(t);
    watch(connection.run("run_1"));
    await opened(t);
    await pass(t, 240_000, 15_000 / 3);
    // No heartbeat came: it was asked for again meanwhile.
    await relay.last().tell(row(relay.last()));
    await pass(t, 2000);
    const count = relay.asks.length;
    await relay.last().send("event: again\ndata: []\n\n");
    await relay.last().end();
    await pass(t, 10, 5);
    assert.equal(relay.asks.length, count + 1, "again");
    assert.deepEqual(relay.last().wants[0].at, ["at"]);
    await relay.last().send("event: again\ndata: []\n\n");
    await relay.last().end();
    await pass(t, 100, 5);
    assert.equal(relay.asks.length, count + 1, "again and again is no loop");
    await pass(t, 600);
    assert.equal(relay.asks.length, count + 2);
    await pass(t, 20_000, 1000);
    await relay.last().cut();
    await pass(t, 600);
    assert.equal(relay.asks.length, count + 3);
  });
});

describe("silence", () => {
  it("of 40 s ends a response, and comments are none", async (t) => {
    const { relay, connection } = start(t);
    watch(connection.run("run_1"));
    await opened(t);
    for (let more = 0; more < 8; more++) {
      await pass(t, 15_000, 1000);
      await relay.last().send(": \n\n");
    }
    assert.equal(relay.asks.length, 1);
    await pass(t, 46_000, 1000);
    assert.equal(relay.asks.length, 2);
    assert.equal(relay.asks[0].isOver, true);
  });

  it("of a machine that slept is noticed when it wakes", async (t) => {
    const { relay, connection } = start(t);
    watch(connection.run("run_1"));
    await opened(t);
    t.mock.timers.setTime(Date.now() + 3_600_000);
    await pass(t, 5000, 500);
    assert.equal(relay.asks.length, 2);
  });

  it("of the network ends with online, and a look at the tab tries at once", async (t) => {
    const relay = clientRelay();
    const { page } = clientBrowser(relay).open();
    page.navigator = {};
    simulate(t);
    const connection = connect({ url }, Object.assign(page, { fetch: relay.fetch }));
    t.after(() => connection.close());
    watch(connection.run("run_1"));
    await opened(t);
    for (let more = 0; more < 12; more++) relay.answers.push(new TypeError("offline"));
    await relay.last().cut();
    await pass(t, 30_000, 500);
    const count = relay.asks.length;
    relay.answers.length = 0;
    page.dispatchEvent(new Event("online"));
    await settle();
    assert.equal(relay.asks.length, count + 1);
    assert.equal(relay.open().length, 1);
    page.dispatchEvent(new Event("visibilitychange"));
    await settle();
    assert.equal(relay.asks.length, count + 1, "a response that is alive is left");
    relay.answers.push(new TypeError("offline"));
    await relay.last().cut();
    await pass(t, 200);
    await pass(t, 400);
    const now = relay.asks.length;
    await relay.last().cut();
    page.document.hidden = true;
    page.dispatchEvent(new Event("visibilitychange"));
    await settle();
    assert.equal(relay.asks.length, now, "a tab that is hidden is not looked at");
    page.document.hidden = false;
    page.dispatchEvent(new Event("visibilitychange"));
    await settle();
    assert.equal(relay.asks.length, now + 1);
    connection.close();
    await settle();
    page.dispatchEvent(new Event("online"));
    await settle();
    assert.equal(relay.open().length, 0);
  });
});

describe("a refusal that does not pass", () => {
  for (const [what, answer, pattern, status] of [
    ["403", refusal(403, { error: "Forbidden", hint: "read:runs" }), /answered 403: Forbidden/, 403],
    ["404", refusal(404, "<html>nothing</html>"), /relay mounted there/, 404],
    ["405", refusal(405, { error: "Method not allowed" }), /405/, 405],
    ["another page", new Response("<html>", { headers: { "content-type": "text/html" } }), /relay mounted there/, 200],
    ["a 500 that says so", refusal(500, { error: "no key" }, { "x-should-retry": "false" }), /no key/, 500],
    ["JSON of another form", refusal(401, "null"), /401/, 401],
  ]) {
    it(`of a whole request is shown on all its wants: ${what}`, async (t) => {
      const { relay, connection } = start(t);
      relay.answers.push(answer);
      const all = [watch(connection.run("run_1")), watch(connection.runs({ tags: "a" }))];
      await pass(t, 60_000, 1000);
      for (const { last } of all) {
        assert.equal(last().state, "ended");
        assert.match(last().error.message, pattern);
        assert.equal(last().error.status, status);
      }
      assert.equal(relay.asks.length, 1);
      assert.equal(relay.open().length, 0);
    });
  }

  it("of a want is shown on it alone, and following it anew asks anew", async (t) => {
    const { relay, connection } = start(t);
    const run = connection.run("run_1");
    const [one, two] = [watch(run), watch(connection.run("run_2"))];
    await opened(t);
    const ask = relay.last();
    await ask.tell(["error", ask.wants[0].id, { status: 403, message: "Unauthorized", hint: "h", retry: false }]);
    const { error, state } = one.last();
    assert.deepEqual([error.message, error.status, error.hint, state], ["Unauthorized", 403, "h", "ended"]);
    assert.equal(two.last().state, "connecting");
    one.stop();
    assert.equal(watch(run).last().state, "connecting");
    await opened(t);
    assert.deepEqual(
      relay
        .last()
        .wants.map(({ run }) => run)
        .sort(),
      ["run_1", "run_2"],
    );
  });

  it("of a place without a page says what is missing", async (t) => {
    simulate(t);
    const relay = clientRelay();
    const { last } = watch(connect({}, { fetch: relay.fetch }).run("run_1"));
    await opened(t);
    assert.match(last().error.message, /needs a whole URL/);
    assert.equal(relay.asks.length, 0);
  });
});

describe("an answer of an unusual form", () => {
  it("is read where its content type is written in capitals", async (t) => {
    const { relay, connection } = start(t);
    relay.answers.push((ask) => {
      const text = `event: row\ndata: ${JSON.stringify([ask.id(), rowOf("k", "run_1")])}\n\n`;
      return new Response(text, { headers: { "content-type": "Text/Event-Stream" } });
    });
    const run = watch(connection.run("run_1"));
    await opened(t);
    assert.equal(run.last().value.id, "run_1");
  });

  it("is a refusal where an event stream has the status of one", async (t) => {
    const { relay, connection } = start(t);
    relay.answers.push(refusal(403, { error: "Forbidden" }, { "content-type": "text/event-stream" }));
    const run = watch(connection.run("run_1"));
    await opened(t);
    assert.match(run.last().error.message, /answered 403: Forbidden/);
  });

  for (const [what, error, pattern] of [
    ["no text", { code: 1 }, /is the relay mounted there/],
    ["a text of 5 MB", "x".repeat(5 << 20), /answered 403: x{500}…$/],
  ]) {
    it(`has no more in its message than can be read: ${what}`, async (t) => {
      const { relay, connection } = start(t);
      relay.answers.push(refusal(403, { error, hint: error }));
      const run = watch(connection.run("run_1"));
      await opened(t);
      const { message, hint } = run.last().error;
      assert.match(message, pattern);
      assert.ok(`${hint}`.length <= 501 && typeof hint !== "object");
    });
  }
});

it("a platform that cuts each response after some seconds is asked again within one, if each told something", async (t) => {
  const { relay, connection } = start(t);
  watch(connection.run("run_1"));
  await opened(t);
  let waited = 0;
  for (let more = 0; more < 10; more++) {
    const ask = relay.last();
    await ask.tell(row(ask));
    await pass(t, 5000, 500);
    await ask.cut();
    const then = Date.now();
    while (relay.last() === ask) await pass(t, 50);
    waited = Math.max(waited, Date.now() - then);
  }
  assert.ok(waited <= 1050, `${waited} ms`);
  // What tells nothing is asked later and later.
  for (let more = 0; more < 6; more++) {
    const ask = relay.last();
    await pass(t, 5000, 500);
    await ask.cut();
    const then = Date.now();
    while (relay.last() === ask) await pass(t, 50);
    waited = Date.now() - then;
  }
  assert.ok(waited > 4000, `${waited} ms`);
});
