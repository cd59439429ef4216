/** Streams as they are asked for and read: as the official client asks, as web streams, and no faster than they are read (defect 9). */
import assert from "node:assert/strict";
import { once } from "node:events";
import net from "node:net";
import { after, before, describe, test } from "node:test";
import * as official from "@trigger.dev/sdk";
import * as trigger from "trigger-native";
import { ACCESS_TOKEN, FAILSAFE_MS } from "./support/against.mjs";
import * as answers from "./support/answers.mjs";
import { chunk, DONE, LAST, ping, sse, sseHead, v2 } from "./support/sse.mjs";
import { startStreamClient } from "./support/stream-client.mjs";
import { against, inTurn, open, readBy } from "./support/streams.mjs";

const clients = {};
before(async () => {
  [clients.official, clients.ours] = await Promise.all([startStreamClient("official"), startStreamClient("ours")]);
});
after(() => Promise.all(Object.values(clients).map((client) => client.close())));

const read = (which, script, job) => readBy(which, clients[which], script, job);

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

describe("defect 9: a reader that takes one value", { concurrency: 1 }, () => {
  const value = "x".repeat(16 * 1024);
  const offered = 64 * 1024 * 1024;

  /** Offers more than any buffer on the way holds, as fast as it is taken. */
  async function offering(use) {
    const state = { sent: 0, written: 0 };
    let socketOf;
    const server = net.createServer((socket) => {
      socketOf = socket;
      socket.on("error", () => {});
      socket.once("data", () => {
        socket.write(sseHead({ v2: true }));
        const more = () => {
          while (state.sent < offered) {
            const text = chunk(v2(state.written++, value));
            state.sent += text.length;
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
      await use({ baseURL: `http://127.0.0.1:${server.address().port}`, accessToken: ACCESS_TOKEN }, state);
    } finally {
      socketOf?.destroy();
      server.close();
    }
  }

  test("does not stop the official client, which takes all there is", { timeout: FAILSAFE_MS }, () =>
    offering(async (config, state) => {
      official.configure(config);
      const reader = (await official.streams.read("run_1", "ai")).getReader();
      assert.equal((await reader.read()).value, value);
      while (state.sent < offered) await new Promise((resolve) => setTimeout(resolve, 5));
      await reader.cancel();
    }),
  );

  test("leaves the rest on the wire", () =>
    offering(async (config, state) => {
      const stream = await open(config);
      const reader = stream.getReader();
      assert.equal((await reader.read()).value, value);
      // Nothing more is sent once the buffers on the way are full: looked at until it stands still.
      let before = -1;
      while (before !== state.sent) {
        before = state.sent;
        await new Promise((resolve) => setTimeout(resolve, 300));
      }
      assert.ok(state.sent < offered / 4, `${state.sent} bytes were taken for one value`);
      assert.ok(stream.stats().unreadBytes < 1024 * 1024, `${stream.stats().unreadBytes} bytes unread`);
      let count = 1;
      for (let step = await reader.read(); !step.done; step = await reader.read()) count += 1;
      assert.equal(count, state.written, "and every value comes in the end");
    }));
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
