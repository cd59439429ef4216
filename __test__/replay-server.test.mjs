/** The replay peer itself: the official client, for which the answers were recorded, must get on with it. */
import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { feedKey, position, runFeedCases } from "./support/cases.mjs";
import { cut, random } from "./support/chunks.mjs";
import { startOfficial } from "./support/client.mjs";
import { FeedModel } from "./support/model.mjs";
import { pace } from "./support/pace.mjs";
import { recordings, withRecordings } from "./support/recordings.mjs";
import { startReplay } from "./support/replay-server.mjs";
import { completed, executing, insert, mustRefetch, remove, row, update, upToDate } from "./support/rows.mjs";

test("a body is the same after any cuts", () => {
  const bytes = Buffer.from(Array.from({ length: 10_000 }, (_, index) => index % 256));
  const modes = [{ kind: "whole" }, { kind: "byte" }, { kind: "recorded", count: 3 }];
  for (let seed = 0; seed < 50; seed += 1) modes.push({ kind: "random", next: random(seed) });
  for (const mode of modes) {
    const parts = cut(bytes, mode);
    assert.ok(parts.every((part) => part.length > 0));
    assert.deepEqual(Buffer.concat(parts), bytes);
  }
  assert.equal(cut(bytes, { kind: "recorded", count: 3 }).length, 3);
  assert.deepEqual(cut(Buffer.alloc(0), { kind: "byte" }), []);
});

test("a request is placed by its feed and position, not by its spelling", () => {
  const one = new URLSearchParams("offset=1_1&handle=h&live=true&cursor=7&log=full&skipColumns=payload");
  const two = new URLSearchParams("skipColumns=payload&live=true&handle=h&offset=1_1");
  assert.equal(position(one), position(two));
  assert.equal(feedKey("/r", one), feedKey("/r", two));
  assert.notEqual(position(one), position(new URLSearchParams("offset=1_1&handle=h")));
  assert.notEqual(feedKey("/r", one), feedKey("/r", new URLSearchParams("offset=1_1")));
});

describe("the model of a feed", () => {
  const given = (model, list, { live = true, status = 200 } = {}) =>
    model.answer({ status, live, body: JSON.stringify(list) });

  test("publishes at up-to-date, the merged latest of a row", () => {
    const model = new FeedModel();
    given(model, [insert(row())], { live: false });
    assert.equal(model.emissions.length, 0);
    given(model, [upToDate()], { live: false });
    given(model, [update({ status: "DEQUEUED" }), update({ status: "EXECUTING" }), upToDate()]);
    assert.deepEqual(
      model.emissions.map((emission) => emission.row.status),
      ["PENDING", "EXECUTING"],
    );
    assert.equal(model.emissions[1].row.payload, '{"a":1}');
  });

  test("knows a row that came back unchanged after a must-refetch", () => {
    const model = new FeedModel();
    given(model, [insert(executing()), upToDate()], { live: false });
    given(model, [mustRefetch()], { status: 409 });
    given(model, [insert(executing()), upToDate()], { live: false });
    given(model, [update(completed()), upToDate()]);
    assert.deepEqual(
      model.emissions.map((emission) => emission.changed),
      [true, false, true],
    );
  });

  test("ignores prefetched answers, deleted rows and bare up-to-dates", () => {
    const model = new FeedModel();
    given(model, [insert(row()), upToDate()], { live: false });
    given(model, [insert(executing()), upToDate()], { live: false });
    given(model, [upToDate()]);
    given(model, [update(executing()), remove(), upToDate()]);
    assert.equal(model.emissions.length, 1);
  });

  test("remembers the answer that ends a feed", () => {
    const model = new FeedModel();
    model.answer({ status: 429, live: true, body: "" });
    assert.equal(model.fatal, null);
    model.answer({ status: 403, live: true, body: "{}" });
    assert.equal(model.fatal.status, 403);
  });
});

withRecordings("replay server", 25, (all, test) => {
  const cases = all.flatMap(runFeedCases);
  let official;
  before(async () => {
    official = await startOfficial();
  });
  after(() => official.close());

  test("recordings are read whole", () => {
    assert.equal(all.length, recordings().length);
    for (const { exchanges } of all) {
      for (const { method, path, response } of exchanges) {
        assert.match(method, /^[A-Z]+$/);
        assert.ok(path.startsWith("/"));
        if (response) assert.ok(Number.isInteger(response.status));
      }
    }
  });

  // One feed of each kind is enough here: all of them are replayed to both clients elsewhere.
  const byShape = new Map(
    cases.map((each) => [each.exchanges.map(({ response }) => response?.status ?? "held").join(), each]),
  );
  describe("the official client follows a replayed feed as the model says", { concurrency: 12 }, () => {
    for (const feedCase of byShape.values()) {
      for (const chunks of ["byte"]) {
        test(`${feedCase.name}, chunks: ${chunks}`, async () => {
          const server = await startReplay(feedCase, { chunks, seed: 7 });
          try {
            const config = { baseURL: server.url, accessToken: feedCase.accessToken };
            const spec = { target: feedCase.runId, options: {}, timeoutMs: 20_000 };
            if (feedCase.skipColumns.length > 0) spec.options.skipColumns = feedCase.skipColumns;
            const reader = pace();
            const stop = server.settled({
              enough: () => reader.taken >= server.model.emissions.length,
              muteOnRefusal: true,
            });
            const followed = await official.follow(config, spec, { onItem: reader.onItem, stop });
            assert.equal(followed.error, null);
            assert.deepEqual(followed.unhandled, []);
            assert.equal(followed.items.length, server.model.emissions.length);
            assert.deepEqual(server.unmatched, []);
          } finally {
            await server.stop();
          }
        });
      }
    }
  });
});
