/** How the house is laid out: no circles, roots that only list, files of a size one reads in one go, a map that is true. */
import assert from "node:assert/strict";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import path from "node:path";
import { describe, test } from "node:test";
import { root } from "../scripts/lib/run.mjs";
import { bare, circles, filesBelow, folderCircles, isRoot, rustImports, scriptImports } from "./support/imports.mjs";

/** Files that still import each other, with the reason. One that is gone has to go from here. @type {[string, string][]} */
const FILE_CIRCLES = [];

/** Folders, or a folder and files beside it, likewise. @type {[string, string][]} */
const FOLDER_CIRCLES = [];

/** Roots that still define something, likewise. @type {[string, string][]} */
const ROOTS = [];

/** Files over the bound, with the lines that they may have at most and the reason. @type {[string, number, string][]} */
const LONG = [["__test__/browser/scenarios/runs.mjs", 425, "one scenario for each official hook of runs, in one list"]];

const MAX_LINES = 400;

const rust = rustImports(root);
const scripts = scriptImports(root);

/** @param {string[][]} found @param {[string, string][]} known */
function same(found, known) {
  for (const [names, why] of known) assert.ok(names !== "" && why !== "", "every exception has a reason");
  assert.deepEqual(found.map((circle) => circle.join(" ")).sort(), known.map(([names]) => names).sort());
}

describe("imports", () => {
  test("the graph is read: a name that a root re-exports leads to its file", () => {
    assert.ok(rust.size > 200 && scripts.size > 60);
    assert.ok(rust.get("src/bridge/mint.rs").has("src/token/mint.rs"), "crate::token::Grant");
    assert.ok(rust.get("src/bridge/mint.rs").has("src/bridge/client.rs"), "super::client::Client");
    assert.ok([...scripts.values()].reduce((sum, to) => sum + to.size, 0) > 200);
  });

  test("a circle is found, with a folder as one node", () => {
    const graph = (/** @type {Record<string, string[]>} */ edges) =>
      new Map(Object.entries(edges).map(([from, to]) => [from, new Map(to.map((name) => [name, new Set(["x"])]))]));
    assert.deepEqual(circles(graph({ a: ["b"], b: ["c"], c: ["b"] })), [["b", "c"]]);
    const files = { "src/a/x.rs": ["src/b/y.rs"], "src/b/z.rs": ["src/a/w.rs"], "src/b/y.rs": [], "src/a/w.rs": [] };
    assert.deepEqual(circles(graph(files)), []);
    assert.deepEqual(
      folderCircles(graph(files)).map(({ circle }) => circle),
      [["src/a", "src/b"]],
    );
  });

  test("of Rust files go one way", () => same(circles(rust), FILE_CIRCLES));
  test("of JavaScript files go one way", () => same(circles(scripts), []));
  test("between folders go one way", () =>
    same(
      [...folderCircles(rust), ...folderCircles(scripts)].map(({ circle }) => circle),
      FOLDER_CIRCLES,
    ));

  test("leave the core's order alone: no stream reads from the hub, and only the bridge knows JavaScript", () => {
    for (const [file, to] of rust) {
      for (const target of to.keys()) {
        if (file.startsWith("src/stream/")) assert.ok(!target.startsWith("src/hub/"), `${file} imports ${target}`);
        if (!file.startsWith("src/bridge/")) assert.ok(!target.startsWith("src/bridge/"), `${file} imports ${target}`);
      }
    }
  });
});

test("a module root lists and re-exports, and does nothing else", () => {
  const doing = filesBelow(root, "src", ".rs").filter((file) => {
    if (!isRoot(file)) return false;
    const code = bare(readFileSync(path.join(root, file), "utf8"))
      .replace(/#!?\[[^\]]*\]/g, "")
      .replace(/(pub(\([^)]*\))?\s+)?(mod\s+\w+|use\s+[^;]+);/g, "");
    return code.trim() !== "";
  });
  same(
    doing.map((file) => [file]),
    ROOTS,
  );
});

test("files have fewer than 400 lines", () => {
  const folders = [
    "src",
    "js",
    "browser",
    "tests",
    "__test__",
    "scripts",
    "types",
    "bench",
    "benches",
    "demo",
    "page/src",
    "bin",
  ];
  folders.push("fuzz/src", "fuzz/properties", "fuzz/fuzz_targets");
  const files = folders.flatMap((folder) =>
    [".rs", ".js", ".mjs", ".cjs", ".ts", ".tsx"].flatMap((ending) => filesBelow(root, folder, ending)),
  );
  assert.ok(files.length > 400);
  const most = new Map(LONG.map(([file, lines]) => [file, lines]));
  // superjson is another project's, bundled.
  for (const file of files.filter((name) => !name.includes("/fixtures/") && !/\/superjson\.m?js$/.test(name))) {
    const lines = readFileSync(path.join(root, file), "utf8").split("\n").length - 1;
    assert.ok(lines <= (most.get(file) ?? MAX_LINES), `${file} has ${lines} lines`);
    if (most.has(file)) assert.ok(lines > MAX_LINES, `${file} is short enough to leave the list`);
  }
});

describe("docs/architecture.md", () => {
  const page = readFileSync(path.join(root, "docs", "architecture.md"), "utf8");
  const named = [...page.matchAll(/`([^`\n]+)`/g)].map(([, name]) => name);
  const folders = readdirSync(root, { withFileTypes: true }).flatMap((entry) =>
    entry.isDirectory() ? entry.name : [],
  );
  const isPath = (/** @type {string} */ name) =>
    /^[\w.*{},/-]+$/.test(name) &&
    (folders.includes(name.split("/")[0]) || /^[\w-]+\.(d\.ts|js|md|mjs|json)$/.test(name));

  test("names only paths that exist", () => {
    const paths = named.filter(isPath);
    assert.ok(paths.length > 60, `${paths.length} paths`);
    for (const name of paths) assert.ok(existsSync(path.join(root, name)), name);
    for (const [, link] of page.matchAll(/\]\((?!https?:)([^)#]+)[^)]*\)/g)) {
      assert.ok(existsSync(path.join(root, "docs", link)), link);
    }
  });

  test("names only functions and types that are there, each in the file named before it", () => {
    let pairs = 0;
    for (const [, file, list] of page.matchAll(
      /`((?:src|js|types|__test__)\/[\w./-]+\.(?:rs|js|mjs|d\.ts))` \(((?:`[^`]+`(?:, )?)+)\)/g,
    )) {
      const text = readFileSync(path.join(root, file), "utf8");
      for (const [, name] of list.matchAll(/`([^`]+)`/g)) {
        for (const word of name.split(/::|[.#()]/).filter(Boolean)) {
          assert.match(text, new RegExp(`(?<!\\w)${word}(?!\\w)`), `${file}: ${name}`);
        }
        pairs++;
      }
    }
    assert.ok(pairs > 40, `${pairs} names`);
  });
});
