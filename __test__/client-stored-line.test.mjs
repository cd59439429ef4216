// Many packets that are stored elsewhere, of which four are asked for at once: what waits in line, and what of it is asked for.

import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { connect } from "trigger-native/client";
import { clientRelay, opened, pass, refusal, rowOf, settle, simulate, url, watch } from "./support/client-relay.mjs";
import { never, packet, stored, where } from "./support/client-stored.mjs";

describe("the stored packets of a long list", () => {
  const MANY = 120;

  /** Follows a list of runs whose outputs are stored elsewhere. `answer` says what a request for a packet gets. */
  async function followMany(t, answer, many = MANY) {
    simulate(t);
    const relay = clientRelay();
    const fetch = (to, init) => (/live$/.test(to) ? relay.fetch(to, init) : answer(`${to}`, init));
    const connection = connect({ url }, { fetch });
    t.after(() => connection.close());
    const followed = connection.runs({ tags: "a" });
    const list = watch(followed);
    await opened(t);
    const ask = relay.last();
    const row = (_, at) => ["row", ask.id(), rowOf(`k${at}`, `run_${at}`, { output: stored })];
    await ask.tell(...Array.from({ length: many }, row), ["ready", ask.id()]);
    return Object.assign(list, { relay, connection, followed });
  }

  it("all come, however few requests a browser has under way at once and however long each takes", async (t) => {
    // As a browser does: six requests of a host, and the others wait for as long as it takes.
    const hosts = new Map();
    let most = 0;
    const answer = async (to) => {
      const { host } = new URL(to);
      const state = hosts.get(host) ?? { busy: 0, waiting: [] };
      hosts.set(host, state);
      if (++state.busy > 6) await new Promise((resolve) => state.waiting.push(resolve));
      most = Math.max(most, state.busy);
      await new Promise((resolve) => setTimeout(resolve, 3000));
      state.busy--;
      state.waiting.shift()?.();
      return /packets/.test(to) ? where() : packet();
    };
    const list = await followMany(t, answer);
    await pass(t, 200_000, 500);
    const { value } = list.last();
    assert.equal(value.length, MANY);
    assert.deepEqual([...new Set(value.map(({ decodeErrors }) => decodeErrors?.output.message))], [undefined]);
    assert.deepEqual(value[0].output, { ok: 1 });
    // The page has connections left for the live response, and for its own requests.
    assert.equal(most, 4);
  });

  it("are put into their runs alone: no other run is made again", async (t) => {
    let made = 0;
    const define = Object.defineProperty;
    t.mock.method(Object, "defineProperty", (of, name, how) => {
      // Each run that is made is given this once.
      if (name === "isFinished") made++;
      return define(of, name, how);
    });
    const list = await followMany(t, async (to) => (/packets/.test(to) ? where() : packet()));
    await pass(t, 2000, 100);
    assert.deepEqual([list.last().value.length, list.last().value.every(({ output }) => output.ok)], [MANY, true]);
    assert.equal(made, 2 * MANY);
  });

  for (const many of [MANY, 3 * MANY]) {
    it(`all come, though the URLs of the store are good for a minute alone: ${many}`, async (t) => {
      const answer = async (to) => {
        if (/packets/.test(to))
          return Response.json({ presignedUrl: `http://store.example/x?until=${Date.now() + 61_000}` });
        await new Promise((resolve) => setTimeout(resolve, 4000));
        return Date.now() < new URL(to).searchParams.get("until") ? packet() : refusal(403);
      };
      const list = await followMany(t, answer, many);
      await pass(t, many * 2200, 2000);
      assert.deepEqual(
        list.last().value.filter(({ output }) => !output?.ok),
        [],
      );
      assert.equal(list.last().value.length, many);
    });
  }

  it("are asked for twice at most where the store refuses each, however long their turns take to come", async (t) => {
    let asked = 0;
    const answer = async (to) => {
      if (/packets/.test(to)) return where();
      asked++;
      await new Promise((resolve) => setTimeout(resolve, 4000));
      return refusal(403);
    };
    const list = await followMany(t, answer);
    await pass(t, 400_000, 2000);
    assert.equal(list.last().value.length, MANY);
    for (const { decodeErrors } of list.last().value)
      assert.match(decodeErrors.output.message, /the store answered 403/);
    assert.ok(asked <= 2 * MANY, `${asked} requests`);
  });

  it("hold it up for a minute where the store says nothing, however many they are", async (t) => {
    let tries = 0;
    const list = await followMany(t, async (to) => {
      if (/packets/.test(to)) return where();
      tries++;
      return never();
    });
    await pass(t, 58_000, 1000);
    assert.equal(list.last().state, "connecting");
    await pass(t, 8000, 1000);
    assert.equal(list.last().value.length, MANY);
    for (const { decodeErrors } of list.last().value)
      assert.match(decodeErrors.output.message, /nothing came for 30 s/);
    assert.ok(tries <= 8, `${tries} requests that hung`);
  });

  describe("that is left", () => {
    /** A relay and a store that take a second each. `asked` has the URLs. */
    function slowly() {
      const asked = [];
      const answer = async (to) => {
        asked.push(to);
        await new Promise((resolve) => setTimeout(resolve, 1000));
        return /packets/.test(to) ? where() : packet();
      };
      return { asked, answer };
    }

    for (const [what, leave] of [
      ["its subscriber leaves", ({ stop }) => stop()],
      ["the connection is closed", ({ connection }) => connection.close()],
    ]) {
      it(`are asked for no longer: ${what}`, async (t) => {
        const { asked, answer } = slowly();
        const list = await followMany(t, answer);
        await pass(t, 1500, 500);
        leave(list);
        await settle();
        const before = asked.length;
        await pass(t, 100_000, 500);
        assert.ok(before <= 12, `${before} requests`);
        assert.equal(asked.length, before);
      });
    }

    it("do not keep what is followed instead waiting", async (t) => {
      const { answer } = slowly();
      const { stop, relay, connection } = await followMany(t, answer);
      await pass(t, 1500, 500);
      stop();
      const run = watch(connection.run("run_other"));
      await opened(t);
      const ask = relay.last();
      await ask.tell(["row", ask.id(), rowOf("k", "run_other", { output: stored })]);
      await pass(t, 4000, 500);
      assert.deepEqual(run.last().value?.output, { ok: 1 });
    });

    it("keep no place where their bodies trickle, or have no end", async (t) => {
      const bodies = { open: 0, isOver: false };
      const trickle = () => {
        let timer;
        bodies.open++;
        const start = (controller) => {
          timer = setInterval(() => controller.enqueue(Uint8Array.of(32)), 1000);
        };
        const cancel = () => {
          clearInterval(timer);
          bodies.open--;
        };
        return new Response(new ReadableStream({ start, cancel }));
      };
      const answer = async (to) => {
        if (!/packets/.test(to)) return bodies.isOver ? packet() : trickle();
        return where();
      };
      const { stop, relay, connection } = await followMany(t, answer);
      await pass(t, 60_000, 500);
      assert.equal(bodies.open, 4);
      bodies.isOver = true;
      stop();
      const run = watch(connection.run("run_other"));
      await opened(t);
      const ask = relay.last();
      await ask.tell(["row", ask.id(), rowOf("k", "run_other", { output: stored })]);
      await pass(t, 2000, 500);
      assert.deepEqual(run.last().value?.output, { ok: 1 });
      assert.equal(bodies.open, 0);
    });

    for (const ms of [0, 1, 20_000]) {
      it(`all come to a subscriber that comes back after ${ms} ms`, async (t) => {
        const { answer } = slowly();
        const { stop, followed, relay } = await followMany(t, answer);
        await pass(t, 1500, 500);
        stop();
        if (ms > 0) await pass(t, ms, 500);
        const again = watch(followed);
        await opened(t);
        const ask = relay.last();
        await ask.tell(["ready", ask.id()]);
        await pass(t, 80_000, 500);
        assert.equal(again.last().value.length, MANY);
        for (const { output, decodeErrors } of again.last().value)
          assert.deepEqual([output, decodeErrors], [{ ok: 1 }, undefined]);
      });
    }
  });

  it("are asked for with the token that was got meanwhile, where theirs is over before their turn", async (t) => {
    simulate(t);
    const relay = clientRelay();
    let valid = "first";
    const fetch = async (to, init) => {
      if (/live$/.test(to)) return relay.fetch(to, init);
      const { authorization } = init.headers ?? {};
      if (/packets/.test(to) && authorization !== `Bearer ${valid}`) return refusal(401);
      await new Promise((resolve) => setTimeout(resolve, 1000));
      return /packets/.test(to) ? where() : packet();
    };
    const connection = connect({ url, accessToken: async () => valid }, { fetch });
    t.after(() => connection.close());
    const list = watch(connection.runs({ tags: "a" }));
    await opened(t);
    const ask = relay.last();
    const row = (_, at) => ["row", ask.id(), rowOf(`k${at}`, `run_${at}`, { output: stored })];
    await ask.tell(...Array.from({ length: MANY }, row), ["ready", ask.id()]);
    await pass(t, 5000, 500);
    valid = "second";
    await ask.tell(["error", ask.id(), { status: 401, message: "expired", retry: false }]);
    await opened(t);
    await relay.last().tell(["ready", relay.last().id()]);
    await pass(t, 100_000, 500);
    assert.equal(list.last().value.length, MANY);
    for (const { output, decodeErrors } of list.last().value)
      assert.deepEqual([output, decodeErrors], [{ ok: 1 }, undefined]);
  });
});
