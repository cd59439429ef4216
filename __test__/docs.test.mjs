/** What the documentation names is there: files, functions, tests, invariants, defects. */
import assert from "node:assert/strict";
import { existsSync, readdirSync } from "node:fs";
import path from "node:path";
import { describe, test } from "node:test";
import { fileURLToPath } from "node:url";
import { defectsOf, finder, invariantsOf, isFile, PAGES, pageOf, quoted } from "../scripts/lib/invariants.mjs";
import { FOLDERS, projectFiles } from "../scripts/lib/texts.mjs";

const ROOT = fileURLToPath(new URL("../", import.meta.url));
/** The text of every file of the project that may be named, by its path. */
const files = projectFiles(ROOT);

const invariants = invariantsOf(files);
const find = finder(files);

describe("an invariant", () => {
  test("has a number of its own, and every number is there", () => {
    for (const letter of Object.values(PAGES)) {
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

  for (const { number, proof } of invariants) {
    test(`${number} names places and tests that exist`, () => {
      const { places, tests, missing } = find(proof);
      assert.deepEqual(missing, []);
      assert.ok(places.length > 0, "it says what enforces it");
      assert.ok(tests.length > 0, "it says what proves it");
    });
  }

  test("has a row in docs/invariants.md, which is up to date", () => {
    assert.equal(files.get("docs/invariants.md"), pageOf(files), "run: npm run invariants -- --write");
  });

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
  const rows = defectsOf(files);
  assert.ok(rows.length > 20);
  for (const [index, { number, tests }] of rows.entries()) {
    assert.equal(number, index + 1);
    assert.ok(tests.length > 0, String(number));
    for (const file of tests) assert.ok(files.has(file), `${number}: ${file}`);
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
  assert.ok(pages.length > 7);
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
  assert.ok(pages.length > 7);
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
