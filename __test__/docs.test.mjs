/** What the documentation names is there: files, functions, tests, invariants, defects. */
import assert from "node:assert/strict";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import path from "node:path";
import { describe, test } from "node:test";
import { fileURLToPath } from "node:url";

const ROOT = fileURLToPath(new URL("../", import.meta.url));
const FOLDERS = ["src", "js", "types", "tests", "__test__", "scripts", "demo", "bench", "docs", "examples", "skills"];

/** The text of every file of the project that may be named, by its path. @type {Map<string, string>} */
const files = new Map(
  [...readdirSync(ROOT), ...FOLDERS.flatMap(within)]
    .filter((name) => /\.(rs|js|mjs|ts|mts|cts|md|json)$/.test(name))
    .map((name) => [name, readFileSync(path.join(ROOT, name), "utf8")]),
);

function within(folder) {
  const names = /** @type {string[]} */ (readdirSync(path.join(ROOT, folder), { recursive: true }));
  return names.map((name) => path.posix.join(folder, name.split(path.sep).join("/")));
}

/** The texts of the files that a name means: `seen.rs`, `sse/lines.rs` and `tests/hub.rs` all mean some. */
const named = (name) =>
  [...files].filter(([file]) => file === name || file.endsWith(`/${name}`)).map(([, text]) => text);

const texts = (folder) => [...files].filter(([file]) => file.startsWith(folder)).map(([, text]) => text);
const rust = [...texts("src/"), ...texts("tests/")].join("\n");
const javascript = [...files].filter(([file]) => file.endsWith(".test.mjs") && !file.endsWith("/docs.test.mjs"));
const titles = javascript.map(([, text]) => text).join("\n");

const quoted = (text) => [...text.matchAll(/`([^`]+)`/g)].map(([, name]) => name);
const isFile = (name) => /^[\w./-]+\.(rs|js|mjs|ts)$/.test(name);
/** Rust tests are sentences: no other name has so many words. */
const isRustTest = (name) => /^[a-z0-9]+(_[a-z0-9]+){3,}$/.test(name);
const holds = (text, word) => new RegExp(`(?<!\\w)${word}(?!\\w)`).test(text);

/** What of the places and tests behind an invariant is not there. */
function missing(proof) {
  const lost = [];
  let places = [];
  for (const name of quoted(proof)) {
    if (isFile(name)) {
      places = named(name);
      if (places.length === 0) lost.push(name);
    } else if (isRustTest(name)) {
      if (!rust.includes(`fn ${name}(`)) lost.push(name);
    } else if (name.includes(" ")) {
      // One for each of several is named by what they have in common: `through …`.
      if (!titles.includes(name.replace("…", `\${name}`))) lost.push(name);
    } else {
      // A function, a method or a type: in one of the files that the name before it means.
      const [owner, member] = name.replace(/^#/, "").split(/::|#/);
      const word = (member ?? owner).replace(/\W.*/, "");
      const where = name.includes("#") ? texts("js/") : places;
      if (!where.some((text) => holds(text, word) && holds(text, owner.replace(/\W.*/, "")))) lost.push(name);
    }
  }
  return lost;
}

const INVARIANT = /^- \*\*([ISFART]\d+)\.\*\*.*(?:\n {2}.*)*/gm;
const invariants = [
  "docs/protocol.md",
  "docs/streams.md",
  "docs/relay-feeds.md",
  "docs/relay-access.md",
  "docs/relay-streams.md",
  "docs/transport.md",
].flatMap((page) => [...files.get(page).matchAll(INVARIANT)].map(([text, number]) => ({ number, text })));

describe("an invariant", () => {
  test("has a number of its own, and every number is there", () => {
    for (const letter of ["I", "S", "F", "A", "R", "T"]) {
      const numbers = invariants
        .filter(({ number }) => number[0] === letter)
        .map(({ number }) => Number(number.slice(1)));
      const expected = Array.from({ length: numbers.length }, (_, index) => index + 1);
      assert.deepEqual(
        numbers.sort((a, b) => a - b),
        expected,
      );
    }
    assert.ok(invariants.length > 30);
  });

  for (const { number, text } of invariants) {
    test(`${number} names places and tests that exist`, () => {
      // The proof is what ends the paragraph in italics.
      const proof = /\*([^*]+)\*$/.exec(text)?.[1] ?? "";
      assert.ok(quoted(proof).length > 1, "it says what enforces and what proves it");
      assert.deepEqual(missing(proof), []);
    });
  }

  test("that a comment cites is written down", () => {
    const known = new Set(invariants.map(({ number }) => number));
    for (const [file, text] of files) {
      if (file.endsWith(".md")) continue;
      for (const [, list] of text.matchAll(/\(([ISFART]\d+(?:, [ISFART]\d+)*)\)/g)) {
        for (const number of list.split(", ")) assert.ok(known.has(number), `${file}: ${number}`);
      }
    }
  });
});

test("defects that are cited have a row, and the rows' tests are there", () => {
  const rows = files
    .get("docs/defects.md")
    .split("\n")
    .filter((line) => /^\| \d+ \|/.test(line));
  for (const [index, row] of rows.entries()) {
    const cells = row.split("|").map((cell) => cell.trim());
    assert.equal(Number(cells[1]), index + 1);
    const tests = quoted(cells[4]);
    assert.ok(tests.length > 0, row);
    for (const name of tests) assert.ok(files.has(`__test__/${name}.test.mjs`), `${cells[1]}: ${name}`);
  }
  for (const [file, text] of files) {
    for (const [, number] of text.matchAll(/\bdefects?(?:\.md)? (\d+)\b/g)) {
      assert.ok(Number(number) >= 1 && Number(number) <= rows.length, `${file}: defect ${number}`);
    }
  }
});

test("sections of the servers' protocol that are cited are there", () => {
  const page = files.get("docs/server-protocol.md");
  const sections = [...page.matchAll(/^## (\d+)\. /gm)].map(([, number]) => Number(number));
  assert.deepEqual(sections, [1, 2, 3, 4, 5, 6, 7, 8]);
  let cited = 0;
  for (const [file, text] of files) {
    for (const [, list] of text.matchAll(/docs\/server-protocol\.md\s+(\d(?:(?:, | and )\d\b)*)/g)) {
      for (const number of list.match(/\d/g) ?? []) {
        assert.ok(sections.includes(Number(number)), `${file}: docs/server-protocol.md ${number}`);
        cited++;
      }
    }
    // One title keeps the page's old name.
    const rest = text.replaceAll("decided as protocol.md 3 says", "");
    assert.doesNotMatch(rest, /(?<![\w./-])(?:protocol|design)\.md \d/, file);
  }
  assert.ok(cited > 80, String(cited));
});

test("files and pages that the documentation names are there", () => {
  const pages = [...files].filter(([file]) => file.endsWith(".md") && !file.startsWith("bench/"));
  for (const [page, text] of pages) {
    for (const [, link] of text.matchAll(/\]\((?!https?:)([^)#]+)[^)]*\)/g)) {
      const target = path.posix.join(path.posix.dirname(page), link).replace(/\/$/, "");
      assert.ok(existsSync(path.join(ROOT, target)), `${page}: ${link}`);
    }
    for (const name of quoted(text).filter((each) => FOLDERS.includes(each.split("/")[0]) && isFile(each))) {
      assert.ok(files.has(name), `${page}: ${name}`);
    }
  }
});

test("links of what is published lead somewhere for whoever has the package alone", () => {
  const { files: published, repository } = JSON.parse(files.get("package.json"));
  // `docs/*.md` is the pages of docs, and nothing in a folder of it.
  const left = published.filter((name) => name.startsWith("!")).map((name) => name.slice(1));
  const included = published.filter((name) => !name.startsWith("!"));
  const patterns = [...included, "README.md", "LICENSE"].map((name) => {
    const [start, end] = name.split(/\*+\/?\*?|$/);
    return { start, end: end ?? "", deep: !/^[^*]*\/\*\./.test(name) };
  });
  const isKept = (/** @type {string} */ file) =>
    !left.includes(file) &&
    patterns.some(
      ({ start, end, deep }) =>
        `${file}/`.startsWith(start) && file.endsWith(end) && (deep || !file.slice(start.length).includes("/")),
    );
  const home = new RegExp(`^${repository.url.replace(/^git\+|\.git$/g, "")}/(?:blob|raw)/main/`);
  const pages = [...files].filter(([file]) => file.endsWith(".md") && isKept(file));
  assert.ok(pages.length > 10);
  for (const [page, text] of pages) {
    for (const [, link] of text.matchAll(/\]\(([^)#]+)[^)]*\)/g)) {
      const target = path.posix.join(path.posix.dirname(page), link);
      if (home.test(link)) assert.ok(existsSync(path.join(ROOT, link.replace(home, ""))), `${page}: ${link}`);
      else if (!/^https?:/.test(link)) {
        assert.ok(isKept(target), `${page}: ${link} is not in the package`);
      }
    }
  }
});

test("pages that types and comments cite are there", () => {
  for (const [file, text] of files) {
    for (const [page] of text.matchAll(/\bdocs\/[a-z-]+\.md\b/g)) assert.ok(files.has(page), `${file}: ${page}`);
  }
});

test("the README and the documentation's own list have every page", () => {
  const { files: published } = JSON.parse(files.get("package.json"));
  const pages = readdirSync(path.join(ROOT, "docs")).filter((name) => name.endsWith(".md") && name !== "README.md");
  assert.ok(pages.length > 10);
  for (const page of pages) {
    // A page that is no part of the package is linked to in the repository.
    const isHere = !published.includes(`!docs/${page}`);
    const at = isHere ? "" : "https://github.com/trigger-native/trigger-native/blob/main/";
    const listed = `| [${page}](${isHere ? page : `${at}docs/${page}`}) |`;
    assert.ok(files.get("docs/README.md").includes(listed), `docs/README.md: ${page}`);
    assert.ok(files.get("README.md").includes(`](${at}docs/${page})`), `README.md: ${page}`);
  }
});

test("the code map has every room", () => {
  const map = files.get("CONTRIBUTING.md").replace(/^.*^## Rooms$/ms, "");
  const folders = (folder) =>
    readdirSync(path.join(ROOT, folder), { withFileTypes: true })
      .filter(
        (entry) => entry.isDirectory() && !/^(\.git|\.ci|node_modules|target|coverage|proptest-.*)$/.test(entry.name),
      )
      .map((entry) => `${entry.name}/`);
  for (const room of [...folders("."), ...folders("src").map((name) => `src/${name}`)]) {
    assert.ok(map.includes(`\`${room}\``), room);
  }
});
