/** Defect 5: tokens that expire under a subscription. */
import assert from "node:assert/strict";
import { createRequire } from "node:module";
import { after, afterEach, describe, test } from "node:test";
import { doneRow, runRow, startFeed, tell } from "./support/many.mjs";
import { jwt, silent } from "./support/tokens.mjs";

const require = createRequire(import.meta.url);
const { configure, runs, AuthenticationError, ConfigError, TimeoutError } = require("../index.js");

const servers = [];
after(() => {
  for (const server of servers) server.stop();
});
afterEach(() => configure({}));

const REFUSED = { status: 401, body: '{"error":"Public Access Token is invalid"}' };

/** A server that takes the tokens for which `good` holds; each run is executing, then done. */
async function guarded(good) {
  const server = await startFeed((n, request) => {
    if (!good(request.headers.authorization.replace("Bearer ", ""))) return REFUSED;
    return [n === 0 ? tell(runRow(1, { status: "EXECUTING" })) : tell(doneRow(1))];
  });
  servers.push(server);
  return server;
}

async function statuses(subscription) {
  const seen = [];
  for await (const run of subscription) seen.push(run.status);
  return seen;
}

/** Subscriptions to runs with ids of their own: each has an upstream of its own. */
const many = (count, options) => Array.from({ length: count }, (_, n) => runs.subscribeToRun(`run_${n}`, options));

const BOTH = ["EXECUTING", "COMPLETED"];

describe("defect 5: the official client", () => {
  test("does not call the refresher for a run feed, and waits for ever", async () => {
    const sdk = require("@trigger.dev/sdk");
    const server = await guarded((token) => token === "good");
    let calls = 0;
    const refreshAccessToken = async () => {
      calls += 1;
      return "good";
    };
    sdk.configure({ baseURL: server.url, accessToken: "expired", refreshAccessToken });
    const controller = new AbortController();
    const iterator = sdk.runs.subscribeToRun("run_1", { signal: controller.signal })[Symbol.asyncIterator]();
    let timer;
    const late = new Promise((resolve) => {
      timer = setTimeout(resolve, 1_500, "pending");
    });
    const outcome = await Promise.race([iterator.next().catch((error) => error), late]);
    clearTimeout(timer);
    controller.abort();
    assert.equal(outcome, "pending");
    assert.equal(calls, 0);
  });
});

describe("defect 5: a token that is refused", () => {
  test("is renewed once for many subscriptions, and no loop notices", async () => {
    const server = await guarded((token) => token === "good");
    let calls = 0;
    configure({
      baseURL: server.url,
      accessToken: "expired",
      realtime: { connections: 0 },
      refreshAccessToken: async () => {
        calls += 1;
        // Everybody is refused before there is an answer.
        while (server.requests.length < 20) await new Promise((resolve) => setTimeout(resolve, 5));
        return "good";
      },
    });
    const states = [];
    const all = many(20, { onStateChange: (state) => states.push(state) });
    assert.deepEqual(await Promise.all(all.map(statuses)), Array(20).fill(BOTH));
    assert.equal(calls, 1);
    assert.equal(server.requests.filter(({ authorization }) => authorization === "Bearer expired").length, 20);
    assert.equal(states.filter((state) => state === "refreshing").length, 20);
    assert.equal(states.filter((state) => state === "ended").length, 20);
    assert.ok(
      states.every((state) => ["connecting", "live", "refreshing", "ended"].includes(state)),
      String(states),
    );
  });

  test("is renewed again when the next one is refused in its turn", async () => {
    const tokens = ["one", "two", "three"];
    let good = 0;
    const server = await guarded((token) => token === tokens[good]);
    configure({ baseURL: server.url, accessToken: "one", refreshAccessToken: async () => tokens[good] });
    const seen = [];
    for await (const run of runs.subscribeToRun("run_1", { stopOnCompletion: false })) {
      seen.push(run.status);
      good = Math.min(seen.length, 2);
      if (seen.length === 2) break;
    }
    assert.deepEqual(seen, BOTH);
  });

  test("ends the subscription when the new one is refused too", async () => {
    const server = await guarded(() => false);
    let calls = 0;
    const refreshAccessToken = async () => {
      calls += 1;
      return "bad as well";
    };
    configure({ baseURL: server.url, accessToken: "expired", refreshAccessToken });
    await assert.rejects(statuses(runs.subscribeToRun("run_1")), AuthenticationError);
    assert.equal(calls, 1);
    // A space is no character of a token: it was never sent.
    assert.equal(server.requests.length, 1);
    configure({ baseURL: server.url, accessToken: "expired", refreshAccessToken: async () => "bad-too" });
    await assert.rejects(statuses(runs.subscribeToRun("run_1")), AuthenticationError);
    assert.equal(server.requests.length, 3);
  });

  test("ends with the server's refusal, and why there is no better token as its cause", async () => {
    const server = await guarded(() => false);
    const why = new Error("the session is over");
    const refreshAccessToken = async () => {
      throw why;
    };
    configure({ baseURL: server.url, accessToken: "expired", refreshAccessToken });
    await assert.rejects(
      statuses(runs.subscribeToRun("run_1")),
      (error) => error.status === 401 && error.cause === why,
    );
    configure({ baseURL: server.url, accessToken: "expired", refreshAccessToken: () => "" });
    await assert.rejects(statuses(runs.subscribeToRun("run_1")), (error) => error.cause instanceof ConfigError);
  });

  test("leaves a subscription without a refresher with the refusal at once", async () => {
    const server = await guarded(() => false);
    configure({ baseURL: server.url, accessToken: "expired" });
    await assert.rejects(statuses(runs.subscribeToRun("run_1")), AuthenticationError);
    assert.equal(server.requests.length, 1);
  });
});

describe("defect 5: accessToken as a function", () => {
  test("is called once, when the first subscription is read, and shared", async () => {
    const server = await guarded((token) => token === "made");
    let calls = 0;
    const accessToken = async () => {
      calls += 1;
      return "made";
    };
    configure({ baseURL: server.url, accessToken, realtime: { connections: 0 } });
    const all = many(10);
    const same = [1, 2, 3].map(() => runs.subscribeToRun("run_same"));
    assert.equal(calls, 0);
    assert.deepEqual(await Promise.all([...all, ...same].map(statuses)), Array(13).fill(BOTH));
    assert.equal(calls, 1);
    assert.equal(server.snapshots(), 11, "equal feeds share one upstream");
  });

  test("may give it without a promise", async () => {
    const server = await guarded((token) => token === "made");
    configure({ baseURL: server.url, accessToken: () => "made" });
    assert.deepEqual(await statuses(runs.subscribeToRun("run_1")), BOTH);
  });

  test("rejects the subscription with what it throws, and is called again by the next", async () => {
    const server = await guarded(() => true);
    const why = new Error("no session");
    let calls = 0;
    const accessToken = async () => {
      calls += 1;
      if (calls === 1) throw why;
      return "made";
    };
    configure({ baseURL: server.url, accessToken });
    await assert.rejects(statuses(runs.subscribeToRun("run_1")), why);
    assert.deepEqual(await statuses(runs.subscribeToRun("run_1")), BOTH);
    assert.equal(server.requests.length, 2);
  });

  test("is not called for a subscription that is closed before it is read", async () => {
    configure({ baseURL: "http://127.0.0.1:9", accessToken: () => assert.fail("called") });
    const subscription = runs.subscribeToRun("run_1");
    subscription.close();
    assert.equal((await subscription.next()).done, true);
  });
});

describe("defect 5: a function that does not answer", () => {
  const kinds = {
    "its first token": async (make) => configure({ baseURL: "http://127.0.0.1:9", accessToken: make }),
    "another token": async (make) => {
      const server = await guarded(() => false);
      configure({ baseURL: server.url, accessToken: "expired", refreshAccessToken: make });
    },
  };
  const ways = {
    "an abort": (_, controller) => controller.abort(),
    "close()": (subscription) => subscription.close(),
    "return()": (subscription) => subscription.return(),
  };
  for (const [what, set] of Object.entries(kinds)) {
    for (const [how, leave] of Object.entries(ways)) {
      test(`${how} ends a subscription that waits for ${what}`, async () => {
        const { make, called } = silent();
        await set(make);
        const controller = new AbortController();
        const subscription = runs.subscribeToRun("run_1", { signal: controller.signal });
        const waiting = subscription.next();
        await called;
        leave(subscription, controller);
        assert.deepEqual(await waiting, { done: true, value: undefined });
        assert.equal(subscription.stats().state, "ended");
      });
    }
  }

  test("is waited for half a minute: then there is no first token", async (t) => {
    t.mock.timers.enable({ apis: ["setTimeout"] });
    const { make, called } = silent();
    await kinds["its first token"](make);
    const all = many(3).map((subscription) => assert.rejects(subscription.next(), TimeoutError));
    await called;
    t.mock.timers.tick(30_000);
    await Promise.all(all);
  });

  test("is waited for half a minute: then the refusal is the error, and that its cause", async (t) => {
    const { make, called } = silent();
    await kinds["another token"](make);
    t.mock.timers.enable({ apis: ["setTimeout"] });
    const refused = assert.rejects(
      runs.subscribeToRun("run_1").next(),
      (error) => error.status === 401 && error.cause instanceof TimeoutError,
    );
    await called;
    t.mock.timers.tick(30_000);
    await refused;
  });

  test("one who leaves takes the token from nobody", async () => {
    const server = await guarded((token) => token === "made");
    let give;
    let asked;
    const called = new Promise((resolve) => {
      asked = resolve;
    });
    const refreshAccessToken = () => {
      asked();
      return new Promise((resolve) => {
        give = resolve;
      });
    };
    configure({ baseURL: server.url, accessToken: "expired", refreshAccessToken });
    const [leaver, ...others] = many(4);
    const left = leaver.next();
    // Its wish is the one that is answered: the others join it.
    await called;
    const all = others.map(statuses);
    leaver.close();
    assert.equal((await left).done, true);
    give("made");
    assert.deepEqual(await Promise.all(all), Array(3).fill(BOTH));
  });
});

test("defect 5: a token that is about to expire is renewed before the server can refuse it", async () => {
  // Far enough for a busy machine to get to the first request.
  const exp = Math.floor(Date.now() / 1000) + 5;
  const first = jwt("first", exp);
  const second = jwt("second", exp + 3_600);
  const seen = [];
  const server = await startFeed(async (n, request) => {
    const token = request.headers.authorization.replace("Bearer ", "");
    seen.push(token);
    if (token === first && Date.now() >= exp * 1000) return REFUSED;
    if (n === 0) return [tell(runRow(1, { status: "EXECUTING" }))];
    // Held until the first token is in the last tenth of its life: what comes next needs another.
    while (Date.now() < exp * 1000 - 10) await new Promise((resolve) => setTimeout(resolve, 5));
    return n === 1 ? [tell(runRow(1, { status: "EXECUTING", metadata: "{}" }))] : [tell(doneRow(1))];
  });
  servers.push(server);
  let calls = 0;
  const refreshAccessToken = async () => {
    calls += 1;
    return second;
  };
  configure({ baseURL: server.url, accessToken: first, refreshAccessToken });
  assert.deepEqual(await statuses(runs.subscribeToRun("run_1")), ["EXECUTING", "EXECUTING", "COMPLETED"]);
  assert.deepEqual(seen, [first, first, second]);
  assert.equal(calls, 1);
});
