/** Packets whose store adds something to their type. */
import assert from "node:assert/strict";
import { createRequire } from "node:module";
import { describe, test } from "node:test";

const require = createRequire(import.meta.url);
const { toRun } = require("../js/runs/run.js");
const { Packets } = require("../js/calls/packets.js");

const row = { id: "run_1", taskIdentifier: "t", status: "COMPLETED", tags: [], realtimeStreams: [] };

/** The output of a run that is stored under this type. */
async function stored(type, data) {
  const packets = new Packets({ fetchPacket: async () => ({ data, type }) });
  const run = await toRun({ ...row, output: { data: "path", type: "application/store" } }, packets);
  return run.output;
}

describe("a stored packet", () => {
  test("is the value it was, whatever charset its store adds to the type", async () => {
    for (const type of ["application/json", "application/json; charset=utf-8", "Application/JSON;charset=UTF-8"]) {
      assert.deepEqual(await stored(type, '{"a":1}'), { a: 1 }, type);
      const long = { a: "x".repeat(2_000) };
      assert.deepEqual(await stored(type, JSON.stringify(long)), long, type);
    }
    const at = '{"json":{"at":"1970-01-01T00:00:00.000Z"},"meta":{"values":{"at":["Date"]}}}';
    assert.deepEqual(await stored("application/super+json; charset=utf-8", at), { at: new Date(0) });
    assert.equal(await stored("text/plain; charset=utf-8", '{"a":1}'), '{"a":1}');
  });
});
