// The comparison behind docs/compatibility.md: it accepts differences that users cannot notice, and no others.

import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { declaredBy } from "../scripts/lib/compatibility/compiler.mjs";
import { compareValues, kindOf, surfaceOf } from "../scripts/lib/compatibility/runtime.mjs";
import { compareTypes } from "../scripts/lib/compatibility/types.mjs";
import { root } from "../scripts/lib/run.mjs";

const HEADER = `
declare class Lazy<T> extends Promise<T> { private secret: number; asResponse(): Promise<Response>; }
interface Plain<T> extends Promise<T> { asResponse(): Promise<Response>; }
declare class Bare<T> extends Promise<T> { private other: string; }
declare class Page<T> { private fetcher: () => void; data: T[]; next(): Promise<Page<T>>; }
interface OurPage<T> { data: T[]; next(): Promise<OurPage<T>>; total: number }
`.trim();

/** The verdicts about the pairs of a table, by the first column: one start of the compiler for all. */
function verdicts(table) {
  const pairs = table.map(([, ours, theirs], index) => ({ name: `it${index}`, ours, theirs }));
  const found = compareTypes(root, HEADER, pairs, () => false);
  return new Map(
    table.map(([what], index) => [
      what,
      found.get(`it${index}`).problems.map((one) => one.replace(`it${index}`, "it")),
    ]),
  );
}

/** The verdict about one pair. */
function verdict(ours, theirs, leftOut = () => false) {
  return compareTypes(root, HEADER, [{ name: "it", ours, theirs }], leftOut).get("it");
}

describe("types that stand for the official ones", () => {
  const table = [
    ["the same function", "(id: string) => Promise<number>", "(id: string) => Promise<number>"],
    ["a function that takes more", "(id: string | number, more?: object) => void", "(id: string) => void"],
    ["a promise without the private members", "() => Plain<number>", "() => Lazy<number>"],
    ["a page that leads to itself", "() => Plain<OurPage<string>>", "() => Lazy<Page<string>>"],
    ["each of several forms", "{ (a: string): 1; (a: number): 2 }", "{ (a: number): 2; (a: string): 1 }"],
    ["a result of a union", "() => 'a'", "() => 'a' | 'b'"],
    ["members beside the official ones", "{ a: string; b: number }", "{ a: string }"],
  ];
  const found = verdicts(table);
  for (const [what] of table) it(what, () => assert.deepEqual(found.get(what), []));
});

describe("types that do not", () => {
  const table = [
    ["a result of another type", "() => Promise<string>", "() => Promise<number>", /^it: string is no number$/],
    ["a result that is no promise", "() => number", "() => Promise<number>", /^it: number is no Promise/],
    ["a result that may be missing", "() => string | undefined", "() => string", /^it: undefined is no string$/],
    ["a member that is missing", "{ a: string }", "{ a: string; b: number }", /^it\.b: missing$/],
    [
      "a member that is missing deep inside",
      "() => Promise<{ a: { b: 1 }[] }>",
      "() => Promise<{ a: { b: 1; c: 2 }[] }>",
      /^it\.a\[\]\.c: missing$/,
    ],
    ["a member of another type", "{ a: { b: string } }", "{ a: { b: Date } }", /^it\.a\.b: string is no Date$/],
    ["a promise without a public member", "() => Bare<number>", "() => Lazy<number>", /^it\.asResponse: missing$/],
    ["a parameter that is narrower", "(id: 'a') => void", "(id: string) => void", /^it\(id\): string is no "a"$/],
    [
      "a parameter that is needed",
      "(id: string, more: number) => void",
      "(id: string) => void",
      /^it\(more\): undefined is no number$/,
    ],
    ["a parameter that is not taken", "() => void", "(id: string) => void", /^it: takes 0 parameters instead of 1$/],
    [
      "an option that is not taken",
      "(options?: { a?: 1; r?: { s: 1 } }) => void",
      "(options?: { a?: 1; r?: { s: 1; t?: 2 } }) => void",
      /^it\(options\)\.r: \{ t \} is not taken$/,
    ],
    ["an option of another type", "(o?: { a?: 1 }) => void", "(o?: { a?: 2 }) => void", /^it\(o\)\.a: 2 is no 1$/],
    ["a form that is missing", "(a: string) => 1", "{ (a: number): 2; (a: string): 1 }", /^it/],
    ["something that cannot be called", "{ a: 1 }", "() => void", /^it: cannot be called$/],
    ["a name that does not exist", "Nowhere", "string", /^it: Cannot find name 'Nowhere'/],
    ["a generic function that nobody instantiated", "<T>(a: T[]) => T", "<T>(a: T) => T", /^it: is generic/],
  ];
  const found = verdicts(table);
  for (const [what, , , problem] of table) it(what, () => assert.match(found.get(what).join("\n"), problem));

  it("apart from members that are left out on purpose", () => {
    assert.deepEqual(verdict("{ a: 1 }", "{ a: 1; b: 2 }", (path) => path === "it.b").problems, []);
  });

  it("and the verdict is not shared by the pairs beside it", () => {
    const pairs = [
      { name: "good", ours: "string", theirs: "string" },
      { name: "bad", ours: "Nowhere", theirs: "string" },
      { name: "last", ours: "1", theirs: "number" },
    ];
    const found = compareTypes(root, HEADER, pairs, () => false);
    assert.deepEqual(
      [...found].map(([name, { problems }]) => [name, problems.length]),
      [
        ["good", 0],
        ["bad", 1],
        ["last", 0],
      ],
    );
  });
});

describe("what is added is told", () => {
  it("options and members of the result", () => {
    const { more } = verdict(
      "(id: string, options?: { a?: 1; signal?: AbortSignal }) => Promise<{ x: 1; close(): void }>",
      "(id: string, options?: { a?: 1 }) => Promise<{ x: 1 }>",
    );
    assert.deepEqual(more, ["{ signal }", "close"]);
  });

  it("and which way round two types fit", () => {
    assert.equal(verdict("{ a: 1 }", "{ a: 1 }").fit, "same");
    assert.equal(verdict("{ a: 1; b: 2 }", "{ a: 1 }").fit, "has more");
    assert.equal(verdict("{ a: 1 | 2 }", "{ a: 1 }").fit, "takes more");
    assert.equal(verdict("{ a: 1 }", "{ a: 2 }").fit, "neither");
  });
});

describe("values", () => {
  class Base extends Error {}
  class Theirs extends Base {
    get wait() {
      return 1;
    }
  }

  it("are of the same kind and kin, with the same members", () => {
    assert.deepEqual(
      [kindOf(Theirs), kindOf(() => {}), kindOf({}), kindOf(1)],
      ["class", "function", "namespace", "value"],
    );
    assert.match(
      compareValues(
        "it",
        () => {},
        Theirs,
        () => false,
      )[0],
      /is a function here and a class there/,
    );
    assert.match(
      compareValues("it", class extends Error {}, Theirs, () => false).join("\n"),
      /extends Error instead of Base > Error/,
    );
    assert.deepEqual(
      compareValues("it", class extends Base {}, Theirs, () => false),
      ["it.wait: missing at run time"],
    );
    assert.deepEqual(
      compareValues("it", class extends Theirs {}, class extends Theirs {}, () => false),
      [],
    );
  });

  it("are found in namespaces, one level down", () => {
    assert.deepEqual([...surfaceOf({ a() {}, b: { c() {}, d: {} }, default: 1 }).keys()], ["a", "b", "b.c", "b.d"]);
  });
});

it("the declared names of a package are those that its users can import", () => {
  const names = declaredBy(root, "@trigger.dev/core/v3/jwt");
  assert.deepEqual([...names.keys()].filter((name) => /JWT/.test(name)).length > 0, true);
});
