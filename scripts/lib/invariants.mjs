// The numbered rules of the documentation: what each promises, the code that enforces it, and the tests that prove it.
// Pure: the texts of the project's files are arguments.

/** The pages with rules, and the letter of their numbers. */
export const PAGES = {
  "docs/protocol.md": "I",
  "docs/streams.md": "S",
  "docs/transport.md": "T",
  "docs/relay-access.md": "A",
  "docs/relay-feeds.md": "F",
  "docs/relay-streams.md": "R",
  "docs/upstream.md": "U",
  "docs/relay-live.md": "L",
  "docs/client.md": "C",
};

/** @typedef {ReadonlyMap<string, string>} Files the text of every file of the project, by its path */
/** @typedef {{ page: string, number: string, text: string, proof: string }} Invariant */
/** @typedef {{ name: string, files: string[] }} Found a place or a test, and the files that hold it */
/** @typedef {{ places: Found[], tests: Found[], missing: string[] }} Proof */

const INVARIANT = /^- \*\*([A-Z]\d+)\.\*\*(.*(?:\n {2}.*)*)/gm;
const DEFECT = /^\| (\d+) \| (.*) \| (.*) \| (.*) \|$/gm;

export const quoted = (/** @type {string} */ text) => [...text.matchAll(/`([^`]+)`/g)].map(([, name]) => name ?? "");

export const isFile = (/** @type {string} */ name) => /^[\w./-]+\.(rs|js|mjs|ts)$/.test(name);

/** Rust tests are sentences: no other name has so many words. */
const isRustTest = (/** @type {string} */ name) => /^[a-z0-9]+(_[a-z0-9]+){3,}$/.test(name);

const isTestFile = (/** @type {string} */ file) => file.endsWith(".test.mjs") && !file.endsWith("/docs.test.mjs");

const holds = (/** @type {string} */ text, /** @type {string} */ word) =>
  new RegExp(`(?<!\\w)${word}(?!\\w)`).test(text);

/**
 * The rules of every page, in the pages' order. The proof of a rule is what ends it in italics.
 *
 * @param {Files} files
 * @returns {Invariant[]}
 */
export function invariantsOf(files) {
  return Object.keys(PAGES).flatMap((page) =>
    [...(files.get(page) ?? "").matchAll(INVARIANT)].map(([, number, body]) => {
      const whole = (body ?? "").trim();
      const proof = /\*([^*]+)\*$/.exec(whole)?.[1] ?? "";
      const text = whole.slice(0, proof === "" ? undefined : -proof.length - 2).trim();
      return { page, number: number ?? "", text, proof };
    }),
  );
}

/**
 * The rows of docs/defects.md: a promise each, with the test files that prove it.
 *
 * @param {Files} files
 */
export function defectsOf(files) {
  return [...(files.get("docs/defects.md") ?? "").matchAll(DEFECT)].map(([, number, , text, proof]) => ({
    number: Number(number),
    text: text ?? "",
    tests: quoted(proof ?? "").map((name) => `__test__/${name}.test.mjs`),
  }));
}

/** Finds what proofs name. @param {Files} files */
export function finder(files) {
  const rules = invariantsOf(files);
  const rustTests = rustTestsOf(files);
  const javascript = [...files].filter(([file]) => isTestFile(file));
  const face = [...files].filter(([file]) => file.startsWith("js/"));
  // `seen.rs`, `sse/lines.rs` and `tests/hub.rs` each mean one file or more.
  const meant = (/** @type {string} */ name) =>
    [...files].filter(([file]) => file === name || file.endsWith(`/${name}`));
  const pathsOf = (/** @type {[string, string][]} */ found) => found.map(([file]) => file);

  /** The files with a JavaScript test of this title. A title for each of several is named by what they share: `through …`. */
  const titled = (/** @type {string} */ title) =>
    pathsOf(javascript.filter(([, text]) => text.includes(title.replace("…", `\${name}`))));

  /** The Rust tests in a file, or in the file of tests beside it. */
  const testsIn = (/** @type {string} */ name) => {
    const stems = pathsOf(meant(name)).map((file) => file.replace(/\.rs$/, ""));
    const own = (/** @type {string} */ file) =>
      stems.some((stem) => [`${stem}.rs`, `${stem}_tests.rs`, `${stem}/tests.rs`].includes(file));
    return [...new Set([...rustTests.values()].flat().filter(own))];
  };

  const find = (/** @type {string} */ proof) => {
    /** @type {Proof} */
    const result = { places: [], tests: [], missing: [] };
    const add = (/** @type {Found[]} */ list, /** @type {string} */ name, /** @type {string[]} */ found) => {
      if (found.length === 0) result.missing.push(name);
      else list.push({ name, files: [...new Set(found)] });
    };
    // `the tests of x.rs` are those in that file, `the tests of T13` those of that rule.
    for (const [, file, number] of proof.matchAll(/the tests of (?:`([^`]+)`|([A-Z]\d+))/g)) {
      if (file !== undefined) add(result.tests, `the tests of ${file}`, testsIn(file));
      const rule = number === undefined ? undefined : rules.find((each) => each.number === number);
      if (rule !== undefined) result.tests.push(...find(rule.proof).tests);
      else if (number !== undefined) result.missing.push(number);
    }
    /** @type {[string, string][]} */
    let named = [];
    for (const name of quoted(proof)) {
      if (isFile(name)) {
        named = meant(name);
        const isTest = named.every(([file]) => /^(tests|__test__)\//.test(file));
        // A Rust file of tests says where the test before it is; a JavaScript one may stand for all of its tests.
        if (named.length === 0) result.missing.push(name);
        else if (!isTest) result.places.push({ name, files: pathsOf(named) });
        else if (isTestFile(name)) result.tests.push({ name, files: pathsOf(named) });
      } else if (isRustTest(name)) add(result.tests, name, rustTests.get(name) ?? []);
      else if (name.includes(" ")) add(result.tests, name, titled(name));
      else {
        // A function, a method or a type: in one of the files that the name before it means.
        const [owner = "", member] = name.replace(/^#/, "").split(/::|#/);
        const words = [(member ?? owner).replace(/\W.*/, ""), owner.replace(/\W.*/, "")];
        const where = name.includes("#") ? face : named;
        add(result.places, name, pathsOf(where.filter(([, text]) => words.every((word) => holds(text, word)))));
      }
    }
    return result;
  };
  return find;
}

/** The files of every Rust test, by its name. @param {Files} files @returns {Map<string, string[]>} */
function rustTestsOf(files) {
  /** @type {Map<string, string[]>} */
  const tests = new Map();
  for (const [file, text] of files) {
    if (!file.endsWith(".rs")) continue;
    // Between the attribute and the function may be others, and comments.
    for (const [, name] of text.matchAll(
      /#\[(?:tokio::)?test[^\n]*\n(?:\s*(?:#\[|\/\/)[^\n]*\n)*\s*(?:async )?fn (\w+)/g,
    )) {
      tests.set(name ?? "", [...(tests.get(name ?? "") ?? []), file]);
    }
  }
  return tests;
}

/** The first sentence of a rule, as text for a cell. */
function summary(/** @type {string} */ text) {
  const line = text.replaceAll(/\s+/g, " ").replaceAll("|", "\\|");
  return /^.*?[.:](?= [A-Z*]|$)/.exec(line)?.[0] ?? line;
}

/** The files of a rule's code, each with the names in it. A file's name alone means all files of that name that hold them. */
function placesCell(/** @type {Found[]} */ places) {
  /** @type {Map<string, string[]>} */
  const names = new Map();
  for (const { name, files } of places.filter((each) => !isFile(each.name))) {
    for (const file of files) names.set(file, [...(names.get(file) ?? []), `\`${name}\``]);
  }
  for (const { files } of places.filter((each) => isFile(each.name))) {
    if (!files.some((file) => names.has(file))) for (const file of files) names.set(file, []);
  }
  return [...names].map(([file, inside]) => `${file}${inside.length > 0 ? ": " : ""}${inside.join(", ")}`).join("<br>");
}

const testsCell = (/** @type {Found[]} */ tests) =>
  tests.map(({ name, files }) => (isFile(name) ? name : `\`${name}\` (${files.join(", ")})`)).join("<br>");

const HEAD = `# Invariants

Written by \`npm run invariants -- --write\`; do not edit. Every numbered rule of the documentation, the code that enforces it, and the tests that prove it. A rule without a test, or with a test that is not there, fails \`npm test\`.

`;

/** docs/invariants.md. @param {Files} files */
export function pageOf(files) {
  const find = finder(files);
  const invariants = invariantsOf(files);
  const sections = Object.keys(PAGES).map((page) => {
    const rows = invariants
      .filter((each) => each.page === page)
      .map(({ number, text, proof }) => {
        const { places, tests } = find(proof);
        return `| ${number} | ${summary(text)} | ${placesCell(places)} | ${testsCell(tests)} |\n`;
      });
    const name = page.replace("docs/", "");
    return `## [${name}](${name})\n\n| # | Promise | Code | Tests |\n|---|---|---|---|\n${rows.join("")}`;
  });
  const defects = defectsOf(files).map(
    ({ number, text, tests }) => `| ${number} | ${text} | ${tests.join("<br>")} |\n`,
  );
  sections.push(`## [defects.md](defects.md)\n\n| # | Promise | Tests |\n|---|---|---|\n${defects.join("")}`);
  return HEAD + sections.join("\n");
}
