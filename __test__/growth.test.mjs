// What JavaScript does with a list grows as the list. Counted where something counts: the calls of a getter, of a listener.
// Else by the processor's time, with room for all but a square: eight times the list may cost 40 times as much, and a square
// costs 64 times. `npm run growth` counts the core's instructions.

import assert from "node:assert/strict";
import { createServer } from "node:http";
import { createRequire } from "node:module";
import { after, before, describe, test } from "node:test";
import { growth, LENGTHS } from "../scripts/lib/growth.mjs";
import { serveCalls } from "./support/calls-server.mjs";

const require = createRequire(import.meta.url);
const sdk = require("../index.js");
const { toPacket } = require("../js/calls/payload.js");
const { decode } = require("../js/calls/packets.js");
const { flattenScopes, scopesText } = require("../js/config/scopes.js");
const { onAbort } = require("../js/async/aborts.js");
const { SCHEMA } = await import("./helpers/run-rows.mjs");

const KEY = "tr_dev_growthnotasecret0";
const RATIO = 40;

/** Fails where `work` on 80,000 takes more than 40 times as long as on 10,000. The shortest of some runs counts. */
async function assertLinear(work, make = (length) => length) {
  const took = [];
  for (const length of LENGTHS.slice(1)) {
    let least = Number.POSITIVE_INFINITY;
    for (let run = 0; run < 3; run++) {
      const given = await make(length);
      const began = process.cpuUsage();
      await work(given, length);
      const { user, system } = process.cpuUsage(began);
      least = Math.min(least, user + system);
    }
    took.push(Math.max(least, 1_000));
  }
  assert.ok(took[1] < RATIO * took[0], `${took.map((us) => `${us} µs`)} for ${LENGTHS.slice(1)}`);
}

const list = (length, make = (at) => at) => Array.from({ length }, (_, at) => make(at));

describe("grows as its list", { timeout: 600_000 }, () => {
  const answers = { feed: "", stream: "" };
  let server;
  before(async () => {
    server = createServer((request, response) => {
      const { pathname, searchParams } = new URL(request.url, "http://server");
      if (pathname.includes("/streams/")) {
        response.writeHead(200, { "content-type": "text/event-stream", "x-stream-version": "v2" }).end(answers.stream);
      } else if (!searchParams.has("live")) {
        const headers = { "electric-handle": "h", "electric-offset": "0_0", "electric-schema": SCHEMA };
        response.writeHead(200, { "content-type": "application/json", ...headers }).end(answers.feed);
      }
    });
    await new Promise((listening) => server.listen(0, "127.0.0.1", listening));
    sdk.configure({ baseURL: `http://127.0.0.1:${server.address().port}`, accessToken: KEY });
  });
  after(() => {
    server.closeAllConnections();
    server.close();
    sdk.configure({});
  });

  test("scopes: each id is read as often, however many there are", () => {
    const counted = LENGTHS.map((length) => {
      let reads = 0;
      const runs = new Proxy(
        list(length, (at) => `run_${at}`),
        {
          get(target, name, receiver) {
            reads++;
            return Reflect.get(target, name, receiver);
          },
        },
      );
      assert.equal(flattenScopes({ read: { runs } }).length, length);
      return reads;
    });
    assert.deepEqual(growth({ scopes: counted }).failures, []);
  });

  test("the text of scopes", () => assertLinear(scopesText, (length) => list(length, (at) => `read:runs:${at}`)));

  test("the callbacks of one signal, which are taken back one by one", () =>
    assertLinear((length) => {
      const { signal } = new AbortController();
      for (const off of list(length, () => onAbort(signal, () => {}))) off();
    }));

  test("the callbacks of one signal that aborts: each is called once", () => {
    const counted = LENGTHS.map((length) => {
      let calls = 0;
      const controller = new AbortController();
      for (let at = 0; at < length; at++) onAbort(controller.signal, () => calls++);
      controller.abort();
      assert.equal(calls, length);
      return calls;
    });
    assert.deepEqual(growth({ aborts: counted }).failures, []);
  });

  test("a payload, written and read: items, keys, and dates, which superjson names one by one", async () => {
    for (const make of [
      (length) => list(length),
      (length) => Object.fromEntries(list(length, (at) => [`k${at}`, at])),
      (length) => list(length, (at) => new Date(at)),
      (length) => list(length, () => [1]),
    ]) {
      await assertLinear(async (value) => decode(await toPacket("growth", value)), make);
    }
  });

  test("the tags of a run", () =>
    assertLinear(
      async (tags) => {
        const value = { friendlyId: "run_1", status: "EXECUTING", runTags: `{${tags}}` };
        answers.feed = JSON.stringify([{ key: "k", value, headers: { operation: "insert" } }, UP_TO_DATE]);
        const feed = sdk.runs.subscribeToRun("run_1");
        assert.equal((await feed.next()).value.tags.length, tags.length);
        feed.close();
      },
      (length) => list(length, (at) => `t${at}`),
    ));

  test("the runs of a snapshot, for one reader and for the next that joins", () =>
    assertLinear(
      async (body, length) => {
        answers.feed = body;
        const read = async () => {
          const feed = sdk.runs.subscribeToRunsWithTag(`tag_${length}`);
          for (let at = 0; at < length; at++) assert.equal((await feed.next()).done, false);
          return feed;
        };
        for (const feed of [await read(), await read()]) feed.close();
      },
      (length) => {
        const row = (at) => ({ friendlyId: `run_${at}`, status: "EXECUTING" });
        const inserts = list(length, (at) => ({ key: `k${at}`, value: row(at), headers: { operation: "insert" } }));
        return JSON.stringify([...inserts, UP_TO_DATE]);
      },
    ));

  test("the chunks of a stream", () =>
    assertLinear(
      async (text, length) => {
        answers.stream = text;
        let chunks = 0;
        for await (const _ of await sdk.streams.read("run_1", "ai")) if (++chunks === length) break;
        assert.equal(chunks, length);
      },
      (length) => {
        const body = (at) => JSON.stringify({ data: at, id: `p${at}` });
        const records = list(length, (at) => ({ seq_num: at, timestamp: 1, body: body(at) }));
        const batches = list(length / 1_000, (at) => records.slice(at * 1_000, (at + 1) * 1_000));
        return batches.map((part) => `event: batch\ndata: ${JSON.stringify({ records: part })}\n\n`).join("");
      },
    ));

  test("the items of a batch", async (t) => {
    const items = await serveCalls(t, ({ path }) =>
      path.endsWith("/items")
        ? { body: { id: "batch_1", itemsAccepted: 1, itemsDeduplicated: 0, sealed: true } }
        : { status: 201, body: { id: "batch_1", runCount: 1, isCached: false } },
    );
    const client = new sdk.TriggerClient({ baseURL: items.url, accessToken: KEY });
    await assertLinear(
      (given) => client.tasks.batchTrigger("t", given),
      (length) => list(length, (payload) => ({ payload })),
    );
  });

  test("the headers of a call", async (t) => {
    // Beyond what a server takes: the call is refused, and what made it is counted.
    const { url } = await serveCalls(t, () => ({ body: {} }));
    const client = new sdk.TriggerClient({ baseURL: url, accessToken: KEY });
    await assertLinear(
      (additionalHeaders) =>
        client.runs.retrieve("run_1", { additionalHeaders, retry: { maxAttempts: 1 } }).catch(() => {}),
      (length) => Object.fromEntries(list(length / 10, (at) => [`x-h${at}`, "a"])),
    );
  });

  test("idempotency keys", () =>
    assertLinear(async (length) => {
      for (let at = 0; at < length; at++) await sdk.idempotencyKeys.create(`${length} ${at}`);
    }));
});

const UP_TO_DATE = { headers: { control: "up-to-date" } };
