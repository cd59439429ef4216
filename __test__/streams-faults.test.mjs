/** Streams against a server that drops, repeats, stalls and refuses: defects 3, 5, 6, 8, 9, 11, 12, 13, 17. */
import assert from "node:assert/strict";
import { once } from "node:events";
import net from "node:net";
import { after, before, describe, test } from "node:test";
import * as trigger from "trigger-native";
import { ACCESS_TOKEN, FAILSAFE_MS, QUICK } from "./support/against.mjs";
import * as answers from "./support/answers.mjs";
import { startFaultServer } from "./support/fault-server.mjs";
import { chunk, DONE, LAST, ping, sse, sseHead, v1, v2 } from "./support/sse.mjs";
import { startStreamClient } from "./support/stream-client.mjs";

const clients = {};
before(async () => {
  [clients.official, clients.ours] = await Promise.all([startStreamClient("official"), startStreamClient("ours")]);
});
after(() => Promise.all(Object.values(clients).map((client) => client.close())));

/** Each request gets the next answer; the last one is repeated. */
const inTurn = (list) => {
  let given = 0;
  return () => list[Math.min(given++, list.length - 1)];
};

async function against(script, use) {
  const server = await startFaultServer(script);
  try {
    return await use({ baseURL: server.url, accessToken: ACCESS_TOKEN }, server);
  } finally {
    await server.stop();
  }
}

/** What a client's process reads of a scripted stream. */
const read = (which, script, { args = ["run_1", "ai"], options = {}, ...job } = {}) =>
  against(script, async (config, server) => {
    const mine = which === "ours" ? { retry: QUICK, ...options } : options;
    const all = { config, call: "streams.read", args, options: mine, timeoutMs: FAILSAFE_MS, ...job };
    return { ...(await clients[which].read(all)), requests: server.requests.slice() };
  });

/** Opens a stream in this process. */
async function open(config, options = {}, key = "ai") {
  trigger.configure(config);
  return trigger.streams.read("run_1", key, { retry: QUICK, ...options });
}

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

describe("what a stream asks for", { concurrency: 4 }, () => {
  const asked = async (which, args, options) => {
    const { requests, values } = await read(which, inTurn([sse({ v2: true, texts: [v2(7, "x"), DONE] })]), {
      args,
      options,
    });
    assert.deepEqual(values, ["x"]);
    const { path, headers } = requests[0];
    const names = ["accept", "last-event-id", "timeout-seconds", "x-trigger-stream-start", "authorization"];
    const versions = ["trigger-version", "x-trigger-source", "x-trigger-api-version"];
    const streams = "x-trigger-realtime-streams-version";
    return { path, ...Object.fromEntries([...names, ...versions, streams].map((name) => [name, headers[name]])) };
  };
  const cases = [
    ["the default key", ["run_1"], {}],
    ["a named key", ["run_1", "ai"], {}],
    ["its own time", ["run_1", "ai"], { timeoutInSeconds: 7 }],
    ["the beginning", ["run_1", "ai"], { startIndex: 0 }],
    ["a position", ["run_1", "ai"], { startIndex: 5 }],
    ["the tail", ["run_1", "ai"], { from: "latest" }],
    ["a position rather than the tail", ["run_1", "ai"], { from: "latest", startIndex: 5 }],
  ];
  for (const [what, args, options] of cases) {
    test(`${what}: the same as the official client`, async () => {
      assert.deepEqual(await asked("ours", args, options), await asked("official", args, options));
    });
  }
});

describe("defect 8: what cannot be an id or an option is refused before any request", () => {
  const refused = [
    [["../../api/v1/runs", "ai"], {}, "ERR_INVALID_ID"],
    [["run_1", "a/b"], {}, "ERR_INVALID_ID"],
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
    await against(inTurn([sse({ v2: true, texts: [v2(0, 1)] })]), async (config, server) => {
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

describe("a stream is a web stream", { concurrency: 4 }, () => {
  const three = () => inTurn([sse({ v2: true, texts: [v2(0, 1), v2(1, 2), v2(2, 3), DONE] })]);

  test("getReader() reads it, and then it is locked", async () => {
    await against(three(), async (config) => {
      const stream = await open(config);
      assert.ok(stream instanceof ReadableStream);
      const reader = stream.getReader();
      assert.equal(stream.locked, true);
      assert.throws(() => stream[Symbol.asyncIterator](), TypeError);
      const values = [];
      for (let step = await reader.read(); !step.done; step = await reader.read()) values.push(step.value);
      assert.deepEqual(values, [1, 2, 3]);
    });
  });

  test("pipeThrough() and tee() carry every value", async () => {
    await against(three(), async (config) => {
      const doubled = new TransformStream({ transform: (value, controller) => controller.enqueue(value * 2) });
      const [left, right] = (await open(config)).pipeThrough(doubled).tee();
      const values = [[], []];
      await Promise.all(
        [left, right].map(async (side, index) => {
          for await (const value of side) values[index].push(value);
        }),
      );
      assert.deepEqual(values, [
        [2, 4, 6],
        [2, 4, 6],
      ]);
    });
  });

  test("it is locked while iterated, and goes on where a reader left it", async () => {
    await against(three(), async (config) => {
      const stream = await open(config);
      const iterator = stream.values({ preventCancel: true });
      assert.equal((await iterator.next()).value, 1);
      assert.throws(() => stream.getReader(), TypeError);
      await iterator.return();
      const reader = stream.getReader();
      assert.equal((await reader.read()).value, 2);
      reader.releaseLock();
      const rest = [];
      for await (const value of stream) rest.push(value);
      assert.deepEqual(rest, [3]);
    });
  });

  test("its iterator ends it with `await using`", async () => {
    for (const used of [false, true]) {
      await against(three(), async (config) => {
        const stream = await open(config);
        // After a reader, the iterator is the web stream's own.
        if (used) {
          const reader = stream.getReader();
          await reader.read();
          reader.releaseLock();
        }
        const iterator = stream.values();
        assert.equal((await iterator.next()).value, used ? 2 : 1);
        await iterator[Symbol.asyncDispose]();
        assert.equal((await iterator.next()).done, true);
        assert.deepEqual([stream.stats().unreadBytes, stream.locked], [0, false]);
      });
    }
  });

  test("an error reaches readers, pipes and iterators, and stays", async () => {
    await against(inTurn([answers.json(404, { error: "no" })]), async (config) => {
      await assert.rejects((await open(config)).getReader().read(), { status: 404 });
      await assert.rejects((await open(config)).pipeTo(new WritableStream()), { status: 404 });
      const stream = await open(config);
      await assert.rejects(
        async () => {
          for await (const _ of stream);
        },
        { status: 404 },
      );
      await assert.rejects(stream.getReader().read(), { status: 404 });
    });
  });

  test("undefined, null and odd values come as they were written", async () => {
    const records = [
      { seq_num: 0, timestamp: 1, body: '{"id":"a"}' },
      { seq_num: 1, timestamp: 1, body: '{"id":"b","data":null}' },
      { seq_num: 2, timestamp: 1, body: '{"id":"c","data":"{\\"n\\":1}"}' },
      { seq_num: 3, timestamp: 1, body: '{"id":"d","data":{"__proto__":1,"é":"\\ud83d\\ude00"}}' },
    ];
    const script = () =>
      inTurn([sse({ v2: true, texts: [`event: batch\ndata: ${JSON.stringify({ records })}\n\n`, DONE] })]);
    const [theirs, mine] = await Promise.all([read("official", script()), read("ours", script())]);
    assert.equal(mine.values.length, 4);
    assert.deepEqual(mine.values, theirs.values);
  });
});

test("defect 9: a reader that takes one value leaves the rest on the wire", async () => {
  const value = "x".repeat(16 * 1024);
  const offered = 64 * 1024 * 1024;
  let sent = 0;
  let written = 0;
  let socketOf;
  const server = net.createServer((socket) => {
    socketOf = socket;
    socket.on("error", () => {});
    socket.once("data", () => {
      socket.write(sseHead({ v2: true }));
      const more = () => {
        while (sent < offered) {
          const text = chunk(v2(written++, value));
          sent += text.length;
          if (!socket.write(text)) return socket.once("drain", more);
        }
        socket.write(chunk(DONE) + LAST);
      };
      more();
    });
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  try {
    const stream = await open({ baseURL: `http://127.0.0.1:${server.address().port}`, accessToken: ACCESS_TOKEN });
    const reader = stream.getReader();
    assert.equal((await reader.read()).value, value);
    // Nothing more is sent once the buffers on the way are full: looked at until it stands still.
    let before = -1;
    while (before !== sent) {
      before = sent;
      await new Promise((resolve) => setTimeout(resolve, 300));
    }
    assert.ok(sent < offered / 4, `${sent} bytes were taken for one value`);
    assert.ok(stream.stats().unreadBytes < 1024 * 1024, `${stream.stats().unreadBytes} bytes unread`);
    let count = 1;
    for (let step = await reader.read(); !step.done; step = await reader.read()) count += 1;
    assert.equal(count, written, "and every value comes in the end");
  } finally {
    socketOf?.destroy();
    server.close();
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

test("streams.define() and runs.fetchStream() read the same stream", async () => {
  await against(inTurn([sse({ v2: true, texts: [v2(0, "x"), ping(1), DONE] })]), async (config, server) => {
    trigger.configure(config);
    const values = [];
    for await (const value of await trigger.streams.define({ id: "ai" }).read("run_1")) values.push(value);
    for await (const value of await trigger.runs.fetchStream("run_1", "ai")) values.push(value);
    assert.deepEqual(values, ["x", "x"]);
    assert.deepEqual(
      server.requests.map(({ path, headers }) => [path, headers["timeout-seconds"]]),
      [
        ["/realtime/v1/streams/run_1/ai", "60"],
        ["/realtime/v1/streams/run_1/ai", undefined],
      ],
    );
  });
});
