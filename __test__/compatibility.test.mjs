// Every export of the official SDK works here or is named with its reason, and docs/compatibility.md says so.

import assert from "node:assert/strict";
import { before, describe, it } from "node:test";
import * as native from "trigger-native";
import { checkCompatibility } from "../scripts/compatibility.mjs";
import { membersOf } from "../scripts/lib/compatibility/compiler.mjs";
import { root } from "../scripts/lib/run.mjs";

describe("in place of @trigger.dev/sdk", () => {
  /** @type {Awaited<ReturnType<typeof checkCompatibility>>} */
  let found;
  before(async () => {
    found = await checkCompatibility();
  });

  it("every export is here or has a reason not to be", () => {
    assert.deepEqual(found.findings.problems.unlisted, []);
  });

  it("what is declared is there at run time", () => {
    assert.deepEqual(found.findings.problems.missing, []);
  });

  it("what is there at run time is declared", () => {
    assert.deepEqual(found.findings.problems.undeclared, []);
  });

  it("every export takes what the official one takes and gives what it gives", () => {
    assert.deepEqual(found.findings.problems.misfits, []);
  });

  it("no reason is given for what does not exist, or is here", () => {
    assert.deepEqual(found.findings.problems.stale, []);
  });

  it("was compared with something", () => {
    const { values, types } = found.findings;
    for (const name of [
      "tasks.trigger",
      "runs.list",
      "streams.read",
      "wait.createToken",
      "TriggerClient",
      "ApiError",
    ]) {
      assert.ok(
        values.some((row) => row.name === name),
        name,
      );
    }
    assert.ok(types.some((row) => row.name === "RealtimeRun"));
  });

  it("docs/compatibility.md is up to date: npm run compatibility -- --write", () => {
    const [written, expected] = [found.written.split("\n"), found.expected.split("\n")];
    const stale = expected.filter((line, index) => line !== written[index]);
    assert.ok(
      stale.length === 0 && written.length === expected.length,
      `lines that should be there:\n${stale.join("\n")}`,
    );
  });
});

describe("what comes live has every member it is declared to have", () => {
  native.configure({ accessToken: "tr_dev_members", baseURL: "http://127.0.0.1:9" });
  for (const [type, make] of [
    ["ours.RunSubscription<ours.AnyRunTypes>", () => native.runs.subscribeToRun("run_1")],
    ["ReturnType<typeof ours.runs.subscribeToRunsWithTag>", () => native.runs.subscribeToRunsWithTag("tag")],
    ["ReturnType<typeof ours.runs.subscribeToBatch>", () => native.runs.subscribeToBatch("batch_1")],
    [
      "ReturnType<ours.RunSubscription<ours.AnyRunTypes>['withStreams']>",
      () => native.runs.subscribeToRun("run_1").withStreams(),
    ],
    ["ours.RealtimeStream<string>", () => native.streams.read("run_1", "ai")],
    ["ReturnType<typeof ours.streams.define<string>>", () => native.streams.define({ id: "ai" })],
    ["ReturnType<typeof ours.streams.input<string>>", () => native.streams.input({ id: "approval" })],
  ]) {
    it(type, async () => {
      const members = membersOf(root, 'import type * as ours from "trigger-native";', type);
      assert.ok(members.length > 1, `${members}`);
      // Nothing is sent before the first read.
      const value = await make();
      try {
        assert.deepEqual(
          members.filter((name) => !(nameOf(name) in value)),
          [],
        );
      } finally {
        value.close?.();
      }
    });
  }
});

/** @param {string} name */
function nameOf(name) {
  return name.startsWith("@") ? (Symbol[name.slice(1)] ?? name) : name;
}
