/** Defects 8, 13, 17, 21: requests and yielded values. */
import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { against, QUICK, statuses, watchOfficial } from "./support/against.mjs";
import * as answers from "./support/answers.mjs";
import { startOfficial } from "./support/client.mjs";
import { feedScript } from "./support/fault-server.mjs";
import { ours } from "./support/ours.mjs";
import { completed, executing, remove, row, update, upToDate } from "./support/rows.mjs";
import { maybe } from "./support/scripted.mjs";

let official;
before(async () => {
  official = await startOfficial();
});
after(() => official.close());

const followed = (script, spec = {}) => against(script, ours, { ...spec, options: { retry: QUICK, ...spec.options } });

describe("defect 8: an id names one run and nothing else", { concurrency: 8 }, () => {
  const script = () => () => answers.json(404, { error: "Not found" });
  const escaping = "../../../api/v1/runs?x#";

  test("the official client is led to another endpoint", async () => {
    const theirs = await watchOfficial(script(), official, { target: escaping }, 500);
    assert.ok(theirs.requests[0].path.startsWith("/api/v1/runs"), theirs.requests[0].path);
  });

  const refused = [
    escaping,
    "",
    ".",
    "..",
    "a/b",
    "a\\b/..",
    "run_\u0000",
    "run_\n",
    "run_\ud800",
    undefined,
    null,
    7,
    {},
    { id: "" },
  ];
  for (const target of refused) {
    test(`${JSON.stringify(target) ?? "undefined"} is refused before any request`, async () => {
      const mine = await followed(script(), { target });
      assert.equal(mine.error?.className, "ArgumentError");
      assert.match(mine.error.code, /^ERR_/);
      assert.equal(mine.requests.length, 0);
    });
  }

  for (const target of ["run_ü", "run 1", "run?x=1", "run#1", "run%2e%2e", "run;a=b", "…", "run_😀"]) {
    test(`${JSON.stringify(target)} is one path segment`, async () => {
      const mine = await followed(script(), { target });
      assert.equal(mine.error?.status, 404);
      const segments = mine.requests[0].path.split("/");
      assert.deepEqual(segments.slice(0, -1), ["", "realtime", "v1", "runs"]);
      assert.equal(decodeURIComponent(segments.at(-1)), target);
      assert.equal(mine.requests[0].query.get("x"), null);
    });
  }

  test("a handle is as good as its id", async () => {
    const mine = await followed(feedScript({ start: [answers.snapshot(completed())] }), {
      target: { id: "run_handle" },
    });
    assert.deepEqual(statuses(mine), ["COMPLETED"]);
    assert.equal(mine.requests[0].path, "/realtime/v1/runs/run_handle");
  });
});

describe("defect 13: nothing is yielded twice", { concurrency: 8 }, () => {
  const refetched = () =>
    feedScript({
      start: [answers.snapshot(executing()), answers.snapshot(executing(), { handle: "second", offset: "5_5" })],
      live: [answers.refetch({ handle: "second" }), answers.change(completed(), "6_6", { handle: "second" })],
    });

  test("the official client re-emits an unchanged run after a must-refetch", async () => {
    assert.deepEqual(statuses(await watchOfficial(refetched(), official)), ["EXECUTING", "EXECUTING", "COMPLETED"]);
  });

  test("we yield it once", async () => {
    const mine = await followed(refetched());
    assert.deepEqual(statuses(mine), ["EXECUTING", "COMPLETED"]);
    const second = mine.requests.filter(({ start }) => start)[1];
    assert.equal(second.query.get("handle"), "second");
    assert.ok(second.query.get("expired_handle"));
  });

  test("a change that was missed during a must-refetch is yielded", async () => {
    const script = feedScript({
      start: [answers.snapshot(row()), answers.snapshot(executing(), { handle: "second", offset: "5_5" })],
      live: [answers.refetch({ handle: "second" }), answers.change(completed(), "6_6", { handle: "second" })],
    });
    assert.deepEqual(statuses(await followed(script)), ["QUEUED", "EXECUTING", "COMPLETED"]);
  });

  test("a live answer given again after a lost one is yielded once", async () => {
    const script = feedScript({
      start: [answers.snapshot(row())],
      live: [
        answers.change(executing(), "2_2"),
        answers.change(executing(), "3_3"),
        answers.change(completed(), "4_4"),
      ],
    });
    assert.deepEqual(statuses(await followed(script)), ["QUEUED", "EXECUTING", "COMPLETED"]);
  });
});

describe("defect 17: an aborted signal is looked at first", { concurrency: 8 }, () => {
  // A client that looks at the signal first sends no request.
  const script = () => feedScript({ start: [maybe(answers.snapshot(row()))], live: [answers.hold()] });

  test("the official client still sends a request", async () => {
    const theirs = await watchOfficial(script(), official, { abortAfter: 0 }, 500);
    assert.ok(theirs.requests.length > 0 || theirs.items.length > 0);
  });

  test("we send nothing, yield nothing and end", async () => {
    const mine = await followed(script(), { abortAfter: 0 });
    assert.deepEqual(mine.items, []);
    assert.equal(mine.ended, true);
    assert.equal(mine.requests.length, 0);
  });

  test("an abort while waiting ends the loop", async () => {
    const mine = await followed(script(), { abortAfter: 1 });
    assert.deepEqual(statuses(mine), ["QUEUED"]);
    assert.equal(mine.ended, true);
  });
});

describe("defect 21: what the server says is what is yielded", { concurrency: 8 }, () => {
  const live = (list, offset) => answers.messages(list, { offset, cursor: offset.split("_")[1] });

  test("a deleted run ends its subscription", async () => {
    const script = () =>
      feedScript({
        start: [answers.snapshot(executing())],
        live: [live([remove(), upToDate()], "2_2"), answers.hold()],
      });
    const [theirs, mine] = await Promise.all([
      watchOfficial(script(), official),
      followed(script(), { timeoutMs: 3_000 }),
    ]);
    assert.equal(theirs.hung, true, "the official client waits for a run that is gone");
    assert.deepEqual(statuses(mine), ["EXECUTING"]);
    assert.equal(mine.ended, true);
  });

  test("an unknown status is passed through, and is neither queued nor finished", async () => {
    const script = () =>
      feedScript({
        start: [answers.snapshot(row({ status: "FROBNICATED" }))],
        live: [live([update(completed()), upToDate()], "2_2")],
      });
    const [theirs, mine] = await Promise.all([watchOfficial(script(), official), followed(script())]);
    assert.deepEqual(statuses(theirs), ["QUEUED", "COMPLETED"]);
    assert.deepEqual(statuses(mine), ["FROBNICATED", "COMPLETED"]);
    const { isQueued, isExecuting, isWaiting, isCompleted, isFailed, isSuccess, isCancelled, isFinished } =
      mine.items[0];
    assert.deepEqual(
      [isQueued, isExecuting, isWaiting, isCompleted, isFailed, isSuccess, isCancelled, isFinished],
      Array(8).fill(false),
    );
  });

  test("a cancelled run is finished, and the official flags stay what they are", async () => {
    const script = () => feedScript({ start: [answers.snapshot(completed({ status: "CANCELED", output: null }))] });
    const [theirs, mine] = await Promise.all([watchOfficial(script(), official), followed(script())]);
    assert.equal(mine.items[0].isFinished, true);
    const { isFinished, ...rest } = mine.items[0];
    assert.deepEqual(rest, theirs.items[0]);
    assert.deepEqual([rest.isCompleted, rest.isCancelled], [false, true]);
  });
});
