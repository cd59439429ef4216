/** A page of a feed of many finished runs, whose response is cut again and again: it gets them all, each once. */
import assert from "node:assert/strict";
import { createRequire } from "node:module";
import { describe, test } from "node:test";
import { back, events } from "./support/events.mjs";

const require = createRequire(import.meta.url);
const { ResumeId, tagOf } = require("../js/streams/resume-id.js");
const { withStreams } = require("../js/streams/with-streams.js");

const SKEW_MS = 10_000;
const finished = (id, at) => ({ id, updatedAt: at, isFinished: true });
const runs = (count, at) => Array.from({ length: count }, (_, n) => finished(`run_${n}`, at(n)));

/**
 * A response that is cut when it told so many runs. What it told, and the id of the last of its events.
 *
 * @param {any[]} rows
 * @param {string} id
 * @param {number} most
 */
function visit(rows, id, most) {
  const resumeId = new ResumeId({ single: false, skewMs: SKEW_MS });
  resumeId.resume(id);
  const { give } = resumeId.order([...rows]);
  const newest = Math.max(...rows.map(({ updatedAt }) => updatedAt));
  const told = [];
  let last = id;
  for (const [index, row] of give.slice(0, most).entries()) {
    const run = { ...row, updatedAt: new Date(row.updatedAt), finishedAt: new Date(row.updatedAt) };
    const entry = { run, isOver: row.isFinished, keys: new Set(), sources: new Set() };
    if (resumeId.claim(entry, "ai").at !== null) resumeId.done(tagOf(run.id, "ai"));
    resumeId.sent(index === give.length - 1 ? newest : Number.NEGATIVE_INFINITY, run, row.isFinished);
    if (!resumeId.hides(run)) told.push(run.id);
    last = resumeId.id();
    new Headers({ "last-event-id": last });
  }
  return { told, last };
}

/** What a page was told that comes back until nothing is left. */
function follow(rows, most, change = (/** @type {number} */ _visit) => rows) {
  const told = [];
  let last = "";
  for (let count = 0; count < 100; count++) {
    const next = visit(change(count), last, most);
    if (next.told.length === 0) return { told, visits: count, last };
    told.push(...next.told);
    last = next.last;
  }
  throw new Error(`never arrives: ${told.length} told`);
}

describe("a page of many finished runs whose response is cut", () => {
  for (const [what, at] of Object.entries({
    "at one moment": () => 1_000_000,
    "in one second": (n) => 1_000_000 + ((n * 7_919) % 1_000),
    "over hours": (n) => 1_000_000 + ((n * 7_919) % 1_000) * 20_000,
  })) {
    test(`gets each once where they ended ${what}`, () => {
      const rows = runs(150, at);
      const { told, visits } = follow(rows, 20);
      assert.deepEqual([...told].sort(), rows.map(({ id }) => id).sort());
      assert.equal(visits, 8);
    });
  }

  test("gets one that came late, with an update before those it was told of", () => {
    const rows = runs(60, (n) => 1_000_000 + n);
    const { told } = follow(rows, 20, (count) => (count === 0 ? rows : [...rows, finished("run_late", 1_000_005)]));
    assert.ok(told.includes("run_late"));
    assert.equal(new Set(told).size, 61);
  });

  test("gets one that came late, after it was told of all", () => {
    const rows = runs(60, (n) => 1_000_000 + n);
    const { last } = follow(rows, 20);
    assert.deepEqual(visit(rows, last, 100).told, []);
    assert.ok(visit([...rows, finished("run_late", 1_000_005)], last, 100).told.includes("run_late"));
  });

  test("gets a live run again, which may have changed, and the finished ones once", () => {
    const live = { id: "run_live", updatedAt: 1_000_000, isFinished: false };
    const rows = [live, ...runs(60, (n) => 1_000_001 + n)];
    let last = "";
    const told = [];
    for (let count = 0; count < 4; count++) {
      const next = visit(rows, last, 21);
      told.push(...next.told);
      last = next.last;
    }
    assert.equal(told.filter((id) => id === "run_live").length, 4);
    assert.equal(new Set(told).size, 61);
    assert.equal(told.length, 64);
  });

  test("is not told of a run's streams again, but of the one that was being read", async () => {
    const rows = runs(3, (n) => 1_000_000 + n);
    const resumeId = new ResumeId({ single: false, skewMs: SKEW_MS });
    resumeId.order([...rows]);
    const run = { id: "run_0", updatedAt: new Date(1_000_000), finishedAt: new Date(1_000_000), isFinished: true };
    const entry = { run, isOver: true, keys: new Set(), sources: new Set() };
    for (const key of ["ai", "log"]) resumeId.claim(entry, key);
    resumeId.sent(Number.NEGATIVE_INFINITY, run, true);
    resumeId.done(tagOf("run_0", "ai"));
    resumeId.moved(tagOf("run_0", "log"), "4");
    const after = new ResumeId({ single: false, skewMs: SKEW_MS });
    after.resume(resumeId.id());
    assert.deepEqual(
      after.order([...rows]).give.map(({ id }) => id),
      ["run_0", "run_1", "run_2"],
    );
    assert.equal(after.claim(entry, "ai").at, null);
    assert.equal(after.claim(entry, "log").at, "4");
    assert.equal(after.hides(run), true);
  });
});

test("a response gives the runs of a feed in the order of their updates", async () => {
  const rows = [3, 1, 2].map((n) => ({ id: `run_${n}`, updatedAt: new Date(n), isFinished: true }));
  let order;
  const subscription = {
    async next() {
      const value = order && rows.length > 0 ? order.shift() : undefined;
      return value ? { done: false, value } : { done: true };
    },
    close() {},
  };
  const feed = {
    single: false,
    skewMs: SKEW_MS,
    version: () => Number.NEGATIVE_INFINITY,
    resume() {},
    order(given) {
      order = given(rows.map((row) => ({ ...row, updatedAt: Number(row.updatedAt) }))).give;
    },
  };
  const told = [];
  const response = withStreams(subscription, { open: () => ({}), feed }).toResponse(back(""));
  for await (const { event, data } of events(response)) if (event === "run") told.push(JSON.parse(data).id);
  assert.deepEqual(told, ["run_1", "run_2", "run_3"]);
});
