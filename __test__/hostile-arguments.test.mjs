// Every function that we export, with an odd value in each place of its arguments: it works, or fails with an error that
// says what is wrong. Nothing hangs, nothing is left unhandled, no prototype is changed.

import assert from "node:assert/strict";
import { createRequire } from "node:module";
import { after, before, describe, test } from "node:test";
import { serveCalls } from "./support/calls-server.mjs";
import { fails, LEVELS, nested, revoked } from "./support/hostile.mjs";

const sdk = createRequire(import.meta.url)("../index.js");

const cyclic = {};
cyclic.self = cyclic;

/** An object whose properties with these names throw. @param {string[]} names */
const throwing = (...names) => {
  const given = {};
  for (const name of names) Object.defineProperty(given, name, { enumerable: true, get: fails });
  return given;
};

/** Each is made anew. */
const ODD = {
  undefined: () => undefined,
  null: () => null,
  "an empty text": () => "",
  NUL: () => "\0",
  "half of a pair": () => "a\ud800",
  "a megabyte": () => "x".repeat(1 << 20),
  "the name of a prototype": () => "__proto__",
  "a constructor": () => "constructor",
  dots: () => "..",
  "a bigint": () => 10n,
  "a symbol": () => Symbol("odd"),
  NaN: () => Number.NaN,
  infinity: () => Number.POSITIVE_INFINITY,
  "minus zero": () => -0,
  "more than integers": () => 2 ** 60,
  true: () => true,
  "a function": () => () => {},
  "an empty array": () => [],
  "an invalid date": () => new Date(Number.NaN),
  "a map": () => new Map([["id", 1]]),
  "a cycle": () => cyclic,
  "a revoked object": () => revoked({}),
  "a revoked array": () => revoked([]),
  "a revoked function": () => revoked(() => {}),
  "a proxy that throws": () => new Proxy({}, { get: fails, ownKeys: fails, getPrototypeOf: fails, has: fails }),
  "no prototype": () => Object.create(null),
  "keys of prototypes": () => JSON.parse('{"__proto__":{"a":1},"constructor":{"prototype":{"a":1}}}'),
  "a promise": () => Promise.resolve({}),
  "a then that throws": () => throwing("then"),
  "a toJSON that throws": () => ({ toJSON: fails }),
  "a text that throws": () => ({ toString: fails, valueOf: fails, [Symbol.toPrimitive]: fails }),
  "values that throw": () =>
    throwing("signal", "retry", "id", "payload", "tags", "scopes", "accessToken", "baseURL", "limit"),
  "an iterator that throws": () => ({ [Symbol.iterator]: fails, [Symbol.asyncIterator]: fails }),
  "no iterator": () => ({ [Symbol.iterator]: 5, [Symbol.asyncIterator]: 5 }),
  "deep JSON": () => JSON.parse(nested(LEVELS)),
  "a signal that throws": () => ({
    signal: {
      addEventListener: fails,
      get aborted() {
        return fails();
      },
    },
  }),
  "a revoked signal": () => ({ signal: revoked({}) }),
  "retries that throw": () => ({ retry: throwing("maxAttempts") }),
  "headers that throw": () => ({ additionalHeaders: throwing("a") }),
  "headers of prototypes": () => ({ additionalHeaders: JSON.parse('{"__proto__":"a","constructor":"b"}') }),
  "headers with line ends": () => ({ additionalHeaders: { "a\nb": "c\r\nd" } }),
  "many tags": () => ({ tags: Array.from({ length: 100_000 }, (_, at) => `t${at}`) }),
  "cyclic metadata": () => ({ metadata: cyclic }),
  "an idempotency key of symbols": () => ({ idempotencyKey: [Symbol("odd")] }),
  "a delay that is no date": () => ({ delay: new Date(Number.NaN) }),
  "bigints in options": () => ({ ttl: 5n, priority: 5n, limit: 5n }),
};

/** The functions of an object and those within. @returns {[string, Function, object][]} */
function functionsOf(holder, prefix = "") {
  return Object.entries(holder).flatMap(([name, value]) => {
    if (typeof value === "function") return /Error$|^configure$/.test(name) ? [] : [[prefix + name, value, holder]];
    return typeof value === "object" && value !== null ? functionsOf(value, `${prefix}${name}.`) : [];
  });
}

/** Waits for what a function gave: a promise, or the first value of what can be read. */
async function settle(given) {
  if (typeof given?.then === "function") return given;
  if (typeof given?.[Symbol.asyncIterator] !== "function") return undefined;
  const reading = given[Symbol.asyncIterator]();
  // A subscription waits for its server for ever: it is enough that it began.
  const first = await Promise.race([reading.next(), new Promise((resolve) => setImmediate(resolve))]);
  await reading.return?.();
  return first;
}

/** Whether an error says what is wrong: it is ours, the user's own, or what the engine says of a revoked proxy or a symbol. */
function isClear(error) {
  if (error?.code?.startsWith?.("ERR_") || error?.name === "BatchTriggerError") return true;
  return /thrown by the user's own|proxy that has been revoked|Symbol value to a string/.test(error?.message);
}

describe("odd arguments", { timeout: 600_000 }, () => {
  const unhandled = [];
  const note = (error) => unhandled.push(error);
  before(() => process.on("unhandledRejection", note));
  after(() => {
    process.off("unhandledRejection", note);
    sdk.configure({});
  });

  for (const [name, called, holder] of functionsOf(sdk)) {
    test(`of ${name} work, or fail with an error that says what is wrong`, async (t) => {
      const { url } = await serveCalls(t, () => ({ body: {} }));
      const configuration = { baseURL: url, accessToken: "tr_dev_oddnotasecret00000" };
      const names = Reflect.ownKeys(Object.prototype).length;
      for (let place = 0; place < 4; place++) {
        for (const [odd, make] of Object.entries(ODD)) {
          sdk.configure({ ...configuration, requestOptions: { retry: { maxAttempts: 1 } } });
          const given = [/batch/i.test(name) ? [{ id: "a", payload: 1 }] : "run_odd", {}, {}, {}];
          given[place] = make();
          // A poll of an answer without a status ends at once, and one that is misconfigured waits a second.
          const what = `${name}, argument ${place}: ${odd}`;
          try {
            const isClass = /^class/.test(Function.prototype.toString.call(called));
            const returned = isClass ? new called(...given) : called.apply(holder, given);
            const late = new Promise((_, reject) => setTimeout(reject, 10_000, new Error("hangs")).unref());
            await Promise.race([settle(returned), late]);
          } catch (error) {
            assert.ok(isClear(error), `${what}: ${error?.stack}`);
          }
          assert.equal(Reflect.ownKeys(Object.prototype).length, names, what);
        }
      }
      await new Promise((resolve) => setImmediate(resolve));
      assert.deepEqual(unhandled, []);
    });
  }
});
