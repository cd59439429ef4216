// Run objects where the official client fails or misleads, and the packets in them.

import assert from "node:assert/strict";
import { createRequire } from "node:module";
import { describe, test } from "node:test";

import { render } from "./helpers/render.mjs";
import { feedOf, runOf, SCHEMA } from "./helpers/run-rows.mjs";

const require = createRequire(import.meta.url);
const { ApiError, ProtocolError } = require("../js/errors/errors.js");
const { toRun } = require("../js/runs/run.js");
const { Packets } = require("../js/calls/packets.js");

// Before all others: the module that reads types is loaded at the first packet that names one, and is waited for.
test("a broken packet that names types is named by its property while its reader is loaded", async () => {
  const type = "application/super+json";
  for (const property of ["metadata", "payload", "output"]) {
    const run = await runOf({ [property]: '{"json":5,"meta":{"values":["set"]}}', [`${property}Type`]: type });
    assert.deepEqual(Object.keys(run.decodeErrors), [property]);
  }
});

describe("where the official client fails or misleads", () => {
  test("an unknown status is passed through as it is (defect 21)", async () => {
    const run = await runOf({ status: "HIBERNATING" });
    assert.equal(run.status, "HIBERNATING");
    for (const flag of [
      "isQueued",
      "isWaiting",
      "isExecuting",
      "isCompleted",
      "isFailed",
      "isSuccess",
      "isCancelled",
      "isFinished",
    ]) {
      assert.equal(run[flag], false, flag);
    }
  });

  test("isFinished says whether a run is over, and does not show up among the keys (defect 21)", async () => {
    const run = await runOf({ status: "CANCELED" });
    assert.equal(run.isFinished, true);
    assert.equal(run.isCompleted, false);
    assert.ok(!Object.keys(run).includes("isFinished"));
    assert.equal((await runOf({ status: "EXECUTING" })).isFinished, false);
    assert.equal((await runOf({ status: "HIBERNATING", completedAt: "2026-11-22T08:24:59" })).isFinished, true);
  });

  test("what cannot be decoded is named in decodeErrors, and the rest is there (defect 16)", async () => {
    const run = await runOf({
      payload: "{broken",
      payloadType: "application/json",
      output: "path",
      outputType: "application/store",
      metadata: '{"ok":1}',
      metadataType: "application/json",
      runTags: "{a",
      usageDurationMs: "9007199254740993",
      startedAt: "infinity",
      isTest: "perhaps",
      error: "{",
    });
    const failed = ["tags", "durationMs", "isTest", "error", "payload", "output", "startedAt"];
    assert.deepEqual(Object.keys(run.decodeErrors).sort(), failed.sort());
    for (const error of Object.values(run.decodeErrors)) assert.ok(error instanceof Error);
    assert.deepEqual(
      [run.payload, run.output, run.tags, run.durationMs, run.isTest],
      [undefined, undefined, [], 0, false],
    );
    assert.deepEqual(run.metadata, { ok: 1 });
    assert.equal(run.status, "EXECUTING");
    assert.ok(!("decodeErrors" in (await runOf({}))));
  });

  test("a stored packet that cannot be fetched costs its own property only, and is tried again", async () => {
    let attempts = 0;
    const packets = new Packets({
      fetchPacket: async () => {
        attempts += 1;
        if (attempts === 1) throw new Error("404");
        return { data: "7", type: "application/json" };
      },
    });
    const stored = { payload: "path", payloadType: "application/store", output: "1", outputType: "application/json" };
    const first = await runOf(stored, { packets });
    assert.deepEqual([first.payload, first.output], [undefined, 1]);
    assert.match(first.decodeErrors.payload.message, /404/);
    assert.equal(first.decodeErrors.payload.code, "ERR_DECODE");
    const second = await runOf(stored, { packets });
    assert.equal(second.payload, 7);
    assert.ok(!("decodeErrors" in second));
    assert.equal(attempts, 2);
  });

  test("a stored packet that the server refuses is named with the refusal itself, whichever it is", async () => {
    for (const refusal of [
      ApiError.generate(403, { error: "no" }, undefined, {}),
      new ProtocolError("ERR_PROTOCOL", "no packet"),
    ]) {
      const packets = new Packets({ fetchPacket: () => Promise.reject(refusal) });
      for (const property of ["payload", "output"]) {
        const run = await runOf({ [property]: "path", [`${property}Type`]: "application/store" }, { packets });
        assert.deepEqual(Object.keys(run.decodeErrors), [property]);
        assert.equal(run.decodeErrors[property], refusal);
      }
    }
  });

  test("columns that are skipped or null have the official defaults", async () => {
    const skipped = Object.fromEntries(
      ["updatedAt", "number", "isTest", "usageDurationMs", "costInCents", "baseCostInCents"].map((name) => [
        name,
        null,
      ]),
    );
    const run = await runOf(skipped);
    assert.deepEqual(
      [run.updatedAt, run.isTest, run.durationMs, run.costInCents, run.baseCostInCents, run.tags, run.realtimeStreams],
      [undefined, false, 0, 0, 0, [], []],
    );
  });

  test("a NULL in a list is left out, and lists may also come as JSON", async () => {
    assert.deepEqual((await runOf({ runTags: '{a,NULL,"NULL"}' })).tags, ["a", "NULL"]);
    const schema = JSON.stringify({ ...JSON.parse(SCHEMA), runTags: { type: "jsonb" } });
    assert.deepEqual((await runOf({ runTags: '["a","b\\"c"]' }, { schema })).tags, ["a", 'b"c']);
  });

  test("an error that is a text, thrown as one or given by a task, is shown by it", async () => {
    for (const type of ["STRING_ERROR", "CUSTOM_ERROR"]) {
      assert.deepEqual((await runOf({ error: JSON.stringify({ type, raw: "it broke" }) })).error, {
        message: "it broke",
      });
    }
  });

  test("a process that was ended from outside is shown with what ended it", async () => {
    for (const [said, code] of [
      ["SIGTERM", "TASK_PROCESS_SIGTERM"],
      ["SIGSEGV", "TASK_PROCESS_SIGSEGV"],
      ["SIGKILL", "TASK_PROCESS_MAYBE_OOM_KILLED"],
      ["SIGABRT", "TASK_PROCESS_MAYBE_OOM_KILLED"],
      ["nothing", "TASK_PROCESS_EXITED_WITH_NON_ZERO_CODE"],
    ]) {
      const error = {
        type: "BUILT_IN_ERROR",
        name: "UnexpectedExitError",
        message: "Unexpected exit with code -1 after 3 s",
        stackTrace: `ended by ${said}`,
      };
      const run = await runOf({ error: JSON.stringify(error) });
      assert.deepEqual(run.error, { message: `trigger.dev internal error (${code})` });
    }
  });

  test("a deadlock that the server detected is called one, without the stack of the call", async () => {
    const error = { type: "BUILT_IN_ERROR", name: "TriggerApiError", message: "Deadlock detected: a waits for b" };
    assert.deepEqual((await runOf({ error: JSON.stringify({ ...error, stackTrace: "at trigger" }) })).error, {
      name: "Concurrency Deadlock Error",
      message: error.message,
      stackTrace: "",
    });
    const other = await runOf({ error: JSON.stringify({ ...error, name: "Error", stackTrace: "at run" }) });
    assert.deepEqual(other.error, { name: "Error", message: error.message, stackTrace: "at run" });
  });

  test("an error of a kind to come is shown by its message", async () => {
    assert.deepEqual((await runOf({ error: '{"type":"REMOTE_ERROR","message":"far away","node":3}' })).error, {
      message: "far away",
    });
    assert.deepEqual((await runOf({ error: '{"type":"INTERNAL_ERROR","code":"TO_COME"}' })).error, {
      message: "trigger.dev internal error (TO_COME)",
    });
    assert.ok("error" in (await runOf({ error: '{"type":"REMOTE_ERROR"}' })).decodeErrors);
  });

  test("a row that is no run is an error of that row alone", () => {
    const [[[rendered]]] = render([feedOf({ friendlyId: null })]);
    assert.match(rendered.error, /friendlyId/);
  });
});

describe("packets of a subscription", () => {
  test("a payload that did not change is the same object as before, and fetched once", async () => {
    let fetched = 0;
    const packets = new Packets({
      fetchPacket: async () => {
        fetched += 1;
        return { data: '{"big":true}', type: "application/json" };
      },
    });
    const stored = {
      payload: "path",
      payloadType: "application/store",
      output: '{"a":1}',
      outputType: "application/json",
    };
    const [first, second] = await Promise.all([runOf(stored, { packets }), runOf(stored, { packets })]);
    const third = await runOf({ ...stored, status: "COMPLETED_SUCCESSFULLY" }, { packets });
    assert.equal(fetched, 1);
    assert.deepEqual(first.payload, { big: true });
    for (const run of [second, third]) {
      assert.equal(run.payload, first.payload);
      assert.equal(run.output, first.output);
    }
    const changed = await runOf({ ...stored, payload: "other" }, { packets });
    assert.equal(fetched, 2);
    assert.notEqual(changed.payload, first.payload);
    packets.forget("run_plain");
    await runOf({ ...stored, payload: "other" }, { packets });
    assert.equal(fetched, 3);
  });

  test("a run without stored or superjson packets needs no promise", () => {
    const [[[rendered]]] = render([feedOf({ payload: "1", payloadType: "application/json" })]);
    assert.ok(!(toRun(rendered, new Packets()) instanceof Promise));
  });
});
