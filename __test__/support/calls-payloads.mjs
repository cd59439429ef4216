// Payloads of every kind, those included that cannot be written down.

const AT = new Date("2026-05-05T01:02:03.004Z");

class Point {
  x = 1;
}

const circular = { name: "circle" };
circular.self = circular;
const shared = { s: 1 };

/** The payloads of the tests; each process makes its own, since not all can be sent to one. */
export const payloads = [
  undefined,
  null,
  0,
  "",
  "text",
  "é".repeat(10),
  true,
  [],
  [undefined, null, Number.NaN, -0, Number.POSITIVE_INFINITY],
  { "a.b": 1, "c\\d": { e: new Map([["k.l", AT]]) }, "g.h": { i: new Set([1n]) } },
  { "within a map": new Map([["k", { "c\\d": { at: AT } }]]) },
  { one: shared, "t\\wo": shared },
  circular,
  {
    at: AT,
    url: new URL("http://a.b/?c"),
    re: /x/gi,
    bytes: Buffer.from("ab"),
    typed: new Uint8Array([1]),
    e: new Error("no"),
  },
  AT,
  12345678901234567890n,
  new Point(),
  () => {},
  Symbol("s"),
  { nested: { deep: { date: AT, list: [{ when: AT }] } } },
];

/**
 * Payloads the official SDK writes so that the task does not get them back: a value that JSON
 * does not know, right under a key with a dot, loses its type.
 */
export const lostByTheOfficial = [{ "a.b": AT }, { deep: [{ "x.y.z": 1n, "e\\.f": new Set([1n]) }] }];
