// Values that are legal and odd, for the tests of hostile input.

/** Deeper than the stack of JavaScript or Rust, for who recurses. */
export const LEVELS = 100_000;

/** JSON in JSON, and so on. */
export const nested = (levels, open = "[", inner = "", close = "]") =>
  open.repeat(levels) + inner + close.repeat(levels);

const AT = new Date("2026-05-05T01:02:03.004Z");

/** @typedef {[name: string, make: () => unknown, whole?: unknown]} Payload */

/**
 * Payloads, made anew each time. `whole`: what arrives where the official SDK sends nothing, or loses something.
 *
 * @type {Payload[]}
 */
export const payloads = [
  ["a key named __proto__", () => JSON.parse('{"__proto__":{"a":1}}'), JSON.parse('{"__proto__":{"a":1}}')],
  ["one in an array", () => [JSON.parse('{"__proto__":1}')], [JSON.parse('{"__proto__":1}')]],
  [
    "constructor and prototype",
    () => ({ constructor: { prototype: { a: 1 } } }),
    { constructor: { prototype: { a: 1 } } },
  ],
  ["an unpaired surrogate", () => "\ud800"],
  ["surrogates in keys and values", () => ({ a: "\udc00x", "\ud800": "\ud83d" })],
  ["NUL", () => ({ "\0": "a\0b" })],
  ["empty keys", () => ({ "": { "": 1 }, a: "" })],
  ["a date under a key of dots", () => ({ ".": { "..": AT } }), { ".": { "..": AT } }],
  ["numbers", () => [2 ** 53 + 2, -(2 ** 70), 5e-324, Number.MAX_VALUE, -0, Number.NaN, Number.NEGATIVE_INFINITY]],
  ["bigints", () => [2n ** 70n, -(2n ** 70n), 0n]],
  ["an invalid date", () => new Date(Number.NaN)],
  ["one in an object", () => ({ at: new Date(Number.NaN) })],
  ["a key of a megabyte", () => ({ ["k".repeat(1 << 20)]: 1 })],
  ["no prototype", () => Object.assign(Object.create(null), { at: AT })],
  ["a hole", () => Array.from({ 0: 1, 2: 3, length: 3 })],
  ["a cycle", () => cyclic()],
  ["a thousand levels", () => JSON.parse(nested(1_000))],
  ["more levels than the stack has", () => JSON.parse(nested(LEVELS))],
  ["more levels than the stack has, beside a date", () => ({ deep: JSON.parse(nested(LEVELS)), at: AT })],
  ["a toJSON that throws", () => ({ toJSON: fails })],
  ["a getter that throws", () => Object.defineProperty({}, "a", { enumerable: true, get: fails })],
  ["a revoked proxy", () => revoked({})],
  ["a symbol", () => ({ a: Symbol("a") })],
  ["a function", () => ({ a() {} })],
];

function cyclic() {
  const cycle = { name: "a" };
  cycle.self = cycle;
  return cycle;
}

export function fails() {
  throw new Error("thrown by the user's own object");
}

/** @param {object} target */
export function revoked(target) {
  const { proxy, revoke } = Proxy.revocable(target, {});
  revoke();
  return proxy;
}

const JSON_TYPE = "application/json";
const SUPER = "application/super+json";
const DANGEROUS = '{"__proto__":{"a":1},"constructor":{"prototype":{"a":1}},"prototype":1,"b":1}';
const meta = (json, values) => JSON.stringify({ json, meta: { values } });

/**
 * Packets of a row. `whole`: the value, where the official SDK loses a part of it.
 *
 * @type {[name: string, type: string, text: string, whole?: unknown][]}
 */
export const PACKETS = [
  ["dangerous keys", JSON_TYPE, DANGEROUS],
  ["dangerous keys in superjson", SUPER, `{"json":${DANGEROUS}}`, JSON.parse(DANGEROUS)],
  ["a path into __proto__", SUPER, '{"json":{"a":"1"},"meta":{"values":{"__proto__.a":["Date"],"a":["bigint"]}}}'],
  ["a path into constructor", SUPER, '{"json":{"a":"1"},"meta":{"values":{"constructor.prototype.a":["Date"]}}}'],
  ["an equality with __proto__", SUPER, '{"json":{"a":{}},"meta":{"referentialEqualities":{"a":["__proto__.a"]}}}'],
  ["an own __proto__ as a date", SUPER, '{"json":{"__proto__":"1970"},"meta":{"values":{"__proto__":["Date"]}}}'],
  ["a meta in __proto__", SUPER, '{"json":{"a":"1"},"meta":{"__proto__":{"values":{"a":["bigint"]}}}}'],
  ["no json", SUPER, '{"meta":{"values":["Date"]}}'],
  ["null", SUPER, "null"],
  ["a number", SUPER, "5"],
  ["a meta that is a text", SUPER, '{"json":1,"meta":"x"}'],
  ["an invalid date", SUPER, meta({ a: "never" }, { a: ["Date"] })],
  ["no bigint", SUPER, meta({ a: "1.5" }, { a: ["bigint"] })],
  ["no URL", SUPER, meta({ a: "::" }, { a: ["URL"] })],
  ["no regular expression", SUPER, meta({ a: "/(/" }, { a: ["regexp"] })],
  ["no set", SUPER, meta({ a: 5 }, { a: ["set"] })],
  ["no map", SUPER, meta({ a: [1] }, { a: ["map"] })],
  ["a class", SUPER, meta({ a: 5 }, { a: [["class", "constructor"]] })],
  ["a typed array of a wrong name", SUPER, meta({ a: [1] }, { a: [["typed-array", "constructor"]] })],
  [
    "numbers as texts",
    SUPER,
    meta({ a: "-0", b: "NaN", c: "-Infinity" }, { a: ["number"], b: ["number"], c: ["number"] }),
  ],
  ["an unpaired surrogate", JSON_TYPE, '["a\\ud800b",{"\\udc00":1}]'],
  ["NUL", JSON_TYPE, '"a\\u0000b"'],
  ["numbers", JSON_TYPE, "[9007199254740993,-0,1e400,-1e400,1e-400,123456789012345678901234567890]"],
  ["NaN", JSON_TYPE, "NaN"],
  ["nothing", JSON_TYPE, ""],
  ["a space", JSON_TYPE, " "],
  ["a byte order mark", JSON_TYPE, "\ufeff{}"],
  ["cut", JSON_TYPE, '{"a":'],
  ["a key twice", JSON_TYPE, '{"a":1,"a":2}'],
  ["more behind it", JSON_TYPE, "{} x"],
  ["a key of megabytes", JSON_TYPE, `{"${"k".repeat(4 << 20)}":1}`],
  ["deep", JSON_TYPE, nested(LEVELS)],
  ["deep objects", JSON_TYPE, nested(LEVELS, '{"a":', "1", "}")],
  ["deep in superjson", SUPER, `{"json":${nested(LEVELS)}}`],
  ["deep beside a type", SUPER, `{"json":${nested(LEVELS)},"meta":{"values":{"0":["set"]}}}`],
  ["deep types", SUPER, `{"json":{"a":1},"meta":{"values":{"a":${nested(LEVELS)}}}}`],
  ["text", "text/plain", "\0\u2028"],
  ["an unknown type", "__proto__", "a"],
];

/** Texts of columns. @type {Record<string, (string | null)[]>} */
export const COLUMNS = {
  startedAt: [
    "never",
    "2026-02-30T00:00:00",
    "infinity",
    "-infinity",
    "275761-01-01T00:00:00",
    "",
    "2026-13-01T00:00:00",
  ],
  createdAt: ["never", null, "0000-00-00"],
  costInCents: ["NaN", "1e400", "-0", "Infinity", "", "0x10", "1_000", "5e-324"],
  usageDurationMs: ["9007199254740993", "1.5", "99999999999999999999999999", "-1"],
  runTags: ['{__proto__,constructor,""}', "{", "{{a},{b}}", "{a,NULL}", "{a\0b}", `{${"{".repeat(100_000)}`],
  realtimeStreams: ["{__proto__,constructor}"],
  isTest: ["x", ""],
  status: ["__proto__", "constructor", "toString", ""],
  taskIdentifier: ["", "__proto__", "\0"],
  friendlyId: ["__proto__", "constructor", "x".repeat(1 << 20)],
  idempotencyKey: ["\0", "__proto__"],
  error: [
    '{"type":"__proto__"}',
    '{"type":"BUILT_IN_ERROR","name":"__proto__","message":"constructor","stackTrace":"s"}',
    '{"type":"INTERNAL_ERROR","code":"constructor"}',
    '{"__proto__":{"type":"STRING_ERROR","raw":"a"}}',
    '{"type":"STRING_ERROR","raw":"\\ud800"}',
    '{"type":"CUSTOM_ERROR","raw":"{\\"__proto__\\":{\\"a\\":1}}"}',
    "x",
    nested(LEVELS),
  ],
};

/** JSON texts that a stream may carry. @type {[string, string][]} */
export const TEXTS = [
  ["half of a pair", '"\\ud83d"'],
  ["the other half", '"\\ude00x"'],
  ["NUL", '"a\\u0000"'],
  ["an infinite number", "1e400"],
  ["a number beyond integers", "9007199254740993"],
  ["minus zero", "-0"],
  ["dangerous keys", '{"__proto__":{"a":1},"constructor":1,"prototype":2}'],
  ["a key of megabytes", `{"${"k".repeat(4 << 20)}":1}`],
  ["nothing", '""'],
  ["null", "null"],
  ["a key twice", '{"a":1,"a":2}'],
  ["ten megabytes", JSON.stringify("x".repeat(10 << 20))],
  ["deep", nested(LEVELS)],
  ["deep objects", nested(LEVELS, '{"a":', "1", "}")],
];
