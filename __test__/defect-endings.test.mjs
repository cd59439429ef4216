/** Defects 1, 12, 16, 18, 22: how a subscription ends, or does not. */
import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { against, FAILSAFE_MS, QUICK, statuses, WATCH_MS, watchOfficial } from "./support/against.mjs";
import * as answers from "./support/answers.mjs";
import { startOfficial } from "./support/client.mjs";
import { feedScript, startFaultServer } from "./support/fault-server.mjs";
import { ours } from "./support/ours.mjs";
import { runProgram } from "./support/program.mjs";
import { completed, executing, insert, row, upToDate } from "./support/rows.mjs";
import { maybe } from "./support/scripted.mjs";

let official;
before(async () => {
  official = await startOfficial();
});
after(() => official.close());

/** Followed with short delays. */
const followed = (script, spec = {}) => against(script, ours, { ...spec, options: { retry: QUICK, ...spec.options } });

/** The official client says nothing of the failure: its iterator is pending when we stop watching. */
async function assertOfficialHangs(script, rows) {
  const { hung, error, ended, items } = await watchOfficial(script, official);
  assert.deepEqual({ hung, error, ended, rows: items.length }, { hung: true, error: null, ended: false, rows });
}

describe("defect 1: a terminal failure is told, not waited out", { concurrency: 8 }, () => {
  const refusals = [
    [400, "BadRequestError"],
    [401, "AuthenticationError"],
    [403, "PermissionDeniedError"],
    [404, "NotFoundError"],
  ];
  for (const [status, className] of refusals) {
    const body = { error: `refused with ${status}` };
    const atStart = () => feedScript({ start: [answers.json(status, body, { "x-should-retry": "false" })] });
    const afterTwo = () =>
      feedScript({
        start: [answers.snapshot(row())],
        live: [answers.change(executing(), "2_2"), answers.json(status, body)],
      });

    test(`${status} at the start rejects with a ${className}`, async () => {
      const [mine] = await Promise.all([followed(atStart()), assertOfficialHangs(atStart(), 0)]);
      assert.equal(mine.error?.className, className);
      assert.equal(mine.error.name, "TriggerApiError");
      assert.equal(mine.error.status, status);
      assert.match(mine.error.message, new RegExp(`refused with ${status}`));
      assert.equal(mine.requests.length, 1, "a refusal is not asked for again");
    });

    test(`${status} after two rows rejects after the two rows`, async () => {
      const [mine] = await Promise.all([followed(afterTwo()), assertOfficialHangs(afterTwo(), 2)]);
      assert.deepEqual(statuses(mine), ["QUEUED", "EXECUTING"]);
      assert.equal(mine.error?.className, className);
      assert.equal(mine.error.status, status);
    });
  }

  const nonsense = {
    "a web page with 200": () => answers.html(200),
    "rows without the Electric headers": () => answers.withoutElectricHeaders(row()),
    "JSON cut short again and again": () => answers.cutJson(row()),
    "JSON that is no list of messages": () => answers.messages({ error: "none of your business" }),
    "a broken gzip body": () => answers.brokenGzip(row()),
  };
  for (const [name, answer] of Object.entries(nonsense)) {
    // None of them is a snapshot to go live from, for a client that reads them.
    const script = () => feedScript({ start: [answer()], live: [maybe(answer())] });
    test(`${name} rejects with an error of ours`, async () => {
      const [mine] = await Promise.all([followed(script()), watchOfficial(script(), official)]);
      assert.ok(mine.error, "rejects");
      assert.match(mine.error.code ?? "", /^ERR_/);
      assert.ok(mine.requests.length <= 30, `${mine.requests.length} requests`);
      assert.deepEqual(mine.items, []);
    });
  }

  for (const name of ["a web page with 200", "rows without the Electric headers", "JSON cut short again and again"]) {
    test(`the official client stays pending on ${name}`, () =>
      assertOfficialHangs(feedScript({ start: [nonsense[name]()] }), 0));
  }

  test("with default settings a web page is told within 20 s and 30 requests", async () => {
    const mine = await against(feedScript({ start: [answers.html(200)] }), ours, { timeoutMs: 22_000 });
    assert.equal(mine.hung, false);
    assert.match(mine.error?.code ?? "", /^ERR_/);
    assert.ok(mine.ms <= 20_000, `${mine.ms} ms`);
    assert.ok(mine.requests.length <= 30, `${mine.requests.length} requests`);
  });

  const loop = (client) => `
    ${client};
    (async () => {
      try {
        for await (const run of runs.subscribeToRun("run_1")) console.log("row", run.status);
        console.log("after");
      } catch (error) {
        console.log("caught", error.name, error.status);
        process.exitCode = 3;
      } finally {
        console.log("finally");
      }
    })();`;
  test("a script runs its catch and finally", async () => {
    const server = await startFaultServer(feedScript({ start: [answers.json(401, { error: "no" })] }));
    try {
      const load = (from) => `const { configure, runs } = require("${from}"); configure({ baseURL, accessToken })`;
      const [theirs, mine] = await Promise.all(
        ["@trigger.dev/sdk", "./index.js"].map((from) =>
          runProgram(loop(load(from)), { baseURL: server.url, timeoutMs: FAILSAFE_MS }),
        ),
      );
      // The official client leaves the script without a word: nothing is pending, so Node exits.
      assert.deepEqual([theirs.code, theirs.out], [0, ""]);
      assert.deepEqual([mine.code, mine.out], [3, "caught TriggerApiError 401\nfinally\n"]);
    } finally {
      await server.stop();
    }
  });
});

describe("defect 12: a body that was dropped is not an answer", { concurrency: 8 }, () => {
  for (const how of ["length", "chunked", "reset"]) {
    const cutLive = () =>
      feedScript({
        start: [answers.snapshot(row())],
        live: [
          answers.cutBody([insert(executing()), upToDate()], { offset: "2_2", cursor: "2" }, how),
          answers.change(completed(), "3_3"),
        ],
      });
    test(`a live answer dropped in the middle (${how}) is asked for again from the same place`, async () => {
      const mine = await followed(cutLive());
      assert.equal(mine.error, null);
      assert.deepEqual(statuses(mine), ["QUEUED", "COMPLETED"]);
      assert.equal(mine.ended, true);
      const offsets = mine.requests.filter(({ live }) => live).map(({ query }) => query.get("offset"));
      assert.deepEqual(offsets, ["1_1", "1_1"]);
    });

    test(`the official client stays pending after one (${how})`, () => assertOfficialHangs(cutLive(), 1));

    test(`a snapshot dropped in the middle (${how}) is asked for again`, async () => {
      const cutStart = answers.cutBody([insert(row()), upToDate()], {}, how);
      const mine = await followed(feedScript({ start: [cutStart, answers.snapshot(completed())] }));
      assert.equal(mine.error, null);
      assert.deepEqual(statuses(mine), ["COMPLETED"]);
    });
  }
});

describe("defect 16: one bad item does not kill the feed", { concurrency: 8 }, () => {
  const bad = {
    "a payload that is no JSON": { payload: '{"a":', payloadType: "application/json" },
    "metadata that is no JSON": { metadata: '{"a":', metadataType: "application/json" },
    "a stored payload that is gone": { payload: "packets/gone.json", payloadType: "application/store" },
  };
  for (const [name, fields] of Object.entries(bad)) {
    const feed = feedScript({
      start: [answers.snapshot(row(fields))],
      live: [
        answers.change(
          completed({ ...fields, payload: '{"a":1}', payloadType: "application/json", metadata: null }),
          "2_2",
        ),
      ],
    });
    const script = (request) =>
      request.path.startsWith("/realtime/")
        ? feed(request)
        : answers.json(404, { error: "gone" }, { "x-should-retry": "false" });
    test(`${name} does not keep us from the run's end`, async () => {
      const mine = await followed(script);
      assert.equal(mine.error, null);
      assert.deepEqual(statuses(mine), ["QUEUED", "COMPLETED"]);
      assert.equal(mine.ended, true);
      // The item itself says what is missing.
      const { decodeErrors } = mine.items[0];
      assert.ok(decodeErrors, "the bad item tells");
      assert.equal(mine.items[1].decodeErrors, undefined);
    });
  }

  test("the official client rejects at a payload that is no JSON", async () => {
    const fields = bad["a payload that is no JSON"];
    const theirs = await watchOfficial(feedScript({ start: [answers.snapshot(row(fields))] }), official);
    assert.ok(theirs.error);
    assert.deepEqual(theirs.items, []);
  });
});

describe("defect 18: a finished run ends although completedAt was skipped", { concurrency: 8 }, () => {
  function withoutCompletedAt(value) {
    const { completedAt, ...rest } = value;
    return rest;
  }
  const script = () =>
    feedScript({ start: [answers.snapshot(withoutCompletedAt(completed()))], live: [answers.hold()] });
  const options = { skipColumns: ["completedAt"] };

  test("the official client asks for more of a completed run", async () => {
    const theirs = await watchOfficial(script(), official, { options });
    assert.deepEqual(statuses(theirs), ["COMPLETED"]);
    assert.equal(theirs.hung, true);
  });

  test("we end with it", async () => {
    const mine = await followed(script(), { options });
    assert.deepEqual(statuses(mine), ["COMPLETED"]);
    assert.equal(mine.ended, true);
    assert.equal(mine.requests[0].query.get("skipColumns"), "completedAt");
  });
});

describe("defect 22: every terminal status ends the subscription", { concurrency: 8 }, () => {
  const terminal = {
    CANCELED: "CANCELED",
    EXPIRED: "EXPIRED",
    CRASHED: "CRASHED",
    SYSTEM_FAILURE: "SYSTEM_FAILURE",
    TIMED_OUT: "TIMED_OUT",
    COMPLETED_WITH_ERRORS: "FAILED",
    INTERRUPTED: "FAILED",
    COMPLETED_SUCCESSFULLY: "COMPLETED",
  };
  for (const [raw, status] of Object.entries(terminal)) {
    const script = () =>
      feedScript({
        start: [answers.snapshot(row({ status: "DELAYED" }))],
        live: [answers.change(row({ status: raw, updatedAt: "2026-01-02T03:04:09.000" }), "2_2"), answers.hold()],
      });
    test(`${raw} with completedAt null`, async () => {
      const [mine, theirs] = await Promise.all([
        followed(script()),
        watchOfficial(script(), official, {}, WATCH_MS / 2),
      ]);
      assert.deepEqual(statuses(theirs), ["DELAYED", status]);
      assert.equal(theirs.hung, true, "the official client polls on");
      assert.deepEqual(statuses(mine), ["DELAYED", status]);
      assert.equal(mine.ended, true);
    });
  }
});
