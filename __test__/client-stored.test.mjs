// Packets that are stored elsewhere, where the relay or the store fails, or says nothing.

import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { connect } from "trigger-native/client";
import { startTabs } from "./support/client-browser.mjs";
import {
  clientRelay,
  opened,
  pass,
  refusal,
  rowOf,
  runFields,
  settle,
  simulate,
  start,
  url,
  watch,
} from "./support/client-relay.mjs";
import { never, packet, stored, where } from "./support/client-stored.mjs";

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

  it("is asked for again when the relay or the store says, if that is soon", async (t) => {
    const busy = (seconds) => () => refusal(429, {}, { "retry-after": seconds });
    const { run, asked } = await follow(t, busy("12"), where, busy("12"), packet);
    await pass(t, 11_500, 100);
    assert.equal(asked(), 1);
    await pass(t, 12_000, 100);
    assert.equal(asked(), 3);
    await pass(t, 1000, 100);
    assert.deepEqual([run.last().value.output, asked()], [{ ok: 1 }, 4]);
    t.mock.timers.reset();
    const held = await follow(t, ...["3600", "1e99", "-1", "x", "60"].map(busy));
    await pass(t, 50_000, 100);
    assert.match(held.run.last().value.decodeErrors.output.message, /answered with 429/);
    assert.equal(held.asked(), 5);
  });

  it("is asked for once where what fails does not pass", async (t) => {
    const { run, asked } = await follow(t, where, () => refusal(403));
    await pass(t, 10_000, 100);
    assert.match(run.last().value.decodeErrors.output.message, /the store answered 403/);
    assert.equal(asked(), 2);
  });

  it("that says that it is stored elsewhere, as whoever triggers a run may have it say, is asked for once", async (t) => {
    for (const type of ["application/store", "Application/Store; charset=utf-8"]) {
      const again = () => new Response("packets/x", { headers: { "content-type": type } });
      const { run, asked } = await follow(t, where, again, where, again, where, packet);
      await pass(t, 1000, 100);
      assert.match(run.last().value.decodeErrors.output.message, /says that it is stored elsewhere/);
      assert.deepEqual([run.last().state, asked()], ["ended", 2]);
      t.mock.timers.reset();
    }
  });

  for (const [what, ...answers] of [
    ["the relay", never, never],
    ["the store", where, never, never],
    ["the store amid its answer", where, silent, silent],
  ]) {
    it(`that does not come holds up its run for a minute, and no request is left: ${what}`, async (t) => {
      const { relay, run } = await follow(t, ...answers);
      await pass(t, 58_000, 1000);
      assert.equal(run.last().state, "connecting");
      await pass(t, 6000, 1000);
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

  it("comes after the sleep of a machine, which cut off what was under way", async (t) => {
    const { relay, run } = await follow(t, where, never, packet);
    t.mock.timers.tick(3_600_000);
    await pass(t, 2000, 100);
    assert.deepEqual([run.last().value.output, run.last().value.decodeErrors], [{ ok: 1 }, undefined]);
    assert.equal(relay.asks.at(-2).init.signal.aborted, true);
  });

  describe("whose token is over before the relay ends what is followed with it", () => {
    /** Follows a run that is over. `renewed` is the token that a function gives from 12 s on, if at all. */
    async function followExpired(t, renewed) {
      simulate(t);
      const relay = clientRelay();
      let valid = "first";
      let asked = 0;
      const fetch = async (to, init) => {
        if (/live$/.test(to)) return relay.fetch(to, init);
        asked++;
        if (!/packets/.test(to)) return packet();
        return init.headers.authorization === "Bearer second" ? where() : refusal(401);
      };
      const connection = connect({ url, accessToken: renewed ? async () => valid : valid }, { fetch });
      t.after(() => connection.close());
      const run = watch(connection.run("run_1"));
      await opened(t);
      const ask = relay.last();
      const fields = { status: "COMPLETED", isFinished: true, output: stored };
      await ask.tell(["row", ask.id(), rowOf("k", "run_1", fields)]);
      await pass(t, 12_000, 500);
      if (renewed) {
        valid = renewed;
        await ask.tell(["error", ask.id(), { status: 401, message: "expired", retry: false }]);
        await opened(t);
      }
      await relay.last().tell(["ready", relay.last().id()], ["end", relay.last().id()]);
      await pass(t, 10_000, 500);
      return { run, asked: () => asked };
    }

    it("comes with the next token", async (t) => {
      const { run, asked } = await followExpired(t, "second");
      const { value, state } = run.last();
      assert.deepEqual([value.output, value.decodeErrors, state], [{ ok: 1 }, undefined, "ended"]);
      assert.equal(asked(), 3);
    });

    it("holds up its run for 20 s where there is no other, and is asked for once", async (t) => {
      const { run, asked } = await followExpired(t);
      assert.match(run.last().value.decodeErrors.output.message, /answered with 401/);
      assert.deepEqual([run.last().state, asked()], ["ended", 1]);
    });
  });

  it("that does not come holds up a list for a minute", async (t) => {
    const { relay, connection } = start(t);
    const list = watch(connection.runs({ tags: "a" }));
    await opened(t);
    const ask = relay.last();
    const id = ask.id();
    relay.answers.push(never, never);
    await ask.tell(
      ["row", id, rowOf("1", "run_1")],
      ["row", id, rowOf("2", "run_2", { payload: stored })],
      ["ready", id],
    );
    await pass(t, 58_000, 1000);
    assert.equal(list.last().state, "connecting");
    await pass(t, 6000, 1000);
    assert.deepEqual(
      list
        .last()
        .value.map((run) => run.id)
        .sort(),
      ["run_1", "run_2"],
    );
  });
});

describe("a run whose stored packet changes faster than it comes", () => {
  it("is shown as soon as the last one could come: those of before are not asked for, and leave the others their turn", async (t) => {
    simulate(t);
    const relay = clientRelay();
    const asked = [];
    const fetch = async (to, init) => {
      if (/live$/.test(to)) return relay.fetch(to, init);
      asked.push(to);
      await new Promise((resolve) => setTimeout(resolve, 5000));
      return /packets/.test(to) ? where() : packet();
    };
    const connection = connect({ url }, { fetch });
    t.after(() => connection.close());
    const run = watch(connection.run("run_1"));
    await opened(t);
    const ask = relay.last();
    const metadata = (n) => ({ data: `packets/${n}`, type: "application/store" });
    const fields = (n) => runFields("run_1", { updatedAt: 2000 + n, durationMs: n, metadata: metadata(n) });
    await ask.tell(["row", ask.id(), { key: "k", at: "0", run: fields(0) }]);
    for (let n = 1; n <= 120; n++) {
      await ask.tell(["change", ask.id(), { key: "k", at: `${n}`, set: fields(n) }]);
      await pass(t, 500, 250);
    }
    await pass(t, 16_000, 500);
    assert.deepEqual([run.last().value?.durationMs, run.last().value?.metadata], [120, { ok: 1 }]);
    assert.ok(asked.length < 80, `${asked.length} requests`);
  });
});

describe("a run whose stored packet nobody waited for", () => {
  it("shows no error of it once it has none: another tab followed it meanwhile", async (t) => {
    const { relay, open } = startTabs(t);
    const [a, b] = [open(), open()];
    const followed = a.connection.run("run_1");
    const { stop } = watch(followed);
    watch(a.connection.run("run_2"));
    await pass(t, 100, 5);
    watch(b.connection.run("run_1"));
    await pass(t, 100, 5);
    const ask = relay.last();
    const id = ask.id(({ run }) => run === "run_1");
    const gives = [];
    const late = () => new Promise((resolve) => gives.push(resolve));
    relay.answers.push(late, late);
    await ask.tell(["row", id, rowOf("k", "run_1", { metadata: stored })]);
    stop();
    await settle();
    for (const give of gives) give(refusal(503));
    await settle();
    await ask.tell(["change", id, { key: "k", at: "2", set: { updatedAt: 3000 }, unset: ["metadata"] }]);
    await pass(t, 10_000);
    const again = watch(followed);
    await pass(t, 100, 5);
    const { id: shown, metadata, decodeErrors } = again.last().value;
    assert.deepEqual([shown, metadata, decodeErrors], ["run_1", undefined, undefined]);
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
