// The run objects of trigger-native/client: those of the server's half of the package on the same fields, and what the relay
// tells of real runs.

import assert from "node:assert/strict";
import { createRequire } from "node:module";
import { after, before, describe, it } from "node:test";
import { connect } from "trigger-native/client";
import { makeRun } from "../browser/run.mjs";
import { loadPacket } from "../browser/stored.mjs";
import { runFields } from "./support/client-relay.mjs";
import { handlerOver, KEY, serve, startServer, tokenFor, until } from "./support/relay.mjs";

const require = createRequire(import.meta.url);
const { toRun } = require("../js/runs/run.js");
const { Packets } = require("../js/calls/packets.js");

const packet = (data, type = "application/json") => ({ data, type });
const superPacket = (value) => packet(JSON.stringify(value), "application/super+json");
const STATUSES =
  "PENDING_VERSION QUEUED DEQUEUED EXECUTING WAITING COMPLETED CANCELED FAILED CRASHED SYSTEM_FAILURE DELAYED EXPIRED TIMED_OUT A_NEWER_ONE";

/** Fields of runs, by what is special about them. */
const RUNS = {
  ...Object.fromEntries(STATUSES.split(" ").map((status) => [status, { status, isFinished: status === "FAILED" }])),
  "nothing but what is always there": { createdAt: undefined, updatedAt: undefined, taskIdentifier: undefined },
  "all plain fields": {
    idempotencyKey: "key",
    startedAt: 3,
    queuedAt: 4,
    expiredAt: 5,
    delayedUntil: 6,
    finishedAt: 7,
    durationMs: 8,
    costInCents: 0.5,
    baseCostInCents: 0.25,
    isTest: true,
    tags: ["a", "b"],
    realtimeStreams: ["k"],
  },
  "times as texts": { startedAt: "2020-01-01 00:00:00", queuedAt: "2020-01-01T00:00:00+02:00", expiredAt: "never" },
  packets: { payload: packet('{"a":[1]}'), output: packet("plain", "text/plain"), metadata: packet('{"b":null}') },
  "packets of other types": { payload: packet("null"), output: packet("x", "application/octet-stream") },
  "packets with parameters": { payload: packet("[1]", "application/json; charset=utf-8") },
  "superjson without types": { payload: superPacket({ json: { a: 1 } }), output: superPacket({ json: null }) },
  "superjson with types": {
    payload: superPacket({
      json: { at: "2020-01-01T00:00:00.000Z", big: "7" },
      meta: { values: { at: ["Date"], big: ["bigint"] } },
    }),
    output: superPacket({ json: { a: [1, 2], b: null }, meta: { values: { a: ["set"], b: ["undefined"] } } }),
  },
  "superjson that is none": {
    payload: packet("null", "application/super+json"),
    output: packet("{", "application/super+json"),
  },
  "what cannot be decoded": { payload: packet("{"), metadata: packet("x", "application/store") },
  faults: { faults: { runTags: "it is no array", usageDurationMs: "it is no number", costInCents: "no" } },
  "an error": {
    error: { type: "BUILT_IN_ERROR", name: "E", message: "m", stackTrace: "s", causes: [{ message: "c", x: 1 }] },
  },
  "an error of a text": { error: { type: "STRING_ERROR", raw: "raw" } },
  "an error of another kind": { error: { type: "NEW", message: "m" } },
  "an error of nothing": { error: { type: "NEW" } },
  "an error of the machine": { error: { type: "INTERNAL_ERROR", code: "TASK_EXECUTION_FAILED" } },
  "an exit": {
    error: { type: "INTERNAL_ERROR", code: "TASK_PROCESS_EXITED_WITH_NON_ZERO_CODE", message: "by SIGTERM" },
  },
  "an unexpected exit": {
    error: {
      type: "BUILT_IN_ERROR",
      name: "UnexpectedExitError",
      message: "Unexpected exit with code -1",
      stackTrace: "SIGABRT",
    },
  },
  "no memory": { error: { type: "BUILT_IN_ERROR", name: "Error", message: "MANUAL_OOM_KILL_ERROR" } },
  "a killed ffmpeg": {
    error: { type: "BUILT_IN_ERROR", name: "Error", message: "ffmpeg was killed with signal SIGKILL" },
  },
  "a deadlock": {
    error: { type: "BUILT_IN_ERROR", name: "TriggerApiError", message: "Deadlock detected: x", stackTrace: "s" },
  },
};

/** The run object of a row, once all of it came. */
async function made(row, load) {
  for (;;) {
    const [part] = makeRun(row, load);
    if (!part) return row.shown;
    await new Promise((resolve) => part.wait.add(resolve));
  }
}

/** The run object of fields, once all of it came. */
function ours(run, load = async () => Promise.reject(new Error("no store"))) {
  return made({ at: "", run, parts: {} }, load);
}

const plain = ({ decodeErrors, ...run }) => ({ ...run, faulty: Object.keys(decodeErrors ?? {}).sort() });

describe("a run object", () => {
  for (const [what, fields] of Object.entries(RUNS)) {
    it(`is that of the server's half of the package: ${what}`, async () => {
      const run = JSON.parse(JSON.stringify(runFields("run_1", fields)));
      const [here, there] = [await ours(run), await toRun(run, new Packets())];
      assert.deepEqual(plain(here), plain(there));
      assert.deepEqual(Object.keys(here), Object.keys(there));
      assert.equal(here.isFinished, there.isFinished);
      for (const error of Object.values(here.decodeErrors ?? {}))
        assert.match(error.message, /^the \w+ of the run cannot be decoded: ./);
    });
  }

  it("reads the bytes that a task sent as a Node buffer", async () => {
    const sent = superPacket({ json: { bytes: [1, 2] }, meta: { values: { bytes: [["custom", "buffer"]] } } });
    assert.deepEqual((await ours(runFields("run_1", { payload: sent }))).payload, { bytes: Uint8Array.of(1, 2) });
  });

  it("gets what is stored elsewhere once, and again with a change where that failed", async () => {
    const asked = [];
    const load = async (...names) => {
      asked.push(names);
      if (asked.length === 1) throw new Error("the store is away");
      return packet('{"big":true}');
    };
    const fields = runFields("run_1", { payload: packet("path/of/it.json", "application/store") });
    const row = { at: "", run: fields, parts: {} };
    assert.match((await made(row, load)).decodeErrors.payload.message, /the store is away/);
    await made(row, load);
    assert.equal(asked.length, 1);
    row.run = { ...fields, status: "WAITING" };
    assert.deepEqual((await made(row, load)).payload, { big: true });
    row.run = { ...row.run, status: "COMPLETED" };
    const { payload, decodeErrors } = await made(row, load);
    assert.deepEqual([payload, decodeErrors], [{ big: true }, undefined]);
    assert.deepEqual(asked, Array(2).fill(["run_1", "payload", "path/of/it.json"]));
  });
});

/** A feed that somebody waits for, by its token, of a run that has a packet. */
const feedOf = (token, id, field, data) => ({
  subject: { token },
  rows: new Map([["k", { run: { id, [field]: { data } } }]]),
  holders: new Map([[0, () => {}]]),
});
/** Gets that packet. */
const loadOf = (hub, token, ...packet) => loadPacket(hub, feedOf(token, ...packet), "k", ...packet);

it("a stored packet is asked for by the relay, with the token, and fetched without it", async () => {
  for (const isOld of [false, true]) {
    const asked = [];
    const page = {
      fetch: async (url, { headers } = {}) => {
        asked.push([url, headers?.authorization]);
        if (isOld && url.includes("/runs/")) return new Response("{}", { status: 404 });
        if (url.startsWith("http://store"))
          return new Response("[1]", { headers: { "content-type": "application/json" } });
        return Response.json({ presignedUrl: "http://store.example/x" });
      },
    };
    const hub = { page, feeds: new Map(), url: () => "http://app.example/api" };
    const got = await loadOf(hub, "token", "run/1", "output", "a b/c.json");
    assert.deepEqual(got, { data: "[1]", type: "application/json" });
    const [first, ...rest] = asked;
    assert.deepEqual(first, ["http://app.example/api/api/v1/runs/run%2F1/packets/output", "Bearer token"]);
    assert.deepEqual(
      rest.slice(0, -1),
      isOld ? [["http://app.example/api/api/v1/packets/a%20b/c.json", "Bearer token"]] : [],
    );
    assert.deepEqual(rest.at(-1), ["http://store.example/x", undefined]);
  }
  const page = { fetch: async () => new Response("", { status: 403 }) };
  const hub = { page, feeds: new Map(), url: () => "http://app.example" };
  await assert.rejects(loadOf(hub, undefined, "run_1", "payload", "p"), /403/);
});

it("a stored packet whose path leads elsewhere is not asked for: whoever triggers a run writes it", async () => {
  for (const path of ["../../../logout", "a/../b", "./a", "a/.."]) {
    const asked = [];
    const page = {
      fetch: async (url) => {
        asked.push(url);
        return new Response("{}", { status: 404 });
      },
    };
    const hub = { page, feeds: new Map(), url: () => "http://app.example/api/trigger" };
    await assert.rejects(loadOf(hub, "token", "run_1", "payload", path), /answered with 404/);
    assert.deepEqual(asked, ["http://app.example/api/trigger/api/v1/runs/run_1/packets/payload"], path);
  }
});

describe("trigger-native/client over a relay", { timeout: 60_000 }, () => {
  let server;
  let handler;
  let site;
  before(async () => {
    server = await startServer();
    handler = handlerOver(server, { keepMs: 100 });
    site = await serve(handler.node);
  });
  after(async () => {
    await handler.close();
    await site.stop();
    await server.stop();
  });

  /** A connection, and how many live requests it made. */
  const open = (...scopes) => {
    let asks = 0;
    const page = {
      fetch: (url, init) => {
        if (`${url}`.endsWith("/live")) asks++;
        return fetch(url, init);
      },
    };
    const connection = connect({ url: `${site.url}/api/trigger/`, accessToken: () => tokenFor(scopes) }, page);
    return { connection, asks: () => asks };
  };

  it("follows runs, tags, a batch and a stream on one response, and frees all", async () => {
    const id = await server.makeRun({ status: "EXECUTING", runTags: ["live"], payload: '{"a":1}' });
    const { connection, asks } = open("read:runs", "read:tags:live");
    const [run, runs, refused] = [
      connection.run(id),
      connection.runs({ tags: "live" }),
      connection.run(id, { accessToken: tokenFor(["read:tags:x"]) }),
    ];
    const stops = [run, runs, refused].map((one) => one.subscribe(() => {}));
    const reading = (async () => {
      const chunks = [];
      for await (const chunk of connection.stream(id, "words")) chunks.push(chunk);
      return chunks;
    })();
    await until(() => runs.getState().state === "live" && run.getState().state === "live", "both are live");
    assert.equal(asks(), 1);
    const { payload } = run.getState().value;
    assert.deepEqual(payload, { a: 1 });
    await server.write(id, "words", [
      { data: "a", id: "1" },
      { data: { b: [null] }, id: "2" },
    ]);
    await server.change(id, { metadata: { step: 7 } });
    await until(() => run.getState().value.metadata?.step === 7, "the change came");
    assert.equal(run.getState().value.payload, payload);
    await until(() => runs.getState().value[0].metadata?.step === 7, "the list has it, too");
    const statuses = [];
    const iterating = (async () => {
      for await (const { status } of run) statuses.push(status);
    })();
    await server.change(id, { status: "COMPLETED_SUCCESSFULLY", output: '"done"', completedAt: "2020-01-01T00:00:00" });
    await iterating;
    assert.deepEqual(
      [statuses.at(-1), run.getState().value.output, run.getState().state],
      ["COMPLETED", "done", "ended"],
    );
    assert.deepEqual(await reading, ["a", { b: [null] }]);
    assert.equal(refused.getState().error.status, 403);
    for (const stop of stops) stop();
    await until(() => handler.stats().viewers.now === 0, "nobody follows anything");
  });

  it("goes on at a relay that was restarted, from where it was", async () => {
    const id = await server.makeRun({ status: "EXECUTING" });
    const { connection, asks } = open("read:runs");
    const states = [];
    const stop = connection.run(id).subscribe((state) => states.push(state));
    await until(() => states.at(-1).state === "live", "it is live");
    site.cut();
    await server.change(id, { metadata: { step: 1 } });
    await until(() => states.at(-1).value.metadata?.step === 1, "the change came");
    assert.ok(asks() > 1 && states.every(({ error }) => !error));
    stop();
  });

  it("ends what the relay does not understand, and follows the rest", async () => {
    const id = await server.makeRun({ status: "EXECUTING" });
    const { connection } = open("read:runs");
    const of = (followed) => [followed, followed.subscribe(() => {})];
    const followed = [
      of(connection.run(id)),
      of(connection.runs({ tags: ["a,b"] })),
      // What a program without types may give.
      of(connection.run(12)),
      of(connection.stream(id, "words", { lastEventId: {} })),
      of(connection.batch("batch_1", { skipColumns: "payload" })),
    ];
    const [[run], ...bad] = followed;
    await until(() => run.getState().state === "live", "the run is live");
    for (const [one] of bad) {
      await until(() => one.getState().error, "it is refused");
      assert.equal(one.getState().error.status, 400);
    }
    assert.match(bad[0][0].getState().error.message, /a tag holds a comma/);
    await server.change(id, { metadata: { step: 1 } });
    await until(() => run.getState().value.metadata?.step === 1, "the change came");
    for (const [, stop] of followed) stop();
    await until(() => handler.stats().viewers.now === 0, "nobody follows anything");
  });

  it("says so where no relay is mounted", async () => {
    const other = await serve((_request, response) => response.writeHead(404).end("<html>"));
    try {
      const followed = connect({ url: other.url, accessToken: KEY }).run("run_1");
      await assert.rejects(followed[Symbol.asyncIterator]().next(), (error) => {
        assert.match(error.message, /\/relay\/v1\/live answered 404: is the relay mounted there/);
        assert.ok(!error.message.includes(KEY));
        return true;
      });
    } finally {
      await other.stop();
    }
  });
});
