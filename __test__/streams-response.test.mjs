/** Streams as server-sent events: what a browser behind a route handler would see. */
import assert from "node:assert/strict";
import { after, describe, test } from "node:test";
import { SuperJSON } from "superjson";
import { ArgumentError, configure, runs, streams } from "trigger-native";
import { ACCESS_TOKEN, QUICK } from "./support/against.mjs";
import * as answers from "./support/answers.mjs";
import { all, back, events, names } from "./support/events.mjs";
import { startFaultServer } from "./support/fault-server.mjs";
import { DONE, sse, v1, v2 } from "./support/sse.mjs";

const started = [];
after(() => Promise.all(started.map((server) => server.stop())));

/** A server of streams, configured to be read from. */
async function serve(script) {
  const server = await startFaultServer(script);
  started.push(server);
  configure({ baseURL: server.url, accessToken: ACCESS_TOKEN });
  return server;
}

const read = (options) => streams.read("run_1", "ai", { retry: QUICK, ...options });
const asked = (server) => server.requests.map(({ headers }) => headers["last-event-id"]);
const values = (list) => list.filter(({ event }) => event === "chunk").map(({ data }) => JSON.parse(data));

/** A stream as its server keeps it: it resumes strictly after an id, and says that the window is over. */
const storeOf = {
  v1: (records) => (request) => {
    const after = idOrder(request.headers["last-event-id"] ?? "");
    const rest = records.filter(([id]) => idOrder(id) > after);
    return sse({ texts: rest.map(([id, value]) => v1(id, value)), next: "end" });
  },
  v2: (records) => (request) => {
    const after = Number(request.headers["last-event-id"] ?? -1);
    const rest = records.map((record, seq) => [seq, ...record]).filter(([seq]) => seq > after);
    return sse({ v2: true, texts: [...rest.map(([seq, value, id]) => v2(seq, value, id)), DONE] });
  },
};

/** The order of v1 ids, as the store has them: two numbers of 64 bits. */
function idOrder(id) {
  if (id === "") return -1n;
  const [ms, seq = "0"] = id.split("-");
  return BigInt(ms) * 2n ** 64n + BigInt(seq);
}

describe("a stream as a response", () => {
  test("is chunks with ids, in plain JSON, and an end that says why", async () => {
    await serve(storeOf.v2([["a"], [{ n: 1 }], [null]]));
    const response = (await read()).toResponse();
    assert.equal(response.status, 200);
    assert.equal(response.headers.get("content-type"), "text/event-stream; charset=utf-8");
    assert.equal(response.headers.get("cache-control"), "no-store, no-transform");
    assert.equal(response.headers.get("x-accel-buffering"), "no");
    const list = await all(response);
    assert.deepEqual(names(list), ["chunk", "chunk", "chunk", "end"]);
    assert.deepEqual(values(list), ["a", { n: 1 }, null]);
    assert.deepEqual(JSON.parse(list[3].data), { ending: "idle" });
    assert.equal(new Set(list.map(({ id }) => id)).size, 4);
    assert.equal(list[3].id, `${list[2].id};end`);
  });

  const stored = {
    v1: [
      ["1-0", "a"],
      ["1-0", "b"],
      ["1-0", "c"],
      ["1-1", "d"],
      ["2-0", "e"],
      ["2-0", "f"],
    ],
    // A record that was appended twice has two numbers and one id.
    v2: [["a"], ["b"], ["c", "same"], ["c", "same"], ["d"]],
  };
  for (const [version, records] of Object.entries(stored)) {
    test(`gives a browser that comes back after any event the rest, once (${version})`, async () => {
      await serve(storeOf[version](records));
      const first = await all((await read({ timeoutInSeconds: 1 })).toResponse());
      const expected = values(first);
      assert.equal(expected.length, version === "v1" ? 6 : 4);
      for (const [index, { id }] of first.slice(0, -1).entries()) {
        const list = await all((await read({ timeoutInSeconds: 1 })).toResponse(back(id)));
        assert.deepEqual(values(list), expected.slice(index + 1), `after ${id}`);
        // The ids of the rest are what they were: it can come and go as it likes.
        assert.deepEqual(
          list.map((each) => each.id),
          first.slice(index + 1).map((each) => each.id),
        );
      }
    });
  }

  test("opens a stream where the browser left it, not at its beginning", async () => {
    const records = Array.from({ length: 200 }, (_, n) => [n]);
    const server = await serve(storeOf.v2(records));
    const [{ id }] = (await all((await read()).toResponse())).slice(150);
    assert.equal(values(await all((await read()).toResponse(back(id)))).length, 49);
    // Some records before it, for their append ids.
    assert.deepEqual(asked(server), [undefined, String(150 - 64)]);

    const old = await serve(
      storeOf.v1([
        ["5-0", "a"],
        ["7-1", "b"],
        ["7-1", "c"],
      ]),
    );
    const [, { id: shared }] = await all((await read({ timeoutInSeconds: 1 })).toResponse());
    old.requests.length = 0;
    await all((await read({ timeoutInSeconds: 1 })).toResponse(back(shared)));
    assert.equal(asked(old)[0], "7-0");
  });

  test("asks for no less than the browser wants when it had begun at the tail", async () => {
    const server = await serve(storeOf.v2([["a"], ["b"], ["c"]]));
    const [, { id }] = await all((await read()).toResponse());
    const list = await all((await read({ from: "latest" })).toResponse(back(id)));
    assert.deepEqual(values(list), ["c"]);
    assert.equal(server.requests.at(-1).headers["x-trigger-stream-start"], undefined);
  });

  test("tells a browser that comes back after the end to stay away", async () => {
    const server = await serve(storeOf.v2([["a"]]));
    const list = await all((await read()).toResponse());
    const response = (await read()).toResponse(back(list.at(-1).id));
    assert.deepEqual([response.status, response.body, server.requests.length], [204, null, 1]);
  });

  test("tells a browser that comes back from another stream to begin again", async () => {
    await serve(storeOf.v2([["a"], ["b"]]));
    const first = await all((await read()).toResponse());
    for (const { id } of [first[0], first[2], { id: "17" }, { id: ";end" }]) {
      const list = await all((await streams.read("run_2", "ai")).toResponse(back(id)));
      assert.deepEqual(names(list), ["restart", "chunk", "chunk", "end"], id);
      assert.deepEqual([list[0].data, list[0].id], ["{}", undefined]);
    }
    assert.deepEqual(names(await all((await streams.read("run_2", "ai")).toResponse())), ["chunk", "chunk", "end"]);
  });

  test("tells a browser whose id holds no place in the stream to begin again", async () => {
    const server = await serve(storeOf.v2([["a"], ["b"]]));
    const [first] = await all((await read()).toResponse());
    const tag = first.id.slice(0, -1);
    for (const place of ["", "x", "-1", "1-", "1e3", "9".repeat(50)]) {
      const list = await all((await read()).toResponse(back(tag + place)));
      assert.deepEqual(names(list), ["restart", "chunk", "chunk", "end"], place);
    }
    assert.ok(asked(server).every((id) => id === undefined));
  });

  test("says what went wrong after what came before, without the server's headers or bodies", async () => {
    let request = 0;
    const script = () => {
      request += 1;
      if (request === 1) return sse({ v2: true, texts: [v2(0, "a")], next: "reset" });
      return answers.json(403, { error: "Unauthorized", secret: "in the body" });
    };
    await serve(script);
    const list = await all((await read()).toResponse());
    assert.deepEqual(names(list), ["chunk", "error"]);
    const error = { name: "TriggerApiError", message: "Unauthorized", status: 403 };
    assert.deepEqual({ ...JSON.parse(list[1].data), code: undefined }, { ...error, code: undefined });
    assert.equal(list[1].id, undefined);
  });

  test("beats while nothing is written", async () => {
    await serve(() => sse({ v2: true, texts: [], next: "hold" }));
    let beat;
    const timer = {
      setTimeout(callback, _ms, value) {
        beat = () => callback(value);
      },
      clearTimeout() {},
    };
    const reader = (await read()).toResponse(undefined, { timer }).body.getReader();
    const text = async () => new TextDecoder().decode((await reader.read()).value);
    assert.equal(await text(), ": open\n\n");
    const next = text();
    await new Promise(setImmediate);
    beat();
    assert.equal(await next, ": ping\n\n");
    await reader.cancel();
  });

  const leaving = {
    "the request's signal": (_reader, controller) => controller.abort(),
    "a cancelled body": (reader) => reader.cancel(),
  };
  for (const [how, leave] of Object.entries(leaving)) {
    test(`ends the request to the server when the client leaves by ${how}, also amid a wait`, async () => {
      let closed;
      await serve(() => async (connection) => {
        closed = connection.closed;
        await sse({ v2: true, texts: [v2(0, "a")], next: "hold" })(connection);
      });
      const controller = new AbortController();
      const stream = await read();
      const reader = stream.toResponse(back(undefined, { signal: controller.signal })).body.getReader();
      await reader.read();
      await reader.read();
      const pending = reader.read();
      await leave(reader, controller);
      assert.equal((await pending).done, true);
      await closed;
    });
  }

  for (const [how, options, close] of [
    ["close()", {}, (stream) => stream.close()],
    ["its signal", {}, (_stream, controller) => controller.abort()],
  ]) {
    test(`does not tell the browser to stay away when it is closed on this side by ${how}`, async () => {
      await serve(() => sse({ v2: true, texts: [v2(0, "a")], next: "hold" }));
      const controller = new AbortController();
      const stream = await read({ ...options, signal: controller.signal });
      const list = [];
      for await (const each of events(stream.toResponse())) {
        list.push(each.event ?? each.comment);
        if (each.event === "chunk") close(stream, controller);
      }
      assert.deepEqual(list, ["open", "chunk"]);
    });
  }

  test("reads nothing before the client does, and no more than bounds allow ahead of it", async () => {
    const large = "x".repeat(16 * 1024);
    const server = await serve(storeOf.v2(Array.from({ length: 1_000 }, () => [large])));
    const stream = await read();
    const reader = stream.toResponse().body.getReader();
    await reader.read();
    assert.equal(server.requests.length, 0);
    await reader.read();
    await new Promise((resolve) => setTimeout(resolve, 100));
    assert.ok(stream.stats().unreadBytes < 1024 * 1024, `${stream.stats().unreadBytes} bytes unread of 16 MB`);
    await reader.cancel();
  });

  test("keeps what JSON has no word for when asked for superjson", async () => {
    const record = { seq_num: 0, timestamp: 1, body: '{"id":"a"}' };
    await serve(() =>
      sse({ v2: true, texts: [`event: batch\ndata: ${JSON.stringify({ records: [record] })}\n\n`, DONE] }),
    );
    const [asJson] = await all((await read()).toResponse());
    assert.equal(asJson.data, "null");
    const [first] = await all((await read()).toResponse(undefined, { superjson: true }));
    assert.equal(SuperJSON.parse(first.data), undefined);
  });

  test("leaves the stream as it was when its options cannot be", async () => {
    await serve(storeOf.v2([["a"]]));
    const stream = await read();
    for (const options of [{ heartbeatInMs: 0 }, { retryInMs: -1 }, 5]) {
      assert.throws(() => stream.toResponse(undefined, options), ArgumentError);
    }
    assert.equal(stream.locked, false);
    assert.deepEqual(values(await all(stream.toResponse())), ["a"]);
  });

  test("works for runs.fetchStream() and for defined streams, and takes the stream for itself", async () => {
    await serve(storeOf.v2([["a"]]));
    const fetched = await runs.fetchStream("run_1", "ai");
    const response = fetched.toResponse();
    assert.throws(() => fetched.getReader(), TypeError);
    assert.deepEqual(values(await all(response)), ["a"]);
    const defined = await streams.define({ id: "ai" }).read("run_1");
    assert.deepEqual(values(await all(defined.toResponse())), ["a"]);
  });
});
