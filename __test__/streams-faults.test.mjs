/** Streams against a server that drops, repeats, stalls and refuses: defects 3, 5, 6, 8, 11, 12, 13, 17. */
import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import * as trigger from "trigger-native";
import { ACCESS_TOKEN, QUICK } from "./support/against.mjs";
import * as answers from "./support/answers.mjs";
import { maybe } from "./support/scripted.mjs";
import { DONE, sse, v1, v2 } from "./support/sse.mjs";
import { startStreamClient } from "./support/stream-client.mjs";
import { against, inTurn, open, readBy } from "./support/streams.mjs";

const clients = {};
before(async () => {
  [clients.official, clients.ours] = await Promise.all([startStreamClient("official"), startStreamClient("ours")]);
});
after(() => Promise.all(Object.values(clients).map((client) => client.close())));

const read = (which, script, job) => readBy(which, clients[which], script, job);

describe("defects 12 and 13: a dropped stream is resumed, without loss and without duplicates", {
  concurrency: 4,
}, () => {
  for (const next of ["end", "reset"]) {
    test(`v2, when the body ends with a ${next}`, async () => {
      const script = () =>
        inTurn([
          sse({ v2: true, texts: [v2(0, "A"), v2(1, "B", "same"), v2(2, "C").slice(0, 60)], next }),
          sse({ v2: true, texts: [v2(2, "B", "same"), v2(3, "C"), DONE] }),
        ]);
      const mine = await read("ours", script());
      assert.deepEqual([mine.values, mine.ended], [["A", "B", "C"], true]);
      assert.deepEqual(
        mine.requests.map(({ headers }) => headers["last-event-id"]),
        [undefined, "1"],
      );
      const theirs = await read("official", script(), { timeoutMs: 2_000 });
      const wrong = next === "end" ? ["A", "B"] : ["A", "B", "B", "C"];
      assert.deepEqual(theirs.values, wrong, "the official client loses or repeats");
    });

    test(`v1, when the body ends with a ${next}`, async () => {
      const mine = await read(
        "ours",
        inTurn([
          sse({ texts: [v1("1-0", "A"), v1("2-0", "B"), v1("2-0", "C")], next }),
          sse({ texts: [v1("2-0", "B"), v1("2-0", "C"), v1("2-0", "D"), v1("3-0", "E")], next }),
          sse({ texts: [v1("3-0", "E")], next: "end" }),
        ]),
      );
      assert.deepEqual([mine.values, mine.error, mine.ended], [["A", "B", "C", "D", "E"], null, true]);
      assert.deepEqual(
        mine.requests.slice(0, 3).map(({ headers }) => headers["last-event-id"]),
        [undefined, "1-0", "2-0"],
      );
    });
  }
});

describe("defect 8: what cannot be an id or an option is refused before any request", () => {
  const refused = [
    [["../../api/v1/runs", "ai"], {}, "ERR_INVALID_ID"],
    [["run_1", "a/../b"], {}, "ERR_INVALID_ID"],
    [["run_1", ".."], {}, "ERR_INVALID_ID"],
    [["run_1", ""], {}, "ERR_INVALID_ID"],
    [["run_1", "\ud800"], {}, "ERR_INVALID_ID"],
    [[undefined, "ai"], {}, "ERR_INVALID_ID"],
    ...[0, 601, 1.5, "5", Number.NaN].map((value) => [
      ["run_1", "ai"],
      { timeoutInSeconds: value },
      "ERR_INVALID_OPTIONS",
    ]),
    ...[-1, 0.5, Number.NaN, "1"].map((value) => [["run_1", "ai"], { startIndex: value }, "ERR_INVALID_OPTIONS"]),
    [["run_1", "ai"], { from: "end" }, "ERR_INVALID_OPTIONS"],
    [["run_1", "ai"], { signal: {} }, "ERR_INVALID_OPTIONS"],
  ];
  for (const [args, options, code] of refused) {
    test(`${JSON.stringify(args)} ${JSON.stringify(options)}`, async () => {
      trigger.configure({ baseURL: "http://127.0.0.1:9", accessToken: ACCESS_TOKEN });
      await assert.rejects(trigger.streams.read(...args, options), { name: "TriggerNativeError", code });
    });
  }

  test("an odd key stays one path segment", async () => {
    const { requests } = await read("ours", inTurn([sse({ v2: true, texts: [DONE] })]), { args: ["run_1", "a b?c#d"] });
    assert.equal(requests[0].target, "/realtime/v1/streams/run_1/a%20b%3Fc%23d");
  });
});

describe("a refused or failing stream", { concurrency: 6 }, () => {
  for (const [status, className] of [
    [400, "BadRequestError"],
    [401, "AuthenticationError"],
    [403, "PermissionDeniedError"],
    [404, "NotFoundError"],
    [409, "ConflictError"],
    [410, "ApiError"],
    [422, "UnprocessableEntityError"],
  ]) {
    test(`${status} rejects with a ${className}, after one request`, async () => {
      const mine = await read("ours", inTurn([answers.json(status, { error: "refused" })]));
      assert.deepEqual([mine.error?.className, mine.error?.status], [className, status]);
      assert.equal(mine.requests.length, 1);
    });
  }

  test("a refusal after two values comes after the two values", async () => {
    const mine = await read(
      "ours",
      inTurn([sse({ v2: true, texts: [v2(0, 1), v2(1, 2)] }), answers.json(401, { error: "expired" })]),
    );
    assert.deepEqual([mine.values, mine.error?.status], [[1, 2], 401]);
  });

  test("503 and 429 are asked again, with onRetry and the state told", async () => {
    const script = inTurn([
      answers.json(503, { error: "later" }),
      answers.json(429, { error: "slower" }),
      sse({ v2: true, texts: [v2(0, "x"), DONE] }),
    ]);
    await against(script, async (config) => {
      const retries = [];
      const states = [];
      const stream = await open(config, {
        onRetry: (retry) => retries.push(retry),
        onStateChange: (state) => states.push(state),
      });
      const values = [];
      for await (const value of stream) values.push(value);
      assert.deepEqual(values, ["x"]);
      assert.deepEqual(
        retries.map(({ status, attempt }) => [status, attempt]),
        [
          [503, 1],
          [429, 2],
        ],
      );
      assert.deepEqual(states, ["connecting", "retrying", "live", "ended"]);
      const { requests, retries: count, chunks, ending } = stream.stats();
      assert.deepEqual({ requests, count, chunks, ending }, { requests: 3, count: 2, chunks: 1, ending: "idle" });
    });
  });

  for (const [what, answer, name] of [
    ["HTML with 200", answers.html(), "ProtocolError"],
    ["a batch that is no JSON", sse({ v2: true, texts: ["event: batch\ndata: {\n\n"] }), "ProtocolError"],
    ["an error event", sse({ v2: true, texts: ["event: error\ndata: gone\n\n"] }), "ProtocolError"],
  ]) {
    test(`${what} rejects with a ${name} within 20 s and 30 requests`, async () => {
      const mine = await read("ours", inTurn([answer]), { timeoutMs: 20_000 });
      assert.equal(mine.error?.className, name);
      assert.ok(mine.requests.length <= 30, `${mine.requests.length} requests`);
    });
  }

  test("a server that stays away rejects when the time to retry is over", async () => {
    const mine = await read("ours", inTurn([(connection) => connection.reset()]), {
      options: { retry: { ...QUICK, maxElapsedMs: 300 } },
    });
    assert.equal(mine.error?.className, "ApiConnectionError");
  });

  test("defect 11: silence is noticed, and the stream resumed", async () => {
    const mine = await read(
      "ours",
      inTurn([
        sse({ v2: true, texts: [v2(0, "A")], next: "hold" }),
        answers.hold(),
        sse({ v2: true, texts: [v2(1, "B"), DONE] }),
      ]),
      { options: { silenceTimeoutMs: 200, retry: QUICK } },
    );
    assert.deepEqual([mine.values, mine.error, mine.requests.length], [["A", "B"], null, 3]);
  });
});

describe("leaving a stream", { concurrency: 4 }, () => {
  test("defect 17: an aborted signal sends nothing and yields nothing", async () => {
    await against(inTurn([maybe(sse({ v2: true, texts: [v2(0, 1)] }))]), async (config, server) => {
      const stream = await open(config, { signal: AbortSignal.abort(), from: "latest" });
      for await (const value of stream) assert.fail(`yielded ${value}`);
      assert.equal(server.requests.length, 0);
    });
  });

  const leave = {
    abort: (_stream, controller) => controller.abort(),
    "close()": (stream) => stream.close(),
    "await using": (stream) => stream[Symbol.asyncDispose](),
  };
  for (const [how, act] of Object.entries(leave)) {
    test(`${how} ends a waiting read and the connection`, async () => {
      let closed;
      const script = inTurn([
        async (connection) => {
          closed = connection.closed;
          await sse({ v2: true, texts: [v2(0, 1)], next: "hold" })(connection);
        },
      ]);
      await against(script, async (config) => {
        const controller = new AbortController();
        const stream = await open(config, { signal: controller.signal });
        const iterator = stream[Symbol.asyncIterator]();
        assert.deepEqual(await iterator.next(), { done: false, value: 1 });
        const waiting = iterator.next();
        await act(stream, controller);
        assert.deepEqual(await waiting, { done: true, value: undefined });
        await closed;
      });
    });
  }

  for (const [how, act] of Object.entries({
    break: async (stream) => {
      for await (const _ of stream) break;
    },
    "a reader's cancel()": async (stream) => {
      const reader = stream.getReader();
      await reader.read();
      await reader.cancel();
    },
  })) {
    test(`${how} ends the connection`, async () => {
      let closed;
      const script = inTurn([
        async (connection) => {
          closed = connection.closed;
          await sse({ v2: true, texts: [v2(0, 1), v2(1, 2)], next: "hold" })(connection);
        },
      ]);
      await against(script, async (config) => {
        const stream = await open(config);
        await act(stream);
        await closed;
        assert.equal(stream.stats().state, "ended");
      });
    });
  }
});

describe("input streams", () => {
  test("send() posts the data as the official client does", async () => {
    const posted = async (streams, configure) =>
      against(inTurn([answers.json(200, { ok: true })]), async (config, server) => {
        configure(config);
        const approval = streams.input({ id: "approval" });
        assert.equal(await approval.send("run_1", { ok: true, é: [null] }), undefined);
        const { method, path, headers, body } = server.requests[0];
        return { method, path, body, type: headers["content-type"], key: headers.authorization };
      });
    const { configure, streams } = (await import("@trigger.dev/sdk")).default ?? (await import("@trigger.dev/sdk"));
    assert.deepEqual(await posted(trigger.streams, trigger.configure), await posted(streams, configure));
  });

  test("a refusal is typed, and a signal or a time ends the call", async () => {
    await against(
      (request) => (request.path.includes("gone") ? answers.json(404, { error: "Run not found" }) : answers.hold()),
      async (config) => {
        trigger.configure(config);
        const approval = trigger.streams.input({ id: "approval" });
        await assert.rejects(approval.send("gone", 1), { name: "TriggerApiError", status: 404 });
        await assert.rejects(approval.send("run_1", 1, { timeoutInMs: 50 }), { code: "ERR_TIMEOUT" });
        await assert.rejects(approval.send("run_1", 1, { signal: AbortSignal.timeout(50) }), { name: "TimeoutError" });
        await assert.rejects(approval.send("run_1", 1n), { code: "ERR_INVALID_ARGUMENT" });
        await assert.rejects(approval.send("a/b", 1), { code: "ERR_INVALID_ID" });
      },
    );
  });

  test("what only works in a task says so", () => {
    assert.throws(() => trigger.streams.define({ id: "ai" }).pipe(), { code: "ERR_TASK_ONLY" });
    assert.throws(() => trigger.streams.input({ id: "ai" }).once(), { code: "ERR_TASK_ONLY" });
    assert.throws(() => trigger.streams.define({}), { code: "ERR_INVALID_ID" });
  });
});
