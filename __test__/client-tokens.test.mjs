// The tokens of trigger-native/client: texts and functions, refused and renewed.

import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { connect } from "trigger-native/client";
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

const row = (ask, at = "at") => ["row", ask.id(), rowOf("k", "run_1", {}, at)];

describe("a token", () => {
  it("of a function is asked for once by all, and again when it was refused; then its error is shown", async (t) => {
    let given = 0;
    const accessToken = async () => `token ${++given}`;
    const { relay, connection } = start(t, { accessToken });
    const [run, runs] = [watch(connection.run("run_1")), watch(connection.runs({ tags: "a" }))];
    await opened(t);
    assert.equal(given, 1);
    const ask = relay.last();
    assert.deepEqual(
      ask.wants.map(({ token }) => token),
      ["token 1", "token 1"],
    );
    const expired = { status: 401, message: "expired", retry: false };
    await ask.tell(row(ask), ["ready", ask.id()]);
    const before = run.last().value;
    await ask.tell(["error", ask.wants[0].id, expired], ["error", ask.wants[1].id, expired]);
    await opened(t);
    assert.equal(given, 2);
    const next = relay.last();
    assert.deepEqual(
      next.wants.map(({ token, at }) => [token, at]),
      [
        ["token 2", ["at"]],
        ["token 2", []],
      ],
    );
    await next.tell(["ready", next.wants[0].id]);
    assert.equal(run.last().value, before, "its objects are kept");
    assert.equal(
      run.states.every(({ error }) => !error),
      true,
    );
    await next.tell(["error", next.wants[0].id, expired], ["error", next.wants[1].id, expired]);
    await opened(t);
    assert.equal(given, 3);
    assert.equal(runs.last().error.status, 401, "its second token was never good");
    assert.equal(run.last().state, "live");
    assert.deepEqual(
      relay.last().wants.map(({ token }) => token),
      ["token 3"],
    );
    for (const { error } of runs.states) assert.ok(!error?.message.includes("token 2"));
  });

  it("that a function gives again and again although it is refused is no loop", async (t) => {
    const { relay, connection } = start(t, { accessToken: () => "same" });
    const run = watch(connection.run("run_1"));
    for (let more = 0; more < 5; more++) {
      await pass(t, 1000);
      if (relay.open().length)
        await relay.last().tell(["error", relay.last().id(), { status: 401, message: "no", retry: false }]);
    }
    assert.equal(run.last().error.status, 401);
    assert.ok(relay.asks.length <= 2);
  });

  it("that a function gave one connection is not sent by the next, which may be another user's", async (t) => {
    simulate(t);
    const relay = clientRelay();
    let user = "first";
    const accessToken = async () => user;
    for (const name of ["first", "second"]) {
      user = name;
      const connection = connect({ url, accessToken }, { fetch: relay.fetch });
      watch(connection.run("run_1"));
      await opened(t);
      assert.equal(relay.last().wants[0].token, name);
      connection.close();
      await settle();
    }
    assert.equal(relay.asks.length, 2);
  });

  it("that is a text is shown as refused at once", async (t) => {
    const { relay, connection } = start(t, { accessToken: "old" });
    const run = watch(connection.run("run_1"));
    await opened(t);
    await relay.last().tell(["error", relay.last().id(), { status: 401, message: "expired", retry: false }]);
    assert.equal(run.last().error.message, "expired");
    await pass(t, 20_000, 1000);
    assert.equal(relay.asks.length, 1);
  });

  it("that is refused with the whole request is asked for again, too", async (t) => {
    let given = 0;
    const { relay, connection } = start(t, { accessToken: () => `${++given}` });
    relay.answers.push(refusal(401, { error: "who?" }));
    watch(connection.run("run_1"));
    await pass(t, 50, 5);
    assert.deepEqual([given, relay.last().wants[0].token, relay.open().length], [2, "2", 1]);
  });

  it("that does not come is said, and a function that throws is asked again", async (t) => {
    const { relay, connection } = start(t, { accessToken: () => undefined });
    const none = watch(connection.run("run_1"));
    let tries = 0;
    const accessToken = () => {
      if (++tries < 3) throw new Error("offline");
      return "late";
    };
    const late = watch(connection.run("run_2", { accessToken }));
    const never = watch(connection.run("run_3", { accessToken: () => Promise.reject(new Error("broken")) }));
    await opened(t);
    assert.match(none.last().error.message, /gave none: leave it out/);
    await pass(t, 10_000, 100);
    assert.equal(relay.last().wants[0].token, "late");
    assert.deepEqual([late.last().state, never.last().error.message], ["connecting", "broken"]);
  });

  it("that comes after all have left asks for nothing", async (t) => {
    let give;
    const accessToken = () =>
      new Promise((resolve) => {
        give = resolve;
      });
    const { relay, connection } = start(t, { accessToken });
    const { stop } = watch(connection.run("run_1"));
    await opened(t);
    stop();
    give("late");
    await pass(t, 1000);
    assert.equal(relay.asks.length, 0);
  });

  it("of too little is asked for again once, as one that is refused", async (t) => {
    let given = 0;
    const { relay, connection } = start(t, { accessToken: () => `token ${++given}` });
    const run = watch(connection.run("run_1"));
    const told = { status: 403, message: "Unauthorized", retry: false };
    await opened(t);
    await relay.last().tell(["error", relay.last().id(), told]);
    await opened(t);
    assert.deepEqual([relay.last().wants[0].token, run.last().error], ["token 2", undefined]);
    await relay.last().tell(["error", relay.last().id(), told]);
    await opened(t);
    assert.deepEqual([given, run.last().error.status], [2, 403]);
  });

  it("that expired before the relay was reached is asked for again", async (t) => {
    let given = 0;
    const { relay, connection } = start(t, { accessToken: () => `token ${++given}` });
    const run = watch(connection.run("run_1"));
    await opened(t);
    const told = { status: 401, message: "expired", retry: false };
    const refuseLast = async () => {
      await relay.last().tell(["error", relay.last().id(), told]);
      await opened(t);
    };
    relay.answers.push(...Array(9).fill(new TypeError("Failed to fetch")));
    await refuseLast();
    await pass(t, 130_000, 500);
    assert.equal(relay.last().wants[0].token, "token 2");
    await refuseLast();
    assert.deepEqual([relay.last().wants[0].token, run.last().error], ["token 3", undefined]);
    await refuseLast();
    assert.deepEqual([given, run.last().error.status], [3, 401]);
  });

  it("that is given again, and is good by then, is followed once", async (t) => {
    const { relay, connection } = start(t, { accessToken: () => "same" });
    const run = watch(connection.run("run_1"));
    await opened(t);
    await relay.last().tell(["error", relay.last().id(), { status: 401, message: "not yet", retry: false }]);
    await opened(t);
    const count = relay.asks.length;
    const ask = relay.last();
    await ask.tell(row(ask));
    const also = watch(connection.run("run_1"));
    await opened(t);
    assert.deepEqual([relay.asks.length, relay.last().wants.length], [count, 1]);
    assert.deepEqual([run.last().value.id, also.last().value.id], ["run_1", "run_1"]);
  });

  it("that is waited for is not ended by what is told of the one before", async (t) => {
    let given = 0;
    const accessToken = async () => {
      if (++given > 1) await new Promise((resolve) => setTimeout(resolve, 1000));
      return `token ${given}`;
    };
    const { relay, connection } = start(t, { accessToken });
    const run = watch(connection.run("run_1"));
    await opened(t);
    const ask = relay.last();
    let answer;
    relay.answers.push(
      () =>
        new Promise((resolve) => {
          answer = resolve;
        }),
    );
    const payload = { data: "p/x", type: "application/store" };
    await ask.tell(["row", ask.id(), rowOf("k", "run_1", { payload })]);
    await ask.tell(["error", ask.id(), { status: 401, message: "expired", retry: false }]);
    // What the payload brings has the old feed looked at again.
    answer(refusal(403));
    await pass(t, 2000);
    assert.deepEqual([given, relay.last().wants[0]?.token, run.last().error], [2, "token 2", undefined]);
  });

  it("that a function does not give within 30 s is asked for again, by all that wait for it", async (t) => {
    let asked = 0;
    const accessToken = () => (++asked === 1 ? new Promise(() => {}) : "late");
    const { relay, connection } = start(t, { accessToken });
    watch(connection.run("run_1"));
    await pass(t, 20_000, 1000);
    watch(connection.run("run_2"));
    await pass(t, 9000, 1000);
    assert.deepEqual([asked, relay.asks.length], [1, 0]);
    await pass(t, 3000, 100);
    assert.equal(asked, 2);
    assert.deepEqual(
      relay.last().wants.map(({ run, token }) => [run, token]),
      [
        ["run_1", "late"],
        ["run_2", "late"],
      ],
    );
    const never = watch(connection.run("run_3", { accessToken: () => new Promise(() => {}) }));
    await pass(t, 170_000, 1000);
    assert.match(never.last().error.message, /tokens .* did not answer within 30 s/);
  });

  it("whose function fails with no error is an error all the same", async (t) => {
    const { connection } = start(t);
    const failing = (why) => watch(connection.run("run_1", { accessToken: () => Promise.reject(why) }));
    const [nothing, text] = [failing(undefined), failing("logged out")];
    await pass(t, 10_000, 100);
    for (const { last } of [nothing, text]) assert.ok(last().error instanceof Error);
    assert.match(nothing.last().error.message, /\(accessToken, refreshAccessToken\) failed, and did not say why/);
    assert.equal(text.last().error.message, "logged out");
  });
});

describe("what cannot be asked for", () => {
  const key = "tr_dev_secret1234";

  it("ends with an error that says why: a secret key on a page, and never the key", async (t) => {
    const { relay, connection } = start(t, {}, { document: {} });
    for (const accessToken of [key, () => key]) {
      const { last } = watch(connection.run("run_1", { accessToken }));
      await opened(t);
      assert.match(last().error.message, /auth\.createPublicToken/);
      assert.ok(!last().error.message.includes("secret1234"));
    }
    assert.equal(relay.asks.length, 0);
  });

  it("is not a secret key on a server", async (t) => {
    const { relay, connection } = start(t, { accessToken: key });
    watch(connection.run("run_1"));
    await opened(t);
    assert.equal(relay.last().wants[0].token, key);
  });

  for (const [given, pattern] of [
    ["https://user:password@app.example/api", /name or password/],
    ["https://user@app.example", /name or password/],
    ["ftp://app.example/api", /not of ftp:/],
    ["wss://app.example/api", /not of wss:/],
    ["file:///api", /not of file:/],
    ["http://", /needs a whole URL/],
  ]) {
    it(`ends with an error that says why: ${given}`, async (t) => {
      const { relay, connection } = start(t, { url: given });
      const { last } = watch(connection.run("run_1"));
      await opened(t);
      assert.equal(last().state, "ended");
      assert.match(last().error.message, pattern);
      assert.ok(!last().error.message.includes(":password"));
      assert.equal(relay.asks.length, 0);
    });
  }

  it("is a URL that a page cannot read, of which a server's sentence would say nothing", async (t) => {
    const { connection } = start(t, { url: "http://" }, { location: { href: "http://app.example/" } });
    const { last } = watch(connection.run("run_1"));
    await opened(t);
    assert.match(last().error.message, /was given no URL: it takes a path/);
  });

  it("is not a URL with an at sign elsewhere", async (t) => {
    const { relay, connection } = start(t, { url: "http://app.example:8080/@me/api?x=a@b" });
    watch(connection.run("run_1"));
    await opened(t);
    assert.equal(relay.asks.length, 1);
  });
});
