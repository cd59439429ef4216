// Packets that are stored elsewhere, where the relay or the store fails, or says nothing.

import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { opened, pass, refusal, rowOf, runFields, start, watch } from "./support/client-relay.mjs";

const stored = { data: "packets/x", type: "application/store" };
const where = () => Response.json({ presignedUrl: "http://store.example/x" });
const packet = () => new Response('{"ok":1}', { headers: { "content-type": "application/json" } });
/** A body that ends amid the packet. */
const cut = () =>
  new Response(
    new ReadableStream({
      start(controller) {
        controller.enqueue(new TextEncoder().encode('{"o'));
        setTimeout(() => controller.error(new TypeError("terminated")), 10);
      },
    }),
  );
const never = () => new Promise(() => {});
/** A body of which nothing comes. */
const silent = () => new Response(new ReadableStream());

/** Follows a run that is over, and whose output is stored elsewhere. */
async function follow(t, ...answers) {
  const { relay, connection } = start(t);
  const run = watch(connection.run("run_1"));
  await opened(t);
  const ask = relay.last();
  relay.answers.push(...answers);
  const fields = { status: "COMPLETED", isFinished: true, output: stored };
  await ask.tell(["row", ask.id(), rowOf("k", "run_1", fields)], ["end", ask.id()]);
  return { relay, run, asked: () => relay.asks.length - 1 };
}

describe("a stored packet", () => {
  for (const [what, ...answers] of [
    ["a 503", () => refusal(503), where, packet],
    ["a 429", () => refusal(429), where, packet],
    ["a 408", () => refusal(408), where, packet],
    ["the network", new TypeError("Failed to fetch"), where, packet],
    ["a 500 of the store", where, () => refusal(500), packet],
    ["the network to the store", where, new TypeError("Failed to fetch"), packet],
    ["a body that is cut", where, cut, packet],
    ["four failures", () => refusal(502), () => refusal(502), () => refusal(502), () => refusal(502), where, packet],
  ]) {
    it(`comes in spite of a failure that passes: ${what}`, async (t) => {
      const { run, asked } = await follow(t, ...answers);
      await pass(t, 10_000, 100);
      const { value, state } = run.last();
      assert.deepEqual([value.output, value.decodeErrors, state], [{ ok: 1 }, undefined, "ended"]);
      assert.equal(asked(), answers.length);
    });
  }

  it("is asked for five times where it fails each time, and once where that does not pass", async (t) => {
    const { run, asked } = await follow(t, ...Array(9).fill(() => refusal(503)));
    await pass(t, 10_000, 100);
    assert.match(run.last().value.decodeErrors.output.message, /asking where was answered with 503/);
    assert.deepEqual([run.last().value.status, run.last().state, asked()], ["COMPLETED", "ended", 5]);
  });

  it("is asked for once where what fails does not pass", async (t) => {
    const { run, asked } = await follow(t, where, () => refusal(403));
    await pass(t, 10_000, 100);
    assert.match(run.last().value.decodeErrors.output.message, /the store answered 403/);
    assert.equal(asked(), 2);
  });

  for (const [what, ...answers] of [
    ["the relay", never],
    ["the store", where, never],
    ["the store amid its answer", where, silent],
  ]) {
    it(`that does not come holds up its run for 30 s, and no request is left: ${what}`, async (t) => {
      const { relay, run } = await follow(t, ...answers);
      await pass(t, 28_000, 1000);
      assert.equal(run.last().state, "connecting");
      await pass(t, 4000, 1000);
      const { value, state } = run.last();
      assert.deepEqual([value.status, state], ["COMPLETED", "ended"]);
      assert.match(value.decodeErrors.output.message, /nothing came for 30 s/);
      assert.equal(relay.last().init.signal.aborted, true);
    });
  }

  it("that comes slowly is waited for as long as something comes", async (t) => {
    let give;
    const body = new ReadableStream({
      start: (controller) => {
        give = controller;
      },
    });
    const { run } = await follow(t, where, () => new Response(body));
    for (const text of ['{"slow"', ":", "tr", "ue}"]) {
      await pass(t, 20_000, 1000);
      give.enqueue(new TextEncoder().encode(text));
    }
    give.close();
    await pass(t, 100);
    assert.equal(JSON.stringify(run.last().value.output), '{"slow":true}');
  });

  it("that does not come holds up a list for 30 s", async (t) => {
    const { relay, connection } = start(t);
    const list = watch(connection.runs({ tags: "a" }));
    await opened(t);
    const ask = relay.last();
    const id = ask.id();
    relay.answers.push(never);
    await ask.tell(
      ["row", id, rowOf("1", "run_1")],
      ["row", id, rowOf("2", "run_2", { payload: stored })],
      ["ready", id],
    );
    await pass(t, 28_000, 1000);
    assert.equal(list.last().state, "connecting");
    await pass(t, 4000, 1000);
    assert.deepEqual(
      list
        .last()
        .value.map((run) => run.id)
        .sort(),
      ["run_1", "run_2"],
    );
  });
});

describe("a run that changes while its stored packet fails", () => {
  const set = (n) => ({ ...runFields("run_1", { updatedAt: 2000 + n }), durationMs: n });
  const change = (ask, n) => ask.tell(["change", ask.id(), { key: "k", at: `${n}`, set: set(n) }]);

  for (const [what, followed, runOf] of [
    ["a run", (connection) => connection.run("run_1"), (value) => value],
    ["a list", (connection) => connection.runs({ tags: "a" }), ([run]) => run],
  ]) {
    it(`is shown, with each change from then on at once, and whole when the packet comes: ${what}`, async (t) => {
      const { relay, connection } = start(t);
      const { states, last } = watch(followed(connection));
      await opened(t);
      const ask = relay.last();
      let give;
      const late = () =>
        new Promise((resolve) => {
          give = resolve;
        });
      relay.answers.push(...Array(5).fill(() => refusal(503)), late);
      await ask.tell(["row", ask.id(), rowOf("k", "run_1", { payload: stored })], ["ready", ask.id()]);
      for (let n = 1; n <= 8; n++) {
        await pass(t, 1000, 100);
        await change(ask, n);
      }
      assert.equal(last().state, "live");
      const { durationMs, decodeErrors } = runOf(last().value);
      assert.equal(durationMs, 8);
      assert.match(decodeErrors.payload.message, /503/);
      // The further try takes its time, and holds nothing up.
      for (let n = 9; n <= 12; n++) {
        await change(ask, n);
        assert.equal(runOf(last().value).durationMs, n);
        assert.equal(runOf(last().value).decodeErrors, decodeErrors);
      }
      relay.answers.push(packet);
      give(where());
      await pass(t, 100);
      assert.deepEqual(runOf(last().value).payload, { ok: 1 });
      assert.equal(runOf(last().value).decodeErrors, undefined);
      assert.equal(runOf(last().value).durationMs, 12);
      assert.ok(states.every(({ error }) => !error));
    });
  }
});
