/** Defects 6, 7, 11, 19: how often servers are asked, and how long they are waited for. */
import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { ACCESS_TOKEN, against, QUICK, statuses, watchOfficial } from "./support/against.mjs";
import * as answers from "./support/answers.mjs";
import { startOfficial } from "./support/client.mjs";
import { feedScript, startFaultServer } from "./support/fault-server.mjs";
import { load, ours } from "./support/ours.mjs";
import { completed, executing, insert, row, upToDate } from "./support/rows.mjs";

let official;
before(async () => {
  official = await startOfficial();
});
after(() => official.close());

const WINDOW_MS = 1_500;

/** `maxDelayMs` caps what a server may ask for as well (defect 19): high enough to heed it here. */
const HEEDING = { minDelayMs: 1, maxDelayMs: 60_000 };

describe("defect 6: refusals for a while are waited out, visibly", { concurrency: 8 }, () => {
  const unavailable = answers.json(503, { error: "later" }, { "retry-after": "30" });

  test("the official client asks again and again before Retry-After", async () => {
    const until = (requests) => requests.length >= 4;
    const theirs = await against(feedScript({ start: [unavailable] }), official, {}, { until });
    assert.ok(theirs.requests.length >= 4, `${theirs.requests.length} requests`);
    assert.equal(theirs.hung, true);
  });

  test("we do not ask again before Retry-After", async () => {
    const mine = await against(feedScript({ start: [unavailable] }), ours, {
      timeoutMs: WINDOW_MS,
      options: { retry: HEEDING },
    });
    assert.equal(mine.requests.length, 1);
  });

  const waits = {
    "Retry-After in seconds": () => answers.json(503, {}, { "retry-after": "1" }),
    "Retry-After on a 429": () => answers.json(429, {}, { "retry-after": "1" }),
    "Retry-After as a date": () => (connection) =>
      answers.json(503, {}, { "retry-after": new Date(Date.now() + 2_000).toUTCString() })(connection),
    "x-ratelimit-reset": () => (connection) =>
      answers.json(429, {}, { "x-ratelimit-reset": String(Date.now() + 1_000) })(connection),
  };
  for (const [name, refusal] of Object.entries(waits)) {
    test(`${name} is waited for, then the run is followed`, async () => {
      const retries = [];
      const states = [];
      const options = {
        retry: HEEDING,
        onRetry: (retry) => retries.push(retry),
        onStateChange: (state) => states.push(state),
      };
      const mine = await against(feedScript({ start: [refusal(), answers.snapshot(completed())] }), ours, { options });
      assert.deepEqual(statuses(mine), ["COMPLETED"]);
      assert.equal(mine.requests.length, 2);
      const waited = mine.requests[1].at - mine.requests[0].at;
      // A date has whole seconds: 2 s ahead may be 1 s. The clock of a timer may be a little early.
      assert.ok(waited >= 950, `waited ${waited} ms`);
      assert.equal(retries.length, 1, "onRetry was called once");
      assert.ok(states.length > 0, "onStateChange was called");
    });
  }

  test("what a server asks for is capped by maxDelayMs", async () => {
    const options = { retry: { minDelayMs: 1, maxDelayMs: 200 } };
    const mine = await against(feedScript({ start: [unavailable, answers.snapshot(completed())] }), ours, { options });
    assert.deepEqual(statuses(mine), ["COMPLETED"]);
    assert.ok(mine.ms < 12_000, `${mine.ms} ms`);
  });

  test("a budget ends retries with the last refusal", async () => {
    const options = { retry: { ...QUICK, maxElapsedMs: 400 } };
    const mine = await against(feedScript({ start: [answers.json(503, { error: "down" })] }), ours, { options });
    assert.equal(mine.hung, false);
    assert.ok(mine.error);
    assert.ok(mine.requests.length > 1, "tried again");
    assert.ok(mine.ms < 12_000, `${mine.ms} ms`);
  });

  test("a wait longer than the budget is not begun", async () => {
    const options = { retry: { ...HEEDING, maxElapsedMs: 2_000 } };
    const mine = await against(feedScript({ start: [unavailable] }), ours, { options });
    assert.equal(mine.error?.status, 503);
    assert.ok(mine.ms < 12_000, `${mine.ms} ms`);
  });

  test("a budget is counted anew after progress", async () => {
    const options = { retry: { ...QUICK, maxElapsedMs: 700 } };
    const slowRefusal = async (connection) => {
      await connection.wait(400);
      await answers.json(503, {})(connection);
    };
    const live = [slowRefusal, answers.change(executing(), "2_2"), slowRefusal, answers.change(completed(), "3_3")];
    const mine = await against(feedScript({ start: [answers.snapshot(row())], live }), ours, { options });
    assert.equal(mine.error, null);
    assert.deepEqual(statuses(mine), ["QUEUED", "EXECUTING", "COMPLETED"]);
  });
});

describe("defect 7: answers without progress do not become a hot loop", { concurrency: 4 }, () => {
  const loops = {
    "an endless 409 with ever new handles": () => (request) => answers.refetch({ handle: `h-${request.n}` }),
    "an endless 409 without a new handle": () => () => answers.refetch(),
    "an endless 409 with an object for a body": () => () => answers.refetch({ body: '{"error":"gone"}' }),
    "an endless 409 without a body": () => () => answers.refetch({ body: "" }),
    "a 409 after each snapshot": () => (request) =>
      request.start ? answers.snapshot(row()) : answers.refetch({ handle: `h-${request.n}` }),
    "live answers at once, nothing new": () =>
      feedScript({ start: [answers.snapshot(row())], live: [answers.nothingNew("1_1")] }),
    "the same stale answer for ever": () =>
      feedScript({ start: [answers.snapshot(row())], live: [answers.change(row(), "1_1")] }),
    "a catch-up that never gets up to date": () => () => answers.messages([insert(row())]),
  };
  for (const [name, script] of Object.entries(loops)) {
    test(`${name} ends with an error after few requests`, async () => {
      const mine = await against(script(), ours, { options: { retry: QUICK } });
      assert.equal(mine.hung, false, `still going after ${mine.requests.length} requests`);
      assert.equal(mine.error?.className, "NoProgressError");
      assert.equal(mine.error.name, "TriggerNativeError");
      assert.match(mine.error.code, /^ERR_/);
      assert.ok(mine.requests.length <= 100, `${mine.requests.length} requests`);
      assert.ok(mine.items.length <= 1, "nothing is yielded twice");
    });
  }

  for (const name of ["an endless 409 with ever new handles", "live answers at once, nothing new"]) {
    test(`the official client: ${name}`, async () => {
      const enough = 150;
      const theirs = await against(loops[name](), official, {}, { until: (requests) => requests.length >= enough });
      assert.ok(theirs.requests.length >= enough, `${theirs.requests.length} requests in ${theirs.ms} ms`);
      assert.equal(theirs.hung, true, "and it would have gone on");
      assert.equal(theirs.error, null);
    });
  }

  test("a busy run is progress: many quick changes are no loop", async () => {
    const live = Array.from({ length: 150 }, (_, index) =>
      answers.change(executing({ metadata: JSON.stringify({ index }) }), `${index + 2}_${index + 2}`),
    );
    const script = feedScript({
      start: [answers.snapshot(row())],
      live: [...live, answers.change(completed(), "999_999")],
    });
    const mine = await against(script, ours, { options: { retry: QUICK } });
    assert.equal(mine.error, null);
    assert.equal(mine.ended, true);
    assert.equal(mine.requests.length, 152);
  });
});

describe("defect 11: a peer that vanished is noticed", { concurrency: 8 }, () => {
  const silent = {
    "without an answer": () => answers.hold(),
    "in the middle of a body": () =>
      answers.cutBody([insert(executing()), upToDate()], { offset: "2_2", cursor: "2" }, "silence"),
    "in the middle of the headers": () => (connection) => connection.write("HTTP/1.1 200 OK\r\nelectric-"),
  };
  for (const [name, vanish] of Object.entries(silent)) {
    const script = () =>
      feedScript({ start: [answers.snapshot(row())], live: [vanish(), answers.change(completed(), "3_3")] });
    test(`${name}: we ask again from the same place`, async () => {
      const options = { retry: QUICK, silenceTimeoutMs: 300 };
      const mine = await against(script(), ours, { options });
      assert.deepEqual(statuses(mine), ["QUEUED", "COMPLETED"]);
      assert.equal(mine.ended, true);
      const lives = mine.requests.filter(({ live }) => live);
      assert.deepEqual(
        lives.map(({ query }) => query.get("offset")),
        ["1_1", "1_1"],
      );
      assert.ok(lives[1].at - lives[0].at >= 280, "not before the silence was long enough");
    });

    test(`${name}: the official client waits`, async () => {
      const theirs = await watchOfficial(script(), official);
      assert.equal(theirs.requests.filter(({ live }) => live).length, 1);
      assert.equal(theirs.hung, true);
    });
  }

  test("a slow peer is not a silent one", async () => {
    const slow = answers.trickle(
      answers.messageBytes([insert(completed()), upToDate()], { offset: "2_2", cursor: "2" }),
      {
        size: 16,
        everyMs: 60,
      },
    );
    const options = { retry: QUICK, silenceTimeoutMs: 1_000 };
    const mine = await against(feedScript({ start: [answers.snapshot(row())], live: [slow] }), ours, { options });
    assert.ok(mine.ms > 1_000, "took longer than the silence allowed");
    assert.deepEqual(statuses(mine), ["QUEUED", "COMPLETED"]);
    assert.equal(mine.requests.length, 2);
  });

  test("a peer that is silent for ever is given up with a typed error", async () => {
    const options = { retry: { ...QUICK, maxElapsedMs: 600 }, silenceTimeoutMs: 200 };
    const mine = await against(feedScript({ start: [answers.hold()] }), ours, { options });
    assert.equal(mine.hung, false);
    assert.match(mine.error?.code ?? "", /^ERR_/);
    assert.ok(mine.ms < 12_000, `${mine.ms} ms`);
  });
});

describe("defect 19: calls end in time", { concurrency: 8 }, () => {
  const mint = ["auth.createPublicToken"];
  const scopes = { scopes: { read: { runs: ["run_1"] } } };
  // Each test has a key of its own: claims are kept per key.
  const config = (server, n) => ({ baseURL: server.url, accessToken: `${ACCESS_TOKEN}${n}` });
  const onServer = async (script, body) => {
    const server = await startFaultServer(script);
    try {
      return await body(server);
    } finally {
      await server.stop();
    }
  };

  test("a 429 with a far reset: the official client is still waiting", () =>
    onServer(
      () => (connection) => answers.json(429, {}, { "x-ratelimit-reset": String(Date.now() + 12_000) })(connection),
      async (server) => {
        const call = official.call(config(server, "a"), ...mint, [scopes]);
        const first = await Promise.race([
          call.then(() => "settled"),
          new Promise((resolve) => setTimeout(resolve, WINDOW_MS, "pending")),
        ]);
        assert.equal(first, "pending");
        // The call is left behind: the server goes away, and with it the child's connection.
        call.catch(() => {});
      },
    ));

  test("a 429 with a far reset ends within timeoutInMs", () =>
    onServer(
      () => (connection) => answers.json(429, {}, { "x-ratelimit-reset": String(Date.now() + 12_000) })(connection),
      async (server) => {
        const started = Date.now();
        const { error } = await ours.call(config(server, "b"), ...mint, [scopes, { timeoutInMs: 500 }]);
        assert.ok(error);
        assert.ok(Date.now() - started < 10_000);
      },
    ));

  test("a server that never answers ends within timeoutInMs", () =>
    onServer(
      () => answers.hold(),
      async (server) => {
        const started = Date.now();
        const { error } = await ours.call(config(server, "c"), ...mint, [scopes, { timeoutInMs: 400 }]);
        assert.equal(error?.className, "TimeoutError");
        assert.match(error.code, /^ERR_/);
        assert.ok(Date.now() - started < 10_000);
      },
    ));

  test("a signal ends a call at once", () =>
    onServer(
      () => answers.hold(),
      async (server) => {
        const controller = new AbortController();
        load().configure(config(server, "d"));
        const call = load().auth.createPublicToken(scopes, { signal: controller.signal });
        await server.until((requests) => requests.length === 1);
        controller.abort();
        await assert.rejects(call, { name: "AbortError" });
      },
    ));
});
