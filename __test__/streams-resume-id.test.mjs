/** The ids of runs and their streams as events: bounded, and still enough to come back with. */
import assert from "node:assert/strict";
import { createRequire } from "node:module";
import { describe, test } from "node:test";
import { all, back, events } from "./support/events.mjs";

const require = createRequire(import.meta.url);
const { MAX_CURSORS, ResumeId, tagOf } = require("../js/streams/resume-id.js");
const { withStreams } = require("../js/streams/with-streams.js");

const SKEW_MS = 10_000;
const many = () => new ResumeId({ single: false, skewMs: SKEW_MS });
const live = (id) => ({ run: { id, updatedAt: new Date(1) }, isOver: false, keys: new Set(), sources: new Set() });
const over = (id, at) => {
  const run = { id, updatedAt: new Date(at), finishedAt: new Date(at) };
  return { run, isOver: true, keys: new Set(), sources: new Set() };
};

/** Streams that are being read and stand at a place each. */
function reading(resumeId, entries) {
  for (const [index, entry] of entries.entries()) {
    resumeId.claim(entry, "ai");
    resumeId.moved(tagOf(entry.run.id, "ai"), String(index));
  }
}

/** ResumeId of a browser that comes back with an id. */
function returning(id) {
  const resumeId = many();
  resumeId.resume(id);
  return resumeId;
}

describe("the id of an event of runs and streams", () => {
  test("holds the version and every place, in letters that a header takes", () => {
    const resumeId = many();
    reading(resumeId, [live("run_a"), live("run_b")]);
    resumeId.sent(1_767_323_045_000);
    assert.equal(resumeId.id(), `1767323045000,${tagOf("run_b", "ai")}1,${tagOf("run_a", "ai")}0`);
    new Headers({ "last-event-id": resumeId.id() });
    const after = returning(resumeId.id());
    assert.deepEqual(after.claim(live("run_a"), "ai"), { at: "0", isAgain: false });
    assert.deepEqual(after.claim(live("run_c"), "ai"), { at: undefined, isAgain: false });
  });

  test("fits in a header however many streams there are; those it has no room for begin again", () => {
    const resumeId = many();
    const entries = Array.from({ length: 500 }, (_, n) => live(`run_${n}`));
    reading(resumeId, entries);
    const id = resumeId.id();
    assert.ok(id.length < 4_096, `${id.length} letters`);
    const after = returning(id);
    const claims = entries.map((entry) => after.claim(entry, "ai"));
    assert.equal(claims.filter(({ at }) => at !== undefined).length, MAX_CURSORS);
    assert.deepEqual(claims.at(-1), { at: "499", isAgain: false }, "the last that moved");
    assert.deepEqual(claims[0], { at: undefined, isAgain: true });
  });

  test("holds the streams that ended last, where many have ended", () => {
    const resumeId = many();
    const entries = Array.from({ length: 500 }, (_, n) => over(`run_${n}`, 50_000));
    reading(resumeId, entries);
    for (const { run } of entries) resumeId.done(tagOf(run.id, "ai"));
    resumeId.sent(50_000);
    const after = returning(resumeId.id());
    const claims = entries.map((entry) => after.claim(entry, "ai"));
    assert.ok(claims.slice(-MAX_CURSORS).every(({ at }, index) => at === String(500 - MAX_CURSORS + index)));
  });

  test("always holds the streams of finished runs that are still being read", () => {
    const resumeId = many();
    const entry = over("run_over", 5);
    resumeId.claim(entry, "ai");
    reading(
      resumeId,
      Array.from({ length: 500 }, (_, n) => live(`run_${n}`)),
    );
    resumeId.sent(1_000_000);
    // Long finished, and nothing of it was given yet: it is read from its beginning.
    assert.deepEqual(returning(resumeId.id()).claim(entry, "ai"), { at: undefined, isAgain: false });
    assert.equal(returning("1000000").claim(entry, "ai").at, null, "told and drained: not read again");
  });

  test("of one finished run with thousands of streams fits in a header, and what it has no room for begins again", () => {
    const resumeId = new ResumeId({ single: true, skewMs: SKEW_MS });
    const entry = over("run_a", 1_000);
    const keys = Array.from({ length: 3_000 }, (_, n) => `key${n}`);
    for (const key of keys) resumeId.claim(entry, key);
    for (const key of keys) resumeId.moved(tagOf("run_a", key), "1795908532103-0+1");
    // Changed long after it was finished, as metadata can.
    resumeId.sent(100_000, entry.run, true);
    const id = resumeId.id();
    assert.ok(id.length < 8_192, `${id.length} letters`);
    const after = new ResumeId({ single: true, skewMs: SKEW_MS });
    after.resume(id);
    const claims = keys.map((key) => after.claim(entry, key));
    assert.deepEqual(claims.at(-1), { at: "1795908532103-0+1", isAgain: false }, "the last that moved");
    assert.deepEqual(claims[0], { at: undefined, isAgain: true });
    assert.ok(after.id().length < 8_192);
  });

  test("whose place is none, or that no header would hold, is taken for one of a page that may have anything", () => {
    for (const place of ["1-", "+", "~", "1~2~3", "9".repeat(21), "1-0"]) {
      const resumeId = new ResumeId({ single: true, skewMs: SKEW_MS });
      resumeId.resume(`1,${tagOf("run_a", "ai")}${place}`);
      assert.deepEqual(resumeId.claim(live("run_a"), "ai"), { at: undefined, isAgain: true }, place);
    }
    const resumeId = many();
    assert.equal(resumeId.resume(`1${`,${tagOf("run_a", "ai")}1`.repeat(100_000)}`), "");
    assert.equal(resumeId.id(), "");
  });

  test("forgets a drained stream when its run is not told again, and not before", () => {
    const resumeId = many();
    const entry = over("run_over", 50_000);
    reading(resumeId, [entry]);
    resumeId.done(tagOf("run_over", "ai"));
    resumeId.sent(50_000 + SKEW_MS);
    assert.equal(returning(resumeId.id()).claim(entry, "ai").at, "0");
    resumeId.sent(50_001 + SKEW_MS);
    assert.equal(resumeId.id(), String(50_001 + SKEW_MS));
    assert.equal(returning(resumeId.id()).claim(entry, "ai").at, null);
  });

  test("keeps what it was given for runs that did not come yet", () => {
    const resumeId = many();
    reading(resumeId, [live("run_a"), live("run_b")]);
    resumeId.sent(5);
    const once = returning(resumeId.id());
    reading(once, [live("run_b")]);
    const twice = returning(once.id());
    assert.equal(twice.claim(live("run_a"), "ai").at, "0");
    // When every run there is was told, what nobody claimed belongs to none.
    once.sent(6);
    assert.equal(once.id(), `6,${tagOf("run_b", "ai")}0`);
  });

  test("says for good that places are missing once they were", () => {
    const resumeId = many();
    reading(
      resumeId,
      Array.from({ length: MAX_CURSORS + 1 }, (_, n) => live(`run_${n}`)),
    );
    const after = returning(resumeId.id());
    assert.match(after.id(), /,\*$/);
  });

  test("keeps what it owes a page: that a stream begins again, however often the page leaves before it does", () => {
    const entry = over("run_over", 1_000_000);
    let id = "1000000,*";
    for (let visit = 0; visit < 3; visit++) {
      const resumeId = returning(id);
      assert.deepEqual(resumeId.claim(entry, "log"), { at: undefined, isAgain: true }, `visit ${visit}`);
      id = resumeId.id();
    }
    // Once the page was told, it has nothing of it: what it gets then it has not seen.
    const resumeId = returning(id);
    resumeId.claim(entry, "log");
    resumeId.moved(tagOf("run_over", "log"), "");
    assert.deepEqual(returning(resumeId.id()).claim(entry, "log"), { at: undefined, isAgain: false });
  });

  test("costs the same however many streams there are", () => {
    const looks = (count) => {
      let seen = 0;
      const entries = Array.from({ length: count }, (_, n) => {
        const entry = live(`run_${n}`);
        Object.defineProperty(entry, "isOver", { get: () => ++seen < 0 });
        return entry;
      });
      const resumeId = many();
      reading(resumeId, entries);
      resumeId.id();
      seen = 0;
      for (let n = 0; n < 10; n++) {
        resumeId.moved(tagOf(`run_${n}`, "ai"), "9");
        resumeId.id();
      }
      return seen;
    };
    assert.equal(looks(2_000), looks(100));
  });

  test("that is none of ours changes nothing", () => {
    for (const id of ["x", "1,2", "1,*,*", "1;2", `,${"a".repeat(10)}!`, "-1", "1e3"]) {
      const resumeId = returning(id);
      assert.equal(resumeId.id(), "", id);
      assert.equal(resumeId.hides({ updatedAt: new Date(0) }), false, id);
    }
  });
});

/** A response over a feed and streams in memory. `rows` are told at once; each stream holds `chunks` and goes on. */
function respond(rows, chunks, lastEventId) {
  const resumed = [];
  const subscription = {
    async next() {
      const run = rows.shift();
      if (run) return { done: false, value: run };
      return new Promise(() => {});
    },
    close() {},
  };
  const open = (runId, key) => {
    let at = 0;
    const source = {
      cursors: undefined,
      track() {},
      runOver() {},
      close() {},
      resume(place) {
        at = Number(place) + 1;
        resumed.push(`${runId}/${key}`);
      },
      async pull() {
        if (at >= chunks.length) return new Promise(() => {});
        source.cursors = [String(at)];
        return [chunks[at++]];
      },
    };
    return source;
  };
  let version = Number.NEGATIVE_INFINITY;
  const feed = {
    single: false,
    skewMs: SKEW_MS,
    version: () => {
      if (rows.length === 0) version = 100_000;
      return version;
    },
    resume() {},
  };
  const response = withStreams(subscription, { open, feed }, { streams: ["ai"] }).toResponse(back(lastEventId));
  return { response, resumed };
}

describe("a feed of more streams than an id has room for", () => {
  const rows = () =>
    Array.from({ length: MAX_CURSORS + 6 }, (_, n) => ({ id: `run_${n}`, updatedAt: new Date(100_000) }));

  /** Reads until every stream gave `count` values. */
  async function gather(response, page, count) {
    let last;
    for await (const { event, data, id } of events(response)) {
      last = id ?? last;
      const { runId, chunk } = event === "run" ? {} : JSON.parse(data ?? "{}");
      if (event === "restart") page[runId] = [];
      if (event === "chunk") page[runId] = [...(page[runId] ?? []), chunk];
      const lists = Object.values(page);
      if (lists.length === rows().length && lists.every((list) => list.length >= count)) break;
    }
    return last;
  }

  test("tells the browser which ones begin again, and what it has is right in the end", async () => {
    const page = {};
    const last = await gather(respond(rows(), ["a", "b"]).response, page, 2);
    assert.match(last, /,\*$/);
    const again = respond(rows(), ["a", "b", "c"], last);
    await gather(again.response, page, 3);
    for (const [id, list] of Object.entries(page)) assert.deepEqual(list, ["a", "b", "c"], id);
    assert.equal(again.resumed.length, MAX_CURSORS);
  });

  test("a stream called run is still a stream", async () => {
    const subscription = { next: async () => ({ done: true }), close() {} };
    let first = true;
    subscription.next = async () => {
      const run = first ? { id: "run_1", isFinished: true } : undefined;
      first = false;
      return run ? { done: false, value: run } : { done: true };
    };
    const values = [["x"], undefined];
    const source = {
      cursors: ["0"],
      track() {},
      runOver() {},
      close() {},
      resume() {},
      pull: async () => values.shift(),
    };
    const list = await all(withStreams(subscription, { open: () => source }, { streams: ["run"] }).toResponse());
    assert.deepEqual(
      list.map(({ event, data }) => [event, JSON.parse(data)]),
      [
        ["run", { id: "run_1", isFinished: true }],
        ["chunk", { type: "run", chunk: "x", runId: "run_1" }],
        ["end", {}],
      ],
    );
  });
});
