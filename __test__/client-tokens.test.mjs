// The tokens of trigger-native/client: texts and functions, refused and renewed.

import assert from "node:assert/strict";
import { describe, it } from "node:test";
import "../browser/refusal.mjs";
import { opened, pass, refusal, rowOf, start, watch } from "./support/client-relay.mjs";

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
    assert.match(none.last().error.message, /gave no token/);
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
});
