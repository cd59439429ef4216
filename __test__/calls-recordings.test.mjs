// Every call the official SDK was recorded with is made again by both packages, against the answers recorded.

import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { assertSame, assertSameRequests, runBoth } from "./support/calls-both.mjs";
import { answerer, callsOf } from "./support/calls-recorded.mjs";
import { recordings } from "./support/wire.mjs";

const cases = recordings()
  .map((recording) => ({ recording, calls: callsOf(recording) }))
  .filter(({ calls }) => calls.length > 0);

it("has recorded calls to compare", () => {
  const names = new Set(cases.flatMap(({ calls }) => calls.map(({ name }) => name)));
  for (const name of ["tasks.trigger", "batch.trigger", "runs.retrieve", "runs.list", "wait.createToken"]) {
    assert.ok(names.has(name), `${name} among ${[...names].join(", ")}`);
  }
});

describe("against the recorded answers, our requests and results are the official SDK's", { concurrency: 1 }, () => {
  for (const { recording, calls } of cases) {
    it(`${recording.name}: ${calls.length} calls`, async () => {
      const both = await runBoth(calls, () => answerer(recording));
      assertSame(both, calls, "tr_dev_fakefakefakefakefakef");
      assertSameRequests(both);
    });
  }
});
