/** Defect 5 on streams: tokens that expire while a stream is read, and the notices about it (defect 6). */
import assert from "node:assert/strict";
import { afterEach, describe, test } from "node:test";
import * as trigger from "trigger-native";
import { QUICK } from "./support/against.mjs";
import * as answers from "./support/answers.mjs";
import { startFaultServer } from "./support/fault-server.mjs";
import { completed, executing, RUN_ID } from "./support/rows.mjs";
import { answersOf } from "./support/scripted.mjs";
import { DONE, ping, sse, v2 } from "./support/sse.mjs";
import { jwt, maker, silent } from "./support/tokens.mjs";

const { configure, runs, streams, AuthenticationError } = trigger;

afterEach(() => configure({}));

const REFUSED = answers.json(401, { error: "Public Access Token is invalid" });
const tokenOf = ({ headers }) => headers.authorization.replace("Bearer ", "");

async function against(script, use) {
  const server = await startFaultServer(script);
  try {
    return await use(server);
  } finally {
    await server.stop();
  }
}

/** The answers of requests with a good token, in order; any other token is refused. */
function guarded(good, list) {
  const { next, unasked } = answersOf("answers", list);
  return Object.assign((request) => (good(tokenOf(request)) ? next() : REFUSED), { unasked });
}

async function valuesOf(stream) {
  const values = [];
  for await (const value of await stream) values.push(value);
  return values;
}

const read = (options = {}) => streams.read("run_1", "ai", { retry: QUICK, ...options });

describe("defect 5: the token of a stream that is refused", () => {
  test("is renewed, and the stream goes on after the last value", async () => {
    let good = "first";
    const cut = async (connection) => {
      await sse({ v2: true, texts: [v2(0, "a"), v2(1, "b")] })(connection);
      good = "second";
    };
    const script = guarded((token) => token === good, [cut, sse({ v2: true, texts: [v2(2, "c"), DONE] })]);
    await against(script, async (server) => {
      const refreshAccessToken = maker("second");
      configure({ baseURL: server.url, accessToken: "first", refreshAccessToken });
      const states = [];
      const stream = await read({ onStateChange: (state) => states.push(state) });
      assert.deepEqual(await valuesOf(stream), ["a", "b", "c"]);
      assert.equal(refreshAccessToken.calls, 1);
      const last = server.requests.at(-1);
      assert.deepEqual([tokenOf(last), last.headers["last-event-id"]], ["second", "1"]);
      assert.equal(states.filter((state) => state === "refreshing").length, 1);
      assert.equal(states.at(-1), "ended");
    });
  });

  test("is renewed once for many streams", async () => {
    const script = (request) => (tokenOf(request) === "good" ? sse({ v2: true, texts: [v2(0, "a"), DONE] }) : REFUSED);
    await against(script, async (server) => {
      let calls = 0;
      const refreshAccessToken = async () => {
        calls += 1;
        // Everybody is refused before there is an answer.
        await server.until((requests) => requests.length >= 10);
        return "good";
      };
      configure({ baseURL: server.url, accessToken: "expired", refreshAccessToken });
      const all = Array.from({ length: 10 }, () => valuesOf(read()));
      assert.deepEqual(await Promise.all(all), Array(10).fill(["a"]));
      assert.equal(calls, 1);
      assert.equal(server.requests.length, 20);
    });
  });

  test("ends the stream when the new one is refused too, and after the values that came", async () => {
    let good = "first";
    const cut = async (connection) => {
      await sse({ v2: true, texts: [v2(0, "a")] })(connection);
      good = "none";
    };
    await against(
      guarded((token) => token === good, [cut]),
      async (server) => {
        const refreshAccessToken = maker("second");
        configure({ baseURL: server.url, accessToken: "first", refreshAccessToken });
        const values = [];
        const all = (async () => {
          for await (const value of await read()) values.push(value);
        })();
        await assert.rejects(all, AuthenticationError);
        assert.deepEqual([values, refreshAccessToken.calls, server.requests.length], [["a"], 1, 3]);
      },
    );
  });

  test("ends with the refusal, and why there is no better token as its cause", async () => {
    await against(
      () => REFUSED,
      async (server) => {
        const why = new Error("the session is over");
        const refreshAccessToken = async () => {
          throw why;
        };
        configure({ baseURL: server.url, accessToken: "expired", refreshAccessToken });
        await assert.rejects(valuesOf(read()), (error) => error.status === 401 && error.cause === why);
        assert.equal(server.requests.length, 1);
      },
    );
  });
});

test("defect 5: a token that is about to expire is renewed before a stream is opened with it", async () => {
  // Far enough for a busy machine to get to the first request.
  const exp = Math.floor(Date.now() / 1000) + 5;
  const first = jwt("first", exp);
  const second = jwt("second", exp + 3_600);
  const held = async (connection) => {
    await sse({ v2: true, texts: [v2(0, "a")], next: "hold" })(connection);
    // Until the last tenth of its life: the request that follows needs another.
    while (Date.now() < exp * 1000 - 50) await connection.wait(5);
    connection.reset();
  };
  const list = [held, sse({ v2: true, texts: [v2(1, "b"), DONE] })];
  const script = guarded(() => true, list);
  await against(script, async (server) => {
    const refreshAccessToken = maker(second);
    configure({ baseURL: server.url, accessToken: first, refreshAccessToken });
    assert.deepEqual(await valuesOf(read()), ["a", "b"]);
    assert.deepEqual(server.requests.map(tokenOf), [first, second]);
    assert.equal(refreshAccessToken.calls, 1);
  });
});

describe("defect 5: accessToken as a function, for streams", () => {
  const one = guarded((token) => token === "made", [sse({ v2: true, texts: [v2(0, "a"), DONE] })]);

  test("is called when the first stream is read, and once", async () => {
    await against(one, async (server) => {
      const accessToken = maker("made");
      configure({ baseURL: server.url, accessToken });
      const opened = [await read(), await runs.fetchStream("run_1", "ai", { retry: QUICK })];
      assert.equal(accessToken.calls, 0);
      assert.deepEqual(await Promise.all(opened.map(valuesOf)), [["a"], ["a"]]);
      assert.equal(accessToken.calls, 1);
    });
  });

  test("is called at once where the tail of now is asked for", async () => {
    await against(one, async (server) => {
      configure({ baseURL: server.url, accessToken: maker("made") });
      const stream = await read({ from: "latest" });
      await server.until((requests) => requests.length === 1);
      assert.deepEqual(await valuesOf(stream), ["a"]);
    });
  });

  test("rejects the first read with what it throws", async () => {
    const why = new Error("no session");
    const accessToken = async () => {
      throw why;
    };
    configure({ baseURL: "http://127.0.0.1:9", accessToken });
    for (const options of [{}, { from: "latest" }]) await assert.rejects(valuesOf(read(options)), why);
  });

  for (const [how, leave] of Object.entries({
    "close()": (stream) => stream.close(),
    "an abort": (_, controller) => controller.abort(),
  })) {
    test(`${how} ends a read that waits for the token`, async () => {
      const { make, called } = silent();
      configure({ baseURL: "http://127.0.0.1:9", accessToken: make });
      const controller = new AbortController();
      const stream = await read({ signal: controller.signal });
      const waiting = valuesOf(stream);
      await called;
      leave(stream, controller);
      assert.deepEqual(await waiting, []);
    });
  }

  test("serves a run and its streams", async () => {
    const AI = { realtimeStreams: "{ai}" };
    const script = (request) => {
      if (tokenOf(request) !== "made") return REFUSED;
      if (request.path.includes("/streams/")) return sse({ v2: true, texts: [v2(0, "a"), ping(1)], next: "hold" });
      if (request.start) return answers.snapshot(executing(AI));
      return request.live ? answers.change(completed(AI), "2_2") : answers.hold();
    };
    await against(script, async (server) => {
      const accessToken = maker("made");
      configure({ baseURL: server.url, accessToken });
      const parts = await valuesOf(runs.subscribeToRun(RUN_ID, { retry: QUICK }).withStreams());
      assert.deepEqual(
        parts.filter(({ type }) => type === "ai").map(({ chunk }) => chunk),
        ["a"],
      );
      assert.equal(accessToken.calls, 1);
    });
  });

  test("a key of withStreams() that cannot be one is refused at the call all the same", () => {
    configure({ baseURL: "http://127.0.0.1:9", accessToken: () => assert.fail("called") });
    const subscription = runs.subscribeToRun(RUN_ID);
    assert.throws(() => subscription.withStreams({ streams: ["a/../b"] }), { code: "ERR_INVALID_ID" });
    subscription.close();
  });
});

describe("defect 6: what is told of a stream", () => {
  const held = () => sse({ v2: true, texts: [v2(0, "a")], next: "hold" });
  const watched = async (server, options = {}) => {
    configure({ baseURL: server.url, accessToken: "tr_dev_test" });
    const states = [];
    const stream = await read({ onStateChange: (state) => states.push(state), ...options });
    return { stream, states };
  };

  const ways = {
    break: async (stream) => {
      for await (const _ of stream) break;
    },
    "close()": async (stream) => {
      for await (const _ of stream) stream.close();
    },
    "an abort": async (stream, controller) => {
      for await (const _ of stream) controller.abort();
    },
    "a reader's cancel()": async (stream) => {
      const reader = stream.getReader();
      await reader.read();
      await reader.cancel();
    },
  };
  for (const [how, leave] of Object.entries(ways)) {
    test(`${how} tells of the end, once and last`, async () => {
      await against(held, async (server) => {
        const controller = new AbortController();
        const { stream, states } = await watched(server, { signal: controller.signal });
        await leave(stream, controller);
        stream.close();
        assert.deepEqual(states, ["connecting", "live", "ended"]);
      });
    });
  }

  test("the end of a stream that fails is told too, after its last value", async () => {
    let given = 0;
    const script = () =>
      given++ === 0 ? sse({ v2: true, texts: [v2(0, "a")] }) : answers.json(404, { error: "Not found" });
    await against(script, async (server) => {
      const { stream, states } = await watched(server);
      const values = [];
      await assert.rejects(async () => {
        for await (const value of stream) values.push([value, states.includes("ended")]);
      }, /Not found/);
      assert.deepEqual(values, [["a", false]]);
      assert.equal(states.at(-1), "ended");
      assert.equal(states.filter((state) => state === "ended").length, 1);
    });
  });

  test("callbacks that throw end nothing", async () => {
    let given = 0;
    const script = () =>
      given++ === 0 ? answers.json(503, { error: "later" }) : sse({ v2: true, texts: [v2(0, "a"), DONE] });
    await against(script, async (server) => {
      const told = [];
      const fail = (what) => {
        told.push(what);
        throw new Error("the callback's own affair");
      };
      const { stream } = await watched(server, {
        onStateChange: fail,
        onRetry: ({ status }) => fail(status),
      });
      assert.deepEqual(await valuesOf(stream), ["a"]);
      assert.deepEqual(
        told.filter((what) => what === 503 || what === "ended"),
        [503, "ended"],
      );
    });
  });

  test("a stream that is closed before it is read says so", async () => {
    await against(held, async (server) => {
      const { stream, states } = await watched(server);
      assert.equal(stream.stats().state, "idle");
      stream.close();
      assert.equal(stream.stats().state, "ended");
      assert.deepEqual([states, server.requests.length], [[], 0]);
    });
  });
});
