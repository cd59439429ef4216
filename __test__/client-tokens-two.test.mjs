// One run that trigger-native/client follows with two tokens, which part or become one.

import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { opened, pass, refusal, rowOf, runFields, start, watch } from "./support/client-relay.mjs";

describe("one run that is followed with two tokens, which were one before", () => {
  /** Two functions that gave the same token, until it was refused. */
  async function followTwice(t) {
    const { relay, connection } = start(t);
    const source = (next) => {
      let given = 0;
      return async () => (given++ ? next : "first");
    };
    const both = ["second", "third"].map((next) => watch(connection.run("run_1", { accessToken: source(next) })));
    await opened(t);
    const ask = relay.last();
    await ask.tell(["row", ask.id(), rowOf("k", "run_1")], ["ready", ask.id()]);
    await ask.tell(["error", ask.id(), { status: 401, message: "expired", retry: false }]);
    await opened(t);
    assert.deepEqual(
      relay.last().wants.map(({ token, at }) => [token, at]),
      [
        ["second", ["at-k"]],
        ["third", ["at-k"]],
      ],
    );
    const [one, other] = relay.last().wants.map(({ id }) => id);
    const change = (id, n, more) => {
      const set = runFields("run_1", { durationMs: n, updatedAt: 2000 + n, ...more });
      return ["change", id, { key: "k", at: `${n}`, set }];
    };
    return { relay, both, one, other, change, ask: relay.last() };
  }

  it("is shown to neither as it was before what that one was told", async (t) => {
    const { both, one, other, change, ask } = await followTwice(t);
    await ask.tell(change(one, 1));
    await ask.tell(change(one, 2));
    await ask.tell(change(other, 1));
    await ask.tell(["change", one, { key: "k", at: "2b", set: { costInCents: 1 } }]);
    await ask.tell(change(other, 2));
    for (const { states } of both) {
      const counts = states.flatMap(({ value }) => value?.durationMs ?? []);
      assert.deepEqual([...new Set(counts)], [0, 1, 2]);
      assert.deepEqual(
        counts,
        [...counts].sort((a, b) => a - b),
      );
    }
  });

  it("has each of its stored packets asked for once, though they are told another each", async (t) => {
    const { relay, both, one, other, change, ask } = await followTwice(t);
    const stored = (n) => ({ metadata: { data: `packets/${n}`, type: "application/store" } });
    const before = relay.asks.length;
    const late = ({ url: to }) =>
      new Promise((resolve) => {
        const answer = /packets/.test(to)
          ? Response.json({ presignedUrl: "http://store.example/x" })
          : Response.json(1);
        setTimeout(resolve, 100, answer);
      });
    relay.answers.push(...Array(99).fill(late));
    await ask.tell(change(one, 1, stored(1)), change(other, 2, stored(2)));
    await pass(t, 5000, 50);
    assert.equal(relay.asks.length - before, 4);
    assert.deepEqual(
      both.map(({ last }) => [last().value.durationMs, last().value.metadata]),
      [
        [1, 1],
        [2, 1],
      ],
    );
  });
});

it("a run is shown as it was before to nobody whose next token another one has already, who was told less", async (t) => {
  const { relay, connection } = start(t);
  const tokens = ["first", "second"];
  const runs = [0, 1].map((at) => watch(connection.run("run_1", { accessToken: async () => tokens[at] })));
  await opened(t);
  const ask = relay.last();
  const [one, other] = ask.wants.map(({ id }) => id);
  const refused = (id) => ["error", id, { status: 401, message: "expired", retry: false }];
  await ask.tell(...[one, other].map((id) => ["row", id, rowOf("k", "run_1", { durationMs: 9 })]));
  tokens.fill("third");
  await ask.tell(refused(other), ["change", one, { key: "k", at: "2", set: { durationMs: 11, updatedAt: 3000 } }]);
  await ask.tell(refused(one));
  await opened(t);
  const next = relay.last();
  const output = { data: "packets/x", type: "application/store" };
  const set = { durationMs: 12, updatedAt: 4000, output };
  relay.answers.push(refusal(503), refusal(400));
  await next.tell(["change", next.id(), { key: "k", at: "3", set }], ["ready", next.id()]);
  await pass(t, 1000);
  const shown = runs.map(({ states }) => states.flatMap(({ value }) => value?.durationMs ?? []));
  assert.deepEqual(
    shown.map((counts) => [...new Set(counts)]),
    [
      [9, 11, 12],
      [9, 12],
    ],
  );
  for (const counts of shown)
    assert.deepEqual(
      counts,
      [...counts].sort((a, b) => a - b),
    );
});
