// Monitoring of a relay: stats() and the metrics.

import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import { bearer, handlerOver, snapshot, startServer, until, WAYS } from "./support/relay.mjs";

const ZERO = {
  viewers: { now: 0, peak: 0 },
  feeds: 0,
  streams: 0,
  upstream: { connections: 0, requests: 0, budget: null },
  updates: 0,
  bytes: 0,
  passed: 0,
  passing: { now: 0, peak: 0 },
  authorizing: { now: 0, peak: 0 },
  limited: {
    viewersPerToken: 0,
    heldPerBrowser: 0,
    viewersPerFeed: 0,
    viewers: 0,
    feeds: 0,
    feedsPerToken: 0,
    passing: 0,
    authorizing: 0,
    queryBytes: 0,
    bodyBytes: 0,
    headerBytes: 0,
    connections: 0,
    bytesUnderWay: 0,
    sendTimeoutMs: 0,
  },
  connections: { now: 0, peak: 0, evicted: 0 },
  bytesUnderWay: 0,
  refusals: { token: 0, scope: 0, unknown: 0, size: 0, limit: 0, upstream: 0 },
  lag: {
    count: 0,
    sumMs: 0,
    boundsMs: [1, 2, 5, 10, 25, 100, 500, 2500],
    counts: [0, 0, 0, 0, 0, 0, 0, 0, 0],
  },
};

/** The budget of a relay that has answered nothing from its server. */
const UNUSED = { connections: 8, own: 0, environment: false, costly: false, shared: 0, polling: 0 };

/** The value of a sample of the metrics. */
function sample(text, name) {
  const line = text.split("\n").find((one) => one.startsWith(`trigger_native_relay_${name} `));
  return line && Number(line.split(" ")[1]);
}

describe("the counts of a relay", { timeout: 60_000 }, () => {
  let server;
  let run;
  before(async () => {
    server = await startServer();
    run = await server.makeRun({ status: "EXECUTING" });
  });
  after(() => server.stop());

  it("are 0 before its first request, and after one that reached nobody", async () => {
    const handler = handlerOver(server);
    assert.deepEqual(handler.stats(), ZERO);
    const [{ open }] = WAYS;
    const { ask } = await open(handler);
    await (await ask("/nothing")).text();
    const { refusals, bytes, ...rest } = handler.stats();
    const { upstream } = ZERO;
    assert.deepEqual(
      { ...rest, bytes: 0, refusals: ZERO.refusals },
      { ...ZERO, upstream: { ...upstream, budget: UNUSED } },
    );
    assert.deepEqual(refusals, { ...ZERO.refusals, unknown: 1 });
    assert.ok(bytes > 0);
    await handler.close();
    assert.equal(handler.stats().refusals.unknown, 1, "they stay after close()");
  });

  it("are 0 without a key too", () => {
    assert.deepEqual(handlerOver({ url: "http://127.0.0.1:9" }, { accessToken: "" }).stats(), ZERO);
  });

  for (const { name, open } of WAYS) {
    it(`tell what was served and refused through ${name}, and the metrics tell the same`, async (t) => {
      const handler = handlerOver(server, { metrics: true, limits: { viewersPerToken: 1 } });
      const { ask, stop } = await open(handler);
      t.after(() => stop().then(() => handler.close()));
      const { live, headers } = await snapshot(ask, run);
      const poll = ask(live, { headers });
      await until(() => handler.stats().viewers.now === 1, "the poll is held");
      // In turn: no token, another run's token, one poll too many, a path without a route.
      for (const [path, init, status] of [
        [live, {}, 401],
        [live, { headers: bearer("read:runs:run_other") }, 403],
        [live, { headers }, 429],
        ["/api/v1/nothing", {}, 404],
      ]) {
        const response = await ask(path, init);
        assert.equal(response.status, status, path);
        if (status === 429) assert.equal(response.headers.get("retry-after"), "1");
        await response.text();
      }
      await server.change(run, { metadata: { by: name } });
      await (await poll).text();
      await until(() => handler.stats().viewers.now === 0, "the poll is over");
      const { viewers, feeds, upstream, updates, bytes, refusals, lag } = handler.stats();
      assert.deepEqual([viewers.now, feeds, upstream.connections], [0, 1, 1]);
      assert.equal(upstream.budget.own, 1, "the feed has a long-poll of its own");
      assert.deepEqual(refusals, { ...ZERO.refusals, token: 1, scope: 1, limit: 1, unknown: 1 });
      assert.equal(updates, 1);
      assert.equal(lag.count, 1);
      assert.equal(
        lag.counts.reduce((all, one) => all + one),
        1,
      );
      assert.ok(bytes > 0 && upstream.requests > 0);

      const response = await ask("/metrics");
      assert.equal(response.headers.get("content-type"), "text/plain; version=0.0.4; charset=utf-8");
      assert.equal(response.headers.get("cache-control"), "no-store");
      const text = await response.text();
      assert.equal(sample(text, "updates_total"), 1);
      assert.equal(sample(text, "viewers_peak"), viewers.peak);
      assert.equal(sample(text, "feeds"), 1);
      assert.equal(sample(text, "upstream_budget"), 8);
      assert.equal(sample(text, "upstream_own"), 1);
      assert.equal(sample(text, 'refusals_total{reason="limit"}'), 1);
      assert.equal(sample(text, 'lag_seconds_bucket{le="+Inf"}'), 1);
      assert.ok(!text.includes(run), "ids of runs stay out of the metrics");
    });

    it(`count whom authorize() refuses through ${name}, and metrics are none unless asked for`, async () => {
      const handler = handlerOver(server, { authorize: () => null });
      const { ask, stop } = await open(handler);
      assert.equal((await ask(`/realtime/v1/runs/${run}?offset=-1`)).status, 401);
      assert.equal(handler.stats().refusals.token, 1);
      await stop();
      await handler.close();
      const open_ = handlerOver(server);
      const way = await open(open_);
      assert.equal((await way.ask("/metrics")).status, 404);
      await way.stop();
      await open_.close();
    });
  }
});
