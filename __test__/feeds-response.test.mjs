/** A subscription as server-sent events: what a browser behind a route handler would see. */
import assert from "node:assert/strict";
import { createRequire } from "node:module";
import { after, describe, test } from "node:test";
import { SuperJSON } from "superjson";
import { all, back, events } from "./support/events.mjs";
import { doneRow, runRow, startFeed, tell } from "./support/many.mjs";

const require = createRequire(import.meta.url);
const { configure, runs, ArgumentError } = require("../index.js");
const { toResponse } = require("../js/streams/response.js");

const servers = [];
after(() => {
  for (const server of servers) server.stop();
});

async function feed(answer) {
  const server = await startFeed(answer);
  servers.push(server);
  configure({ baseURL: server.url, accessToken: "tr_dev_response" });
  return server;
}

const at = (second) => `2026-01-02T03:04:0${second}.000`;
const version = (second) => String(Date.parse(`${at(second)}Z`));

/** One run that is executing at second 5 and done at second 7. */
const short = () =>
  feed((n) =>
    n === 0
      ? [tell(runRow(1, { status: "EXECUTING", updatedAt: at(5) }))]
      : [tell(doneRow(1, { updatedAt: at(7), payload: '{"when":1}' }))],
  );

describe("a run as a response", () => {
  test("is events with ids, in plain JSON, and an end", async () => {
    await short();
    const response = runs.subscribeToRun("run_many1").toResponse();
    assert.equal(response.status, 200);
    assert.equal(response.headers.get("content-type"), "text/event-stream; charset=utf-8");
    assert.equal(response.headers.get("cache-control"), "no-store, no-transform");
    assert.equal(response.headers.get("x-accel-buffering"), "no");
    const list = await all(response);
    assert.deepEqual(
      list.map(({ event, id }) => [event, id]),
      [
        ["run", version(5)],
        ["run", version(7)],
        ["end", `${version(7)};end`],
      ],
    );
    const run = JSON.parse(list[1].data);
    assert.equal(run.status, "COMPLETED");
    assert.equal(run.updatedAt, `${at(7)}Z`);
    assert.equal(run.isFinished, true);
    assert.deepEqual(run.payload, { when: 1 });
  });

  test("gives a browser that comes back the present state", async () => {
    await short();
    const list = await all(runs.subscribeToRun("run_many1").toResponse(back(version(5))));
    assert.deepEqual(
      list.map(({ event, id }) => [event, id]),
      [
        ["run", version(5)],
        ["run", version(7)],
        ["end", `${version(7)};end`],
      ],
    );
  });

  test("gives nothing older than what the id says", async () => {
    await short();
    const list = await all(runs.subscribeToRun("run_many1").toResponse(back(version(6))));
    assert.deepEqual(
      list.map(({ event, id }) => [event, id]),
      [
        ["run", version(7)],
        ["end", `${version(7)};end`],
      ],
    );
  });

  test("tells a browser that comes back after the end to stay away", async () => {
    const server = await short();
    const response = runs.subscribeToRun("run_many1").toResponse(back(`${version(7)};end`));
    assert.equal(response.status, 204);
    assert.equal(response.body, null);
    assert.equal(server.requests.length, 0);
  });

  test("ignores an id it did not give", async () => {
    for (const id of ["x", "-1", "1e3", "99999999999999999999"]) {
      await short();
      assert.equal((await all(runs.subscribeToRun("run_many1").toResponse(back(id)))).length, 3, id);
    }
  });

  test("says what went wrong, without the server's headers or the key", async () => {
    await feed(() => ({ status: 403, body: '{"error":"Unauthorized","code":"unauthorized"}' }));
    const [only, ...rest] = await all(runs.subscribeToRun("run_many1").toResponse());
    assert.equal(rest.length, 0);
    assert.equal(only.event, "error");
    assert.deepEqual(JSON.parse(only.data), {
      name: "TriggerApiError",
      message: "Unauthorized",
      code: "unauthorized",
      status: 403,
    });
  });

  test("keeps dates and bigints when asked for superjson", async () => {
    await short();
    const [first] = await all(runs.subscribeToRun("run_many1").toResponse(undefined, { superjson: true }));
    assert.deepEqual(SuperJSON.parse(first.data).updatedAt, new Date(`${at(5)}Z`));
  });

  test("ends when the request is aborted, before it and amid it", async () => {
    await feed((n) => (n === 0 ? [tell(runRow(1))] : undefined));
    const gone = new AbortController();
    gone.abort();
    const request = (signal) => new Request("http://app.invalid/events", { signal });
    const never = runs.subscribeToRun("run_many1");
    assert.deepEqual(await all(never.toResponse(request(gone.signal))), []);
    assert.deepEqual(await never.next(), { done: true, value: undefined });

    const controller = new AbortController();
    const subscription = runs.subscribeToRun("run_many1");
    const list = [];
    for await (const each of events(subscription.toResponse(request(controller.signal)))) {
      list.push(each.event ?? each.comment);
      if (each.event === "run") controller.abort();
    }
    assert.deepEqual(list, ["open", "run"]);
    assert.equal(subscription.stats().state, "ended");
  });

  test("ends when the client leaves", async () => {
    await feed((n) => (n === 0 ? [tell(runRow(1))] : undefined));
    const subscription = runs.subscribeToRun("run_many1");
    const reader = subscription.toResponse().body.getReader();
    await reader.read();
    await reader.read();
    // The next one is being waited for.
    const pending = reader.read();
    await reader.cancel();
    await pending;
    assert.equal((await subscription.next()).done, true);
    assert.equal(subscription.stats().state, "ended");
  });

  test("sends nothing upstream before the client reads", async () => {
    const server = await short();
    const response = runs.subscribeToRun("run_many1").toResponse();
    await new Promise((resolve) => setTimeout(resolve, 50));
    assert.equal(server.requests.length, 0);
    await response.body.cancel();
  });

  test("refuses options that cannot be", () => {
    const subscription = runs.subscribeToRun("run_many1");
    for (const options of [{ heartbeatInMs: 0 }, { retryInMs: -1 }, { heartbeatInMs: "15s" }, 5]) {
      assert.throws(() => subscription.toResponse(undefined, options), ArgumentError);
    }
  });
});

describe("many runs as a response", () => {
  test("have an id only up to which everything was sent", async () => {
    await feed((n) => {
      if (n === 0) return [tell(runRow(1, { updatedAt: at(5) })), tell(runRow(2, { updatedAt: at(3) }))];
      return n === 1 ? [tell(doneRow(2, { updatedAt: at(8) }))] : undefined;
    });
    const list = [];
    for await (const each of events(runs.subscribeToRunsWithTag("a").toResponse())) {
      if (each.event) list.push([JSON.parse(each.data).id, each.id]);
      if (list.length === 3) break;
    }
    assert.deepEqual(list, [
      ["run_many1", undefined],
      ["run_many2", version(5)],
      ["run_many2", version(8)],
    ]);
  });

  test("give a browser that comes back what changed since, and loses nothing to clocks that differ", async () => {
    await feed((n) => {
      if (n > 0) return undefined;
      return [
        tell(runRow(1, { updatedAt: "2026-01-02T03:04:05.000" })),
        tell(runRow(2, { updatedAt: "2026-01-02T03:05:00.000" })),
        tell(runRow(3, { updatedAt: "2026-01-02T03:05:30.000" })),
      ];
    });
    const id = String(Date.parse("2026-01-02T03:05:05.000Z"));
    const list = [];
    for await (const each of events(runs.subscribeToBatch("batch_1").toResponse(back(id)))) {
      if (each.event) list.push([JSON.parse(each.data).id, each.id]);
      if (list.length === 2) break;
    }
    assert.deepEqual(list, [
      ["run_many2", undefined],
      ["run_many3", String(Date.parse("2026-01-02T03:05:30.000Z"))],
    ]);
  });
});

describe("anything as a response", () => {
  /** A heartbeat that the test moves. */
  function clock() {
    const waiting = new Map();
    let last = 0;
    return {
      waiting,
      setTimeout(callback, ms, value) {
        waiting.set(++last, { ms, beat: () => callback(value) });
        return last;
      },
      clearTimeout: (id) => waiting.delete(id),
      beat() {
        for (const [id, { beat }] of waiting) {
          waiting.delete(id);
          beat();
        }
      },
    };
  }

  test("beats while nothing happens, and drops nothing over it", async () => {
    const timer = clock();
    let give;
    async function* source() {
      yield await new Promise((resolve) => {
        give = resolve;
      });
    }
    const reader = toResponse(source(), undefined, { timer }).body.getReader();
    const read = async () => new TextDecoder().decode((await reader.read()).value);
    assert.equal(await read(), ": open\n\n");
    for (let n = 0; n < 3; n++) {
      const next = read();
      await new Promise(setImmediate);
      assert.equal([...timer.waiting.values()][0].ms, 15_000);
      timer.beat();
      assert.equal(await next, ": ping\n\n");
    }
    const next = read();
    await new Promise(setImmediate);
    give({ a: 1 });
    assert.equal(await next, 'data: {"a":1}\n\n');
    assert.equal(await read(), "id: ;end\nevent: end\ndata: {}\n\n");
    assert.equal((await reader.read()).done, true);
    assert.equal(timer.waiting.size, 0, "no timer is left");
  });

  test("asks its source for nothing the client does not read", async () => {
    let asked = 0;
    const endless = {
      next: async () => ({ done: false, value: ++asked }),
      return: async () => ({ done: true, value: undefined }),
    };
    const reader = toResponse(endless).body.getReader();
    await reader.read();
    await reader.read();
    await new Promise((resolve) => setTimeout(resolve, 20));
    assert.equal(asked, 1);
    await reader.cancel();
  });

  test("writes what JSON knows nothing of, and goes on after what cannot be written", async () => {
    const loop = { id: "loop" };
    loop.self = loop;
    async function* source() {
      yield { map: new Map([["a", 1n]]), set: new Set([1]), error: new TypeError("no"), pattern: /x/g };
      yield loop;
      yield "after";
    }
    const list = await all(toResponse(source()));
    assert.deepEqual(JSON.parse(list[0].data), {
      map: [["a", "1"]],
      set: [1],
      error: { name: "TypeError", message: "no" },
      pattern: "/x/g",
    });
    assert.equal(list[1].event, "item-error");
    assert.equal(JSON.parse(list[1].data).id, "loop");
    assert.equal(list[2].data, '"after"');
    assert.equal(list[3].event, "end");
  });

  test("cannot be made to write fields of its own", async () => {
    async function* source() {
      yield "x";
    }
    const format = { event: () => "a\ndata: forged", id: () => "1\r\nevent: forged" };
    const [only] = await all(toResponse(source(), undefined, undefined, format));
    assert.deepEqual(only, { id: "1  event: forged", event: "a data: forged", data: '"x"' });
  });
});
