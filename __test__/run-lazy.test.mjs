// Long packets are decoded when they are read; a run looks and behaves as if they were decoded before.

import assert from "node:assert/strict";
import { createRequire } from "node:module";
import { describe, mock, test } from "node:test";
import { inspect } from "node:util";

import { render } from "./helpers/render.mjs";
import { feedOf, runOf } from "./helpers/run-rows.mjs";

const require = createRequire(import.meta.url);
const { toRun } = require("../js/runs/run.js");
const { Packets, loadSuperjson } = require("../js/calls/packets.js");

const LONG = { items: Array.from({ length: 100 }, (_, n) => ({ n, text: `item ${n}` })) };
const SHORT = { progress: 0.5 };
const json = (value) => ({ data: JSON.stringify(value), type: "application/json" });

const columns = (payload, metadata = json(SHORT)) => ({
  payload: payload.data,
  payloadType: payload.type,
  metadata: metadata.data,
  metadataType: metadata.type,
});

/** The same run with every packet decoded from the start: what the official client gives. */
async function plain(given) {
  const run = await runOf(given);
  return Object.fromEntries(Object.keys(run).map((key) => [key, run[key]]));
}

/** The texts that were parsed while `work` ran. */
async function parsed(work) {
  const parse = mock.method(JSON, "parse");
  try {
    await work();
    return parse.mock.calls.map((call) => call.arguments[0]);
  } finally {
    parse.mock.restore();
  }
}

describe("a run with a long payload", () => {
  const given = columns(json(LONG));

  test("is not parsed until it is read, and then once", async () => {
    const [[[rendered]]] = render([feedOf(given)]);
    let run;
    assert.ok(!(await parsed(() => (run = toRun(rendered, new Packets())))).includes(given.payload));
    const texts = await parsed(() => {
      assert.deepEqual(run.payload, LONG);
      assert.equal(run.payload, run.payload, "the same value each time");
    });
    assert.equal(texts.filter((text) => text === given.payload).length, 1);
  });

  test("looks and behaves like a plain object", async () => {
    const expected = await plain(given);
    assert.deepStrictEqual(await runOf(given), expected);
    assert.deepStrictEqual(Object.keys(await runOf(given)), Object.keys(expected));
    assert.equal(JSON.stringify(await runOf(given)), JSON.stringify(expected));
    assert.deepStrictEqual({ ...(await runOf(given)) }, expected);
    assert.deepStrictEqual(Object.assign({}, await runOf(given)), expected);
    assert.deepStrictEqual(Object.entries(await runOf(given)), Object.entries(expected));
    assert.deepStrictEqual(structuredClone(await runOf(given)), structuredClone(expected));
    assert.equal(inspect(await runOf(given), { depth: 9 }), inspect(expected, { depth: 9 }));
    assert.equal(inspect({ in: [await runOf(given)] }), inspect({ in: [expected] }));
    const { payload, ...rest } = await runOf(given);
    assert.deepStrictEqual(payload, LONG);
    assert.ok(!("payload" in rest));
  });

  test("can be changed, frozen and deleted from like one", async () => {
    const run = await runOf(given);
    run.payload = "mine";
    assert.equal(run.payload, "mine");
    assert.deepStrictEqual(Object.getOwnPropertyDescriptor(run, "payload"), {
      value: "mine",
      writable: true,
      enumerable: true,
      configurable: true,
    });
    delete run.payload;
    assert.ok(!("payload" in run));
    const frozen = Object.freeze(await runOf(given));
    assert.deepStrictEqual(frozen.payload, LONG);
    assert.match(inspect(frozen, { depth: 9 }), /item 99|more items/);
  });

  test("shares what did not change with the run before, also where it is not handed over again", async () => {
    const feed = feedOf(given);
    const update = { key: "k", value: columns(json(LONG), json({ progress: 1 })), headers: { operation: "update" } };
    feed.bodies.push(JSON.stringify([update, { headers: { control: "up-to-date" } }]));
    const [batches] = render([feed]);
    const packets = new Packets();
    const [first, second] = batches.flat().map((rendered) => toRun(rendered, packets));
    assert.equal(second.payload, first.payload);
    assert.deepEqual([first.metadata, second.metadata], [SHORT, { progress: 1 }]);
    // What native code writes for a packet that it wrote before.
    const third = toRun({ ...batches.flat()[1], payload: 1 }, packets);
    assert.equal(third.payload, first.payload);
  });

  test("of superjson is decoded with its types, also where superjson has yet to be loaded", async () => {
    const superjson = await loadSuperjson();
    const value = { at: new Date(0), many: new Map(LONG.items.map(({ n, text }) => [n, text])) };
    const packet = { data: JSON.stringify(superjson.serialize(value)), type: "application/super+json" };
    assert.deepStrictEqual((await runOf(columns(packet))).payload, value);
  });

  test("that cannot be decoded is undefined, and named when somebody asks", async () => {
    const broken = { data: `${JSON.stringify(LONG)}}`, type: "application/json" };
    const run = await runOf(columns(broken));
    assert.deepStrictEqual(Object.keys(run.decodeErrors), ["payload"]);
    assert.equal((await runOf(columns(broken))).payload, undefined);
    assert.equal((await runOf(given)).decodeErrors, undefined);
    assert.equal(JSON.stringify(await runOf(columns(broken))), JSON.stringify({ ...(await plain(columns(broken))) }));
  });
});
