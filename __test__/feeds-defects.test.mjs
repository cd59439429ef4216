/** Defects 9, 10, 15 and 16 on feeds of many runs, the official client beside ours. */
import assert from "node:assert/strict";
import { createRequire } from "node:module";
import { after, afterEach, before, describe, test } from "node:test";
import { startOfficial } from "./support/client.mjs";
import { doneRow, runRow, startFeed, tell } from "./support/many.mjs";
import { ours } from "./support/ours.mjs";

const require = createRequire(import.meta.url);
const { configure, runs, ArgumentError, DecodeError, NotFoundError } = require("../index.js");

const FAILSAFE_MS = 30_000;
const TAGS = { target: { tags: "a" }, timeoutMs: FAILSAFE_MS };

let official;
const servers = [];
before(async () => {
  official = await startOfficial();
});
after(async () => {
  await official.close();
  for (const server of servers) server.stop();
});
afterEach(() => configure({}));

async function feed(answer) {
  const server = await startFeed(answer);
  servers.push(server);
  configure({ baseURL: server.url, accessToken: "tr_dev_many" });
  return server;
}

const config = (server) => ({ baseURL: server.url, accessToken: "tr_dev_many" });

async function until(condition, what) {
  const end = Date.now() + FAILSAFE_MS;
  while (!condition()) {
    assert.ok(Date.now() < end, what);
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}

/** Each answer brings 50 runs that are over; after `count` of them the feed is silent. */
const finishing = (count) => (n) =>
  n < count ? Array.from({ length: 50 }, (_, k) => tell(doneRow(n * 50 + k))) : undefined;

describe("defect 9: a reader that stops", () => {
  const answers = 200;

  test("does not stop the official client, which takes all there is", async () => {
    const server = await feed(finishing(answers));
    const sdk = require("@trigger.dev/sdk");
    sdk.configure(config(server));
    const controller = new AbortController();
    const subscription = sdk.runs.subscribeToRunsWithTag("a", undefined, { signal: controller.signal });
    await subscription[Symbol.asyncIterator]().next();
    await until(() => server.requests.length > answers, "it asks on");
    controller.abort();
  });

  test("stops the wire, and then gets the final state of every run", async () => {
    const server = await feed(finishing(answers));
    const subscription = runs.subscribeToRunsWithTag("a");
    const seen = new Map();
    const note = ({ value }) => {
      assert.equal(value.isFinished, true);
      seen.set(value.id, (seen.get(value.id) ?? 0) + 1);
    };
    note(await subscription.next());
    await new Promise((resolve) => setTimeout(resolve, 300));
    assert.ok(server.requests.length < 10, `${server.requests.length} requests for a reader that does not read`);
    while (seen.size < answers * 50) note(await subscription.next());
    assert.ok([...seen.values()].every((times) => times === 1));
    subscription.close();
  });

  test("does not stop another reader of the same feed", async () => {
    const server = await feed(finishing(60));
    const [slow, quick] = [runs.subscribeToRunsWithTag("a"), runs.subscribeToRunsWithTag("a")];
    await Promise.all([slow.next(), quick.next()]);
    for (let n = 1; n < 3_000; n++) await quick.next();
    const rest = new Set();
    for (let n = 1; n < 3_000; n++) rest.add((await slow.next()).value.id);
    assert.equal(rest.size, 2_999);
    assert.equal(server.snapshots(), 1);
    slow.close();
    quick.close();
  });
});

describe("defect 10: finished runs", () => {
  test("are not told again by a must-refetch, apart from those that changed", async () => {
    const total = 3_000;
    let snapshots = 0;
    await feed((n, request) => {
      if (new URL(request.url, "http://x.invalid").searchParams.get("offset") === "-1") snapshots += 1;
      if (snapshots === 1 && n < total / 50) return finishing(total / 50)(n);
      if (snapshots === 1) return { status: 409, headers: { "electric-handle": "other" }, body: "[]" };
      if (n > 0) return undefined;
      return Array.from({ length: total }, (_, k) => tell(doneRow(k, k === 7 ? { metadata: '{"late":1}' } : {})));
    });
    const subscription = runs.subscribeToRunsWithTag("a");
    const times = new Map();
    let last;
    while (!last?.metadata) {
      last = (await subscription.next()).value;
      times.set(last.id, (times.get(last.id) ?? 0) + 1);
    }
    subscription.close();
    assert.equal(times.size, total);
    assert.equal(last.id, "run_many7");
    assert.ok([...times].every(([id, count]) => count === (id === "run_many7" ? 2 : 1)));
  });

  test("that were let go are told whole when only a part of them changes", async () => {
    const total = 2_000;
    let snapshots = 0;
    await feed((n, request) => {
      if (new URL(request.url, "http://x.invalid").searchParams.get("offset") === "-1") {
        snapshots += 1;
        const late = snapshots > 1 ? { metadata: '{"late":1}' } : {};
        return Array.from({ length: total }, (_, k) => tell(doneRow(k, k === 3 ? late : {})));
      }
      if (snapshots > 1 || n !== 1) return undefined;
      return [{ ...tell({ id: "row3", metadata: '{"late":1}' }) }];
    });
    const subscription = runs.subscribeToRunsWithTag("a");
    for (let n = 0; n < total; n++) await subscription.next();
    const { value } = await subscription.next();
    subscription.close();
    assert.deepEqual([value.id, value.status, value.metadata], ["run_many3", "COMPLETED", { late: 1 }]);
    assert.equal(snapshots, 2);
  });
});

describe("defect 15: 50 subscribers to one tag", () => {
  const answer = (n) => (n === 0 ? [tell(runRow(1))] : undefined);

  test("are 50 upstreams for the official client", async () => {
    const server = await feed(answer);
    let stop;
    const stopped = new Promise((resolve) => {
      stop = resolve;
    });
    const all = Array.from({ length: 50 }, () => official.follow(config(server), TAGS, { stop: stopped }));
    await until(() => server.snapshots() === 50, "each asks for itself");
    stop();
    await Promise.all(all);
  });

  test("are one upstream", async () => {
    const server = await feed(answer);
    const all = Array.from({ length: 50 }, () => runs.subscribeToRunsWithTag(["a"]));
    const first = await Promise.all(all.map((subscription) => subscription.next()));
    assert.ok(first.every(({ value }) => value.id === "run_many1"));
    assert.equal(server.snapshots(), 1);
    for (const subscription of all) subscription.close();
  });
});

describe("defect 16: one bad run of several", () => {
  const bad = [
    ["a payload that is no JSON", tell(runRow(2, { payload: "{" }))],
    ["a row without an id", tell(runRow(2, { friendlyId: null }))],
    ["a row that is no object", { ...tell(runRow(2)), value: "oops" }],
  ];
  const snapshot = (message) => (n) => (n === 0 ? [tell(runRow(1)), message, tell(runRow(3))] : undefined);

  for (const [what, message] of bad) {
    test(`costs the official client all of them: ${what}`, async () => {
      const server = await feed(snapshot(message));
      const followed = await official.follow(config(server), { ...TAGS, take: 3, timeoutMs: 2_000 });
      assert.ok(followed.error !== null || followed.hung, "it fails, or says nothing for ever");
      assert.ok(followed.items.length < 2, `${followed.items.length} runs`);
    });
  }

  test("with a payload that cannot be decoded is given with the reason", async () => {
    await feed(snapshot(bad[0][1]));
    const subscription = runs.subscribeToRunsWithTag("a");
    const seen = [];
    for (let n = 0; n < 3; n++) seen.push((await subscription.next()).value);
    subscription.close();
    assert.deepEqual(
      seen.map(({ id, decodeErrors }) => [id, Object.keys(decodeErrors ?? {})]),
      [
        ["run_many1", []],
        ["run_many2", ["payload"]],
        ["run_many3", []],
      ],
    );
  });

  for (const [what, message] of bad.slice(1)) {
    test(`is left out and reported, and the feed lives: ${what}`, async () => {
      await feed((n) => (n === 1 ? [tell(doneRow(3))] : snapshot(message)(n)));
      const errors = [];
      const onItemError = (error) => {
        errors.push(error);
        throw new Error("what a callback throws is ignored");
      };
      const subscription = runs.subscribeToRunsWithTag("a", undefined, { onItemError });
      const seen = [];
      for (let n = 0; n < 3; n++) seen.push((await subscription.next()).value);
      subscription.close();
      assert.deepEqual(
        seen.map(({ id, status }) => [id, status]),
        [
          ["run_many1", "QUEUED"],
          ["run_many3", "QUEUED"],
          ["run_many3", "COMPLETED"],
        ],
      );
      assert.equal(errors.length, 1);
      assert.ok(errors[0] instanceof DecodeError);
      assert.equal(errors[0].code, "ERR_INVALID_ROW");
    });
  }

  test("is warned of once when nobody asks to be told", async () => {
    await feed(snapshot(bad[2][1]));
    const warned = new Promise((resolve) => {
      process.once("warning", resolve);
    });
    const subscription = runs.subscribeToBatch("batch_1");
    await subscription.next();
    assert.equal((await warned).code, "TRIGGER_NATIVE_INVALID_ROW");
    subscription.close();
  });
});

describe("a batch", () => {
  test("that a replica does not know yet is asked for again", async () => {
    let asked = 0;
    const missing = { status: 404, headers: { "x-should-retry": "true" }, body: '{"error":"Batch not found"}' };
    await feed(() => (asked++ < 1 ? missing : [tell(doneRow(1))]));
    const retries = [];
    const subscription = runs.subscribeToBatch({ batchId: "batch_1" }, { onRetry: (retry) => retries.push(retry) });
    assert.equal((await subscription.next()).value.id, "run_many1");
    subscription.close();
    assert.deepEqual(
      retries.map(({ reason, status, attempt }) => [reason, status, attempt]),
      [["not-found-yet", 404, 1]],
    );
  });

  test("that does not exist ends with the server's answer", async () => {
    await feed(() => ({ status: 404, headers: { "x-should-retry": "false" }, body: '{"error":"Batch not found"}' }));
    await assert.rejects(runs.subscribeToBatch("batch_1").next(), NotFoundError);
  });
});

describe("requests", () => {
  test("ask for what the official client asks for", async () => {
    const filters = { createdAt: "2h", skipColumns: ["payload", "output"] };
    const targets = [{ tags: "a" }, { tags: ["a", "user:1 ü"], filters }, { tags: "a,b" }, { batch: "batch_1" }];
    for (const target of targets) {
      const asked = [];
      for (const client of [official, ours]) {
        const server = await feed((n) => (n === 0 ? [tell(runRow(1))] : undefined));
        await client.follow(config(server), { target, take: 1, timeoutMs: FAILSAFE_MS });
        const { pathname, searchParams } = server.requests[0].url;
        asked.push([pathname, [...searchParams].sort()]);
      }
      assert.deepEqual(asked[1], asked[0]);
    }
  });

  test("are refused at once when they cannot be meant", () => {
    configure({ baseURL: "http://127.0.0.1:9", accessToken: "tr_dev_x" });
    for (const tags of [undefined, null, "", " ", [], ["a", ""], "a,,b", [1], ["\ud800"]]) {
      assert.throws(() => runs.subscribeToRunsWithTag(tags), ArgumentError, JSON.stringify(tags));
    }
    for (const id of [undefined, "", "..", "a/b", {}, { id: 1 }]) {
      assert.throws(() => runs.subscribeToBatch(id), ArgumentError, JSON.stringify(id));
    }
    for (const filters of [{ createdAt: 1 }, { createdAt: "" }, { skipColumns: "payload" }, "1h", []]) {
      assert.throws(() => runs.subscribeToRunsWithTag("a", filters), ArgumentError, JSON.stringify(filters));
    }
    for (const options of [{ signal: 1 }, { onItemError: 1 }, { retry: { minDelayMs: 0 } }]) {
      assert.throws(() => runs.subscribeToRunsWithTag("a", {}, options), ArgumentError, JSON.stringify(options));
    }
  });

  test("are not made once the signal is aborted", async () => {
    const server = await feed(() => [tell(runRow(1))]);
    const signal = AbortSignal.abort();
    assert.equal((await runs.subscribeToRunsWithTag("a", {}, { signal }).next()).done, true);
    assert.equal((await runs.subscribeToBatch("batch_1", { signal }).next()).done, true);
    assert.equal(server.requests.length, 0);
  });
});
