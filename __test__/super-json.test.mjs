// Texts of superjson are read without it where possible, with the same result as superjson's.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { test } from "node:test";
import { SuperJSON } from "superjson";

const require = createRequire(import.meta.url);
const { NOT_SIMPLE, namesTypes, readSimple } = require("../js/calls/super-json.js");

const superjson = new SuperJSON();

/** Texts as superjson writes them, and as others could. */
const TEXTS = {
  "plain JSON": superjson.stringify({ a: [1, "two", null, { b: true }], c: "" }),
  "a bare string": superjson.stringify("text"),
  null: superjson.stringify(null),
  "dates in objects and arrays": superjson.stringify({ at: new Date(1), list: [0, { at: new Date(2) }] }),
  undefined: superjson.stringify({ a: undefined, b: [undefined, 1] }),
  numbers: superjson.stringify({ a: Number.NaN, b: Number.POSITIVE_INFINITY, c: Number.NEGATIVE_INFINITY, d: -0 }),
  "a big integer": superjson.stringify({ a: 2n ** 70n }),
  "an address": superjson.stringify({ a: new URL("https://example.com/a?b#c") }),
  "names with numbers": superjson.stringify({ 0: { 1: new Date(3) } }),
  "an empty name": superjson.stringify({ "": new Date(4) }),
  "written by hand, with spaces":
    '{ "json" : { "at" : "2026-01-01T00:00:00.000Z" }, "meta" : { "values" : { "at" : ["Date"] } } }',
  "an escaped meta": '{"json":{"at":"2026-01-01T00:00:00.000Z"},"m\\u0065ta":{"values":{"at":["Date"]}}}',
};

/** Texts that only superjson reads, or refuses. */
const OTHERS = {
  "a date alone": superjson.stringify(new Date(5)),
  "a set": superjson.stringify({ a: new Set([1, new Date(6)]) }),
  "a map": superjson.stringify({ a: new Map([["b", new Date(7)]]) }),
  "a pattern": superjson.stringify({ a: /b/g }),
  "names with dots and backslashes": superjson.stringify({ "a.b": new Date(8), "c\\d": new Date(9) }),
  "what is there twice": (() => {
    const one = { a: 1 };
    return superjson.stringify({ b: one, c: one });
  })(),
  bytes: superjson.stringify({ a: new Uint8Array([1, 2]) }),
  "an error": superjson.stringify({ a: new Error("text") }),
  "a type of the prototype": '{"json":{"a":1},"meta":{"values":{"a":["constructor"]}}}',
  "a path to the prototype": '{"json":{"a":1},"meta":{"values":{"__proto__.b":["Date"]}}}',
  "a path to nothing": '{"json":{"a":1},"meta":{"values":{"b.c":["Date"]}}}',
  "a path into a date": '{"json":{"a":{"b":0}},"meta":{"values":{"a":["Date"],"a.b":["Date"]}}}',
  "no object": "null",
  "a list beside it": '{"json":{"a":1},"meta":{"values":{"a":[["custom","buffer"]]}}}',
};

for (const [what, text] of Object.entries(TEXTS)) {
  test(`${what}: read as superjson reads it`, () => {
    const value = readSimple(text);
    assert.notEqual(value, NOT_SIMPLE);
    assert.deepStrictEqual(value, superjson.parse(text));
  });
}

for (const [what, text] of Object.entries(OTHERS)) {
  test(`${what}: left to superjson`, () => {
    assert.equal(readSimple(text), NOT_SIMPLE);
  });
}

test("a text that may name types is told from one that cannot", () => {
  for (const text of [...Object.values(TEXTS), ...Object.values(OTHERS)]) {
    let parsed;
    try {
      parsed = JSON.parse(text);
    } catch {
      continue;
    }
    if (parsed?.meta) assert.ok(namesTypes(text), text);
  }
  assert.ok(!namesTypes('{"json":{"a":1}}'));
});

test("the copy of superjson that CommonJS reads is what `node scripts/superjson.mjs` writes", async () => {
  const { readerText, superjsonText } = await import("../scripts/superjson.mjs");
  const written = readFileSync(new URL("../js/calls/superjson.js", import.meta.url), "utf8");
  assert.ok(written === (await superjsonText()), "run: node scripts/superjson.mjs");
  const reader = readFileSync(new URL("../browser/superjson.mjs", import.meta.url), "utf8");
  assert.ok(reader === (await readerText()), "run: node scripts/superjson.mjs");
});
