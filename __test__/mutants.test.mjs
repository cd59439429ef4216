// The mutants of the core: where they are put, which ones a run takes, and what fails it. What they show of the tests is
// `npm run mutants`.

import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import path from "node:path";
import test from "node:test";
import { score, stale, wanted } from "../scripts/lib/mutants/baseline.mjs";
import { folderOf, inTurn, shuffled } from "../scripts/lib/mutants/sample.mjs";
import { bodyOf } from "../scripts/lib/mutants/source.mjs";
import { blamed, canBeWoven, weave } from "../scripts/lib/mutants/weave.mjs";
import { root } from "../scripts/lib/run.mjs";

const SOURCE = `/// The larger one, é.
fn larger(a: u32, b: u32) -> u32 {
    if a > b { a } else { b } // '{' and "}" are text
}
`;

/** The mutant of `text` that replaces what stands at `found`, in the function that begins on `line`. */
function mutant(text, found, replacement, line = 2) {
  const before = text.slice(0, text.indexOf(found));
  const at = { line: before.split("\n").length, column: before.length - before.lastIndexOf("\n") };
  return {
    id: 7,
    name: `src/hub/x.rs:${at.line}:${at.column}: replace ${found} with ${replacement} in larger`,
    file: "src/hub/x.rs",
    genre: "BinaryOperator",
    replacement,
    span: { start: at, end: { line: at.line, column: at.column + found.length } },
    function: {
      function_name: "larger",
      return_type: "-> u32",
      span: { start: { line, column: 1 }, end: { line: line + 2, column: 2 } },
    },
  };
}

test("a mutant stands beside the function's own body, and is chosen by its number", () => {
  const { text, ranges } = weave(
    SOURCE,
    [mutant(SOURCE, ">", "<")].map((one) => ({ ...one, span: places(SOURCE, "a > b", 2, 1) })),
  );
  assert.match(text, /on\(7\) \{\s+if a {2}< {2}b \{ a \} else \{ b \}/);
  assert.ok(text.includes("else {\n    if a > b { a } else { b } // '{' and \"}\" are text\n}}"));
  const [range] = ranges;
  assert.ok(Buffer.from(text).subarray(range.start, range.end).toString().includes("<"), "in bytes");
});

/** The span of `length` characters that begin `skip` characters after `found`. */
function places(text, found, skip, length) {
  const before = text.slice(0, text.indexOf(found) + skip);
  const at = { line: before.split("\n").length, column: before.length - before.lastIndexOf("\n") };
  return { start: at, end: { line: at.line, column: at.column + length } };
}

test("braces in strings, characters and comments do not end a function", () => {
  for (const text of [
    'fn f() { "}" }',
    "fn f() { '}' }",
    "fn f() { b'}' }",
    "fn f<'a>(x: &'a str) -> [u8; { 1 }] { x }",
    'fn f() { r#"}"# }',
    "fn f() { /* } /* } */ } */ }",
    "fn f() { '\\'' ; }",
    "#[doc = \"{\"] fn f() { '\\u{7d}' }",
  ]) {
    const body = bodyOf(text, 0);
    assert.equal(body?.[1], text.length - 1, text);
  }
  assert.equal(bodyOf("fn f(); fn g() {}", 0), undefined);
});

test("constant functions and those that return an impl are counted, not woven", () => {
  const one = { ...mutant(SOURCE, "> b", "< b"), span: places(SOURCE, "a > b", 2, 1) };
  assert.equal(canBeWoven(one, SOURCE), true);
  assert.equal(canBeWoven(one, SOURCE.replace("fn larger", "const fn larger")), false);
  assert.equal(canBeWoven(one, SOURCE.replace("-> u32", "-> impl Fn()")), false);
});

test("a compiler's error takes out the mutants at its main place, and the others stay", () => {
  const woven = new Map([
    [
      "src/x.rs",
      [
        { id: 1, start: 10, end: 20 },
        { id: 2, start: 30, end: 40 },
      ],
    ],
  ]);
  const span = (start, primary) => ({
    file_name: "src/x.rs",
    byte_start: start,
    byte_end: start + 2,
    is_primary: primary,
  });
  assert.deepEqual(blamed({ spans: [span(12, true), span(32, false)] }, woven), [1]);
  assert.deepEqual(blamed({ spans: [span(50, true)], children: [{ spans: [span(32, false)] }] }, woven), [2]);
});

test("a seed gives the same sample again, and another seed another", () => {
  const all = Array.from({ length: 50 }, (_, at) => ({ name: `src/hub/x.rs:${at}:1: replace` }));
  const names = (seed, group) => shuffled(all, seed, group).map(({ name }) => name);
  assert.deepEqual(names(1, "src/hub"), names(1, "src/hub"));
  assert.notDeepEqual(names(1, "src/hub"), names(2, "src/hub"));
  assert.deepEqual([...names(3, "src/hub")].sort(), all.map(({ name }) => name).sort());
});

test("a run that ends early has tested as many mutants of each folder", () => {
  assert.deepEqual(inTurn([["a", "b", "c"], ["d"], [], ["e", "f"]]), ["a", "d", "e", "b", "f", "c"]);
  assert.deepEqual(inTurn([]), []);
});

test("a survivor fails a run unless the very line is listed, and a listed line that is gone fails it too", () => {
  const line = "if a > b { a } else { b }";
  const survivor = { ...mutant(SOURCE, "> b", "< b"), line, reached: 1, ended: "survived" };
  const listed = { mutant: survivor.name.replace(/:\d+:\d+:/, ":"), line, reason: "both are the same" };
  const empty = { base: "", folders: {}, survivors: [] };
  assert.equal(score(empty, [survivor]).unlisted.length, 1);
  assert.deepEqual(score({ ...empty, survivors: [listed] }, [survivor]), {
    folders: { "src/hub": { viable: 1, killed: 0, javascript: 0, listed: 1 } },
    unlisted: [],
  });
  assert.equal(score({ ...empty, survivors: [{ ...listed, line: "else" }] }, [survivor]).unlisted.length, 1);
  assert.deepEqual(
    stale({ ...empty, survivors: [listed] }, () => SOURCE.replace(" // '{' and \"}\" are text", "")),
    [],
  );
  assert.equal(score(empty, [{ ...survivor, reached: 0 }]).unlisted.length, 0, "JavaScript tests may reach it");
  assert.equal(score(empty, [{ ...survivor, reached: 0, files: 1 }]).unlisted.length, 1, "they reach it");
  assert.deepEqual(score(empty, [{ ...survivor, killedBy: "feeds.test.mjs", files: 1 }]), {
    folders: { "src/hub": { viable: 1, killed: 1, javascript: 1, listed: 0 } },
    unlisted: [],
  });
  assert.equal(stale({ ...empty, survivors: [listed] }, () => "").length, 1);
  assert.equal(stale({ ...empty, survivors: [{ ...listed, reason: " " }] }, () => line).length, 1);
});

test("every listed survivor names a line that the core still has, with a reason", async () => {
  const baseline = JSON.parse(await readFile(path.join(root, "scripts", "mutants.json"), "utf8"));
  const texts = new Map();
  for (const { mutant: name } of baseline.survivors) {
    const file = name.split(":")[0];
    texts.set(file, await readFile(path.join(root, file), "utf8").catch(() => undefined));
  }
  assert.deepEqual(
    stale(baseline, (file) => texts.get(file)),
    [],
  );
});

test("folders count by their name, and those that users meet first have the higher target", () => {
  assert.equal(folderOf({ file: "src/relay/feed/rows.rs" }), "src/relay");
  assert.equal(folderOf({ file: "src/clock.rs" }), "src");
  assert.deepEqual([wanted("src/relay"), wanted("src/serve")], [90, 80]);
});
