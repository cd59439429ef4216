// A feed that comes back, or starts over, gets at once what it missed: over an emulator that, as the real server does,
// remembers changes for a while only, and holds polls for so long that only a request without `live` shows them.

import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import { TriggerClient } from "trigger-native";
import { handlerOver, KEY, startServer, until } from "./support/relay.mjs";

const ROUTE = "GET /realtime/v1/runs/{id}";
const FAILSAFE_MS = 30_000;

/** Ways to follow a run, and how many waits its feed may have had. */
const WAYS = [
  { name: "a feed", open: async (server) => ({ url: server.url, close: async () => {} }) },
  {
    name: "a viewer of the relay",
    open: async (server) => {
      const handler = handlerOver(server);
      const listener = await handler.listen();
      return { url: listener.url, handler, close: () => handler.close() };
    },
  },
];

for (const { name, open } of WAYS) {
  describe(name, { timeout: 120_000 }, () => {
    let server;
    let way;
    let client;

    before(async () => {
      server = await startServer({ memoryMs: 0, holdMs: 600_000 });
      way = await open(server);
      client = new TriggerClient({ baseURL: way.url, accessToken: KEY });
    });
    after(async () => {
      await way.close();
      await server.stop();
    });

    const next = async (feed) => {
      const { value } = await within(feed.next(), "the next state");
      return value.metadata.step;
    };
    /** Until the server holds a poll of each feed there is. */
    const held = (count) => until(async () => (await server.held()) === count, `${count} held polls`, FAILSAFE_MS);

    it("goes on at once after a must-refetch of a shape that keeps its handle", async () => {
      const retries = [];
      const run = await server.makeRun({ status: "EXECUTING", metadata: { step: 0 } });
      const feed = client.runs.subscribeToRun(run, { onRetry: (retry) => retries.push(retry) });
      const states = feed[Symbol.asyncIterator]();
      assert.equal(await next(states), 0);
      for (const step of [1, 3]) {
        await held(1);
        await server.faults([{ kind: "mustRefetch", count: 1, route: ROUTE }]);
        await server.change(run, { metadata: { step } });
        assert.equal(await next(states), step);
        await held(1);
        await server.change(run, { metadata: { step: step + 1 } });
        assert.equal(await next(states), step + 1);
      }
      assert.deepEqual(retries, []);
      if (way.handler) assert.equal(way.handler.stats().refusals.upstream, 0);
      await feed.close();
    });

    it("is told after a wait what happened meanwhile", async () => {
      const run = await server.makeRun({ status: "EXECUTING", metadata: { step: 0 } });
      const feed = client.runs.subscribeToRun(run);
      const states = feed[Symbol.asyncIterator]();
      assert.equal(await next(states), 0);
      await until(async () => (await server.stats()).byRoute[ROUTE] > 0 && (await server.held()) > 0, "a held poll");
      await server.faults([{ kind: "status", status: 503, retryAfter: 1, count: 1, route: ROUTE }]);
      const before = (await server.stats()).byRoute[ROUTE];
      await server.change(run, { metadata: { step: 1 } });
      assert.equal(await next(states), 1);
      await until(async () => (await server.stats()).byRoute[ROUTE] > before, "the refused poll");
      await server.change(run, { metadata: { step: 2 } });
      assert.equal(await next(states), 2);
      await feed.close();
    });
  });
}

describe("feeds over the limit of live requests", { timeout: 120_000 }, () => {
  for (const { name, open } of WAYS) {
    it(`${name} is told although the server refuses to hold its polls`, async () => {
      const server = await startServer({ memoryMs: 0, holdMs: 600_000, maxConnections: 1 });
      const way = await open(server);
      const client = new TriggerClient({ baseURL: way.url, accessToken: KEY });
      const runs = await Promise.all([1, 2, 3].map(() => server.makeRun({ metadata: { step: 0 } })));
      const feeds = runs.map((run) => client.runs.subscribeToRun(run));
      const all = feeds.map((feed) => feed[Symbol.asyncIterator]());
      for (const states of all) await within(states.next(), "the first state");
      for (const run of runs) await server.change(run, { metadata: { step: 1 } });
      for (const states of all) {
        const { value } = await within(states.next(), "the change");
        assert.equal(value.metadata.step, 1);
      }
      for (const feed of feeds) await feed.close();
      await way.close();
      await server.stop();
    });
  }
});

function within(promise, what) {
  let timer;
  const late = new Promise((_, reject) => {
    timer = setTimeout(() => reject(new Error(`${what} did not come`)), FAILSAFE_MS);
  });
  return Promise.race([promise, late]).finally(() => clearTimeout(timer));
}
